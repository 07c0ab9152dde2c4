# The saved analyses of `berth logs saved`: what cloudberth/logs/analysis.py compiles to; a test holds them together.

locals {
  analyses = {
    errors-by-service = {
      title    = "Errors by service"
      services = []
      text     = <<-EOT
        Cloudberth_CL
        | extend Line = parse_json(Message)
        | where tolower(coalesce(tostring(Line.severity), tostring(Line.level), tostring(Line.levelname))) in ("err", "error", "critical", "crit", "fatal", "panic", "alert", "emergency", "emerg")
        | summarize errors = count() by service = Service
        | top 50 by errors desc
      EOT
    }

    slowest-requests = {
      title    = "Slowest requests"
      services = ["router"]
      text     = <<-EOT
        Cloudberth_CL
        | where Service in ("router")
        | extend Line = parse_json(Message)
        | where isnotnull(Line["seconds"])
        | summarize slowest = max(todouble(Line["seconds"])), p95 = percentile(todouble(Line["seconds"]), 95), average = avg(todouble(Line["seconds"])), requests = count() by path = tostring(Line["path"])
        | top 50 by slowest desc
      EOT
    }

    token-cost-by-app = {
      title    = "Token cost by app"
      services = []
      text     = <<-EOT
        Cloudberth_CL
        | extend Line = parse_json(Message)
        | where isnotnull(Line["cost_usd"])
        | summarize cost = sum(todouble(Line["cost_usd"])), input = sum(todouble(Line["input_tokens"])), output = sum(todouble(Line["output_tokens"])), calls = count() by app_id = tostring(Line["app_id"]), model = tostring(Line["model"])
        | top 50 by cost desc
      EOT
    }

    plugin-failures = {
      title    = "Plugin failures"
      services = ["plugin_daemon"]
      text     = <<-EOT
        Cloudberth_CL
        | where Service in ("plugin_daemon")
        | extend Line = parse_json(Message)
        | where tolower(coalesce(tostring(Line.severity), tostring(Line.level), tostring(Line.levelname))) in ("err", "error", "critical", "crit", "fatal", "panic", "alert", "emergency", "emerg")
        | summarize failures = count() by message = coalesce(tostring(Line.message), tostring(Line.msg), Message)
        | top 50 by failures desc
      EOT
    }
  }
}

# One about services that the application does not have is left out.
resource "azurerm_log_analytics_saved_search" "analysis" {
  for_each = { for name, query in local.analyses : name => query if length(var.groups) > 0 && length(setsubtract(query.services, var.groups)) == 0 }

  name                       = "${var.name}-${each.key}"
  display_name               = "${var.name}: ${each.value.title}"
  category                   = var.name
  log_analytics_workspace_id = azurerm_log_analytics_workspace.this.id
  query                      = each.value.text

  tags = merge(var.tags, { Name = "${var.name}-${each.key}" })

  depends_on = [azurerm_log_analytics_workspace_table_custom_log.lines]
}
