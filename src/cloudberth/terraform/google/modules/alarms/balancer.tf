# minutes = [length of a period, number of periods]: the threshold must be crossed in every one of them.

locals {
  above = "COMPARISON_GT"
  below = "COMPARISON_LT"

  quiet = "EVALUATION_MISSING_DATA_INACTIVE"
  loud  = "EVALUATION_MISSING_DATA_ACTIVE"

  # Google counts in shares of one. Through text, so that 0.85 is 0.85 and not the nearest sum of powers of two.
  busy   = tonumber(format("%.2f", var.cpu_percent / 100))
  filled = tonumber(format("%.2f", var.cache_memory_percent / 100))

  of_balancer = "resource.type=\"https_lb_rule\" AND resource.labels.url_map_name=\"${var.balancer.url_map_name}\""

  balancer_alarms = merge(
    {
      app-5xx = {
        text       = "The application, or the load balancer for it, answers with errors. The saved query errors shows what the services say."
        filter     = "metric.type=\"loadbalancing.googleapis.com/https/request_count\" AND ${local.of_balancer} AND metric.labels.response_code_class=\"500\""
        comparison = local.above, threshold = var.errors_per_5_minutes, minutes = [5, 1], aligner = "ALIGN_DELTA", reducer = "REDUCE_SUM", missing = local.quiet, severity = "ERROR"
      }
      app-slow = {
        text       = "One request in ten waits more than a minute for its answer."
        filter     = "metric.type=\"loadbalancing.googleapis.com/https/backend_latencies\" AND ${local.of_balancer}"
        comparison = local.above, threshold = 60000, minutes = [5, 3], aligner = "ALIGN_DELTA", reducer = "REDUCE_PERCENTILE_90", missing = local.quiet, severity = "WARNING"
      }
    },
    { for key in var.uptime_check && !var.app_may_be_empty ? ["app-down"] : [] : key => {
      text       = "Nobody outside gets an answer: the application is down."
      filter     = "metric.type=\"monitoring.googleapis.com/uptime_check/check_passed\" AND resource.type=\"uptime_url\" AND metric.labels.check_id=\"${google_monitoring_uptime_check_config.this[0].uptime_check_id}\""
      comparison = local.below, threshold = 0.5, minutes = [1, 5], aligner = "ALIGN_FRACTION_TRUE", reducer = "REDUCE_MEAN", missing = local.loud, severity = "CRITICAL"
    } },
  )
}
