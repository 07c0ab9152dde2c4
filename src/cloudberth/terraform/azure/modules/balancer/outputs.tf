output "id" {
  description = "Id of the gateway."
  value       = azurerm_application_gateway.this.id
}

output "address" {
  description = "Host name users open."
  value       = local.address
}

output "url" {
  description = "URL users open, without a slash at the end."
  value       = "${local.https ? "https" : "http"}://${local.address}"
}

output "target_group" {
  description = "Id of the backend pool that the app machines join."
  value       = "${azurerm_application_gateway.this.id}/backendAddressPools/app"
}

output "dns_name" {
  description = "Name that Azure gave the address of the gateway."
  value       = azurerm_public_ip.this.fqdn
}

output "zone_id" {
  description = "Id of the public address, for alias records."
  value       = azurerm_public_ip.this.id
}

output "metric_dimensions" {
  description = "Resource that the gateway's metrics are about."
  value       = { ResourceId = azurerm_application_gateway.this.id }
}

output "https" {
  description = "Whether the gateway itself has a certificate."
  value       = local.https
}

output "placeholder" {
  description = "Whether that certificate is one that no browser trusts."
  value       = local.placeholder
}
