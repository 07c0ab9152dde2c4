output "host" {
  description = "Host name of whichever node is the primary."
  value       = aws_elasticache_replication_group.this.primary_endpoint_address
}

output "port" {
  description = "TCP port of the cache."
  value       = 6379
}

output "username" {
  description = "User name; empty, because the password (secret cache_password) alone is asked for."
  value       = ""
}

output "tls" {
  description = "Whether connections must be encrypted, as text: always true."
  value       = "true"
}

output "id" {
  description = "Identifier of the replication group, for metrics; its nodes are called ID-001, ID-002 and so on."
  value       = aws_elasticache_replication_group.this.replication_group_id
}
