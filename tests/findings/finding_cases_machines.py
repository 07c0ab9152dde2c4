"""Plans for the rules about machines and groups."""

from __future__ import annotations

from typing import Any

from finding_plans import case, resource, sample
from finding_stacks import COMPOSE, GROUP, TEMPLATE, disk, distribution, group, template

case(
    "compute.metadata-v1",
    reported=[
        template(metadata_options=[]),
        template(metadata_options=[{"http_tokens": "optional"}]),
        sample(resource("aws_instance.a", metadata_options=[{"http_tokens": "optional"}])),
    ],
    silent=[
        template(metadata_options=[{"http_tokens": "required"}]),
        template(metadata_options=[{"http_endpoint": "disabled"}]),
        sample(resource("aws_instance.a", unknown={"metadata_options": True})),
    ],
)
HOP_1 = resource(TEMPLATE, metadata_options=[{"http_tokens": "required", "http_put_response_hop_limit": 1}])
HOP_2 = resource(TEMPLATE, metadata_options=[{"http_tokens": "required", "http_put_response_hop_limit": 2}])
case(
    "compute.metadata-out-of-reach",
    reported=[sample(HOP_1, stack={"app/compose.yaml": COMPOSE})],
    silent=[sample(HOP_2, stack={"app/compose.yaml": COMPOSE}), sample(HOP_1)],
)
case(
    "compute.public-address",
    reported=[
        template(network_interfaces=[{"associate_public_ip_address": "true"}]),
        sample(resource("aws_instance.a", associate_public_ip_address=True)),
        sample(resource("aws_ecs_service.a", network_configuration=[{"assign_public_ip": True}])),
    ],
    silent=[
        template(network_interfaces=[{"associate_public_ip_address": "false"}]),
        template(),
        sample(resource("aws_instance.a", unknown={"associate_public_ip_address": True})),
    ],
)


case(
    "compute.disk-unencrypted",
    reported=[
        template(block_device_mappings=disk(volume_size=50)),
        template(block_device_mappings=disk(encrypted="false")),
        sample(
            resource(TEMPLATE, block_device_mappings=disk(volume_size=50)),
            resource("aws_ebs_encryption_by_default.a", enabled=False),
        ),
        sample(resource("aws_instance.a", root_block_device=[{"encrypted": False}])),
    ],
    silent=[
        template(block_device_mappings=disk(encrypted="true")),
        template(
            block_device_mappings=disk(),
            unknown={"block_device_mappings": [{"ebs": [{"encrypted": True}]}]},
        ),
        sample(
            resource(TEMPLATE, block_device_mappings=disk(volume_size=50)),
            resource("aws_ebs_encryption_by_default.a", enabled=True),
        ),
        sample(
            resource(TEMPLATE, block_device_mappings=disk(volume_size=50)),
            resource("aws_ebs_encryption_by_default.a"),
        ),
        sample(resource("aws_instance.a", root_block_device=[{}], unknown={"root_block_device": True})),
    ],
)
case(
    "compute.volume-unencrypted",
    reported=[sample(resource("aws_ebs_volume.a", encrypted=False))],
    silent=[
        sample(resource("aws_ebs_volume.a", encrypted=True)),
        sample(resource("aws_ebs_volume.a", unknown={"encrypted": True})),
    ],
)
case("compute.ssh-key", reported=[template(key_name="me")], silent=[template(key_name=None), template()])
case(
    "compute.launch-configuration",
    reported=[sample(resource("aws_launch_configuration.a"))],
    silent=[template()],
)


KINDS = ("m7g.large", "m6g.large", "c7g.xlarge")
case(
    "compute.singleton-on-spot",
    reported=[
        sample(group(min_size=1, max_size=1, mixed_instances_policy=distribution(0, 0, *KINDS))),
        sample(resource("aws_instance.a", instance_market_options=[{"market_type": "spot"}])),
        sample(resource("aws_spot_instance_request.a")),
        sample(
            group(min_size=1, max_size=1, references=[TEMPLATE]),
            resource(TEMPLATE, instance_market_options=[{"market_type": "spot"}]),
        ),
    ],
    silent=[
        sample(group(min_size=1, max_size=1, mixed_instances_policy=distribution(1, 0, *KINDS))),
        sample(group(min_size=1, max_size=1)),
    ],
)
case(
    "compute.all-on-spot",
    reported=[sample(group(min_size=2, max_size=6, mixed_instances_policy=distribution(0, 0, *KINDS)))],
    silent=[
        sample(group(min_size=2, max_size=6, mixed_instances_policy=distribution(1, 0, *KINDS))),
        sample(group(min_size=2, max_size=6)),
        sample(group(min_size=2, max_size=6, unknown={"mixed_instances_policy": True})),
    ],
)
case(
    "compute.spot-without-alternatives",
    reported=[sample(group(max_size=6, mixed_instances_policy=distribution(1, 50, "m7g.large")))],
    silent=[
        sample(group(max_size=6, mixed_instances_policy=distribution(1, 50, *KINDS))),
        sample(group(max_size=6, mixed_instances_policy=distribution(1, 100, "m7g.large"))),
    ],
)
BEHIND = {"unknown": {"target_group_arns": True}, "references": ["aws_lb_target_group.a"]}
TARGETS = resource("aws_lb_target_group.a")
case(
    "compute.machine-health-only",
    reported=[
        sample(group(health_check_type="EC2", **BEHIND), TARGETS),
        sample(
            group(health_check_type="EC2"),
            resource(
                "aws_autoscaling_attachment.a", unknown={"autoscaling_group_name": True}, references=[GROUP]
            ),
        ),
    ],
    silent=[
        sample(group(health_check_type="ELB", **BEHIND), TARGETS),
        sample(group(health_check_type="EC2", unknown={"target_group_arns": True}), TARGETS),
        sample(group(health_check_type="EC2")),
    ],
)
case(
    "compute.scales-to-zero",
    reported=[
        sample(group(min_size=0, max_size=4)),
        sample(resource("aws_appautoscaling_target.a", service_namespace="ecs", min_capacity=0)),
    ],
    silent=[
        sample(group(min_size=1, max_size=4)),
        sample(group(min_size=0, max_size=4), resource("aws_eks_cluster.a")),
        sample(resource("aws_appautoscaling_target.a", service_namespace="ecs", min_capacity=1)),
        sample(resource("aws_appautoscaling_target.a", service_namespace="dynamodb", min_capacity=0)),
    ],
)


def schedule(name: str = "night", **limits: Any) -> Any:
    return resource(
        f"aws_autoscaling_schedule.{name}",
        unknown={"autoscaling_group_name": True},
        references=[GROUP],
        **limits,
    )


case(
    "compute.schedule-to-zero",
    reported=[sample(schedule(min_size=0, max_size=0))],
    silent=[sample(schedule(min_size=1, max_size=1))],
)
BASED = group(min_size=2, max_size=6, mixed_instances_policy=distribution(2, 50, *KINDS))
case(
    "compute.schedule-below-base",
    reported=[sample(BASED, schedule(min_size=1, max_size=1))],
    silent=[
        sample(BASED, schedule(min_size=2, max_size=2)),
        sample(BASED, schedule(min_size=1, max_size=-1)),
    ],
)
case(
    "compute.schedule-never-returns",
    reported=[sample(BASED, schedule(min_size=1, max_size=2))],
    silent=[
        sample(BASED, schedule(min_size=1, max_size=2), schedule("morning", min_size=2, max_size=6)),
        sample(BASED, schedule(min_size=1, max_size=-1)),
        sample(BASED),
    ],
)
SCALES = resource("aws_autoscaling_policy.a", unknown={"autoscaling_group_name": True}, references=[GROUP])
case(
    "compute.no-headroom",
    reported=[sample(group(min_size=3, max_size=3)), sample(group(min_size=1, max_size=1), SCALES)],
    silent=[
        sample(group(min_size=2, max_size=4)),
        sample(group(min_size=1, max_size=1)),
        sample(group(min_size=0, max_size=0)),
    ],
)
case(
    "compute.never-scales",
    reported=[sample(group(min_size=1, max_size=4))],
    silent=[
        sample(group(min_size=1, max_size=4), SCALES),
        sample(group(min_size=1, max_size=1)),
        sample(group(min_size=1, max_size=4), schedule()),
    ],
)
case(
    "compute.single-machine",
    reported=[sample(group(min_size=1, **BEHIND), TARGETS)],
    silent=[sample(group(min_size=2, **BEHIND), TARGETS), sample(group(min_size=1))],
)
case(
    "compute.single-zone",
    reported=[sample(group(max_size=4, vpc_zone_identifier=["subnet-1"]))],
    silent=[
        sample(group(max_size=4, vpc_zone_identifier=["subnet-1", "subnet-2"])),
        sample(group(max_size=1, vpc_zone_identifier=["subnet-1"])),
        sample(group(max_size=4, unknown={"vpc_zone_identifier": True})),
    ],
)
case(
    "compute.template-not-rolled-out",
    reported=[sample(group(instance_refresh=[]))],
    silent=[
        sample(group(instance_refresh=[{"strategy": "Rolling"}])),
        sample(group(max_instance_lifetime=604800)),
    ],
)
case(
    "compute.containers-on-zero",
    reported=[sample(resource("aws_ecs_service.a", desired_count=0))],
    silent=[
        sample(resource("aws_ecs_service.a", desired_count=1)),
        sample(resource("aws_ecs_service.a", desired_count=0), resource("aws_appautoscaling_target.a")),
    ],
)
