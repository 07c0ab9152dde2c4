output "topic" {
  description = "Ids of the notification channels that alarms go to."
  value       = join(",", local.channels)
}

output "dashboard" {
  description = "URL of the dashboard."
  value       = "https://console.cloud.google.com/monitoring/dashboards/builder/${basename(google_monitoring_dashboard.this.id)}?project=${var.project}"
}
