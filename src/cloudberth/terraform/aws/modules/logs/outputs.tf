output "groups" {
  description = "Log group by service."
  value       = { for service, group in aws_cloudwatch_log_group.service : service => group.name }
}

output "policy" {
  description = "ARN of the policy that lets a machine write to the groups."
  value       = aws_iam_policy.write.arn
}

output "error_metric" {
  description = "Namespace and name of the metric that counts error lines of all services."
  value = {
    namespace = local.metric_namespace
    name      = local.metric_name
  }
}
