output "host" {
  description = "Host name of the cache."
  value       = azurerm_managed_redis.this.hostname

  # The name has an answer inside the network once the endpoint stands.
  depends_on = [azurerm_private_endpoint.this]
}

output "port" {
  description = "TCP port of the cache."
  value       = 10000
}

output "username" {
  description = "User name; empty, because the access key (secret cache_password) alone is asked for."
  value       = ""
}

output "tls" {
  description = "Whether connections must be encrypted, as text: always true."
  value       = "true"
}

output "id" {
  description = "Id of the cache, for metrics."
  value       = azurerm_managed_redis.this.id
}

output "password_secret" {
  description = "Where machines read the access key: the id of the database, whose keys Azure lists to identities with the right."
  value       = "${azurerm_managed_redis.this.id}/databases/default"
}
