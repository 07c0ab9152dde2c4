output "app_group" {
  description = "Name of the group of app machines that stay."
  value       = google_compute_region_instance_group_manager.app["app"].name
}

output "stateful_group" {
  description = "Name of the group of the one stateful machine."
  value       = google_compute_instance_group_manager.stateful.name
}

output "role" {
  description = "Service account of the app machines."
  value       = var.service_accounts["app"]
}

output "stateful_role" {
  description = "Service account of the stateful machine."
  value       = var.service_accounts["stateful"]
}

output "release" {
  description = "Release of the application that the machines run."
  value       = local.stack.release
}

output "instance_groups" {
  description = "Instance groups of app machines, for the load balancer."
  value       = [for group in google_compute_region_instance_group_manager.app : group.instance_group]

  # Who opens the address should find machines that are coming.
  depends_on = [google_compute_region_autoscaler.app]
}

output "queue_metric" {
  description = "Type of the metric by which the stateful machine reports waiting tasks; null if the application has no queue."
  value       = try(local.stack.queue, null) == null ? null : local.queue_metric
}
