# The saved analyses of `berth logs saved`: what cloudberth/logs/analysis.py compiles to; a test holds them together.

locals {
  analyses = {
    errors-by-service = {
      services = []
      text     = <<-EOT
        filter coalesce(severity, level, levelname) in ["ERR", "ERROR", "CRITICAL", "CRIT", "FATAL", "PANIC", "ALERT", "EMERGENCY", "EMERG", "err", "error", "critical", "crit", "fatal", "panic", "alert", "emergency", "emerg"]
        | stats count(*) as errors by @log
        | sort errors desc
        | limit 50
      EOT
    }

    slowest-requests = {
      services = ["router"]
      text     = <<-EOT
        filter ispresent(seconds)
        | stats max(seconds) as slowest, pct(seconds, 95) as p95, avg(seconds) as average, count(*) as requests by path
        | sort slowest desc
        | limit 50
      EOT
    }

    token-cost-by-app = {
      services = []
      text     = <<-EOT
        filter ispresent(cost_usd)
        | stats sum(cost_usd) as cost, sum(input_tokens) as input, sum(output_tokens) as output, count(*) as calls by app_id, model
        | sort cost desc
        | limit 50
      EOT
    }

    plugin-failures = {
      services = ["plugin_daemon"]
      text     = <<-EOT
        fields coalesce(message, msg, @message) as text
        | filter coalesce(severity, level, levelname) in ["ERR", "ERROR", "CRITICAL", "CRIT", "FATAL", "PANIC", "ALERT", "EMERGENCY", "EMERG", "err", "error", "critical", "crit", "fatal", "panic", "alert", "emergency", "emerg"]
        | stats count(*) as failures by text
        | sort failures desc
        | limit 50
      EOT
    }
  }
}

# One about services that the application does not have is left out.
resource "aws_cloudwatch_query_definition" "analysis" {
  for_each = { for name, query in local.analyses : name => query if length(var.groups) > 0 && length(setsubtract(query.services, var.groups)) == 0 }

  name            = "${var.name}/${each.key}"
  query_string    = each.value.text
  log_group_names = [for group in length(each.value.services) > 0 ? each.value.services : var.groups : aws_cloudwatch_log_group.service[group].name]
}
