# What a machine starts from is too much for user data (16 KB), so it is an object in the bucket. Its name is the
# hash of its content and user data carries that hash: a machine refuses anything else, and a change of any line in
# it makes a new launch template and so a rolling replacement.

locals {
  stack    = jsondecode(file("${var.stack_directory}/stack.json"))
  programs = { for file in fileset("${path.module}/boot", "*.py") : file => file("${path.module}/boot/${file}") }

  bundles = {
    for group, settings in local.groups : group => jsonencode({
      format  = 1
      group   = group
      name    = var.name
      region  = var.region
      release = local.stack.release
      stack   = local.stack.groups[group]
      queue   = try(local.stack.queue, null)
      facts   = var.facts
      secrets = var.secrets
      cloud = merge(settings.cloud, {
        marker_parameter   = aws_ssm_parameter.release.name
        metric_namespace   = local.metric_namespace
        lifecycle_hook     = settings.hook
        auto_scaling_group = settings.name
        device             = "/dev/sdf"
      })
      files = {
        for path in fileset("${var.stack_directory}/${group}", "**") :
        path => templatefile("${var.stack_directory}/${group}/${path}", var.facts)
      }
      programs = local.programs
    })
  }

  metric_namespace = "Cloudberth"

  user_data = {
    for group, bundle in local.bundles : group => base64gzip(templatefile("${path.module}/boot/cloud-init.yaml.tftpl", {
      sha256  = sha256(bundle)
      install = "dnf install -y docker"
      download = templatefile("${path.module}/boot/fetch.py.tftpl", {
        bucket = var.bucket
        key    = aws_s3_object.bundle[group].key
        region = var.region
      })
    }))
  }
}

resource "aws_s3_object" "bundle" {
  for_each = local.groups

  bucket                 = var.bucket
  key                    = "cloudberth/boot/${each.key}-${sha256(local.bundles[each.key])}.json.gz"
  content_base64         = base64gzip(local.bundles[each.key])
  content_type           = "application/gzip"
  server_side_encryption = "AES256"

  # Objects take ten tags at most: only the name, not those of the whole deployment.
  override_provider {
    default_tags {
      tags = {}
    }
  }

  tags = { Name = each.value.name }

  # Machines of the old launch template may still start.
  lifecycle {
    create_before_destroy = true
  }
}

# The release that the database was migrated to: written by the stateful machine, waited for by the others.
resource "aws_ssm_parameter" "release" {
  # checkov:skip=CKV2_AWS_34:a version number is no secret
  # checkov:skip=CKV_AWS_337:a version number is no secret
  name        = "/cloudberth/${var.name}/release"
  description = "Release that the database of ${var.name} was migrated to"
  type        = "String"
  value       = "none"

  tags = merge(var.tags, { Name = "${var.name}-release" })

  lifecycle {
    ignore_changes = [value]
  }
}
