# One bucket for the deployment, one log in it for each service. The machines write to the project; a sink takes
# what is theirs into the bucket, and an exclusion keeps it out of the project's own, which would bill it once more.

locals {
  prefix = "projects/${var.project}/logs/cloudberth-${var.name}-"
  ours   = "logName:\"${local.prefix}\""
  parent = "projects/${var.project}"
  queries = {
    errors = { text = "What services say went wrong", filter = "${local.ours} AND severity>=ERROR" }
    trace  = { text = "One request or trace through all services", filter = "${local.ours} AND SEARCH(\"PUT-A-REQUEST-OR-TRACE-ID-HERE\")" }
    boot   = { text = "How machines started", filter = "logName=\"${local.prefix}boot\"" }
  }
}

resource "google_logging_project_bucket_config" "this" {
  project        = var.project
  location       = var.region
  bucket_id      = var.name
  description    = "Logs of ${var.name}"
  retention_days = var.retention_days

  # SQL over logs, at no price of its own.
  enable_analytics = true
}

resource "google_logging_project_sink" "this" {
  project                = var.project
  name                   = var.name
  description            = "Logs of ${var.name} into their bucket"
  destination            = "logging.googleapis.com/${google_logging_project_bucket_config.this.id}"
  filter                 = local.ours
  unique_writer_identity = true
}

resource "google_logging_project_exclusion" "this" {
  project     = var.project
  name        = var.name
  description = "Logs of ${var.name} have a bucket of their own"
  filter      = local.ours

  depends_on = [google_logging_project_sink.this]
}

resource "google_logging_metric" "errors" {
  project     = var.project
  name        = "${var.name}-errors"
  description = "Error lines of all services of ${var.name}"
  filter      = "${local.ours} AND severity>=ERROR"

  metric_descriptor {
    display_name = "Errors of ${var.name}"
    metric_kind  = "DELTA"
    value_type   = "INT64"
    unit         = "1"

    labels {
      key         = "service"
      value_type  = "STRING"
      description = "Service that wrote the line"
    }
  }

  label_extractors = { service = "EXTRACT(labels.service)" }
}

resource "google_logging_saved_query" "this" {
  for_each = length(var.groups) > 0 ? local.queries : {}

  parent       = local.parent
  location     = "global"
  name         = "${var.name}-${each.key}"
  display_name = "${var.name}/${each.key}"
  description  = each.value.text
  visibility   = "SHARED"

  logging_query {
    filter = each.value.filter
  }
}
