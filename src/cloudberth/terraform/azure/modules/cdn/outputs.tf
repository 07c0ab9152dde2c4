output "domain" {
  description = "Name that Front Door gave the endpoint."
  value       = azurerm_cdn_frontdoor_endpoint.this.host_name
}

output "id" {
  description = "Id of the endpoint, to remove what it keeps."
  value       = azurerm_cdn_frontdoor_endpoint.this.id
}

output "profile_guid" {
  description = "Id by which requests of this Front Door are known (header X-Azure-FDID)."
  value       = azurerm_cdn_frontdoor_profile.this.resource_guid
}
