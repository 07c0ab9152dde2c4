locals {
  # One entry per picture: title and metrics, in the form that CloudWatch reads.
  charts = concat(
    [
      { title = "Requests and errors", stat = "Sum", metrics = [
        for metric in ["RequestCount", "HTTPCode_Target_5XX_Count", "HTTPCode_ELB_5XX_Count", "HTTPCode_Target_4XX_Count"] :
        ["AWS/ApplicationELB", metric, "LoadBalancer", var.balancer.LoadBalancer]
      ] },
      { title = "Time to the first byte, 90th percentile (s)", stat = "p90", metrics = [
        ["AWS/ApplicationELB", "TargetResponseTime", "LoadBalancer", var.balancer.LoadBalancer]
      ] },
      { title = "Machines behind the load balancer", stat = "Maximum", metrics = [
        for metric in ["HealthyHostCount", "UnHealthyHostCount"] :
        ["AWS/ApplicationELB", metric, "LoadBalancer", var.balancer.LoadBalancer, "TargetGroup", var.balancer.TargetGroup]
      ] },
      { title = "CPU of the machines (%)", stat = "Average", metrics = [
        for group in [var.app_group, var.stateful_group] : ["AWS/EC2", "CPUUtilization", "AutoScalingGroupName", group]
      ] },
      { title = "Error lines in the logs", stat = "Sum", metrics = [
        [var.error_metric.namespace, var.error_metric.name]
      ] },
    ],
    [for metric in var.queue_metric == null ? [] : [var.queue_metric] :
      { title = "Waiting tasks", stat = "Maximum", metrics = [
        concat([metric.namespace, metric.name], flatten([for key, value in metric.dimensions : [key, value]]))
      ] }
    ],
    [for database in var.database == null ? [] : [var.database] :
      { title = "Database: CPU (%) and connections", stat = "Average", metrics = [
        for metric in ["CPUUtilization", "DatabaseConnections"] : concat(["AWS/RDS", metric], flatten([for key, value in local.database_dimensions : [key, value]]))
      ] }
    ],
    [for database in var.database == null ? [] : [var.database] :
      { title = local.aurora ? "Database: capacity units" : "Database: free storage and memory (bytes)", stat = "Average", metrics = [
        for metric in local.aurora ? ["ServerlessDatabaseCapacity"] : ["FreeStorageSpace", "FreeableMemory"] :
        concat(["AWS/RDS", metric], flatten([for key, value in local.database_dimensions : [key, value]]))
      ] }
    ],
    [for metric in var.cache == null ? [] : ["DatabaseMemoryUsagePercentage"] :
      { title = "Cache: memory and CPU (%)", stat = "Average", metrics = flatten([
        for node in local.cache_nodes : [for name in [metric, "EngineCPUUtilization"] : { row = ["AWS/ElastiCache", name, "CacheClusterId", "${var.cache.id}-${node}"] }]
      ])[*].row }
    ],
  )
}

resource "aws_cloudwatch_dashboard" "this" {
  dashboard_name = var.name

  # Two pictures a row, below the list of alarms.
  dashboard_body = jsonencode({
    widgets = concat(
      [{
        type       = "alarm", x = 0, y = 0, width = 24, height = 3
        properties = { title = "Alarms", alarms = [for alarm in aws_cloudwatch_metric_alarm.this : alarm.arn] }
      }],
      [for index, chart in local.charts : {
        type = "metric", x = 12 * (index % 2), y = 3 + 6 * floor(index / 2), width = 12, height = 6
        properties = {
          title   = chart.title
          view    = "timeSeries"
          region  = var.region
          stat    = chart.stat
          period  = 300
          metrics = chart.metrics
        }
      }],
    )
  })
}
