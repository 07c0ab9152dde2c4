locals {
  # Of the machines above on_demand, spot_percent are spot; rounded towards machines that stay.
  spot = var.app.spot_percent > 0 && var.app.max > var.app.on_demand

  # A schedule can only raise the minimum for a while, so the minimum outside of them all is the smallest that one asks
  # for. While a schedule is in force, whose minimum is larger, that holds.
  lowest    = length(var.schedules) > 0 ? min(var.schedules[*].min...) : var.app.min
  schedules = [for schedule in var.schedules : schedule if schedule.min > local.lowest]

  app_groups = { for group in local.spot ? ["app", "spot"] : ["app"] : group => {
    least = local.shares[group][tostring(local.lowest)]
    most  = max(1, local.shares[group][tostring(var.app.max)])
  } }

  # Each group's share of every number of machines that is asked for.
  totals      = distinct(concat([local.lowest, var.app.max], local.schedules[*].min))
  spot_shares = { for total in local.totals : tostring(total) => local.spot ? floor(max(0, total - var.app.on_demand) * var.app.spot_percent / 100) : 0 }
  shares = {
    app  = { for total in local.totals : tostring(total) => total - local.spot_shares[tostring(total)] }
    spot = local.spot_shares
  }

  # Several types of machine: whichever Google has at the moment, the first ones before the others.
  flexible = length(var.app.machine_types) > 1
}

resource "google_compute_region_instance_group_manager" "app" {
  for_each = local.app_groups

  project            = var.project
  name               = "${var.name}-${each.key}"
  description        = "Group ${each.key} of ${var.name}"
  region             = var.region
  base_instance_name = "${var.name}-${each.key}"

  distribution_policy_zones        = var.zones
  distribution_policy_target_shape = local.flexible || each.key == "spot" ? "ANY" : "EVEN"

  version {
    instance_template = google_compute_instance_template.this[each.key].self_link_unique
  }

  dynamic "instance_flexibility_policy" {
    for_each = local.flexible ? [1] : []

    content {
      dynamic "instance_selections" {
        for_each = { for index, type in var.app.machine_types : type => index }

        content {
          name          = instance_selections.key
          rank          = instance_selections.value + 1
          machine_types = [instance_selections.key]
        }
      }
    }
  }

  named_port {
    name = "http"
    port = 80
  }

  # Installing packages, pulling images, waiting for the database migration: until then silence is not illness.
  auto_healing_policies {
    health_check      = var.health_check
    initial_delay_sec = 3600
  }

  instance_lifecycle_policy {
    default_action_on_failure = "REPAIR"
    force_update_on_repair    = "YES"
  }

  # A new release, image or setting: new machines first, then old ones go.
  update_policy {
    type                           = "PROACTIVE"
    minimal_action                 = "REPLACE"
    most_disruptive_allowed_action = "REPLACE"
    replacement_method             = "SUBSTITUTE"
    instance_redistribution_type   = local.flexible || each.key == "spot" ? "NONE" : "PROACTIVE"
    max_surge_fixed                = length(var.zones)
    max_unavailable_fixed          = 0
  }

  timeouts {
    create = "60m"
    update = "90m"
    delete = "30m"
  }

  # Machines read their rights, names and bundle while they start.
  depends_on = [
    google_project_iam_member.logs,
    google_secret_manager_secret_iam_member.read,
    google_storage_bucket_iam_member.files,
    google_storage_bucket_iam_member.bundle,
    google_storage_bucket_iam_member.release,
    google_compute_per_instance_config.stateful,
  ]
}

resource "google_compute_region_autoscaler" "app" {
  for_each = local.app_groups

  project     = var.project
  name        = "${var.name}-${each.key}"
  description = "Size of the group ${each.key} of ${var.name}"
  region      = var.region
  target      = google_compute_region_instance_group_manager.app[each.key].id

  autoscaling_policy {
    min_replicas    = each.value.least
    max_replicas    = each.value.most
    cooldown_period = 600
    mode            = "ON"

    cpu_utilization {
      target            = tonumber(format("%.2f", var.app.target_cpu_percent / 100))
      predictive_method = "NONE"
    }

    # One at a time: a machine that goes takes streams with it.
    scale_in_control {
      time_window_sec = 600

      max_scaled_in_replicas {
        fixed = 1
      }
    }

    # Groups whose share is no larger than outside the schedule need none.
    dynamic "scaling_schedules" {
      for_each = [for schedule in local.schedules : schedule if local.shares[each.key][tostring(schedule.min)] > each.value.least]

      content {
        name                  = scaling_schedules.value.name
        description           = "At least ${scaling_schedules.value.min} app machines"
        schedule              = scaling_schedules.value.cron
        time_zone             = scaling_schedules.value.time_zone
        duration_sec          = coalesce(scaling_schedules.value.duration_seconds, 86400)
        min_required_replicas = local.shares[each.key][tostring(scaling_schedules.value.min)]
      }
    }
  }
}
