# The month in which the deployment was made: a budget begins with one.
resource "time_static" "start" {}

locals {
  # Five notices are all that a budget can have, and the last is for the forecast: the highest thresholds count.
  thresholds = slice(reverse(sort([for percent in distinct(var.thresholds) : format("%04d", percent)])), 0, min(4, length(distinct(var.thresholds))))
}

resource "azurerm_consumption_budget_resource_group" "this" {
  name              = var.name
  resource_group_id = var.resource_group_id
  amount            = var.amount
  time_grain        = "Monthly"

  time_period {
    start_date = formatdate("YYYY-MM-01'T'00:00:00Z", time_static.start.rfc3339)
  }

  dynamic "notification" {
    for_each = toset(local.thresholds)

    content {
      enabled        = true
      operator       = "GreaterThan"
      threshold      = tonumber(notification.value)
      threshold_type = "Actual"
      contact_emails = var.emails
      contact_roles  = length(var.emails) > 0 ? [] : ["Owner"]
    }
  }

  # While there is still something to be done about it: when the month is heading beyond the limit.
  notification {
    enabled        = true
    operator       = "GreaterThan"
    threshold      = 100
    threshold_type = "Forecasted"
    contact_emails = var.emails
    contact_roles  = length(var.emails) > 0 ? [] : ["Owner"]
  }
}

# Of the whole subscription: Azure watches nothing smaller, and decides itself what is unusual.
resource "azurerm_cost_anomaly_alert" "this" {
  count = var.anomaly && length(var.emails) > 0 ? 1 : 0

  name            = var.name
  display_name    = "Unusual cost (${var.name})"
  email_subject   = "Unusual cost in the subscription of ${var.name}"
  email_addresses = var.emails
  message         = "Azure found unusual cost in the subscription in which ${var.name} runs."
}
