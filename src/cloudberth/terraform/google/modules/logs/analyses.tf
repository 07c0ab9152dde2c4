# The saved analyses of `berth logs saved`: what cloudberth/logs/analysis.py compiles to; a test holds them together.

locals {
  view = "${var.project}.${var.region}.${google_logging_project_bucket_config.this.bucket_id}._AllLogs"

  analyses = {
    errors-by-service = {
      title    = "Errors by service"
      services = []
      text     = <<-EOT
        SELECT JSON_VALUE(labels.service) AS service, COUNT(*) AS errors
        FROM `${local.view}`
        WHERE severity_number >= 500
        GROUP BY service
        ORDER BY errors DESC
        LIMIT 50
      EOT
    }

    slowest-requests = {
      title    = "Slowest requests"
      services = ["router"]
      text     = <<-EOT
        SELECT JSON_VALUE(json_payload.path) AS path, MAX(SAFE_CAST(JSON_VALUE(json_payload.seconds) AS FLOAT64)) AS slowest, APPROX_QUANTILES(SAFE_CAST(JSON_VALUE(json_payload.seconds) AS FLOAT64), 100)[OFFSET(95)] AS p95, AVG(SAFE_CAST(JSON_VALUE(json_payload.seconds) AS FLOAT64)) AS average, COUNT(*) AS requests
        FROM `${local.view}`
        WHERE JSON_VALUE(labels.service) IN ('router') AND JSON_VALUE(json_payload.seconds) IS NOT NULL
        GROUP BY path
        ORDER BY slowest DESC
        LIMIT 50
      EOT
    }

    token-cost-by-app = {
      title    = "Token cost by app"
      services = []
      text     = <<-EOT
        SELECT JSON_VALUE(json_payload.app_id) AS app_id, JSON_VALUE(json_payload.model) AS model, SUM(SAFE_CAST(JSON_VALUE(json_payload.cost_usd) AS FLOAT64)) AS cost, SUM(SAFE_CAST(JSON_VALUE(json_payload.input_tokens) AS FLOAT64)) AS input, SUM(SAFE_CAST(JSON_VALUE(json_payload.output_tokens) AS FLOAT64)) AS output, COUNT(*) AS calls
        FROM `${local.view}`
        WHERE JSON_VALUE(json_payload.cost_usd) IS NOT NULL
        GROUP BY app_id, model
        ORDER BY cost DESC
        LIMIT 50
      EOT
    }

    plugin-failures = {
      title    = "Plugin failures"
      services = ["plugin_daemon"]
      text     = <<-EOT
        SELECT COALESCE(JSON_VALUE(json_payload.message), JSON_VALUE(json_payload.msg), text_payload) AS message, COUNT(*) AS failures
        FROM `${local.view}`
        WHERE JSON_VALUE(labels.service) IN ('plugin_daemon') AND severity_number >= 500
        GROUP BY message
        ORDER BY failures DESC
        LIMIT 50
      EOT
    }
  }
}

# SQL, for the page "Observability Analytics". One about services that the application does not have is left out.
resource "google_logging_saved_query" "analysis" {
  for_each = { for name, query in local.analyses : name => query if length(var.groups) > 0 && length(setsubtract(query.services, var.groups)) == 0 }

  parent       = local.parent
  location     = "global"
  name         = "${var.name}-${each.key}"
  display_name = "${var.name}/${each.key}"
  description  = each.value.title
  visibility   = "SHARED"

  ops_analytics_query {
    sql_query_text = each.value.text
  }
}
