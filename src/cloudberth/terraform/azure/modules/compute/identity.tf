# One identity per group and no other on the machine: who asks for "the" identity gets it, containers of the
# application included.
resource "azurerm_user_assigned_identity" "this" {
  for_each = local.groups

  name                = each.value.name
  resource_group_name = var.resource_group
  location            = var.region

  tags = merge(var.tags, { Name = each.value.name })
}

locals {
  given = {
    secrets = { role = "Key Vault Secrets User", scope = var.policies["secrets"] }
    logs    = { role = "Monitoring Metrics Publisher", scope = var.policies["logs"] }
    storage = { role = "Storage Blob Data Contributor", scope = var.policies["storage"] }
    boot    = { role = "Storage Blob Data Reader", scope = var.containers["boot"] }
  }

  given_roles = merge(
    { for pair in setproduct(keys(local.groups), keys(local.given)) : "${pair[0]}-${pair[1]}" => merge(local.given[pair[1]], { group = pair[0] }) },
    {
      # Which release the database is prepared for: said by one machine, read by the others.
      app-release      = { group = "app", role = "Storage Blob Data Reader", scope = var.containers["release"] }
      stateful-release = { group = "stateful", role = "Storage Blob Data Contributor", scope = var.containers["release"] }
    },
  )
}

resource "azurerm_role_assignment" "given" {
  for_each = local.given_roles

  scope                = each.value.scope
  role_definition_name = each.value.role
  principal_id         = azurerm_user_assigned_identity.this[each.value.group].principal_id
  principal_type       = "ServicePrincipal"
  description          = "Machines of ${var.name}: ${each.key}"
}

# What no role of Azure's own grants without much more.
locals {
  own_roles = merge(
    {
      disk = {
        text    = "Attach the data disk to the stateful machine of ${var.name}"
        actions = ["Microsoft.Compute/disks/read", "Microsoft.Compute/disks/write", "Microsoft.Compute/virtualMachineScaleSets/virtualMachines/read", "Microsoft.Compute/virtualMachineScaleSets/virtualMachines/attachDetachDataDisks/action"]
      }
      name = {
        text    = "Write the address of the stateful machine of ${var.name} into its private zone"
        actions = ["Microsoft.Network/privateDnsZones/A/read", "Microsoft.Network/privateDnsZones/A/write"]
      }
    },
    { for key in var.cache == null ? [] : ["cache-key"] : key => {
      text    = "Read the access key of the cache of ${var.name}"
      actions = ["Microsoft.Cache/redisEnterprise/databases/listKeys/action"]
    } },
  )

  own_assignments = merge(
    {
      disk-of-data  = { group = "stateful", role = "disk", scope = azurerm_managed_disk.data.id }
      disk-of-group = { group = "stateful", role = "disk", scope = azurerm_linux_virtual_machine_scale_set.stateful.id }
      name          = { group = "stateful", role = "name", scope = var.private_zone_id }
    },
    { for group in var.cache == null ? [] : ["app", "stateful"] : "cache-key-${group}" => { group = group, role = "cache-key", scope = var.cache.id } },
  )
}

resource "azurerm_role_definition" "own" {
  for_each = local.own_roles

  name        = "${var.name}-${var.suffix}-${each.key}"
  description = each.value.text
  scope       = local.group_path

  permissions {
    actions = each.value.actions
  }

  assignable_scopes = [local.group_path]
}

resource "azurerm_role_assignment" "own" {
  for_each = local.own_assignments

  scope              = each.value.scope
  role_definition_id = azurerm_role_definition.own[each.value.role].role_definition_resource_id
  principal_id       = azurerm_user_assigned_identity.this[each.value.group].principal_id
  principal_type     = "ServicePrincipal"
  description        = "Machines of ${var.name}: ${each.key}"
}

resource "azurerm_role_assignment" "metric" {
  scope                = azurerm_linux_virtual_machine_scale_set.stateful.id
  role_definition_name = "Monitoring Metrics Publisher"
  principal_id         = azurerm_user_assigned_identity.this["stateful"].principal_id
  principal_type       = "ServicePrincipal"
  description          = "The stateful machine of ${var.name} reports the length of its queues"
}
