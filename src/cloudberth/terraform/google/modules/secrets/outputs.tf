output "ids" {
  description = "Id of every secret in the store by name, generated and referenced ones. Never a value."
  # From the version, not the secret: who reads by this id waits until a value is there.
  value = merge(
    { for name, id in var.references : name => startswith(id, "projects/") ? id : "projects/${var.project}/secrets/${id}" },
    { for name, version in google_secret_manager_secret_version.this : name => version.secret },
  )
}

output "policy" {
  description = "Role that lets a machine read a secret; granted for each one alone."
  value       = "roles/secretmanager.secretAccessor"
}
