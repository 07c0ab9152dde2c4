# What a machine starts from is an object in the bucket. Its name is the hash of its content and user data carries that
# hash: a machine refuses anything else, and a change of any line in it makes a new template and so a rolling replacement.

locals {
  stack    = jsondecode(file("${var.stack_directory}/stack.json"))
  programs = { for file in fileset("${path.module}/boot", "*.py") : file => file("${path.module}/boot/${file}") }

  release_object = "cloudberth/release"
  queue_metric   = "custom.googleapis.com/cloudberth/queue_depth"

  bundles = {
    for kind, settings in local.kinds : kind => jsonencode({
      format  = 1
      group   = kind
      name    = var.name
      region  = var.region
      release = local.stack.release
      stack   = local.stack.groups[kind]
      queue   = try(local.stack.queue, null)
      facts   = var.facts
      secrets = var.secrets
      cloud = merge(settings.cloud, {
        project            = var.project
        bucket             = var.bucket
        marker_object      = local.release_object
        queue_metric       = local.queue_metric
        cache_certificates = var.cache_certificates
      })
      files = {
        for path in fileset("${var.stack_directory}/${kind}", "**") :
        path => templatefile("${var.stack_directory}/${kind}/${path}", var.facts)
      }
      programs = local.programs
    })
  }

  user_data = {
    for kind, bundle in local.bundles : kind => templatefile("${path.module}/boot/cloud-init.yaml.tftpl", {
      sha256  = sha256(bundle)
      install = "(apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends docker.io)"
      download = templatefile("${path.module}/boot/fetch.py.tftpl", {
        bucket = var.bucket
        key    = google_storage_bucket_object.bundle[kind].name
      })
    })
  }
}

resource "google_storage_bucket_object" "bundle" {
  for_each = local.kinds

  bucket       = var.bucket
  name         = "cloudberth/boot/${each.key}-${sha256(local.bundles[each.key])}.json"
  content      = local.bundles[each.key]
  content_type = "application/json"

  # Machines of the old template may still start.
  lifecycle {
    create_before_destroy = true
  }
}
