"""Plans for the rules about cost."""

from __future__ import annotations

from finding_plans import case, resource, sample
from finding_stacks import disk, distribution, group, template

NAT = resource("aws_nat_gateway.a[0]")
case(
    "cost.no-budget",
    reported=[sample(NAT)],
    silent=[sample(NAT, resource("aws_budgets_budget.a")), sample(resource("aws_vpc.a"))],
)
case(
    "cost.budget-without-recipient",
    reported=[
        sample(resource("aws_budgets_budget.a", notification=[])),
        sample(
            resource(
                "aws_budgets_budget.a", notification=[{"threshold": 80, "subscriber_email_addresses": []}]
            )
        ),
    ],
    silent=[
        sample(
            resource("aws_budgets_budget.a", notification=[{"subscriber_email_addresses": ["a@example.com"]}])
        ),
        sample(
            resource(
                "aws_budgets_budget.a",
                notification=[{"threshold": 80}],
                unknown={"notification": [{"subscriber_sns_topic_arns": True}]},
            )
        ),
    ],
)
case(
    "cost.nat-per-zone",
    reported=[sample(NAT, resource("aws_nat_gateway.a[1]"), size="small")],
    silent=[sample(NAT), sample(NAT, resource("aws_nat_gateway.a[1]"), size="large")],
)
S3 = resource(
    "aws_vpc_endpoint.s3", service_name="com.amazonaws.eu-central-1.s3", vpc_endpoint_type="Gateway"
)
case(
    "cost.object-store-through-nat",
    reported=[sample(NAT), sample(NAT, resource("aws_vpc_endpoint.a", service_name="com.amazonaws.x.logs"))],
    silent=[
        sample(NAT, S3),
        sample(NAT, resource("aws_vpc_endpoint.a", unknown={"service_name": True})),
        sample(S3),
    ],
)
case(
    "cost.gp2-disk",
    reported=[
        sample(resource("aws_ebs_volume.a", type="gp2")),
        sample(resource("aws_db_instance.a", storage_type="gp2")),
        template(block_device_mappings=disk(volume_type="gp2")),
    ],
    silent=[
        sample(resource("aws_ebs_volume.a", type="gp3")),
        sample(resource("aws_db_instance.a", unknown={"storage_type": True})),
        template(block_device_mappings=disk(volume_type="gp3")),
    ],
)
case(
    "cost.old-provisioned-disk",
    reported=[sample(resource("aws_ebs_volume.a", type="io1"))],
    silent=[sample(resource("aws_ebs_volume.a", type="io2"))],
)
ADDRESS = resource("aws_eip.a", domain="vpc", unknown={"instance": True, "network_interface": True})
case(
    "cost.idle-address",
    reported=[sample(ADDRESS)],
    silent=[
        sample(
            ADDRESS, resource("aws_nat_gateway.a", references=["aws_eip.a"], unknown={"allocation_id": True})
        ),
        sample(ADDRESS, resource("aws_eip_association.a", references=["aws_eip.a"])),
        sample(resource("aws_eip.a", instance="i-1")),
        sample(resource("aws_eip.a", references=["aws_instance.a"]), resource("aws_instance.a")),
    ],
)
case(
    "cost.previous-generation",
    reported=[
        sample(resource("aws_db_instance.a", instance_class="db.t2.medium")),
        template(instance_type="m4.large"),
        sample(group(mixed_instances_policy=distribution(1, 50, "c4.large"))),
    ],
    silent=[
        sample(resource("aws_db_instance.a", instance_class="db.t4g.medium")),
        template(instance_type="m7g.large"),
    ],
)
case(
    "cost.managed-on-x86",
    reported=[
        sample(resource("aws_db_instance.a", instance_class="db.m6i.large")),
        sample(resource("aws_elasticache_replication_group.a", node_type="cache.t3.small")),
    ],
    silent=[
        sample(resource("aws_db_instance.a", instance_class="db.m7g.large")),
        sample(resource("aws_rds_cluster_instance.a", instance_class="db.serverless")),
        template(instance_type="m6i.large"),
    ],
)
case(
    "cost.machines-on-x86",
    reported=[
        template(instance_type="t3.large"),
        sample(group(mixed_instances_policy=distribution(1, 50, "m6i.large"))),
    ],
    silent=[
        template(instance_type="t4g.large"),
        sample(resource("aws_db_instance.a", instance_class="db.t3.small")),
    ],
)
case(
    "cost.untagged",
    reported=[sample(resource("aws_vpc.a"), resource("aws_s3_bucket.a"))],
    silent=[
        sample(resource("aws_vpc.a", tags={"Name": "dify"})),
        sample(resource("aws_vpc.a", tags_all={"App": "dify"})),
        sample(resource("aws_vpc.a", unknown={"tags_all": True})),
    ],
)
TAGGED = {"Deployment": "dify"}
case(
    "cost.snapshots-untagged",
    reported=[sample(resource("aws_db_instance.a", tags=TAGGED))],
    silent=[
        sample(resource("aws_db_instance.a", tags=TAGGED, copy_tags_to_snapshot=True)),
        sample(resource("aws_db_instance.a")),
    ],
)
