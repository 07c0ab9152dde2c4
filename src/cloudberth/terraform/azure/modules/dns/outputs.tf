output "zone_id" {
  description = "Id of the public zone, empty if there is none."
  value       = var.zone == null ? "" : data.azurerm_dns_zone.public[0].id
}

output "private_zone_id" {
  description = "Id of the private zone."
  value       = azurerm_private_dns_zone.this["own"].id
}

output "private_zone_name" {
  description = "Name of the private zone, e.g. my-dify.internal."
  value       = azurerm_private_dns_zone.this["own"].name
}

output "zone" {
  description = "Name and resource group of the public zone, null if there is none."
  value       = var.zone == null ? null : { name = data.azurerm_dns_zone.public[0].name, resource_group = data.azurerm_dns_zone.public[0].resource_group_name }
}

output "service_zones" {
  description = "Ids of the private zones of Azure's services, by service."
  value       = { for service in var.services : service => azurerm_private_dns_zone.this[service].id }

  # Who resolves a name before the zone is linked would remember the public answer.
  depends_on = [azurerm_private_dns_zone_virtual_network_link.this]
}
