output "bucket" {
  description = "Name of the container of the application's files."
  value       = azurerm_storage_container.this[local.container].name
}

output "id" {
  description = "Id of the storage account."
  value       = azurerm_storage_account.this.id
}

output "region" {
  description = "Region of the account."
  value       = azurerm_storage_account.this.location
}

output "endpoint" {
  description = "URL of the account's blob service."
  value       = trimsuffix(azurerm_storage_account.this.primary_blob_endpoint, "/")
}

output "policy" {
  description = "Id of the container on which a machine needs a role to use the files."
  value       = azurerm_storage_container.this[local.container].id
}

output "containers" {
  description = "Ids of all containers by purpose: files, boot, release."
  value       = { for name, container in azurerm_storage_container.this : name => container.id }
}
