locals {
  container = "files"

  # The archive tier does not exist in accounts that are spread over zones.
  archived = anytrue([for rule in var.lifecycle_rules : contains(["archive", "deep-archive"], rule.tier)])
}

data "azurerm_client_config" "current" {}

resource "azurerm_storage_account" "this" {
  # checkov:skip=CKV_AZURE_33:there are no queues in it
  # checkov:skip=CKV_AZURE_59:whoever runs Terraform reaches it from outside the network; every request needs an identity with a role
  # checkov:skip=CKV_AZURE_35:whoever runs Terraform reaches it from outside the network; every request needs an identity with a role
  # checkov:skip=CKV_AZURE_206:spread over three zones, or in one where the archive tier needs it; a copy in a second region doubles the price
  # checkov:skip=CKV2_AZURE_1:encrypted with a key of Azure; a key of one's own adds cost, and a way to lose all files
  # checkov:skip=CKV2_AZURE_33:the private endpoint is a choice (network.endpoints), on by default
  name                = "${substr(replace(var.name, "-", ""), 0, 16)}${var.suffix}"
  resource_group_name = var.resource_group
  location            = var.region

  account_kind             = "StorageV2"
  account_tier             = "Standard"
  account_replication_type = local.archived ? "LRS" : "ZRS"
  access_tier              = "Hot"

  # No keys: only identities with a role.
  shared_access_key_enabled        = false
  default_to_oauth_authentication  = true
  local_user_enabled               = false
  allow_nested_items_to_be_public  = false
  cross_tenant_replication_enabled = false
  https_traffic_only_enabled       = true
  min_tls_version                  = "TLS1_2"

  infrastructure_encryption_enabled = true

  blob_properties {
    versioning_enabled = var.versioning

    dynamic "delete_retention_policy" {
      for_each = var.versioning ? [1] : []

      content {
        days = var.noncurrent_days
      }
    }

    container_delete_retention_policy {
      days = 7
    }
  }

  tags = merge(var.tags, { Name = "${var.name}-files" })
}

################################################################################
# Containers
################################################################################

resource "azurerm_role_assignment" "terraform" {
  scope                = azurerm_storage_account.this.id
  role_definition_name = "Storage Blob Data Contributor"
  principal_id         = data.azurerm_client_config.current.object_id
  description          = "Whoever created ${var.name} writes what its machines start from"

  # Another person who runs Terraform gets the role by hand; taking it from the first would help nobody.
  lifecycle {
    ignore_changes = [principal_id]
  }
}

# A new role takes a minute or two until the account knows of it.
resource "time_sleep" "roles" {
  create_duration = "120s"

  triggers = { account = azurerm_storage_account.this.id }

  depends_on = [azurerm_role_assignment.terraform]
}

# files: of the application. boot: what machines start from, which only Terraform writes. release: which release the
# database is prepared for.
resource "azurerm_storage_container" "this" {
  # checkov:skip=CKV2_AZURE_21:reads of many small files are the application's daily work; a log line for each would cost more than they do
  for_each = toset([local.container, "boot", "release"])

  name                  = each.key
  storage_account_id    = time_sleep.roles.triggers.account
  container_access_type = "private"
}

################################################################################
# Lifecycle
################################################################################

# Parts of unfinished uploads Azure removes by itself after a week.
resource "azurerm_storage_management_policy" "this" {
  storage_account_id = azurerm_storage_account.this.id

  rule {
    name    = "housekeeping"
    enabled = true

    filters {
      blob_types   = ["blockBlob"]
      prefix_match = [local.container]
    }

    actions {
      version {
        delete_after_days_since_creation = var.noncurrent_days
      }
    }
  }

  dynamic "rule" {
    for_each = var.lifecycle_rules

    content {
      name    = "tier-${rule.key + 1}-${rule.value.tier}"
      enabled = true

      filters {
        blob_types   = ["blockBlob"]
        prefix_match = ["${local.container}/${rule.value.prefix}"]
      }

      actions {
        base_blob {
          tier_to_cool_after_days_since_modification_greater_than    = rule.value.tier == "infrequent" ? rule.value.after_days : null
          tier_to_cold_after_days_since_modification_greater_than    = rule.value.tier == "archive-instant" ? rule.value.after_days : null
          tier_to_archive_after_days_since_modification_greater_than = contains(["archive", "deep-archive"], rule.value.tier) ? rule.value.after_days : null
        }
      }
    }
  }
}

################################################################################
# Inside the network, and safe from hands that slip
################################################################################

resource "azurerm_private_endpoint" "blob" {
  count = var.endpoint == null ? 0 : 1

  name                = "${var.name}-blob"
  resource_group_name = var.resource_group
  location            = var.region
  subnet_id           = var.endpoint.subnet

  private_service_connection {
    name                           = "blob"
    private_connection_resource_id = azurerm_storage_account.this.id
    subresource_names              = ["blob"]
    is_manual_connection           = false
  }

  private_dns_zone_group {
    name                 = "blob"
    private_dns_zone_ids = [var.endpoint.zone]
  }

  tags = merge(var.tags, { Name = "${var.name}-blob" })
}

resource "azurerm_management_lock" "this" {
  count = var.protected ? 1 : 0

  name       = "${var.name}-files"
  scope      = azurerm_storage_account.this.id
  lock_level = "CanNotDelete"
  notes      = "Holds the files of ${var.name}"
}
