locals {
  app_machines      = { AutoScalingGroupName = var.app_group }
  stateful_machines = { AutoScalingGroupName = var.stateful_group }

  machine_alarms = {
    app-cpu = {
      text      = "The app machines have been busy for a quarter of an hour: the group is at its maximum, or cannot grow."
      namespace = "AWS/EC2", metric = "CPUUtilization", dimensions = local.app_machines
      statistic = "Average", comparison = local.above, threshold = var.cpu_percent, minutes = [5, 3], missing = "notBreaching"
    }
    stateful-cpu = {
      text      = "The stateful machine has been busy for a quarter of an hour."
      namespace = "AWS/EC2", metric = "CPUUtilization", dimensions = local.stateful_machines
      statistic = "Average", comparison = local.above, threshold = var.cpu_percent, minutes = [5, 3], missing = "notBreaching"
    }
    stateful-check = {
      text      = "The stateful machine fails the checks of EC2; its group replaces it."
      namespace = "AWS/EC2", metric = "StatusCheckFailed", dimensions = local.stateful_machines
      statistic = "Maximum", comparison = local.at_least, threshold = 1, minutes = [1, 5], missing = "notBreaching"
    }
    stateful-down = {
      text      = "There is no stateful machine: scheduled tasks and plugins stand still."
      namespace = "AWS/AutoScaling", metric = "GroupInServiceInstances", dimensions = local.stateful_machines
      statistic = "Maximum", comparison = local.below, threshold = 1, minutes = [5, 3], missing = "breaching"
    }
  }

  application_alarms = merge(
    {
      log-errors = {
        text      = "The services write more errors than usual. The saved query errors-by-service shows which."
        namespace = var.error_metric.namespace, metric = var.error_metric.name, dimensions = {}
        statistic = "Sum", comparison = local.above, threshold = var.errors_per_5_minutes, minutes = [5, 1], missing = "notBreaching"
      }
    },
    { for key in var.queue_metric == null ? [] : ["queue"] : key => {
      text      = "Tasks wait longer than they should: workers are too few, too slow, or stand still."
      namespace = var.queue_metric.namespace, metric = var.queue_metric.name, dimensions = var.queue_metric.dimensions
      statistic = "Maximum", comparison = local.above, threshold = var.queue_depth, minutes = [5, 3], missing = "notBreaching"
    } },
  )
}
