locals {
  # 32 random bytes have 43 characters in unpadded base64url: 32 letters and digits are drawn and encoded.
  lengths = { for name, secret in var.secrets : name => secret.format == "base64url-32" ? 32 : secret.length }

  # Names in a vault hold no underscore.
  entries = { for name in keys(var.secrets) : name => replace(name, "_", "-") }
}

data "azurerm_client_config" "current" {}

resource "azurerm_key_vault" "this" {
  # checkov:skip=CKV_AZURE_109:whoever runs Terraform reaches it from outside the network; every request needs an identity with a role
  # checkov:skip=CKV_AZURE_189:whoever runs Terraform reaches it from outside the network; every request needs an identity with a role
  # checkov:skip=CKV2_AZURE_32:the private endpoint is a choice (network.endpoints), on by default
  # checkov:skip=CKV_AZURE_110:cannot be taken back and keeps the name taken for days; follows the deployment's own protection
  # checkov:skip=CKV_AZURE_42:deleted vaults and secrets can be restored for recovery_days
  name                = "${trimsuffix(substr(var.name, 0, 15), "-")}-${var.suffix}"
  resource_group_name = var.resource_group
  location            = var.region
  tenant_id           = data.azurerm_client_config.current.tenant_id
  sku_name            = "standard"

  rbac_authorization_enabled    = true
  public_network_access_enabled = true
  soft_delete_retention_days    = var.recovery_days
  purge_protection_enabled      = var.protected

  network_acls {
    default_action = "Allow"
    bypass         = "AzureServices"
  }

  tags = merge(var.tags, { Name = var.name })
}

################################################################################
# Who runs Terraform may write secrets, and certificates of the gateway
################################################################################

resource "azurerm_role_assignment" "terraform" {
  for_each = toset(["Key Vault Secrets Officer", "Key Vault Certificates Officer"])

  scope                = azurerm_key_vault.this.id
  role_definition_name = each.key
  principal_id         = data.azurerm_client_config.current.object_id
  description          = "Whoever created ${var.name} writes its secrets"

  # Another person who runs Terraform gets the role by hand; taking it from the first would help nobody.
  lifecycle {
    ignore_changes = [principal_id]
  }
}

# A new role takes a minute or two until the vault knows of it.
resource "time_sleep" "roles" {
  create_duration = "120s"

  triggers = { vault = azurerm_key_vault.this.id }

  depends_on = [azurerm_role_assignment.terraform]
}

################################################################################
# The secrets
################################################################################

ephemeral "random_password" "this" {
  for_each = local.lengths

  length  = each.value
  special = false
}

resource "azurerm_key_vault_secret" "this" {
  # checkov:skip=CKV_AZURE_41:the keys of the application have no date on which what they encrypt becomes unreadable
  for_each = var.secrets

  name         = local.entries[each.key]
  key_vault_id = time_sleep.roles.triggers.vault
  content_type = each.value.purpose

  value_wo = (
    each.value.format == "base64url-32"
    ? replace(replace(trimsuffix(base64encode(ephemeral.random_password.this[each.key].result), "="), "+", "-"), "/", "_")
    : ephemeral.random_password.this[each.key].result
  )
  value_wo_version = 1

  tags = merge(var.tags, { Name = "${var.name}/${each.key}" })
}

################################################################################
# Inside the network
################################################################################

resource "azurerm_private_endpoint" "vault" {
  count = var.endpoint == null ? 0 : 1

  name                = "${var.name}-vault"
  resource_group_name = var.resource_group
  location            = var.region
  subnet_id           = var.endpoint.subnet

  private_service_connection {
    name                           = "vault"
    private_connection_resource_id = azurerm_key_vault.this.id
    subresource_names              = ["vault"]
    is_manual_connection           = false
  }

  private_dns_zone_group {
    name                 = "vault"
    private_dns_zone_ids = [var.endpoint.zone]
  }

  tags = merge(var.tags, { Name = "${var.name}-vault" })
}
