output "groups" {
  description = "Log by service."
  value       = { for service in var.groups : service => "${local.prefix}${service}" }

  # Who knows the name may write at once: only when lines go to the right bucket.
  depends_on = [google_logging_project_exclusion.this]
}

output "policy" {
  description = "Role that lets a machine write logs; Google grants it for the project as a whole."
  value       = "roles/logging.logWriter"
}

output "error_metric" {
  description = "Type of the metric that counts error lines of all services."
  value       = "logging.googleapis.com/user/${google_logging_metric.errors.name}"
}

output "bucket" {
  description = "Id of the log bucket."
  value       = google_logging_project_bucket_config.this.id
}
