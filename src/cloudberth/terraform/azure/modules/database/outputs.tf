output "host" {
  description = "Host name of the server."
  value       = azurerm_postgresql_flexible_server.this.fqdn

  # Whoever connects finds the databases, and the extensions allowed.
  depends_on = [azurerm_postgresql_flexible_server_database.this, azurerm_postgresql_flexible_server_configuration.this]
}

output "port" {
  description = "TCP port of the database."
  value       = 5432
}

output "username" {
  description = "Name of the administrator; the password is the secret database_password."
  value       = local.username
}

output "name" {
  description = "Name of the default database."
  value       = var.database_names[0]
}

output "id" {
  description = "Id of the server, for metrics."
  value       = azurerm_postgresql_flexible_server.this.id
}

output "max_connections_hint" {
  description = "Connections that PostgreSQL allows at this size."
  value       = local.limit
}
