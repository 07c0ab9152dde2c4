"""EC2, auto scaling, volumes, parameters, containers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from cloudberth.infra.simulation.aws.rules.formats import (
    AWS_SCHEDULE,
    INSTANCE_TYPE,
    NAME_OR_PREFIX,
    UNIX_CRON,
    VOLUME_TYPES,
    ZONE,
)
from cloudberth.infra.simulation.rules import (
    AnyRule,
    Rule,
    between,
    conflicting,
    every,
    exactly_one_of,
    length,
    matches,
    one_of,
    ordered,
    requires,
    requires_when,
)

RULES: Final[Mapping[str, Sequence[AnyRule]]] = {
    "aws_instance": (
        Rule("instance_type", INSTANCE_TYPE),
        Rule("tenancy", one_of("default", "dedicated", "host")),
    ),
    "aws_launch_template": (
        NAME_OR_PREFIX,
        Rule("name", length(3, 128)),
        Rule("name_prefix", length(1, 99)),
        Rule("instance_type", INSTANCE_TYPE),
        Rule("metadata_options.*.http_tokens", one_of("optional", "required")),
        Rule("metadata_options.*.http_endpoint", one_of("enabled", "disabled")),
        Rule("metadata_options.*.http_put_response_hop_limit", between(1, 64)),
        Rule("block_device_mappings.*.ebs.*.volume_type", VOLUME_TYPES),
        Rule("block_device_mappings.*.ebs.*.volume_size", between(1, 65536)),
        Rule("block_device_mappings.*.ebs.*.throughput", between(125, 2000)),
        Rule("instance_initiated_shutdown_behavior", one_of("stop", "terminate")),
        Rule(
            "tag_specifications.*.resource_type",
            matches(
                r"instance|volume|network-interface|spot-instances-request|elastic-gpu",
                "be a taggable resource",
            ),
        ),
        Rule("user_data", matches(r"[A-Za-z0-9+/=\s]*", "be base64 (use base64encode)")),
        conflicting("default_version", "update_default_version"),
        conflicting("security_group_names", "vpc_security_group_ids"),
        Rule("credit_specification.*.cpu_credits", one_of("standard", "unlimited")),
    ),
    "aws_autoscaling_group": (
        NAME_OR_PREFIX,
        Rule("name", length(1, 255)),
        ordered("min_size", "max_size"),
        ordered("desired_capacity", "max_size"),
        ordered("min_size", "desired_capacity"),
        exactly_one_of("launch_configuration", "launch_template", "mixed_instances_policy"),
        conflicting("availability_zones", "vpc_zone_identifier"),
        Rule(
            "health_check_type",
            matches(r"(EC2|ELB|EBS|VPC_LATTICE)(,(EC2|ELB|EBS|VPC_LATTICE))*", "be EC2, ELB or EBS"),
        ),
        Rule("metrics_granularity", one_of("1Minute")),
        Rule(
            "mixed_instances_policy.*.instances_distribution.*.on_demand_percentage_above_base_capacity",
            between(0, 100),
        ),
        Rule(
            "mixed_instances_policy.*.instances_distribution.*.spot_allocation_strategy",
            one_of(
                "lowest-price",
                "capacity-optimized",
                "capacity-optimized-prioritized",
                "price-capacity-optimized",
            ),
        ),
        Rule("mixed_instances_policy.*.launch_template.*.override.*.instance_type", INSTANCE_TYPE),
        Rule("instance_refresh.*.strategy", one_of("Rolling")),
        Rule("instance_refresh.*.preferences.*.min_healthy_percentage", between(0, 100)),
        Rule("instance_refresh.*.preferences.*.max_healthy_percentage", between(100, 200)),
        Rule(
            "termination_policies.*",
            matches(
                "OldestInstance|NewestInstance|OldestLaunchConfiguration|ClosestToNextInstanceHour|Default"
                "|OldestLaunchTemplate|AllocationStrategy|arn:.*",
                "be a termination policy",
            ),
        ),
    ),
    "aws_autoscaling_policy": (
        Rule(
            "policy_type",
            one_of("SimpleScaling", "StepScaling", "TargetTrackingScaling", "PredictiveScaling"),
        ),
        requires_when("policy_type", ("TargetTrackingScaling",), "target_tracking_configuration"),
        Rule(
            "target_tracking_configuration.*.predefined_metric_specification.*.predefined_metric_type",
            one_of(
                "ASGAverageCPUUtilization",
                "ASGAverageNetworkIn",
                "ASGAverageNetworkOut",
                "ALBRequestCountPerTarget",
            ),
        ),
    ),
    "aws_autoscaling_schedule": (Rule("recurrence", UNIX_CRON), ordered("min_size", "max_size")),
    "aws_ebs_volume": (
        Rule("type", VOLUME_TYPES),
        Rule("size", between(1, 65536)),
        Rule("throughput", between(125, 2000)),
        Rule("availability_zone", ZONE),
    ),
    "aws_efs_file_system": (
        Rule("throughput_mode", one_of("bursting", "provisioned", "elastic")),
        Rule("performance_mode", one_of("generalPurpose", "maxIO")),
    ),
    "aws_ssm_parameter": (
        Rule("type", one_of("String", "StringList", "SecureString")),
        Rule("tier", one_of("Standard", "Advanced", "Intelligent-Tiering")),
        Rule("name", every(length(1, 2048), matches(r"[\w.\-/]+", "have only letters, digits and ._-/"))),
        exactly_one_of("value", "insecure_value", "value_wo"),
        requires("value_wo", "value_wo_version"),
    ),
    "aws_ecs_task_definition": (
        Rule("network_mode", one_of("bridge", "host", "awsvpc", "none")),
        Rule("container_definitions", matches(r"(?s)\s*\[.*\]\s*", "be a JSON list of containers")),
    ),
    "aws_ecs_service": (
        Rule("launch_type", one_of("EC2", "FARGATE", "EXTERNAL")),
        conflicting("launch_type", "capacity_provider_strategy"),
    ),
    "aws_ecr_repository": (
        Rule("image_tag_mutability", matches(r"(IM)?MUTABLE(_WITH_EXCLUSION)?", "be MUTABLE or IMMUTABLE")),
    ),
    "aws_appautoscaling_scheduled_action": (Rule("schedule", AWS_SCHEDULE),),
}
