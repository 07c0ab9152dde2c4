locals {
  storage_classes = {
    infrequent      = "NEARLINE"
    archive-instant = "COLDLINE"
    archive         = "ARCHIVE"
    deep-archive    = "ARCHIVE"
  }

  # Bucket names are worldwide; that of a project is, too.
  bucket = "${replace(var.project, "/[^a-z0-9-]/", "-")}-${var.name}-files"

  # Google's soft delete is for buckets without versions; both would keep, and bill, everything twice.
  soft_delete_days = var.versioning ? 0 : min(max(var.noncurrent_days, 7), 90)
}

resource "google_storage_bucket" "this" {
  # checkov:skip=CKV_GCP_62:the service accounts of the machines alone are let in here, and Cloud Audit Logs can record what they do; a log line per object would cost more than the objects
  project       = var.project
  name          = local.bucket
  location      = upper(var.region)
  storage_class = "STANDARD"
  force_destroy = var.force_destroy

  uniform_bucket_level_access = true
  public_access_prevention    = "enforced"

  versioning {
    enabled = var.versioning
  }

  soft_delete_policy {
    retention_duration_seconds = local.soft_delete_days * 24 * 3600
  }

  lifecycle_rule {
    action {
      type = "AbortIncompleteMultipartUpload"
    }

    condition {
      age = var.abort_multipart_days
    }
  }

  lifecycle_rule {
    action {
      type = "Delete"
    }

    condition {
      days_since_noncurrent_time = var.noncurrent_days
      with_state                 = "ARCHIVED"
    }
  }

  # Small objects stay: reading from a cheaper class is billed, and every move costs a request.
  dynamic "lifecycle_rule" {
    for_each = var.lifecycle_rules

    content {
      action {
        type          = "SetStorageClass"
        storage_class = local.storage_classes[lifecycle_rule.value.tier]
      }

      condition {
        age              = lifecycle_rule.value.after_days
        matches_prefix   = lifecycle_rule.value.prefix == "" ? [] : [lifecycle_rule.value.prefix]
        size_above_bytes = lifecycle_rule.value.min_size_kb > 0 ? lifecycle_rule.value.min_size_kb * 1024 : null
        with_state       = "ANY"
      }
    }
  }

  labels = var.tags
}

################################################################################
# Who may use it
################################################################################

# Dify asks for the bucket itself before every access, which the predefined roles for objects do not allow.
resource "google_project_iam_custom_role" "use" {
  project     = var.project
  role_id     = "${replace(var.name, "-", "_")}_files"
  title       = "Files of ${var.name}"
  description = "Read, write and list the bucket of ${var.name}; granted for that bucket alone"

  permissions = [
    "storage.buckets.get",
    "storage.multipartUploads.abort",
    "storage.multipartUploads.create",
    "storage.multipartUploads.list",
    "storage.multipartUploads.listParts",
    "storage.objects.create",
    "storage.objects.delete",
    "storage.objects.get",
    "storage.objects.list",
    "storage.objects.update",
  ]
}
