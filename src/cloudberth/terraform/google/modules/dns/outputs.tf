output "zone_id" {
  description = "Name of the public zone in Cloud DNS, empty if there is none."
  value       = var.zone == null ? "" : local.by_domain ? local.found[0] : data.google_dns_managed_zone.public[0].name
}

output "private_zone_id" {
  description = "Name of the private zone in Cloud DNS."
  value       = google_dns_managed_zone.private.name
}

output "private_zone_name" {
  description = "Domain of the private zone, e.g. my-dify.internal."
  value       = trimsuffix(google_dns_managed_zone.private.dns_name, ".")
}
