output "topic" {
  description = "ARN of the topic that alarms go to."
  value       = aws_sns_topic.alarms.arn
}

output "dashboard" {
  description = "URL of the dashboard."
  value       = "https://${var.region}.console.aws.amazon.com/cloudwatch/home?region=${var.region}#dashboards/dashboard/${aws_cloudwatch_dashboard.this.dashboard_name}"
}
