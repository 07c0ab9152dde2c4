locals {
  # The most that a budget notifies.
  emails = slice(distinct(var.emails), 0, min(5, length(distinct(var.emails))))
}

resource "google_monitoring_notification_channel" "email" {
  for_each = toset(local.emails)

  project      = var.project
  display_name = "Budget of ${var.name}: ${each.value}"
  type         = "email"
  labels       = { email_address = each.value }
  user_labels  = var.tags
  force_delete = true
}

resource "google_billing_budget" "this" {
  billing_account = var.billing_account
  display_name    = var.name
  ownership_scope = "ALL_USERS"

  # By label: the project may hold more than this deployment.
  budget_filter {
    projects               = ["projects/${var.project}"]
    labels                 = { deployment = var.name }
    calendar_period        = "MONTH"
    credit_types_treatment = "INCLUDE_ALL_CREDITS"
  }

  # Without a currency the account's own: Google refuses any other.
  amount {
    specified_amount {
      units = tostring(floor(var.amount))
      nanos = floor((var.amount - floor(var.amount)) * 100 + 0.5) * 10000000
    }
  }

  dynamic "threshold_rules" {
    for_each = var.thresholds

    content {
      threshold_percent = tonumber(format("%.2f", threshold_rules.value / 100))
      spend_basis       = "CURRENT_SPEND"
    }
  }

  # While there is still something to be done about it: when the month is heading beyond the limit.
  threshold_rules {
    threshold_percent = 1
    spend_basis       = "FORECASTED_SPEND"
  }

  all_updates_rule {
    monitoring_notification_channels = [for channel in google_monitoring_notification_channel.email : channel.id]
    disable_default_iam_recipients   = length(local.emails) > 0
  }
}
