# Two groups from one recipe: "app", any number of machines without state behind the load balancer, and "stateful",
# exactly one with a data disk of its own for the services that must not run twice.

data "aws_partition" "current" {}

data "aws_caller_identity" "current" {}

locals {
  groups = {
    app = {
      name           = "${var.name}-app"
      security_group = var.security_groups.app
      disk_gb        = var.app.disk_gb
      machine_type   = var.app.machine_types[0]
      hook           = "${var.name}-app-started"
      cloud          = { volume_id = "", record = { zone_id = "", name = "" } }
    }
    stateful = {
      name           = "${var.name}-stateful"
      security_group = var.security_groups.stateful
      disk_gb        = var.stateful.disk_gb
      machine_type   = var.stateful.machine_type
      # No hook: a database migration may take longer than any time-out, and must not be cut short by one.
      hook  = ""
      cloud = { volume_id = aws_ebs_volume.data.id, record = { zone_id = var.private_zone_id, name = var.facts.stateful.host } }
    }
  }

  # Linux 6.12: the agent sandbox locks itself in with a kernel feature (Landlock, third version) that 6.1 lacks.
  # EC2 looks the parameter up whenever a machine starts, so new machines are patched and the plan stays the same.
  image = coalesce(var.image, "resolve:ssm:/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-6.12-${var.architecture}")
}

resource "aws_launch_template" "this" {
  # checkov:skip=CKV_AWS_341:containers of the application use the machine's role for the bucket, and are one hop further; sandboxes have no route to the address
  for_each = local.groups

  name                   = each.value.name
  description            = "Machines of the group ${each.key} of ${var.name}"
  update_default_version = true

  image_id      = local.image
  instance_type = each.value.machine_type
  ebs_optimized = true
  user_data     = local.user_data[each.key]

  iam_instance_profile {
    arn = aws_iam_instance_profile.this[each.key].arn
  }

  metadata_options {
    http_endpoint               = "enabled"
    http_tokens                 = "required"
    http_put_response_hop_limit = 2
    instance_metadata_tags      = "disabled"
  }

  # Once a minute instead of every five: the group notices load while it matters.
  monitoring {
    enabled = true
  }

  network_interfaces {
    associate_public_ip_address = false
    delete_on_termination       = true
    security_groups             = [each.value.security_group]
  }

  block_device_mappings {
    device_name = "/dev/xvda"

    ebs {
      volume_type           = "gp3"
      volume_size           = each.value.disk_gb
      encrypted             = true
      delete_on_termination = true
    }
  }

  # What a group starts does not inherit the tags of the provider.
  dynamic "tag_specifications" {
    for_each = toset(["instance", "volume", "network-interface"])

    content {
      resource_type = tag_specifications.value
      tags          = merge(var.tags, { Name = each.value.name, Group = each.key, Release = local.stack.release })
    }
  }

  tags = merge(var.tags, { Name = each.value.name })
}
