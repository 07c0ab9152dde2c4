locals {
  username = "cloudberth"

  # Tiers name their size: db-custom-CPUS-MEGABYTES, db-perf-optimized-N-CPUS with 8 GiB each, and two small shared ones.
  parts      = split("-", var.machine_type)
  custom     = startswith(var.machine_type, "db-custom-")
  optimized  = startswith(var.machine_type, "db-perf-optimized-")
  memory_gib = local.custom ? tonumber(local.parts[3]) / 1024 : local.optimized ? tonumber(local.parts[4]) * 8 : lookup({ db-f1-micro = 0.6, db-g1-small = 1.7 }, var.machine_type, 4)

  # Fifty for each GiB: Google's own default would be 100 to 600 for the sizes that fit here.
  max_connections = min(5000, max(25, floor(local.memory_gib * 50)))

  # Enterprise Plus keeps the log for as many days as backups, Enterprise for a week.
  log_days = min(var.backup_retention_days, local.optimized ? 35 : 7)

  # TLS is asked for by ssl_mode. Bind values stay out of the log: they are what users wrote.
  flags = {
    "log_statement"              = "ddl"
    "log_min_duration_statement" = "1000"
    "log_parameter_max_length"   = "0"
    "log_lock_waits"             = "on"
    "log_checkpoints"            = "on"
    "log_connections"            = "on"
    "log_disconnections"         = "on"
    "max_connections"            = tostring(local.max_connections)
  }

  days = { mon = 1, tue = 2, wed = 3, thu = 4, fri = 5, sat = 6, sun = 7 }
}

# Opened during plan and apply, never stored: the value goes from the secret store to the database through memory.
ephemeral "google_secret_manager_secret_version" "password" {
  secret = var.password_secret
}

# The name of a deleted instance stays taken for a week; each life of a deployment has an ending of its own.
resource "terraform_data" "life" {
  input = var.name
}

resource "google_sql_database_instance" "this" {
  # checkov:skip=CKV_GCP_6:connections without TLS are refused (ssl_mode); a certificate for each client would be one more secret to renew on every machine, and the password is needed all the same
  # checkov:skip=CKV_GCP_51:log_checkpoints is on in local.flags; the check does not look into dynamic blocks
  # checkov:skip=CKV_GCP_52:log_connections is on in local.flags; the check does not look into dynamic blocks
  # checkov:skip=CKV_GCP_53:log_disconnections is on in local.flags; the check does not look into dynamic blocks
  # checkov:skip=CKV_GCP_54:log_lock_waits is on in local.flags; the check does not look into dynamic blocks
  # checkov:skip=CKV_GCP_79:the release is the user's choice (database.version); a change of the default would upgrade databases that are in use
  # checkov:skip=CKV_GCP_108:clients are machines of the private network, known by their addresses; a look-up of names slows every connection down
  # checkov:skip=CKV_GCP_109:error is what PostgreSQL itself begins with, and nothing here changes it
  # checkov:skip=CKV_GCP_110:changes of the schema are logged without pgAudit; lines for reads and writes would cost more than they tell
  # checkov:skip=CKV_GCP_111:log_statement is ddl in local.flags; the check does not look into dynamic blocks
  # checkov:skip=CKV2_GCP_13:statements of a second and more are logged with their durations; a line for each would cost more than it tells
  project             = var.project
  name                = "${var.name}-${substr(terraform_data.life.id, 0, 8)}"
  region              = var.region
  database_version    = "POSTGRES_${var.engine_version}"
  deletion_protection = var.deletion_protection

  settings {
    tier                        = var.machine_type
    edition                     = local.optimized ? "ENTERPRISE_PLUS" : "ENTERPRISE"
    availability_type           = var.multi_zone ? "REGIONAL" : "ZONAL"
    deletion_protection_enabled = var.deletion_protection
    activation_policy           = "ALWAYS"

    disk_type             = "PD_SSD"
    disk_size             = var.storage_gb
    disk_autoresize       = var.max_storage_gb > 0
    disk_autoresize_limit = var.max_storage_gb

    ip_configuration {
      ipv4_enabled       = false
      private_network    = var.network
      allocated_ip_range = var.address_range
      ssl_mode           = "ENCRYPTED_ONLY"
    }

    location_preference {
      zone = var.zone
    }

    backup_configuration {
      enabled                        = true
      start_time                     = split("-", var.backup_window)[0]
      location                       = var.region
      point_in_time_recovery_enabled = true
      transaction_log_retention_days = local.log_days

      backup_retention_settings {
        retained_backups = var.backup_retention_days
        retention_unit   = "COUNT"
      }
    }

    dynamic "final_backup_config" {
      for_each = var.final_snapshot ? [1] : []

      content {
        enabled        = true
        retention_days = var.backup_retention_days
      }
    }

    maintenance_window {
      day          = local.days[split(":", var.maintenance_window)[0]]
      hour         = tonumber(split(":", var.maintenance_window)[1])
      update_track = "stable"
    }

    # Which statements take the time; their values stay out.
    insights_config {
      query_insights_enabled  = true
      query_string_length     = 1024
      record_application_tags = false
      record_client_address   = false
    }

    dynamic "database_flags" {
      for_each = local.flags

      content {
        name  = database_flags.key
        value = database_flags.value
      }
    }

    user_labels = var.tags
  }

  # The disk grows by itself up to max_storage_gb; asking for the size of the first day again would mean a new database.
  lifecycle {
    ignore_changes = [settings[0].disk_size]
  }

  timeouts {
    create = "60m"
    update = "60m"
    delete = "60m"
  }
}

resource "google_sql_user" "this" {
  project  = var.project
  instance = google_sql_database_instance.this.name
  name     = local.username
  type     = "BUILT_IN"

  password_wo         = ephemeral.google_secret_manager_secret_version.password.secret_data
  password_wo_version = 1

  # A user that owns tables cannot be dropped; it goes with the instance.
  deletion_policy = "ABANDON"
}

resource "google_sql_database" "this" {
  project  = var.project
  instance = google_sql_database_instance.this.name
  name     = var.database_name

  # The same: it goes with the instance, once nobody is connected.
  deletion_policy = "ABANDON"
}
