"""Cost of AWS: what is billed without need.

Figures in the texts are us-east-1 list prices of 2026, for orientation; the estimate has the real ones.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from cloudberth.findings.context import Context
from cloudberth.findings.model import Severity
from cloudberth.findings.rules.aws_compute import INSTANCE, TEMPLATE, TYPED, disks, machine_types
from cloudberth.findings.rules.registry import Hit, relation_rule, resource_rule, rule
from cloudberth.findings.values import at
from cloudberth.infra.plan import Resource

BILLED = (
    "aws_instance",
    "aws_autoscaling_group",
    "aws_db_instance",
    "aws_rds_cluster",
    "aws_elasticache_replication_group",
    "aws_nat_gateway",
    "aws_lb",
    "aws_ecs_service",
    "aws_eks_cluster",
)
# Families that AWS lists as previous generation.
_PREVIOUS = re.compile(
    r"^(?:db\.|cache\.)?(?:t1|t2|m1|m2|m3|m4|c1|c3|c4|r3|r4|i2|g2|g3|p2|p3|d2|x1|x1e|cc2|cr1|hs1)\."
)
# Families with Intel or AMD processors for which a Graviton family of the same shape exists.
_X86 = {
    "t3": "t4g",
    "t3a": "t4g",
    "m5": "m7g",
    "m5a": "m7g",
    "m6i": "m7g",
    "m6a": "m7g",
    "m7i": "m7g",
    "m7a": "m8g",
    "m8i": "m8g",
    "c5": "c7g",
    "c5a": "c7g",
    "c6i": "c7g",
    "c6a": "c7g",
    "c7i": "c7g",
    "c7a": "c8g",
    "r5": "r7g",
    "r6i": "r7g",
    "r7i": "r7g",
    "r8i": "r8g",
}


@rule(
    "cost.previous-generation",
    Severity.LOW,
    "Machine type of a previous generation",
    why="Newer generations do more for the same or less money, and old ones run out of capacity.",
    remedy="compute.app.machine_types, database.machine_type or cache.machine_type: a current family, e.g. "
    "m7g, t4g",
    types=(*TYPED, "aws_autoscaling_group"),
)
def previous_generation(context: Context) -> Iterator[Hit]:
    for resource, kind in machine_types(context):
        if _PREVIOUS.match(kind):
            yield Hit(resource.address, f"It uses {kind}.")


@rule(
    "cost.managed-on-x86",
    Severity.LOW,
    "Managed database or cache on a processor that costs more",
    why="Graviton classes cost about a tenth less and the application does not see the difference.",
    remedy="database.machine_type or cache.machine_type: the Graviton family, e.g. db.t4g, db.m7g, cache.t4g",
    types=(
        "aws_db_instance",
        "aws_rds_cluster_instance",
        "aws_elasticache_replication_group",
        "aws_elasticache_cluster",
    ),
)
def managed_on_x86(context: Context) -> Iterator[Hit]:
    for resource, kind in machine_types(context):
        prefix, _, rest = kind.partition(".")
        family = rest.partition(".")[0]
        if prefix in ("db", "cache") and family in _X86:
            yield Hit(resource.address, f"{kind}; {prefix}.{_X86[family]} is the Graviton family.")


@rule(
    "cost.machines-on-x86",
    Severity.INFO,
    "Machines on a processor that costs more",
    why="Graviton machines cost a tenth to a fifth less; Dify's images exist for both. Check your own "
    "plugins first.",
    remedy="compute.app.machine_types and compute.stateful.machine_type: a Graviton family, e.g. t4g, m7g",
    types=(TEMPLATE, INSTANCE, "aws_autoscaling_group"),
)
def machines_on_x86(context: Context) -> Iterator[Hit]:
    found: dict[str, str] = {}
    for resource, kind in machine_types(context):
        family = kind.partition(".")[0]
        if family in _X86:
            found.setdefault(resource.address, f"{kind}; {_X86[family]} is the Graviton family.")
    yield from (Hit(address, detail) for address, detail in found.items())


@rule(
    "cost.no-budget",
    Severity.MEDIUM,
    "No budget watches the bill",
    why="A loop, an attack or a forgotten machine is first noticed on the invoice, up to a month later.",
    remedy="budget: {amount: …, emails: […]}",
    types=BILLED,
)
def no_budget(context: Context) -> Iterator[Hit]:
    if context.has(*BILLED) and not context.has("aws_budgets_budget"):
        yield Hit("", "The plan has billed resources and no budget.")


@resource_rule(
    "cost.budget-without-recipient",
    Severity.MEDIUM,
    "Budget tells nobody",
    why="A budget without recipients is a number in a console that nobody opens.",
    remedy="budget.emails: [name@example.com]",
    types=("aws_budgets_budget",),
)
def budget_without_recipient(budget: Resource) -> str | None:
    notices = at(budget, "notification")
    names = ("subscriber_email_addresses", "subscriber_sns_topic_arns")
    told = any(not notice.at(name).absent for notice in notices.children() for name in names)
    return None if told or notices.unknown else "It has no notification with a recipient."


@rule(
    "cost.nat-per-zone",
    Severity.INFO,
    "A NAT gateway in every zone",
    why="Each gateway costs about $33 a month before traffic; one is enough where an hour without the "
    "internet is bearable.",
    remedy="network.nat: single",
    types=("aws_nat_gateway",),
    by_size={"small": Severity.LOW, "large": None},
)
def nat_per_zone(context: Context) -> Iterator[Hit]:
    gateways = tuple(context.of_type("aws_nat_gateway"))
    if len(gateways) > 1:
        yield Hit("", f"{len(gateways)} gateways, about ${(len(gateways) - 1) * 33} a month more than one.")


@rule(
    "cost.object-store-through-nat",
    Severity.MEDIUM,
    "Object store traffic goes through the NAT gateway",
    why="Every file read or written costs $0.045 per GB at the gateway; a gateway endpoint for S3 is free.",
    remedy="Add a gateway endpoint for S3 (Cloudberth's network module always does).",
    types=("aws_nat_gateway",),
)
def object_store_through_nat(context: Context) -> Iterator[Hit]:
    services = [at(e, "service_name") for e in context.of_type("aws_vpc_endpoint")]
    covered = any(service.unknown or service.text.endswith(".s3") for service in services)
    gateways = tuple(context.of_type("aws_nat_gateway"))
    if gateways and not covered:
        yield Hit(gateways[0].address, "No endpoint for S3 in the plan.")


@rule(
    "cost.gp2-disk",
    Severity.LOW,
    "Disk of the older type gp2",
    why="gp3 costs a fifth less per GB and gives 3,000 operations a second at any size.",
    remedy="volume_type / storage_type: gp3 (Cloudberth's modules always use it).",
    types=("aws_ebs_volume", "aws_db_instance", TEMPLATE, INSTANCE, "aws_launch_configuration"),
)
def gp2_disk(context: Context) -> Iterator[Hit]:
    for volume in context.of_type("aws_ebs_volume"):
        if at(volume, "type").text == "gp2":
            yield Hit(volume.address, "Its type is gp2.")
    for database in context.of_type("aws_db_instance"):
        if at(database, "storage_type").text == "gp2":
            yield Hit(database.address, "Its storage type is gp2.")
    for machine in context.of_type(TEMPLATE, INSTANCE, "aws_launch_configuration"):
        old = [name for name, disk in disks(machine) if disk.at("volume_type").text == "gp2"]
        if old:
            yield Hit(machine.address, f"{old[0]} is gp2.")


@relation_rule(
    "cost.idle-address",
    Severity.LOW,
    "Public address that nothing uses",
    why="An address costs about $3.65 a month, used or not.",
    remedy="Release it.",
    types=("aws_eip",),
)
def idle_address(address: Resource, context: Context) -> str | None:
    own = [at(address, name) for name in ("instance", "network_interface", "associate_with_private_ip")]
    users = (
        "aws_eip_association",
        "aws_nat_gateway",
        "aws_lb",
        "aws_instance",
        "aws_globalaccelerator_accelerator",
        "aws_launch_template",
        "aws_autoscaling_group",
    )
    used = any(node.known for node in own) or any(
        context.refers(address, i) for i in context.of_type("aws_instance")
    )
    claimed = any(context.refers(user, address) for user in context.of_type(*users))
    uncertain = any(
        at(nat, "allocation_id").unknown and not nat.references for nat in context.of_type("aws_nat_gateway")
    )
    return None if used or claimed or uncertain else "Nothing in the plan uses it."


@resource_rule(
    "cost.old-provisioned-disk",
    Severity.LOW,
    "Disk of the older type io1",
    why="io2 costs the same or less per operation and fails a hundred times less often.",
    remedy="volume_type: io2, or gp3 with iops",
    types=("aws_ebs_volume", "aws_db_instance"),
)
def old_provisioned_disk(resource: Resource) -> str | None:
    name = "type" if resource.type == "aws_ebs_volume" else "storage_type"
    return "Its type is io1." if at(resource, name).text == "io1" else None


_TAGGED = (
    "aws_vpc",
    "aws_instance",
    "aws_db_instance",
    "aws_rds_cluster",
    "aws_elasticache_replication_group",
    "aws_s3_bucket",
    "aws_lb",
    "aws_nat_gateway",
    "aws_ebs_volume",
    "aws_efs_file_system",
    "aws_cloudwatch_log_group",
    "aws_secretsmanager_secret",
)


@rule(
    "cost.untagged",
    Severity.LOW,
    "Billed resources without tags",
    why="The bill cannot be split by application or team, and nobody knows what may be deleted.",
    remedy="tags: {…} (Cloudberth puts the deployment's name on everything).",
    types=_TAGGED,
)
def untagged(context: Context) -> Iterator[Hit]:
    bare = [r for r in context.of_type(*_TAGGED) if at(r, "tags").absent and at(r, "tags_all").absent]
    if bare:
        others = f" and {len(bare) - 1} more" if len(bare) > 1 else ""
        yield Hit(bare[0].address, f"No tags on {bare[0].address}{others}.")


@resource_rule(
    "cost.snapshots-untagged",
    Severity.INFO,
    "Snapshots of the database carry no tags",
    why="They are billed for years, and nobody can say whose they are.",
    remedy="copy_tags_to_snapshot: true",
    types=("aws_db_instance", "aws_rds_cluster"),
)
def snapshots_untagged(database: Resource) -> str | None:
    tagged = not at(database, "tags").absent or not at(database, "tags_all").absent
    return "copy_tags_to_snapshot is off." if tagged and at(database, "copy_tags_to_snapshot").off else None
