output "host" {
  description = "Private address of whichever node is the primary."
  value       = google_redis_instance.this.host
}

output "port" {
  description = "TCP port of the cache: 6378, since connections are encrypted."
  value       = google_redis_instance.this.port
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
  description = "Label instance_id of the instance's metrics: its full name."
  value       = google_redis_instance.this.id
}

output "password_secret" {
  description = "Id of the secret that holds the password."
  # From the version: who reads by this id waits until a value is there.
  value = google_secret_manager_secret_version.password.secret
}

output "certificates" {
  description = "Certificates (PEM) of the cache's own CA; the server's name no host."
  value       = google_redis_instance.this.server_ca_certs[*].cert
}
