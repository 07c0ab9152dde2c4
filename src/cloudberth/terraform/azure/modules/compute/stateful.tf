# Not part of the machine: the machine is replaced at will, the disk moves on to its successor.
resource "azurerm_managed_disk" "data" {
  # checkov:skip=CKV_AZURE_93:encrypted with a key of Azure; a key of one's own adds cost, and a way to lose the data
  name                 = "${var.name}-data"
  resource_group_name  = var.resource_group
  location             = var.region
  zone                 = var.zones[0]
  storage_account_type = "Premium_LRS"
  create_option        = "Empty"
  disk_size_gb         = var.stateful.data_disk_gb

  network_access_policy         = "DenyAll"
  public_network_access_enabled = false

  tags = merge(var.tags, { Name = "${var.name}-data" })

  # A disk cannot change its zone: replacing it would empty it.
  lifecycle {
    ignore_changes = [zone]
  }
}

resource "azurerm_linux_virtual_machine_scale_set" "stateful" {
  # checkov:skip=CKV_AZURE_97:encryption at host must first be switched on for the subscription, which this cannot do
  # checkov:skip=CKV_AZURE_49:the administrator has a key that nobody holds, and no password
  name                 = local.groups.stateful.name
  computer_name_prefix = "stateful"
  resource_group_name  = var.resource_group
  location             = var.region
  sku                  = var.stateful.machine_type
  instances            = 1
  overprovision        = false

  # Where the disk is.
  zones = [azurerm_managed_disk.data.zone]

  source_image_id = var.image
  custom_data     = local.custom_data["stateful"]

  # There are never two. The provider renews the machine's system disk in place when anything about it changes; the
  # data disk stays.
  upgrade_mode = "Manual"

  admin_username                  = "nobodys"
  disable_password_authentication = true
  provision_vm_agent              = true

  admin_ssh_key {
    username   = "nobodys"
    public_key = local.nobodys_key
  }

  dynamic "source_image_reference" {
    for_each = local.image

    content {
      publisher = source_image_reference.value.publisher
      offer     = source_image_reference.value.offer
      sku       = source_image_reference.value.sku
      version   = source_image_reference.value.version
    }
  }

  os_disk {
    caching              = "ReadWrite"
    storage_account_type = "Premium_LRS"
    disk_size_gb         = max(30, var.stateful.disk_gb)
  }

  identity {
    type         = "UserAssigned"
    identity_ids = [azurerm_user_assigned_identity.this["stateful"].id]
  }

  network_interface {
    name                      = "primary"
    primary                   = true
    network_security_group_id = var.security_groups.stateful

    ip_configuration {
      name                           = "primary"
      primary                        = true
      subnet_id                      = var.subnets[length(var.subnets) - 1]
      application_security_group_ids = [var.machine_groups["stateful"]]
    }
  }

  boot_diagnostics {}

  tags = merge(var.tags, { Name = local.groups.stateful.name, Group = "stateful", Release = local.stack.release })

  depends_on = [azurerm_role_assignment.given]
}

resource "azurerm_management_lock" "data" {
  count = var.protected ? 1 : 0

  name       = "${var.name}-data"
  scope      = azurerm_managed_disk.data.id
  lock_level = "CanNotDelete"
  notes      = "Holds what the stateful machine of ${var.name} keeps"
}

################################################################################
# Daily snapshots of the data disk
################################################################################

resource "azurerm_data_protection_backup_vault" "data" {
  name                = "${var.name}-snapshots"
  resource_group_name = var.resource_group
  location            = var.region
  datastore_type      = "OperationalStore"
  redundancy          = "LocallyRedundant"

  # Else the deployment could not be removed for two weeks.
  soft_delete = "Off"

  identity {
    type = "SystemAssigned"
  }

  tags = merge(var.tags, { Name = "${var.name}-snapshots" })
}

resource "azurerm_role_assignment" "snapshots" {
  for_each = {
    read  = { role = "Disk Backup Reader", scope = azurerm_managed_disk.data.id }
    write = { role = "Disk Snapshot Contributor", scope = local.group_path }
  }

  scope                = each.value.scope
  role_definition_name = each.value.role
  principal_id         = azurerm_data_protection_backup_vault.data.identity[0].principal_id
  principal_type       = "ServicePrincipal"
  description          = "Daily snapshots of the data disk of ${var.name}"
}

resource "azurerm_data_protection_backup_policy_disk" "data" {
  name     = "${var.name}-daily"
  vault_id = azurerm_data_protection_backup_vault.data.id

  backup_repeating_time_intervals = ["R/2026-01-01T${substr(var.backup_window, 0, 5)}:00+00:00/P1D"]
  default_retention_duration      = "P${var.backup_retention_days}D"
  time_zone                       = "UTC"
}

resource "azurerm_data_protection_backup_instance_disk" "data" {
  name                         = "${var.name}-data"
  location                     = var.region
  vault_id                     = azurerm_data_protection_backup_vault.data.id
  disk_id                      = azurerm_managed_disk.data.id
  snapshot_resource_group_name = var.resource_group
  backup_policy_id             = azurerm_data_protection_backup_policy_disk.data.id

  depends_on = [azurerm_role_assignment.snapshots]
}
