# Not part of the machine: the machine is replaced at will, the disk moves on to its successor. Terraform destroys it
# only with the deployment, and takes a snapshot first if backup.final_snapshot says so.
resource "aws_ebs_volume" "data" {
  # checkov:skip=CKV_AWS_189:encrypted with the key that AWS keeps for EBS
  availability_zone = var.zones[0]
  type              = "gp3"
  size              = var.stateful.data_disk_gb
  encrypted         = true
  final_snapshot    = var.final_snapshot

  tags = merge(var.tags, { Name = "${var.name}-data", Backup = "${var.name}-daily" })

  # A disk cannot change its zone: replacing it would empty it.
  lifecycle {
    ignore_changes = [availability_zone]
  }
}

resource "aws_autoscaling_group" "stateful" {
  name     = local.groups.stateful.name
  min_size = 1
  max_size = 1

  # Where the disk is. If that zone is no longer among the subnets, this fails instead of losing the data.
  vpc_zone_identifier = [var.subnets[index(var.zones, aws_ebs_volume.data.availability_zone)]]

  health_check_type         = "EC2"
  health_check_grace_period = 900
  wait_for_capacity_timeout = "30m"

  enabled_metrics = ["GroupDesiredCapacity", "GroupInServiceInstances", "GroupTotalInstances"]

  launch_template {
    id      = aws_launch_template.this["stateful"].id
    version = aws_launch_template.this["stateful"].latest_version
  }

  # There are never two: first the old machine ends and lets go of the disk, then the new one starts.
  instance_refresh {
    strategy = "Rolling"

    preferences {
      min_healthy_percentage = 0
      max_healthy_percentage = 100
    }
  }

  instance_maintenance_policy {
    min_healthy_percentage = 0
    max_healthy_percentage = 100
  }

  # A machine that is still starting, or ends its last answers, holds up the end of the group.
  timeouts {
    delete = "30m"
  }

  dynamic "tag" {
    for_each = merge(var.tags, { Name = local.groups.stateful.name })

    content {
      key                 = tag.key
      value               = tag.value
      propagate_at_launch = true
    }
  }

  depends_on = [aws_iam_role_policy.boot, aws_iam_role_policy.stateful, aws_iam_role_policy_attachment.given, aws_iam_role_policy.session_manager, aws_iam_role_policy.registry]
}

################################################################################
# Daily snapshots of the data disk
################################################################################

resource "aws_iam_role" "snapshots" {
  name_prefix = "${var.name}-snapshots-"
  description = "Lets the lifecycle manager take and remove snapshots for ${var.name}"

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { Service = "dlm.amazonaws.com" }
      Condition = { StringEquals = { "aws:SourceAccount" = data.aws_caller_identity.current.account_id } }
    }]
  })

  tags = merge(var.tags, { Name = "${var.name}-snapshots" })
}

resource "aws_iam_role_policy_attachment" "snapshots" {
  role       = aws_iam_role.snapshots.name
  policy_arn = "arn:${data.aws_partition.current.partition}:iam::aws:policy/service-role/AWSDataLifecycleManagerServiceRole"
}

resource "aws_dlm_lifecycle_policy" "data" {
  description        = "Daily snapshots of the data disk of ${var.name}"
  execution_role_arn = aws_iam_role.snapshots.arn
  state              = "ENABLED"

  policy_details {
    resource_types = ["VOLUME"]
    target_tags    = { Backup = "${var.name}-daily" }

    schedule {
      name      = "daily"
      copy_tags = true

      create_rule {
        interval      = 24
        interval_unit = "HOURS"
        times         = [substr(var.backup_window, 0, 5)]
      }

      retain_rule {
        count = var.backup_retention_days
      }
    }
  }

  tags = merge(var.tags, { Name = "${var.name}-data" })
}
