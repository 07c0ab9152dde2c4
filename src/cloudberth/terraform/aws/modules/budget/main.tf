resource "aws_budgets_budget" "this" {
  name         = var.name
  budget_type  = "COST"
  time_unit    = "MONTHLY"
  limit_amount = tostring(var.amount)
  limit_unit   = "USD"

  cost_filter {
    name   = "TagKeyValue"
    values = [join("$", ["user:${var.tag}", var.name])]
  }

  dynamic "notification" {
    for_each = length(var.emails) > 0 ? toset([for percent in var.thresholds : tostring(percent)]) : toset([])

    content {
      notification_type          = "ACTUAL"
      comparison_operator        = "GREATER_THAN"
      threshold                  = tonumber(notification.value)
      threshold_type             = "PERCENTAGE"
      subscriber_email_addresses = var.emails
    }
  }

  # While there is still something to be done about it: when the month is heading beyond the limit.
  dynamic "notification" {
    for_each = length(var.emails) > 0 ? [100] : []

    content {
      notification_type          = "FORECASTED"
      comparison_operator        = "GREATER_THAN"
      threshold                  = notification.value
      threshold_type             = "PERCENTAGE"
      subscriber_email_addresses = var.emails
    }
  }

  tags = merge(var.tags, { Name = var.name })
}

# By tag: of monitors by service, an account may have only one, and perhaps has it already.
resource "aws_ce_anomaly_monitor" "this" {
  count = var.anomaly ? 1 : 0

  name         = var.name
  monitor_type = "CUSTOM"

  # With every key that AWS sends back, or each plan would show a change.
  monitor_specification = jsonencode({
    And            = null
    CostCategories = null
    Dimensions     = null
    Not            = null
    Or             = null
    Tags = {
      Key          = var.tag
      MatchOptions = null
      Values       = [var.name]
    }
  })

  tags = merge(var.tags, { Name = var.name })
}

resource "aws_ce_anomaly_subscription" "this" {
  count = var.anomaly && length(var.emails) > 0 ? 1 : 0

  name             = var.name
  frequency        = "DAILY"
  monitor_arn_list = [aws_ce_anomaly_monitor.this[0].arn]

  dynamic "subscriber" {
    for_each = toset(var.emails)

    content {
      type    = "EMAIL"
      address = subscriber.value
    }
  }

  threshold_expression {
    dimension {
      key           = "ANOMALY_TOTAL_IMPACT_ABSOLUTE"
      match_options = ["GREATER_THAN_OR_EQUAL"]
      values        = [tostring(var.anomaly_usd)]
    }
  }

  tags = merge(var.tags, { Name = var.name })
}
