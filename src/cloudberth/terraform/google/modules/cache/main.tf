# Memorystore for Redis. The one for Valkey knows no passwords, only tokens of Google that live for an hour, which
# Dify cannot renew.
#
# Unlike all other secrets, the password is Google's choice: the provider reads it back, and it lands in Terraform's
# state. So does every other way to it. The machines get it from the secret store like the rest.

locals {
  memory_gb = tonumber(trimsuffix(trimprefix(var.machine_type, "redis-"), "gb"))
  days      = { mon = "MONDAY", tue = "TUESDAY", wed = "WEDNESDAY", thu = "THURSDAY", fri = "FRIDAY", sat = "SATURDAY", sun = "SUNDAY" }
  window    = split(":", split("-", var.maintenance_window)[0])
}

resource "google_redis_instance" "this" {
  project             = var.project
  name                = var.name
  display_name        = "Cache and task queue of ${var.name}"
  region              = var.region
  tier                = var.replicas > 0 ? "STANDARD_HA" : "BASIC"
  memory_size_gb      = local.memory_gb
  redis_version       = "REDIS_${upper(replace(var.engine_version, ".", "_"))}"
  deletion_protection = var.deletion_protection

  # Copies that are read from are the only kind of which there can be more than one.
  read_replicas_mode = var.replicas > 1 ? "READ_REPLICAS_ENABLED" : "READ_REPLICAS_DISABLED"
  replica_count      = var.replicas > 1 ? var.replicas : null

  location_id             = var.zones[0]
  alternative_location_id = var.replicas > 0 ? var.zones[1] : null

  connect_mode       = "PRIVATE_SERVICE_ACCESS"
  authorized_network = var.network
  reserved_ip_range  = var.address_range

  auth_enabled            = true
  transit_encryption_mode = "SERVER_AUTHENTICATION"

  # A full cache refuses writes, which an alarm shows; evicting would silently drop tasks that wait in the queue.
  redis_configs = { "maxmemory-policy" = "noeviction" }

  # Waiting tasks survive a restart, but for those of the last hour.
  persistence_config {
    persistence_mode    = "RDB"
    rdb_snapshot_period = "ONE_HOUR"
  }

  maintenance_policy {
    weekly_maintenance_window {
      day = local.days[local.window[0]]

      start_time {
        hours   = tonumber(local.window[1])
        minutes = 0
        seconds = 0
        nanos   = 0
      }
    }
  }

  labels = var.tags

  timeouts {
    create = "40m"
    update = "40m"
    delete = "40m"
  }
}

resource "google_secret_manager_secret" "password" {
  project             = var.project
  secret_id           = "${var.name}-cache_password"
  deletion_protection = false
  version_destroy_ttl = "604800s"

  replication {
    auto {}
  }

  annotations = { purpose = "Password of the cache" }
  labels      = var.tags
}

resource "google_secret_manager_secret_version" "password" {
  secret = google_secret_manager_secret.password.id

  secret_data_wo = google_redis_instance.this.auth_string

  # A new cache has a new password.
  secret_data_wo_version = google_redis_instance.this.create_time
}
