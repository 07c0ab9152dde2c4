# A value is drawn in Terraform's memory, handed from an ephemeral resource to a write-only argument, and never
# written down: not in the plan, not in the state. Plans draw again, but the store takes a new value only when
# secret_data_wo_version changes, which nothing here does. To rotate one, put a new version into the store.

locals {
  # base64url-32 counts bytes: 32 letters and digits are 32 bytes.
  lengths = { for name, secret in var.secrets : name => secret.format == "base64url-32" ? 32 : secret.length }
}

ephemeral "random_password" "this" {
  for_each = local.lengths

  length  = each.value
  special = false
}

resource "google_secret_manager_secret" "this" {
  for_each = var.secrets

  project             = var.project
  secret_id           = "${var.name}-${each.key}"
  deletion_protection = false

  # A version that is destroyed can be restored for a week.
  version_destroy_ttl = "604800s"

  replication {
    auto {}
  }

  annotations = { purpose = each.value.purpose }
  labels      = var.tags
}

resource "google_secret_manager_secret_version" "this" {
  for_each = var.secrets

  secret = google_secret_manager_secret.this[each.key].id

  secret_data_wo = (
    each.value.format == "base64url-32"
    ? replace(replace(trimsuffix(base64encode(ephemeral.random_password.this[each.key].result), "="), "+", "-"), "/", "_")
    : ephemeral.random_password.this[each.key].result
  )
  secret_data_wo_version = "1"
}
