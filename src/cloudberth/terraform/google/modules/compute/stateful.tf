# Not part of the machine: the machine is replaced at will, the disk moves on to its successor. Terraform destroys it
# only with the deployment, and takes a snapshot first if backup.final_snapshot says so.
resource "google_compute_disk" "data" {
  # checkov:skip=CKV_GCP_37:encrypted with a key that Google keeps; a key of one's own adds cost, and a way to lose the disk
  project     = var.project
  name        = "${var.name}-data"
  description = "Data of the stateful machine of ${var.name}"
  zone        = var.zones[0]
  type        = local.disk_types["stateful"]
  size        = var.stateful.data_disk_gb

  create_snapshot_before_destroy        = var.final_snapshot
  create_snapshot_before_destroy_prefix = var.final_snapshot ? "${var.name}-final" : null

  labels = merge(var.tags, { group = "stateful" })

  # A disk cannot change its zone, and its kind only through a snapshot: replacing it would empty it.
  lifecycle {
    ignore_changes = [zone, type]
  }
}

# Its one machine is made by the configuration below, with its name and its disk; a size here would make another.
resource "google_compute_instance_group_manager" "stateful" {
  project            = var.project
  name               = "${var.name}-stateful"
  description        = "Group stateful of ${var.name}: one machine"
  zone               = google_compute_disk.data.zone
  base_instance_name = "${var.name}-stateful"

  version {
    instance_template = google_compute_instance_template.this["stateful"].self_link_unique
  }

  instance_lifecycle_policy {
    default_action_on_failure = "REPAIR"
    force_update_on_repair    = "YES"
  }

  # There are never two: first the old machine ends and lets go of the disk, then the new one starts.
  update_policy {
    type                           = "PROACTIVE"
    minimal_action                 = "REPLACE"
    most_disruptive_allowed_action = "REPLACE"
    replacement_method             = "RECREATE"
    max_surge_fixed                = 0
    max_unavailable_fixed          = 1
  }

  timeouts {
    create = "30m"
    update = "60m"
    delete = "30m"
  }

  depends_on = [
    google_project_iam_member.logs,
    google_project_iam_member.metrics,
    google_secret_manager_secret_iam_member.read,
    google_storage_bucket_iam_member.files,
    google_storage_bucket_iam_member.bundle,
    google_storage_bucket_iam_member.release,
    google_dns_managed_zone_iam_member.own_name,
  ]
}

resource "google_compute_per_instance_config" "stateful" {
  project                = var.project
  zone                   = google_compute_instance_group_manager.stateful.zone
  instance_group_manager = google_compute_instance_group_manager.stateful.name
  name                   = "${var.name}-stateful"

  preserved_state {
    disk {
      device_name = local.data_device
      source      = google_compute_disk.data.id
      mode        = "READ_WRITE"
      delete_rule = "NEVER"
    }
  }

  # Changes of the disk take effect at once, by the least that they need.
  minimal_action                   = "NONE"
  most_disruptive_allowed_action   = "REPLACE"
  remove_instance_on_destroy       = true
  remove_instance_state_on_destroy = true

  timeouts {
    create = "30m"
    update = "30m"
    delete = "30m"
  }
}

################################################################################
# Daily snapshots of the data disk
################################################################################

resource "google_compute_resource_policy" "snapshots" {
  project     = var.project
  name        = "${var.name}-daily"
  description = "Daily snapshots of the data disk of ${var.name}"
  region      = var.region

  snapshot_schedule_policy {
    schedule {
      daily_schedule {
        days_in_cycle = 1
        start_time    = "${substr(var.backup_window, 0, 2)}:00"
      }
    }

    retention_policy {
      max_retention_days    = var.backup_retention_days
      on_source_disk_delete = "APPLY_RETENTION_POLICY"
    }

    snapshot_properties {
      labels            = var.tags
      storage_locations = [var.region]
    }
  }
}

resource "google_compute_disk_resource_policy_attachment" "data" {
  project = var.project
  zone    = google_compute_disk.data.zone
  disk    = google_compute_disk.data.name
  name    = google_compute_resource_policy.snapshots.name
}
