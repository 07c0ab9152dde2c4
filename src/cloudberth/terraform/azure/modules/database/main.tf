locals {
  username = "cloudberth"

  # Azure has these sizes of storage and no others, in GiB.
  storage_steps = [32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384, 32767]
  storage_gib   = min([for step in local.storage_steps : step if step >= var.storage_gb]...)

  weekdays = { sun = 0, mon = 1, tue = 2, wed = 3, thu = 4, fri = 5, sat = 6 }
  window   = split(":", split("-", var.maintenance_window)[0])

  burstable  = startswith(var.machine_type, "B_")
  small      = { B_Standard_B1ms = 2, B_Standard_B2s = 4, B_Standard_B2ms = 8 }
  cores      = tonumber(try(regex("_[A-Z]([0-9]+)", var.machine_type)[0], 2))
  memory_gib = lookup(local.small, var.machine_type, local.cores * (startswith(var.machine_type, "MO_") ? 8 : 4))

  # Azure's default for each size of memory, less the fifteen that it keeps for itself.
  connections = { 2 = 35, 4 = 414, 8 = 844, 16 = 1703, 32 = 3422, 64 = 4985 }
  limit       = max([for gib, number in local.connections : number if tonumber(gib) <= local.memory_gib]...)

  settings = merge(
    {
      require_secure_transport   = "ON"
      ssl_min_protocol_version   = "TLSv1.2"
      log_min_duration_statement = "2000"
      log_lock_waits             = "on"
      log_statement              = "ddl"
    },
    # What a database may create with CREATE EXTENSION; Azure refuses everything else.
    { for name in length(var.extensions) > 0 ? ["azure.extensions"] : [] : name => join(",", sort([for extension in var.extensions : upper(extension)])) },
  )
}

# Opened during plan and apply, never stored: the value goes from the vault to the server through memory.
ephemeral "azurerm_key_vault_secret" "password" {
  key_vault_id = var.vault_id
  name         = split("/", var.password_secret)[1]
}

resource "azurerm_postgresql_flexible_server" "this" {
  # checkov:skip=CKV_AZURE_136:a copy of the backups in a second region doubles their price, and binds the server to a pair of regions
  # checkov:skip=CKV2_AZURE_57:the server stands in a subnet of the network itself, which is one better than an endpoint
  name                = "${var.name}-${var.suffix}"
  resource_group_name = var.resource_group
  location            = var.region

  version    = split(".", var.engine_version)[0]
  sku_name   = var.machine_type
  storage_mb = local.storage_gib * 1024
  zone       = var.zones[0]

  auto_grow_enabled = var.max_storage_gb > 0

  administrator_login               = local.username
  administrator_password_wo         = ephemeral.azurerm_key_vault_secret.password.value
  administrator_password_wo_version = 1

  delegated_subnet_id           = var.subnet_id
  private_dns_zone_id           = var.dns_zone_id
  public_network_access_enabled = false

  backup_retention_days        = max(7, var.backup_retention_days)
  geo_redundant_backup_enabled = false

  dynamic "high_availability" {
    for_each = var.multi_zone ? [1] : []

    content {
      mode                      = "ZoneRedundant"
      standby_availability_zone = var.zones[1]
    }
  }

  maintenance_window {
    day_of_week  = local.weekdays[local.window[0]]
    start_hour   = tonumber(local.window[1])
    start_minute = tonumber(local.window[2])
  }

  tags = merge(var.tags, { Name = var.name })

  lifecycle {
    # A fail-over changes the zone, growth the storage: neither is to be undone.
    ignore_changes = [zone, high_availability[0].standby_availability_zone, storage_mb]

    precondition {
      condition     = !(var.multi_zone && local.burstable)
      error_message = "Burstable sizes have no standby: take database.machine_type GP_Standard_D2ds_v5 or larger, or leave database.multi_zone out."
    }
  }
}

# One after the other: the server refuses two changes of settings at a time.
resource "azurerm_postgresql_flexible_server_configuration" "this" {
  for_each = local.settings

  server_id = azurerm_postgresql_flexible_server.this.id
  name      = each.key
  value     = each.value
}

resource "azurerm_postgresql_flexible_server_database" "this" {
  for_each = toset(var.database_names)

  server_id = azurerm_postgresql_flexible_server.this.id
  name      = each.key
  charset   = "UTF8"
  collation = "en_US.utf8"

  depends_on = [azurerm_postgresql_flexible_server_configuration.this]
}

resource "azurerm_monitor_diagnostic_setting" "this" {
  name                       = "${var.name}-database"
  target_resource_id         = azurerm_postgresql_flexible_server.this.id
  log_analytics_workspace_id = var.workspace_id

  enabled_log {
    category = "PostgreSQLLogs"
  }
}

resource "azurerm_management_lock" "this" {
  count = var.protected ? 1 : 0

  name       = "${var.name}-database"
  scope      = azurerm_postgresql_flexible_server.this.id
  lock_level = "CanNotDelete"
  notes      = "Holds the data of ${var.name}"

  depends_on = [azurerm_postgresql_flexible_server_database.this]
}
