output "domain" {
  description = "Host name or address users open: the load balancer's, which the CDN is part of."
  value       = var.address
}

output "id" {
  description = "Id of the backend service whose answers are kept."
  value       = google_compute_backend_service.static.id
}
