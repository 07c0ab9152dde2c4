output "app_group" {
  description = "Name of the group of app machines."
  value       = aws_autoscaling_group.app.name
}

output "stateful_group" {
  description = "Name of the group of the one stateful machine."
  value       = aws_autoscaling_group.stateful.name
}

output "role" {
  description = "Name of the role of the app machines."
  value       = aws_iam_role.this["app"].name
}

output "stateful_role" {
  description = "Name of the role of the stateful machine."
  value       = aws_iam_role.this["stateful"].name
}

output "release" {
  description = "Release of the application that the machines run."
  value       = local.stack.release
}

output "queue_metric" {
  description = "Namespace, name and dimensions of the metric by which the stateful machine reports waiting tasks; null if the application has no queue."
  value = try(local.stack.queue, null) == null ? null : {
    namespace  = local.metric_namespace
    name       = "QueueDepth"
    dimensions = { Deployment = var.name }
  }
}
