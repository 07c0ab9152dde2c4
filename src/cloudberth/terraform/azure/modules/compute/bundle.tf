# What a machine starts from is more than custom data should hold, so it is an object in the storage account. Its name
# is the hash of its content and custom data carries that hash: a machine refuses anything else, and a change of any
# line in it changes the machines and so replaces them one after the other.

locals {
  stack    = jsondecode(file("${var.stack_directory}/stack.json"))
  programs = { for file in fileset("${path.module}/boot", "*.py") : file => file("${path.module}/boot/${file}") }

  metric_namespace = "Cloudberth"

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
        marker_url       = "${var.endpoint}/release/release"
        metric_namespace = local.metric_namespace
        metric_resource  = local.scale_set_ids["stateful"]
        ingestion        = var.ingestion
      })
      files = {
        for path in fileset("${var.stack_directory}/${group}", "**") :
        path => templatefile("${var.stack_directory}/${group}/${path}", var.facts)
      }
      programs = local.programs
    })
  }

  custom_data = {
    for group, bundle in local.bundles : group => base64encode(templatefile("${path.module}/boot/cloud-init.yaml.tftpl", {
      sha256  = sha256(bundle)
      install = "apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y docker.io && systemctl mask --now ssh.service ssh.socket"
      download = templatefile("${path.module}/boot/fetch.py.tftpl", {
        url = azurerm_storage_blob.bundle[group].url
      })
    }))
  }
}

resource "azurerm_storage_blob" "bundle" {
  for_each = local.groups

  name                 = "${each.key}-${sha256(local.bundles[each.key])}.json"
  storage_container_id = var.containers["boot"]
  type                 = "Block"
  content_type         = "application/json"
  source_content       = local.bundles[each.key]

  # Machines of the old release may still start.
  lifecycle {
    create_before_destroy = true
  }
}
