output "bucket" {
  description = "Name of the bucket."
  value       = google_storage_bucket.this.name
}

output "id" {
  description = "Id of the bucket: its name."
  value       = google_storage_bucket.this.id
}

output "region" {
  description = "Region of the bucket."
  value       = var.region
}

output "endpoint" {
  description = "URL of the object store."
  value       = "https://storage.googleapis.com"
}

output "policy" {
  description = "Id of the role that lets a machine use the bucket; granted for the bucket alone."
  value       = google_project_iam_custom_role.use.id
}
