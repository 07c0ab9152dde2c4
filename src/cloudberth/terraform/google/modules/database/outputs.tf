output "host" {
  description = "Private address of the database; it stays when the instance fails over."
  value       = google_sql_database_instance.this.private_ip_address

  # Without its user nobody gets in.
  depends_on = [google_sql_user.this, google_sql_database.this]
}

output "port" {
  description = "TCP port of the database."
  value       = 5432
}

output "username" {
  description = "User that owns the databases. The password is the secret database_password."
  value       = local.username
}

output "name" {
  description = "Database that was created first."
  value       = var.database_name
}

output "id" {
  description = "Label database_id of the instance's metrics: project and name."
  value       = "${var.project}:${google_sql_database_instance.this.name}"
}

output "max_connections_hint" {
  description = "Connections that the server allows."
  value       = local.max_connections
}

output "memory_gib" {
  description = "Memory of the instance in GiB."
  value       = local.memory_gib
}
