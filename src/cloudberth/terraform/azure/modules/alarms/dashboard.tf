locals {
  # One entry per picture: title, resource and its metrics.
  charts = concat(
    [
      { title = "Requests and errors", resource = var.balancer_id, namespace = local.gateway, metrics = ["TotalRequests", "FailedRequests"], aggregation = 1 },
      { title = "Time to the first byte (ms)", resource = var.balancer_id, namespace = local.gateway, metrics = ["BackendFirstByteResponseTime"], aggregation = 4 },
      { title = "Machines behind the gateway", resource = var.balancer_id, namespace = local.gateway, metrics = ["HealthyHostCount", "UnhealthyHostCount"], aggregation = 4 },
      { title = "CPU of the app machines (%)", resource = var.app_group, namespace = local.machines, metrics = ["Percentage CPU"], aggregation = 4 },
      { title = "CPU of the stateful machine (%)", resource = var.stateful_group, namespace = local.machines, metrics = ["Percentage CPU"], aggregation = 4 },
    ],
    [for metric in var.queue_metric == null ? [] : [var.queue_metric] : { title = "Waiting tasks", resource = metric.resource, namespace = metric.namespace, metrics = [metric.name], aggregation = 4 }],
    [for database in var.database == null ? [] : [var.database] : { title = "Database: CPU, memory and storage (%)", resource = database.id, namespace = local.server, metrics = ["cpu_percent", "memory_percent", "storage_percent"], aggregation = 4 }],
    [for database in var.database == null ? [] : [var.database] : { title = "Database: connections", resource = database.id, namespace = local.server, metrics = ["active_connections"], aggregation = 3 }],
    [for id in var.cache == null ? [] : [var.cache.id] : { title = "Cache: memory and CPU (%)", resource = id, namespace = local.redis, metrics = ["usedmemorypercentage", "percentProcessorTime"], aggregation = 3 }],
  )
}

resource "azurerm_application_insights_workbook" "this" {
  name                = uuidv5("url", "cloudberth/${var.resource_group}/${var.name}")
  resource_group_name = var.resource_group
  location            = var.region
  display_name        = var.name
  description         = "What ${var.name} does"
  category            = "workbook"
  source_id           = lower(var.workspace_id)

  # Type 10 are metrics, type 3 queries; two pictures a row.
  data_json = jsonencode({
    version = "Notebook/1.0"
    items = concat(
      [for index, chart in local.charts : {
        type        = 10
        name        = chart.title
        customWidth = "50"
        content = {
          chartId      = "chart-${index}"
          version      = "MetricsItem/2.0"
          size         = 0
          chartType    = 2
          title        = chart.title
          resourceType = lower(chart.namespace)
          metricScope  = 0
          resourceIds  = [chart.resource]
          timeContext  = { durationMs = 86400000 }
          metrics      = [for metric in chart.metrics : { namespace = lower(chart.namespace), metric = "${lower(chart.namespace)}--${metric}", aggregation = chart.aggregation }]
        }
      }],
      [{
        type        = 3
        name        = "Errors in the logs"
        customWidth = "50"
        content = {
          version                 = "KqlItem/1.0"
          query                   = "${var.error_query} | summarize Errors = count() by Service, bin(TimeGenerated, 5m) | render timechart"
          size                    = 0
          title                   = "Errors in the logs"
          timeContext             = { durationMs = 86400000 }
          queryType               = 0
          resourceType            = "microsoft.operationalinsights/workspaces"
          crossComponentResources = [var.workspace_id]
        }
      }],
    )
  })

  tags = merge(var.tags, { Name = var.name })
}
