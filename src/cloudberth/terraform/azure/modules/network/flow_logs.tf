locals {
  flow_logs = local.create && var.flow_logs
}

# Network Watcher writes flow logs with the account's key, so this account is apart from that of the application.
resource "azurerm_storage_account" "flow" {
  # checkov:skip=CKV_AZURE_33:there are no queues in it
  # checkov:skip=CKV_AZURE_59:Network Watcher writes from outside the network, with a key
  # checkov:skip=CKV_AZURE_206:flow logs hold addresses and ports; a lost data centre loses old ones
  # checkov:skip=CKV_AZURE_43:put together of letters and digits, 24 at most; the check cannot compute it
  # checkov:skip=CKV2_AZURE_41:set below to an hour; the check does not find it in a resource with a count
  # checkov:skip=CKV2_AZURE_1:encrypted with a key of Azure; flow logs hold addresses and ports, no content
  # checkov:skip=CKV2_AZURE_33:Network Watcher writes from outside the network
  # checkov:skip=CKV2_AZURE_38:flow logs are written once and expire; there is nothing to restore
  # checkov:skip=CKV2_AZURE_40:Network Watcher writes flow logs with the key of the account
  count = local.flow_logs ? 1 : 0

  name                     = "${substr(replace(var.name, "-", ""), 0, 12)}flow${var.suffix}"
  resource_group_name      = var.resource_group
  location                 = var.region
  account_tier             = "Standard"
  account_replication_type = "LRS"
  min_tls_version          = "TLS1_2"

  https_traffic_only_enabled       = true
  allow_nested_items_to_be_public  = false
  cross_tenant_replication_enabled = false
  local_user_enabled               = false

  network_rules {
    default_action = "Deny"
    bypass         = ["AzureServices"]
  }

  sas_policy {
    expiration_period = "00.01:00:00"
  }

  tags = merge(var.tags, { Name = "${var.name}-flow-logs" })
}

# Azure makes a Network Watcher with the first network in a region, under these names.
resource "azurerm_network_watcher_flow_log" "this" {
  # checkov:skip=CKV_AZURE_12:retention is the user's choice (logs.retention_days)
  count = local.flow_logs ? 1 : 0

  name                 = "${var.name}-flow"
  network_watcher_name = "NetworkWatcher_${var.region}"
  resource_group_name  = "NetworkWatcherRG"
  location             = var.region
  target_resource_id   = azurerm_virtual_network.this[0].id
  storage_account_id   = azurerm_storage_account.flow[0].id
  enabled              = true
  version              = 2

  retention_policy {
    enabled = true
    days    = min(365, var.flow_logs_retention_days)
  }

  tags = merge(var.tags, { Name = "${var.name}-flow" })
}
