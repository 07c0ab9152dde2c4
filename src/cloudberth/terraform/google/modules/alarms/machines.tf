locals {
  # Machines are called like their group, with a few signs behind; spot machines count with the others.
  app_machines      = "resource.type=\"gce_instance\" AND metadata.user_labels.deployment=\"${var.name}\" AND metadata.user_labels.kind=\"app\""
  stateful_machines = "resource.type=\"gce_instance\" AND metadata.user_labels.deployment=\"${var.name}\" AND metadata.user_labels.kind=\"stateful\""

  machine_alarms = {
    app-cpu = {
      text       = "The app machines have been busy for a quarter of an hour: the group is at its maximum, or cannot grow."
      filter     = "metric.type=\"compute.googleapis.com/instance/cpu/utilization\" AND ${local.app_machines}"
      comparison = local.above, threshold = local.busy, minutes = [5, 3], aligner = "ALIGN_MEAN", reducer = "REDUCE_MEAN", missing = local.quiet, severity = "WARNING"
    }
    stateful-cpu = {
      text       = "The stateful machine has been busy for a quarter of an hour."
      filter     = "metric.type=\"compute.googleapis.com/instance/cpu/utilization\" AND ${local.stateful_machines}"
      comparison = local.above, threshold = local.busy, minutes = [5, 3], aligner = "ALIGN_MEAN", reducer = "REDUCE_MEAN", missing = local.quiet, severity = "WARNING"
    }
    stateful-down = {
      text       = "There is no stateful machine: scheduled tasks and plugins stand still."
      filter     = "metric.type=\"compute.googleapis.com/instance_group/size\" AND resource.type=\"instance_group\" AND resource.labels.instance_group_name=\"${var.stateful_group}\""
      comparison = local.below, threshold = 1, minutes = [5, 3], aligner = "ALIGN_MAX", reducer = "REDUCE_MAX", missing = local.loud, severity = "CRITICAL"
    }
  }

  application_alarms = merge(
    {
      log-errors = {
        text       = "The services write more errors than usual; the label service says which."
        filter     = "metric.type=\"${var.error_metric}\" AND resource.type=\"gce_instance\""
        comparison = local.above, threshold = var.errors_per_5_minutes, minutes = [5, 1], aligner = "ALIGN_DELTA", reducer = "REDUCE_SUM", missing = local.quiet, severity = "WARNING"
      }
    },
    { for key in var.queue_metric == null ? [] : ["queue"] : key => {
      text       = "Tasks wait longer than they should: workers are too few, too slow, or stand still."
      filter     = "metric.type=\"${var.queue_metric}\" AND resource.type=\"gce_instance\" AND metric.labels.deployment=\"${var.name}\""
      comparison = local.above, threshold = var.queue_depth, minutes = [5, 3], aligner = "ALIGN_MAX", reducer = "REDUCE_MAX", missing = local.quiet, severity = "WARNING"
    } },
  )
}
