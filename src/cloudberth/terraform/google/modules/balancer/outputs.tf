output "id" {
  description = "Id of the URL map, by which Google names a load balancer."
  value       = google_compute_url_map.this.id
}

output "address" {
  description = "Host name or address users open."
  value       = local.address
}

output "url" {
  description = "URL users open, without a slash at the end."
  value       = "${local.https ? "https" : "http"}://${local.address}"
}

output "target_group" {
  description = "Id of the backend service that the groups of app machines belong to."
  value       = google_compute_backend_service.app.id
}

output "dns_name" {
  description = "Address that Google gave the load balancer; a global one has no name of its own."
  value       = google_compute_global_address.this.address
}

output "zone_id" {
  description = "Public zone in which the records stand, empty if there is none."
  value       = var.zone_id
}

output "metric_dimensions" {
  description = "Labels of the load balancer's metrics: url_map_name and backend_target_name."
  value = {
    url_map_name        = google_compute_url_map.this.name
    backend_target_name = google_compute_backend_service.app.name
  }
}

output "health_check" {
  description = "Id of the health check of app machines."
  value       = google_compute_health_check.app.id
}

output "edge_policy" {
  description = "Id of the policy for what the CDN keeps, empty if everybody may have it."
  value       = local.restricted && var.cdn ? google_compute_security_policy.edge[0].id : ""
}

output "firewall" {
  description = "Id of the Cloud Armor policy, empty if there is none."
  value       = local.policy ? google_compute_security_policy.this[0].id : ""
}
