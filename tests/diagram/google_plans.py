"""Hand-made plans that name things the way our Google modules do: accounts unknown, locals not followed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from diagram_plans import plan, resource

from cloudberth.infra.plan import Plan, Resource

VPC = "module.network.google_compute_network.this[0]"
SUBNET = "module.network.google_compute_subnetwork.private[0]"
RULE = "module.network.google_compute_firewall"
BALANCER = "module.balancer.google_compute"
GROUP = "module.compute.google_compute_region_instance_group_manager.app"
STATEFUL = "module.compute.google_compute_instance_group_manager.stateful"
TEMPLATE = "module.compute.google_compute_instance_template.this"


def google_plan(resources: Any, **facts: Any) -> Plan:
    given: dict[str, Any] = {
        "region": "europe-west1",
        "providers": {"registry.terraform.io/hashicorp/google": "8.7.0"},
        **facts,
    }
    return plan(resources, **given)


def dify_plan(
    *,
    zones: int = 2,
    nat: str = "single",
    multi_zone: bool = False,
    waf: bool = False,
    cdn: bool = False,
    spot: int = 0,
    schedules: int = 0,
    domain: bool = True,
    cidrs: tuple[str, ...] = (),
) -> Plan:
    """What the modules make of a deployment with these features."""
    names = [f"europe-west1-{letter}" for letter in "bcd"[:zones]]
    parts = (
        _network(zones, nat),
        _rules(),
        _balancer(waf or bool(cidrs), cidrs, cdn, domain, ["app", "spot"] if spot else ["app"]),
        _stores(multi_zone, names),
        _compute(spot, schedules, names),
        _permissions(),
        _services(),
    )
    return google_plan(one for part in parts for one in part)


def _network(zones: int, nat: str) -> Iterator[Resource]:
    yield resource(VPC, name="dify")
    yield resource(
        SUBNET,
        [VPC],
        name="dify-private",
        ip_cidr_range="10.40.0.0/17",
        private_ip_google_access=True,
        log_config=[{"flow_sampling": 0.5}],
    )
    count = {"single": 1, "per-zone": zones, "none": 0}[nat]
    for index in range(count):
        yield resource(f"module.network.google_compute_address.nat[{index}]", address_type="EXTERNAL")
    if count:
        router = "module.network.google_compute_router.this[0]"
        yield resource(router, [VPC])
        fixed = "module.network.google_compute_address.nat"
        yield resource("module.network.google_compute_router_nat.this[0]", [router, fixed, SUBNET])
    yield resource(
        "module.network.google_compute_global_address.data[0]",
        [VPC],
        purpose="VPC_PEERING",
        address="10.40.192.0",
        prefix_length=18,
    )
    yield resource("module.network.google_service_networking_connection.data[0]", [VPC])
    for name in ("app", "stateful"):
        yield resource(f"module.network.google_service_account.{name}", unknown=["email"])


def _rules() -> Iterator[Resource]:
    targets, sources = "target_service_accounts", "source_service_accounts"
    anywhere = ["0.0.0.0/0"]

    def tcp(*ports: str) -> list[dict[str, Any]]:
        return [{"protocol": "tcp", "ports": list(ports)}]

    yield resource(
        f"{RULE}.balancer",
        [VPC],
        [targets],
        description="Requests and health checks from the load balancer",
        direction="INGRESS",
        source_ranges=["130.211.0.0/22", "35.191.0.0/16"],
        allow=tcp("80"),
    )
    yield resource(
        f"{RULE}.internal[0]",
        [VPC],
        [targets, sources],
        description="Internal ports between the app machines and the stateful machine",
        direction="INGRESS",
        allow=tcp("5001", "5002"),
    )
    yield resource(
        f"{RULE}.out",
        [VPC],
        [targets],
        direction="EGRESS",
        destination_ranges=anywhere,
        allow=tcp("443", "80", "587", "465"),
    )
    yield resource(
        f"{RULE}.out_data",
        [VPC],
        [targets],
        description="To the database and the cache",
        direction="EGRESS",
        destination_ranges=["10.40.192.0/18"],
        allow=tcp("5432", "6378"),
    )
    yield resource(
        f"{RULE}.out_denied",
        [VPC],
        [targets],
        description="Everything that no other rule lets out",
        direction="EGRESS",
        destination_ranges=anywhere,
        deny=[{"protocol": "all"}],
    )


def _balancer(
    armor: bool, cidrs: tuple[str, ...], cdn: bool, domain: bool, groups: list[str]
) -> Iterator[Resource]:
    address, service = f"{BALANCER}_global_address.this", f"{BALANCER}_backend_service.app"
    policy, static = (
        f"{BALANCER}_security_policy.this[0]",
        "module.cdn[0].google_compute_backend_service.static",
    )
    url_map, redirect = f"{BALANCER}_url_map.this", f"{BALANCER}_url_map.redirect[0]"
    check = f"{BALANCER}_health_check.app"
    yield resource(address, name="dify")
    yield resource(check)
    if armor:
        rules: list[dict[str, Any]] = [
            {
                "action": "deny(403)",
                "match": [{"expr": [{"expression": f"evaluatePreconfiguredWaf('{name}')"}]}],
            }
            for name in ("sqli", "xss")
        ]
        if cidrs:
            rules.append(
                {"action": "allow", "match": [{"config": [{"src_ip_ranges": list(cidrs)}]}]},
            )
        yield resource(policy, rule=rules)
    named = [check, *(f'{GROUP}["{name}"]' for name in groups), *([policy] if armor else [])]
    common = {"protocol": "HTTP", "port_name": "http"}
    yield resource(service, named, timeout_sec=600, log_config=[{"enable": True}], **common)
    paths: list[dict[str, Any]] = []
    if cdn:
        yield resource(static, named, enable_cdn=True, timeout_sec=60, **common)
        paths = [{"path_rule": [{"paths": ["/_next/static/*"]}]}]
    yield resource(url_map, [service, *([static] if cdn else [])], path_matcher=paths)
    proxy = f"{BALANCER}_target_http{'s' if domain else ''}_proxy.this[0]"
    yield resource(proxy, [url_map])
    yield resource(
        f"{BALANCER}_global_forwarding_rule.this",
        [address, proxy],
        port_range="443" if domain else "80",
        load_balancing_scheme="EXTERNAL_MANAGED",
    )
    if domain:
        plain = f"{BALANCER}_target_http_proxy.redirect[0]"
        yield resource(redirect, default_url_redirect=[{"https_redirect": True}])
        yield resource(plain, [redirect])
        yield resource(
            f"{BALANCER}_global_forwarding_rule.redirect[0]",
            [address, plain],
            port_range="80",
            load_balancing_scheme="EXTERNAL_MANAGED",
        )
        record = "module.balancer.google_dns_record_set"
        yield resource(f"{record}.address[0]", [address], type="A", name="dify.example.com.")
        yield resource(f"{record}.validation[0]", type="CNAME", name="_acme.dify.example.com.")


def _stores(multi_zone: bool, zones: list[str]) -> Iterator[Resource]:
    settings = {
        "tier": "db-custom-2-8192",
        "availability_type": "REGIONAL" if multi_zone else "ZONAL",
        "disk_size": 100,
        "disk_type": "PD_SSD",
        "disk_autoresize_limit": 500,
        "backup_configuration": [{"backup_retention_settings": [{"retained_backups": 14}]}],
    }
    yield resource(
        "module.database[0].google_sql_database_instance.this",
        [VPC],
        database_version="POSTGRES_16",
        settings=[settings],
    )
    yield resource('module.database[0].google_sql_database.this["dify"]')
    yield resource(
        "module.cache[0].google_redis_instance.this",
        [VPC],
        tier="STANDARD_HA" if multi_zone else "BASIC",
        memory_size_gb=5,
        redis_version="REDIS_7_2",
        transit_encryption_mode="SERVER_AUTHENTICATION",
        location_id=zones[0],
    )


def _compute(spot: int, schedules: int, zones: list[str]) -> Iterator[Resource]:
    for name in ("app", "stateful", *(["spot"] if spot else [])):
        model = "SPOT" if name == "spot" else "STANDARD"
        yield resource(
            f'{TEMPLATE}["{name}"]',
            [
                SUBNET,
                "module.network.google_service_account.app",
                "module.network.google_service_account.stateful",
            ],
            machine_type="n4-standard-4",
            scheduling=[{"provisioning_model": model}],
        )
    for name, low, high in (("app", 2, 3), *([("spot", 0, spot)] if spot else [])):
        group = f'{GROUP}["{name}"]'
        kinds = [
            {"machine_types": [kind], "rank": rank}
            for rank, kind in enumerate(("n4-standard-4", "n2-standard-4"), 1)
        ]
        yield resource(
            group,
            [TEMPLATE, f"{BALANCER}_health_check.app"],
            distribution_policy_zones=zones,
            named_port=[{"name": "http", "port": 80}],
            instance_flexibility_policy=[{"instance_selections": kinds}],
        )
        lines = [
            {"name": title, "schedule": "0 8 * * 1-5", "min_required_replicas": 2}
            for title in ("morning", "noon", "evening")[:schedules]
        ]
        yield resource(
            f'module.compute.google_compute_region_autoscaler.app["{name}"]',
            [GROUP],
            autoscaling_policy=[
                {
                    "min_replicas": low,
                    "max_replicas": high,
                    "cpu_utilization": [{"target": 0.6}],
                    "scaling_schedules": lines,
                }
            ],
        )
    disk = "module.compute.google_compute_disk.data"
    yield resource(disk, zone=zones[-1], size=50, type="hyperdisk-balanced")
    yield resource(STATEFUL, [f'{TEMPLATE}["stateful"]', disk], ["target_size"], zone=zones[-1])
    yield resource("module.compute.google_compute_per_instance_config.stateful", [STATEFUL, disk])
    yield resource("module.compute.google_compute_resource_policy.snapshots")


def _permissions() -> Iterator[Resource]:
    """Members come out of a `locals` map: a plan shows no account."""
    bucket = "module.storage.google_storage_bucket.this"
    for name in ("app", "stateful"):
        yield resource(
            f'module.compute.google_project_iam_member.logs["{name}"]', role="roles/logging.logWriter"
        )
        yield resource(f'module.compute.google_storage_bucket_iam_member.files["{name}"]', [bucket])
        yield resource(
            f'module.compute.google_secret_manager_secret_iam_member.read["{name}-secret_key"]',
            ["module.secrets.google_secret_manager_secret.this"],
        )


def _services() -> Iterator[Resource]:
    yield resource(
        "module.storage.google_storage_bucket.this",
        name="dify-files",
        versioning=[{"enabled": True}],
        lifecycle_rule=[{"action": [{"type": "SetStorageClass"}]}, {"action": [{"type": "Delete"}]}],
    )
    for name in ("database_password", "secret_key"):
        yield resource(f'module.secrets.google_secret_manager_secret.this["{name}"]')
    yield resource("module.logs.google_logging_project_bucket_config.this", retention_days=30)
    channel = "module.alarms[0].google_monitoring_notification_channel.mail"
    yield resource(f'{channel}["ops@example.com"]', type="email")
    for name in ("cpu", "errors"):
        yield resource(f'module.alarms[0].google_monitoring_alert_policy.this["{name}"]', [channel])
    yield resource("module.alarms[0].google_monitoring_dashboard.this")
    yield resource(
        "module.budget[0].google_billing_budget.this",
        amount=[{"specified_amount": [{"units": "900", "currency_code": "USD"}]}],
        threshold_rules=[{"threshold_percent": 0.8}, {"threshold_percent": 1.0}],
    )
