output "host" {
  description = "Host name of the database; with aurora, of whichever instance is the writer."
  value       = local.postgres ? aws_db_instance.this[0].address : aws_rds_cluster.this[0].endpoint

  # A cluster without an instance answers to nobody.
  depends_on = [aws_rds_cluster_instance.this]
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
  description = "Identifier of the instance or cluster, for metrics."
  value       = local.postgres ? aws_db_instance.this[0].identifier : aws_rds_cluster.this[0].cluster_identifier
}

output "max_connections_hint" {
  description = "About how many connections the server allows: LEAST(memory / 9531392, 5000) as RDS sets it, less a tenth for the system; Aurora from no more than one capacity unit allows at most 2000."
  value = min(
    local.aurora && var.min_capacity < 1 ? 2000 : 5000,
    floor(local.memory_gib * 1073741824 / 9531392 * 0.9),
  )
}

output "memory_gib" {
  description = "Memory of the instance in GiB; with aurora, at the most capacity units."
  value       = local.memory_gib
}
