output "zone_id" {
  description = "Id of the public zone, empty if there is none."
  value       = var.zone == null ? "" : data.aws_route53_zone.public[0].zone_id
}

output "private_zone_id" {
  description = "Id of the private zone."
  value       = aws_route53_zone.private.zone_id
}

output "private_zone_name" {
  description = "Name of the private zone, e.g. my-dify.internal."
  value       = aws_route53_zone.private.name
}
