################################################################################
# Where alarms go
################################################################################

resource "google_monitoring_notification_channel" "email" {
  for_each = toset(var.emails)

  project      = var.project
  display_name = "Alarms of ${var.name}: ${each.value}"
  type         = "email"
  labels       = { email_address = each.value }
  user_labels  = var.tags
  force_delete = true
}

################################################################################
# The alarms: one line of the tables in balancer.tf, machines.tf, data.tf each
################################################################################

locals {
  alarms   = merge(local.balancer_alarms, local.machine_alarms, local.database_alarms, local.cache_alarms, local.application_alarms)
  channels = [for channel in google_monitoring_notification_channel.email : channel.id]
}

resource "google_monitoring_alert_policy" "this" {
  for_each = local.alarms

  project      = var.project
  display_name = "${var.name}-${each.key}"
  combiner     = "OR"
  enabled      = true
  severity     = each.value.severity

  notification_channels = local.channels

  conditions {
    display_name = each.value.text

    condition_threshold {
      filter                  = each.value.filter
      comparison              = each.value.comparison
      threshold_value         = each.value.threshold
      duration                = "${each.value.minutes[0] * (each.value.minutes[1] - 1) * 60}s"
      evaluation_missing_data = each.value.missing

      aggregations {
        alignment_period     = "${each.value.minutes[0] * 60}s"
        per_series_aligner   = each.value.aligner
        cross_series_reducer = each.value.reducer
      }

      trigger {
        count = 1
      }
    }
  }

  documentation {
    content   = each.value.text
    mime_type = "text/markdown"
    subject   = "${var.name}: ${each.key}"
  }

  alert_strategy {
    auto_close = "86400s"
  }

  user_labels = var.tags
}

################################################################################
# From outside
################################################################################

resource "google_monitoring_uptime_check_config" "this" {
  count = var.uptime_check ? 1 : 0

  project          = var.project
  display_name     = var.name
  period           = "60s"
  timeout          = "10s"
  selected_regions = ["EUROPE", "USA_OREGON", "USA_VIRGINIA"]
  checker_type     = "STATIC_IP_CHECKERS"

  http_check {
    path           = var.health_path
    port           = var.https ? 443 : 80
    request_method = "GET"
    use_ssl        = var.https
    validate_ssl   = var.https

    accepted_response_status_codes {
      status_class = "STATUS_CLASS_2XX"
    }
  }

  monitored_resource {
    type   = "uptime_url"
    labels = { project_id = var.project, host = var.address }
  }

  user_labels = var.tags
}
