locals {
  # One entry per picture: title and metrics, each with filter, aligner and reducer.
  charts = concat(
    [
      { title = "Requests by class of answer", metrics = [{ filter = "metric.type=\"loadbalancing.googleapis.com/https/request_count\" AND ${local.of_balancer}", aligner = "ALIGN_RATE", reducer = "REDUCE_SUM", by = ["metric.label.response_code_class"] }] },
      { title = "Time to the answer, 90th percentile (ms)", metrics = [{ filter = "metric.type=\"loadbalancing.googleapis.com/https/backend_latencies\" AND ${local.of_balancer}", aligner = "ALIGN_DELTA", reducer = "REDUCE_PERCENTILE_90", by = [] }] },
      { title = "Machines by group", metrics = [{ filter = "metric.type=\"compute.googleapis.com/instance_group/size\" AND resource.type=\"instance_group\" AND resource.labels.instance_group_name=monitoring.regex.full_match(\"${var.name}-(app|spot|stateful)\")", aligner = "ALIGN_MAX", reducer = "REDUCE_SUM", by = ["resource.label.instance_group_name"] }] },
      { title = "CPU of the machines", metrics = [for machines in [local.app_machines, local.stateful_machines] : { filter = "metric.type=\"compute.googleapis.com/instance/cpu/utilization\" AND ${machines}", aligner = "ALIGN_MEAN", reducer = "REDUCE_MEAN", by = [] }] },
      { title = "Error lines by service", metrics = [{ filter = "metric.type=\"${var.error_metric}\" AND resource.type=\"gce_instance\"", aligner = "ALIGN_DELTA", reducer = "REDUCE_SUM", by = ["metric.label.service"] }] },
    ],
    [for metric in var.queue_metric == null ? [] : [var.queue_metric] :
      { title = "Waiting tasks", metrics = [{ filter = "metric.type=\"${metric}\" AND resource.type=\"gce_instance\" AND metric.labels.deployment=\"${var.name}\"", aligner = "ALIGN_MAX", reducer = "REDUCE_MAX", by = [] }] }
    ],
    [for of in var.database == null ? [] : [local.of_database] :
      { title = "Database: CPU, memory, disk", metrics = [for metric in ["cpu", "memory", "disk"] : { filter = "metric.type=\"cloudsql.googleapis.com/database/${metric}/utilization\" AND ${of}", aligner = "ALIGN_MEAN", reducer = "REDUCE_MEAN", by = [] }] }
    ],
    [for of in var.database == null ? [] : [local.of_database] :
      { title = "Database: connections", metrics = [{ filter = "metric.type=\"cloudsql.googleapis.com/database/postgresql/num_backends\" AND ${of}", aligner = "ALIGN_MAX", reducer = "REDUCE_SUM", by = [] }] }
    ],
    [for of in var.cache == null ? [] : [local.of_cache] :
      { title = "Cache: memory", metrics = [{ filter = "metric.type=\"redis.googleapis.com/stats/memory/usage_ratio\" AND ${of}", aligner = "ALIGN_MAX", reducer = "REDUCE_MAX", by = [] }] }
    ],
  )
}

resource "google_monitoring_dashboard" "this" {
  project = var.project

  # Two pictures a row.
  dashboard_json = jsonencode({
    displayName = var.name
    labels      = { deployment = var.name }
    mosaicLayout = {
      columns = 48
      tiles = [for index, chart in local.charts : {
        xPos   = 24 * (index % 2)
        yPos   = 16 * floor(index / 2)
        width  = 24
        height = 16
        widget = {
          title = chart.title
          xyChart = {
            dataSets = [for metric in chart.metrics : {
              plotType   = "LINE"
              targetAxis = "Y1"
              timeSeriesQuery = {
                timeSeriesFilter = {
                  filter = metric.filter
                  aggregation = {
                    alignmentPeriod    = "300s"
                    perSeriesAligner   = metric.aligner
                    crossSeriesReducer = metric.reducer
                    groupByFields      = metric.by
                  }
                }
              }
            }]
          }
        }
      }]
    }
  })
}
