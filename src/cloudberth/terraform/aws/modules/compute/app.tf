resource "aws_autoscaling_group" "app" {
  name                = local.groups.app.name
  min_size            = var.app.min
  max_size            = var.app.max
  vpc_zone_identifier = var.subnets
  target_group_arns   = [var.target_group]

  # Installing packages, pulling images, waiting for the database migration: until then silence is not illness.
  health_check_type         = "ELB"
  health_check_grace_period = 900
  default_instance_warmup   = 300

  # The first machine that answers is the end of the creation, so that the address works when Terraform prints it.
  min_elb_capacity          = 1
  wait_for_capacity_timeout = "60m"

  # Every machine is replaced within a month, by one with the patches of its day.
  max_instance_lifetime = 30 * 24 * 3600

  # A new machine before the warned spot machine goes.
  capacity_rebalance = var.app.spot_percent > 0

  enabled_metrics = ["GroupDesiredCapacity", "GroupInServiceInstances", "GroupPendingInstances", "GroupTotalInstances"]

  mixed_instances_policy {
    instances_distribution {
      on_demand_base_capacity                  = var.app.on_demand
      on_demand_percentage_above_base_capacity = 100 - var.app.spot_percent
      on_demand_allocation_strategy            = "prioritized"
      spot_allocation_strategy                 = "price-capacity-optimized"
    }

    launch_template {
      launch_template_specification {
        launch_template_id = aws_launch_template.this["app"].id
        version            = aws_launch_template.this["app"].latest_version
      }

      dynamic "override" {
        for_each = var.app.machine_types

        content {
          instance_type = override.value
        }
      }
    }
  }

  # A machine joins the load balancer when the boot program says that it is ready, not when Linux is up. One that
  # never says so is replaced.
  initial_lifecycle_hook {
    name                 = local.groups.app.hook
    lifecycle_transition = "autoscaling:EC2_INSTANCE_LAUNCHING"
    heartbeat_timeout    = 3600
    default_result       = "ABANDON"
  }

  # A new release, image or setting: new machines first, then old ones go.
  instance_refresh {
    strategy = "Rolling"

    preferences {
      min_healthy_percentage = 100
      max_healthy_percentage = 200
    }
  }

  instance_maintenance_policy {
    min_healthy_percentage = 100
    max_healthy_percentage = 200
  }

  # A machine that is still starting, or ends its last answers, holds up the end of the group.
  timeouts {
    delete = "30m"
  }

  dynamic "tag" {
    for_each = merge(var.tags, { Name = local.groups.app.name })

    content {
      key                 = tag.key
      value               = tag.value
      propagate_at_launch = true
    }
  }

  # Machines read their rights, names and bundle while they start.
  depends_on = [aws_iam_role_policy.boot, aws_iam_role_policy_attachment.given, aws_iam_role_policy.session_manager, aws_iam_role_policy.registry, aws_autoscaling_group.stateful]
}

resource "aws_autoscaling_policy" "cpu" {
  name                   = "cpu"
  autoscaling_group_name = aws_autoscaling_group.app.name
  policy_type            = "TargetTrackingScaling"

  target_tracking_configuration {
    target_value = var.app.target_cpu_percent

    predefined_metric_specification {
      predefined_metric_type = "ASGAverageCPUUtilization"
    }
  }
}

# A schedule moves the bounds; the load decides between them. While one is in force, a plan shows the bounds of the
# group as changed, and an apply sets those of the deployment file again until the next schedule.
resource "aws_autoscaling_schedule" "this" {
  for_each = { for schedule in var.schedules : schedule.name => schedule }

  scheduled_action_name  = each.key
  autoscaling_group_name = aws_autoscaling_group.app.name
  recurrence             = each.value.cron
  time_zone              = each.value.time_zone
  min_size               = each.value.min
  max_size               = each.value.max
  desired_capacity       = -1
}
