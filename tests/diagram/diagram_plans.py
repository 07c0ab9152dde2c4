"""Hand-made plans that name things the way our AWS modules do: ids unknown, references followed through."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

from cloudberth.infra.plan import Action, Plan, Resource

_ADDRESS = re.compile(
    r"^(?P<module>(?:module\.[^.\[]+(?:\[[^\]]*\])?\.)*)(?P<data>data\.)?"
    r"(?P<type>[^.]+)\.(?P<name>[^.\[]+)(?:\[(?P<key>[^\]]*)\])?$"
)
NETWORK = "module.network."
GROUPS = tuple(
    f"{NETWORK}aws_security_group.{name}" for name in ("app", "balancer", "cache", "database", "stateful")
)


def resource(
    address: str, /, references: Iterable[str] = (), unknown: Iterable[str] = (), **values: Any
) -> Resource:
    """A resource that would be created; module, type, name and key are read from the address."""
    found = _ADDRESS.match(address)
    assert found, address
    text = found["key"]
    key: str | int | None = None if text is None else text.strip('"') if text.startswith('"') else int(text)
    modules = re.findall(r"module\.([^.\[]+)", found["module"])
    return Resource(
        address=address,
        module=".".join(modules),
        type=found["type"],
        name=found["name"],
        key=key,
        provider="registry.terraform.io/hashicorp/aws",
        action=Action.READ if found["data"] else Action.CREATE,
        values=values,
        before={},
        unknown=dict.fromkeys(unknown, True),
        references=tuple(references),
        data=bool(found["data"]),
    )


def plan(resources: Iterable[Resource], **facts: Any) -> Plan:
    given: dict[str, Any] = {
        "name": "dify",
        "region": "eu-central-1",
        "providers": {"registry.terraform.io/hashicorp/aws": "6.69.1"},
        "rehearsal": True,
        **facts,
    }
    return Plan(resources=tuple(resources), **given)


def with_reference(made: Plan, address: str, *references: str) -> Plan:
    """The plan with more references on one resource."""
    changed = tuple(
        replace(one, references=(*one.references, *references)) if one.address == address else one
        for one in made.resources
    )
    return replace(made, resources=changed)


def dify_plan(
    *,
    zones: int = 2,
    nat: str = "single",
    multi_zone: bool = False,
    aurora: bool = False,
    waf: bool = False,
    cdn: bool = False,
    endpoints: tuple[str, ...] = (),
    spot: int = 0,
    schedules: int = 0,
    domain: bool = True,
    cidrs: tuple[str, ...] = ("0.0.0.0/0",),
) -> Plan:
    """What the modules make of a deployment with these features."""
    names = [f"eu-central-1{letter}" for letter in "abcdef"[:zones]]
    parts = (
        _network(names, nat, endpoints),
        _rules(cdn, cidrs, bool(endpoints)),
        _balancer(waf, cdn, domain),
        _stores(aurora, multi_zone),
        _compute(spot, schedules, names),
        _services(cdn),
    )
    return plan(one for part in parts for one in part)


def _network(zones: list[str], nat: str, endpoints: tuple[str, ...]) -> Iterator[Resource]:
    vpc = f"{NETWORK}aws_vpc.this[0]"
    yield resource(vpc, cidr_block="10.40.0.0/16")
    yield resource(f"{NETWORK}aws_internet_gateway.this[0]", [vpc])
    for tier, first in (("public", 128), ("private", 0), ("data", 192)):
        for index, zone in enumerate(zones):
            cidr = f"10.40.{first + 16 * index}.0/20"
            yield resource(
                f'{NETWORK}aws_subnet.{tier}["{zone}"]',
                [vpc],
                ["id"],
                availability_zone=zone,
                cidr_block=cidr,
            )
        yield resource(f"{NETWORK}aws_route_table.{tier}[0]", [vpc])
    for zone in {"single": zones[:1], "per-zone": zones, "none": []}[nat]:
        yield resource(f'{NETWORK}aws_eip.nat["{zone}"]')
        yield resource(
            f'{NETWORK}aws_nat_gateway.this["{zone}"]',
            [f"{NETWORK}aws_eip.nat", f"{NETWORK}aws_subnet.public"],
        )
    table = f"{NETWORK}aws_route_table.private"
    yield resource(
        f"{NETWORK}aws_vpc_endpoint.s3[0]",
        [table, vpc],
        service_name="com.amazonaws.eu-central-1.s3",
        vpc_endpoint_type="Gateway",
    )
    for name in endpoints:
        yield resource(
            f'{NETWORK}aws_vpc_endpoint.interface["{name}"]',
            [f"{NETWORK}aws_security_group.endpoints[0]", f"{NETWORK}aws_subnet.private"],
            service_name=f"com.amazonaws.eu-central-1.{name}",
            vpc_endpoint_type="Interface",
        )
    for group in GROUPS:
        yield resource(group, [vpc], ["id"])
    if endpoints:
        yield resource(f"{NETWORK}aws_security_group.endpoints[0]", [vpc], ["id"])


def _rules(cdn: bool, cidrs: tuple[str, ...], endpoints: bool) -> Iterator[Resource]:
    rule = f"{NETWORK}aws_vpc_security_group_ingress_rule"
    group = f"{NETWORK}aws_security_group"
    ids = ["security_group_id", "referenced_security_group_id"]
    tcp = {"ip_protocol": "tcp"}
    if cdn:
        yield resource(
            f"{rule}.balancer_cdn[0]",
            [f"{group}.balancer"],
            ["security_group_id", "prefix_list_id"],
            description="CloudFront",
            from_port=443,
            to_port=443,
            **tcp,
        )
    else:
        for cidr in cidrs:
            yield resource(
                f'{rule}.balancer_public["443-{cidr}"]',
                [f"{group}.balancer"],
                ["security_group_id"],
                description="Users",
                cidr_ipv4=cidr,
                from_port=443,
                to_port=443,
                **tcp,
            )
        yield resource(
            f'{rule}.balancer_nat["443-a"]',
            [f"{group}.balancer", f"{NETWORK}aws_eip.nat"],
            ["security_group_id", "cidr_ipv4"],
            description="The deployment's own machines",
            from_port=443,
            to_port=443,
            **tcp,
        )
    yield resource(
        f"{rule}.app_balancer",
        [f"{group}.app", f"{group}.balancer"],
        ids,
        description="Requests and health checks from the load balancer",
        from_port=80,
        to_port=80,
        **tcp,
    )
    for port in (5001, 5002):
        for owner, other in (("app", "stateful"), ("stateful", "app")):
            yield resource(
                f'{rule}.{owner}_{other}["{port}"]',
                [f"{group}.app", f"{group}.stateful"],
                ids,
                description=f"Internal port {port} from the {other} machines",
                from_port=port,
                to_port=port,
                **tcp,
            )
    for machine in ("app", "stateful"):
        for store, port in (("database", 5432), ("cache", 6379)):
            # The groups come out of a `locals` map: a plan shows no reference.
            yield resource(
                f'{rule}.stores["{machine}-{store}"]',
                [],
                ids,
                description=f"From the {machine} machines",
                from_port=port,
                to_port=port,
                **tcp,
            )
        if endpoints:
            refs = [f"{group}.app", f"{group}.endpoints[0]", f"{group}.stateful"]
            yield resource(
                f'{rule}.endpoints["{machine}"]',
                refs,
                ids,
                description=f"HTTPS from the {machine} machines",
                from_port=443,
                to_port=443,
                **tcp,
            )
        yield resource(
            f'{NETWORK}aws_vpc_security_group_egress_rule.machines_out["{machine}-https"]',
            [],
            ["security_group_id"],
            description="Way out: https",
            cidr_ipv4="0.0.0.0/0",
            from_port=443,
            to_port=443,
            **tcp,
        )


def _balancer(waf: bool, cdn: bool, domain: bool) -> Iterator[Resource]:
    lb, target = "module.balancer.aws_lb.this", "module.balancer.aws_lb_target_group.app"
    yield resource(
        lb,
        [*GROUPS, f"{NETWORK}aws_subnet.public"],
        ["subnets", "security_groups", "arn"],
        load_balancer_type="application",
        internal=False,
        idle_timeout=600,
    )
    yield resource(target, port=80, protocol="HTTP")
    forward, redirect = [{"type": "forward"}], [{"type": "redirect"}]
    if domain:
        yield resource(
            "module.balancer.aws_lb_listener.https[0]",
            [lb, target],
            port=443,
            protocol="HTTPS",
            default_action=forward,
        )
        yield resource(
            "module.balancer.aws_lb_listener.redirect[0]",
            [lb],
            port=80,
            protocol="HTTP",
            default_action=redirect,
        )
        origin = "module.cdn[0].aws_cloudfront_distribution.this" if cdn else lb
        yield resource(
            "module.balancer.aws_route53_record.address", [origin], type="A", name="dify.example.com"
        )
        certificate = "module.balancer.aws_acm_certificate.this[0]"
        yield resource(certificate, domain_name="dify.example.com")
        yield resource("module.balancer.aws_route53_record.validation[0]", [certificate], ["name", "type"])
    else:
        yield resource(
            "module.balancer.aws_lb_listener.http[0]",
            [lb, target],
            port=80,
            protocol="HTTP",
            default_action=forward,
        )
    if waf:
        wall = "module.balancer.aws_wafv2_web_acl.this[0]"
        rules = [{"statement": [{"managed_rule_group_statement": [{"name": name}]}]} for name in ("A", "B")]
        yield resource(wall, scope="CLOUDFRONT" if cdn else "REGIONAL", rule=rules)
        if not cdn:
            yield resource("module.balancer.aws_wafv2_web_acl_association.this[0]", [lb, wall])


def _stores(aurora: bool, multi_zone: bool) -> Iterator[Resource]:
    groups = "module.database[0].aws_db_subnet_group.this"
    yield resource(groups, [f"{NETWORK}aws_subnet.data"], ["subnet_ids"])
    if aurora:
        cluster = "module.database[0].aws_rds_cluster.this[0]"
        yield resource(
            cluster,
            [groups, *GROUPS],
            engine="aurora-postgresql",
            engine_version="16.6",
            port=5432,
            serverlessv2_scaling_configuration=[{"min_capacity": 0.5, "max_capacity": 8}],
        )
        for index in ("1", "2") if multi_zone else ("1",):
            yield resource(
                f'module.database[0].aws_rds_cluster_instance.this["{index}"]',
                [cluster],
                instance_class="db.serverless",
            )
    else:
        yield resource(
            "module.database[0].aws_db_instance.this[0]",
            [groups, *GROUPS],
            engine="postgres",
            engine_version="16",
            instance_class="db.m7g.large",
            allocated_storage=100,
            max_allocated_storage=500,
            storage_type="gp3",
            multi_az=multi_zone,
            backup_retention_period=14,
            port=5432,
        )
    place = "module.cache[0].aws_elasticache_subnet_group.this"
    yield resource(place, [f"{NETWORK}aws_subnet.data"], ["subnet_ids"])
    yield resource(
        "module.cache[0].aws_elasticache_replication_group.this",
        [place, *GROUPS],
        engine="valkey",
        engine_version="8.0",
        node_type="cache.t4g.medium",
        num_cache_clusters=2 if multi_zone else 1,
        multi_az_enabled=multi_zone,
        transit_encryption_enabled=True,
        port=6379,
    )


def _compute(spot: int, schedules: int, zones: list[str]) -> Iterator[Resource]:
    module = "module.compute."
    policies = {"secrets": "read", "logs": "write", "storage": "access"}
    for group in ("app", "stateful"):
        role, profile = (
            f'{module}aws_iam_role.this["{group}"]',
            f'{module}aws_iam_instance_profile.this["{group}"]',
        )
        template = f'{module}aws_launch_template.this["{group}"]'
        yield resource(role)
        yield resource(profile, [f"{module}aws_iam_role.this"])
        yield resource(template, [f"{module}aws_iam_instance_profile.this"], instance_type="m7g.xlarge")
        for purpose in policies:
            named = [f"module.{one}.aws_iam_policy.{policy}" for one, policy in policies.items()]
            yield resource(
                f'{module}aws_iam_role_policy_attachment.given["{group}-{purpose}"]',
                [f"{module}aws_iam_role.this", *named],
            )
    yield resource(f"{module}aws_ebs_volume.data", availability_zone=zones[-1], size=50, type="gp3")
    subnets = f"{NETWORK}aws_subnet.private"
    yield resource(
        f"{module}aws_autoscaling_group.stateful",
        [f'{module}aws_launch_template.this["stateful"]', subnets],
        ["vpc_zone_identifier"],
        min_size=1,
        max_size=1,
    )
    app = f"{module}aws_autoscaling_group.app"
    spread = {"on_demand_base_capacity": 1, "on_demand_percentage_above_base_capacity": 100 - spot}
    overrides = [{"instance_type": name} for name in ("m7g.xlarge", "m6g.xlarge", "c7g.2xlarge")]
    mixed = [{"instances_distribution": [spread], "launch_template": [{"override": overrides}]}]
    yield resource(
        app,
        ["module.balancer.aws_lb_target_group.app", f'{module}aws_launch_template.this["app"]', subnets],
        ["vpc_zone_identifier", "target_group_arns"],
        min_size=2,
        max_size=6,
        mixed_instances_policy=mixed,
    )
    metric = [{"predefined_metric_type": "ASGAverageCPUUtilization"}]
    yield resource(
        f"{module}aws_autoscaling_policy.cpu",
        [app],
        target_tracking_configuration=[{"target_value": 60, "predefined_metric_specification": metric}],
    )
    for name in ("evening", "morning", "weekend")[:schedules]:
        yield resource(
            f'{module}aws_autoscaling_schedule.this["{name}"]',
            [app],
            min_size=1,
            max_size=2,
            recurrence="0 20 * * *",
        )


def _services(cdn: bool) -> Iterator[Resource]:
    for name in ("api", "worker", "web"):
        yield resource(f'module.logs.aws_cloudwatch_log_group.service["{name}"]', retention_in_days=30)
    for name in ("database_password", "secret_key"):
        yield resource(f'module.secrets.aws_secretsmanager_secret.this["{name}"]')
    yield resource("module.secrets.aws_iam_policy.read")
    yield resource("module.logs.aws_iam_policy.write", ["module.logs.aws_cloudwatch_log_group.service"])
    bucket = "module.storage.aws_s3_bucket.this"
    yield resource(bucket, bucket_prefix="dify-files-")
    yield resource(
        "module.storage.aws_s3_bucket_versioning.this",
        [bucket],
        versioning_configuration=[{"status": "Enabled"}],
    )
    yield resource("module.storage.aws_iam_policy.access", [bucket])
    topic = "module.alarms[0].aws_sns_topic.alarms"
    yield resource(topic)
    for name in ("cpu", "errors"):
        yield resource(f'module.alarms[0].aws_cloudwatch_metric_alarm.this["{name}"]', [topic])
    yield resource(
        "module.budget[0].aws_budgets_budget.this",
        limit_amount="900",
        limit_unit="USD",
        notification=[{"threshold": 80}, {"threshold": 100}],
    )
    if cdn:
        yield resource(
            "module.cdn[0].aws_cloudfront_distribution.this",
            ["module.balancer.aws_lb.this", "module.balancer.aws_wafv2_web_acl.this[0]"],
            ordered_cache_behavior=[{"path_pattern": "/_next/static/*"}],
        )
