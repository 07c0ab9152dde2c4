"""Google Cloud: what each resource type takes, and figures that others published, to the cent."""

from __future__ import annotations

from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import pytest
from cost_plans import plan, resource

from cloudberth.cost.estimate import estimate
from cloudberth.cost.model import Estimate, Line
from cloudberth.cost.usage import Usage
from cloudberth.infra.plan import Resource

GROUP = "google_compute_region_instance_group_manager.app"
TEMPLATE = "google_compute_instance_template.this"
BOOT = {"boot": True, "disk_type": "pd-balanced", "disk_size_gb": 50}


def estimated(*resources: Resource, region: str = "us-central1", **figures: Any) -> Estimate:
    # A project service says which cloud it is where nothing else does.
    service = resource("google_project_service.this")
    usage = Usage.model_validate({"free_allowances": False, **figures})
    return estimate(plan(service, *resources, region=region), usage, today=date(2026, 11, 23))


def line(found: Estimate, label: str) -> Line:
    (one,) = [ln for ln in found.lines if ln.quantity.label.startswith(label)]
    return one


def cents(found: Estimate, *labels: str) -> Decimal:
    total = Decimal(0)
    for label in labels:
        monthly = line(found, label).monthly
        assert monthly is not None, label
        total += monthly
    return total.quantize(Decimal("0.01"), ROUND_HALF_UP)


def template(key: str = "app", spot: bool = False, machine: str = "e2-standard-2", **values: Any) -> Resource:
    scheduling = [{"provisioning_model": "SPOT" if spot else "STANDARD"}]
    own = {"machine_type": machine, "disk": [BOOT], "scheduling": scheduling, **values}
    return resource(f'{TEMPLATE}["{key}"]', own)


def group(key: str = "app", **values: Any) -> Resource:
    return resource(f'{GROUP}["{key}"]', values, TEMPLATE)


def autoscaler(low: int, high: int, *schedules: dict[str, Any], key: str = "app") -> Resource:
    policy = [{"min_replicas": low, "max_replicas": high, "scaling_schedules": list(schedules)}]
    return resource(f'google_compute_region_autoscaler.app["{key}"]', {"autoscaling_policy": policy}, GROUP)


def window(cron: str, hours: int, low: int, **values: Any) -> dict[str, Any]:
    return {"schedule": cron, "duration_sec": hours * 3600, "min_required_replicas": low, **values}


# -- published figures -----------------------------------------------------------------------------


def test_two_machines_and_their_disks() -> None:
    found = estimated(template(), group(target_size=2))
    assert cents(found, "e2-standard-2 on demand") == Decimal("97.84")  # 2 * 730 * 0.06701142
    assert cents(found, "disk pd-balanced") == Decimal("10.00")
    assert line(found, "e2-standard-2").quantity.fixed


@pytest.mark.parametrize(
    ("kind", "gib", "cost"),
    [
        ("pd-standard", 20, "0.80"),
        ("pd-ssd", 100, "17.00"),
        (None, 500, "20.00"),
    ],  # Infracost compute_disk_test
)
def test_disks(kind: str | None, gib: int, cost: str) -> None:
    found = estimated(resource("google_compute_disk.data", {"type": kind, "size": gib}))
    assert cents(found, "volume") == Decimal(cost)


def test_hyperdisk_bills_what_exceeds_what_is_included() -> None:
    values = {
        "type": "hyperdisk-balanced",
        "size": 100,
        "provisioned_iops": 3600,
        "provisioned_throughput": 140,
    }
    found = estimated(resource("google_compute_disk.data", values))
    assert {ln.quantity.price.sku: ln.quantity.amount for ln in found.lines} == {
        "hyperdisk-balanced": 100, "hyperdisk-balanced-iops": 600,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("machines", "hours", "cost"),
    [(4, 4, "4.09"), (100, 32, "32.70")],  # Infracost compute_router_nat_test
)
def test_nat_bills_machines_up_to_thirty_two(machines: int, hours: int, cost: str) -> None:
    nat = resource("google_compute_router_nat.this", {"nat_ip_allocate_option": "MANUAL_ONLY"})
    found = estimated(nat, template(), group(target_size=machines), nat_gb=1000)
    assert line(found, "NAT, hours").quantity.amount == hours * 730
    assert line(found, "NAT, hours").quantity.fixed
    assert cents(found, "NAT, hours") == Decimal(cost)
    assert cents(found, "NAT data") == Decimal("45.00")


def test_a_nat_gateway_that_picks_its_address_pays_for_it() -> None:
    nat = resource("google_compute_router_nat.this", {"nat_ip_allocate_option": "AUTO_ONLY"})
    assert cents(estimated(nat), "public IPv4 address (automatic") == Decimal("3.65")


def test_a_reserved_address_is_free_at_a_balancer_cheap_in_use_and_dear_when_idle() -> None:
    # Infracost compute_address_test: 7.30 unused, 3.65 with a machine
    address = resource("google_compute_address.a")
    rule = resource("google_compute_global_forwarding_rule.this", {}, address.address)
    nat = resource("google_compute_router_nat.this", {}, address.address)
    assert cents(estimated(address), "public IPv4 address, not in use") == Decimal("7.30")
    assert cents(estimated(address, nat), "public IPv4 address") == Decimal("3.65")
    assert not [ln for ln in estimated(address, rule).lines if "address" in ln.quantity.label]
    inside = resource("google_compute_global_address.a", {"purpose": "VPC_PEERING"})
    assert not estimated(inside).lines


@pytest.mark.parametrize(("rules", "cost"), [(1, "18.25"), (2, "18.25"), (5, "18.25"), (7, "32.85")])
def test_five_forwarding_rules_cost_what_one_does(rules: int, cost: str) -> None:
    many = [resource(f"google_compute_global_forwarding_rule.r{i}") for i in range(rules)]
    found = estimated(*many, alb_gb=100)
    hours = [ln.monthly or Decimal(0) for ln in found.lines if "forwarding rule" in ln.quantity.label]
    assert sum(hours, Decimal(0)) == Decimal(cost)
    assert cents(found, "data through the balancer") == Decimal("0.80")


def sql(tier: str, **settings: Any) -> Resource:
    values = {"tier": tier, "disk_type": "PD_SSD", "disk_size": 10, "availability_type": "ZONAL", **settings}
    return resource("google_sql_database_instance.this", {"settings": [values], "region": "us-central1"})


@pytest.mark.parametrize(
    ("tier", "zones", "labels", "cost"),
    [  # Infracost sql_database_instance_test
        ("db-custom-2-7680", "REGIONAL", ("2 vCPU", "7.5 GiB"), "197.25"),
        ("db-custom-1-3840", "REGIONAL", ("1 vCPU", "3.75 GiB"), "98.62"),
        ("db-custom-4-15360", "ZONAL", ("4 vCPU", "15 GiB"), "197.25"),
        ("db-g1-small", "ZONAL", ("db-g1-small",), "25.55"),
    ],
)
def test_database_instances(tier: str, zones: str, labels: tuple[str, ...], cost: str) -> None:
    found = estimated(sql(tier, availability_type=zones))
    assert cents(found, *labels) == Decimal(cost)
    assert cents(found, "storage ssd") == Decimal("3.40" if zones == "REGIONAL" else "1.70")


def test_a_thousand_gib_of_backups() -> None:
    backup = [{"enabled": True, "backup_retention_settings": [{"retained_backups": 1}]}]
    found = estimated(
        sql("db-g1-small", disk_size=1000, backup_configuration=backup), database_used_percent=100
    )
    assert cents(found, "backups, 1 kept") == Decimal("80.00")


@pytest.mark.parametrize(
    ("tier", "service", "sku"),
    [
        ("db-perf-optimized-N-2", "cloud-sql-plus", "vcpu-zonal"),
        ("db-n1-standard-4", "cloud-sql", "vcpu-zonal"),
        ("db-f1-micro", "cloud-sql", "db-f1-micro-zonal"),
    ],
)
def test_names_of_database_tiers(tier: str, service: str, sku: str) -> None:
    edition = "ENTERPRISE_PLUS" if "perf" in tier else "ENTERPRISE"
    keys = {
        (ln.quantity.price.service, ln.quantity.price.sku)
        for ln in estimated(sql(tier, edition=edition)).lines
    }
    assert (service, sku) in keys


def test_a_database_tier_that_says_nothing_is_unknown() -> None:
    assert line(estimated(sql("db-odd")), "db-odd").reason == "the tier does not say its CPUs and memory"


def test_a_database_with_a_public_address_pays_for_it() -> None:
    found = estimated(sql("db-g1-small", ip_configuration=[{"ipv4_enabled": True}]))
    assert cents(found, "public IPv4 address of the database") == Decimal("3.65")


@pytest.mark.parametrize(
    ("tier", "gib", "cost"),
    [  # Infracost redis_instance_test, every row of it
        ("BASIC", 1, "35.77"), ("BASIC", 5, "98.55"), ("BASIC", 25, "419.75"), ("BASIC", 45, "624.15"),
        ("BASIC", 105, "1226.40"), ("STANDARD_HA", 1, "46.72"), ("STANDARD_HA", 5, "197.10"),
        ("STANDARD_HA", 25, "839.50"), ("STANDARD_HA", 45, "1149.75"), ("STANDARD_HA", 105, "2299.50"),
    ],
)  # fmt: skip
def test_redis_by_tier_and_size(tier: str, gib: int, cost: str) -> None:
    values = {"tier": tier, "memory_size_gb": gib, "region": "us-central1"}
    assert cents(estimated(resource("google_redis_instance.this", values)), "Redis") == Decimal(cost)


def test_read_replicas_are_nodes_of_their_own() -> None:
    values = {"tier": "STANDARD_HA", "memory_size_gb": 5, "read_replicas_mode": "READ_REPLICAS_ENABLED"}
    quantity = line(
        estimated(resource("google_redis_instance.this", {**values, "replica_count": 2})), "Redis"
    ).quantity
    assert (quantity.price.sku, quantity.amount) == ("node-M2", 15)


def test_secrets_keys_zones_and_logs() -> None:
    found = estimated(
        resource("google_secret_manager_secret.a"),
        resource("google_secret_manager_secret_version.a", {}, "google_secret_manager_secret.a"),
        resource("google_kms_crypto_key.this"),
        resource("google_dns_managed_zone.this", {"visibility": "public"}),
        resource("google_logging_project_bucket_config.this", {"retention_days": 30}),
        secret_reads=25_000, key_requests=10_000, dns_queries_millions="0.1", logs_gb=100,
    )  # fmt: skip
    assert cents(found, "secret version") == Decimal("0.06")
    assert cents(found, "reads of secrets") == Decimal("0.08")
    assert cents(found, "key version", "requests at the key") == Decimal("0.09")
    assert cents(found, "managed zone", "queries") == Decimal("0.24")
    assert cents(found, "logs taken in") == Decimal("50.00")


def test_a_secret_in_two_places_has_two_versions() -> None:
    replicas = {"replication": [{"user_managed": [{"replicas": [{"location": "a"}, {"location": "b"}]}]}]}
    secret = resource("google_secret_manager_secret.a", replicas)
    found = estimated(secret, resource("google_secret_manager_secret_version.a", {}, secret.address))
    assert cents(found, "secret version") == Decimal("0.12")


# -- cases that prices do not show -----------------------------------------------------------------


def test_groups_of_one_kind_find_their_own_template_and_autoscaler() -> None:
    found = estimated(
        template("app"), template("spot", spot=True), template("stateful", machine="n2-standard-4"),
        group("app"), group("spot"), autoscaler(1, 2), autoscaler(2, 8, key="spot"),
    )  # fmt: skip
    assert line(found, "e2-standard-2 on demand").quantity.amount == 730
    assert line(found, "e2-standard-2 spot").quantity.amount == 2 * 730
    assert not [ln for ln in found.lines if "n2-standard-4" in ln.quantity.label]


def test_a_given_mean_is_spread_over_the_groups() -> None:
    parts = (template("app"), template("spot", spot=True), group("app"), group("spot"))
    found = estimated(*parts, autoscaler(1, 8), autoscaler(2, 8, key="spot"), app_machines_average=6)
    assert line(found, "e2-standard-2 on demand").quantity.amount == 2 * 730
    assert line(found, "e2-standard-2 spot").quantity.amount == 4 * 730
    assert [a.value for a in found.assumptions if a.key == "app_machines_average"] == [6]


def test_a_group_of_machines_configured_one_by_one_has_as_many() -> None:
    manager = resource("google_compute_instance_group_manager.stateful", {}, TEMPLATE)
    single = resource("google_compute_per_instance_config.stateful", {}, manager.address)
    found = estimated(template("app"), template("stateful", machine="n2-standard-4"), manager, single)
    assert line(found, "n2-standard-4 on demand").quantity.amount == 730


def test_schedules_raise_the_minimum_while_they_last() -> None:
    parts = (template(), group())
    found = estimated(*parts, autoscaler(1, 8, window("0 8 * * *", 12, 4)))
    assert line(found, "e2-standard-2").quantity.amount == Decimal("2.5") * 730
    overlapping = (
        window("0 8 * * *", 12, 4),
        window("0 10 * * *", 1, 7),
        window("0 0 * * *", 24, 9, disabled=True),
    )
    amount = line(estimated(*parts, autoscaler(1, 8, *overlapping)), "e2-standard-2").quantity.amount
    assert round(amount / 730 * 24, 2) == 12 + 11 * 4 + 7
    odd = autoscaler(2, 8, window("@daily", 1, 4))
    assert line(estimated(*parts, odd), "e2-standard-2").quantity.amount == 2 * 730


def test_a_rollout_of_two_templates_is_unknown() -> None:
    found = estimated(template(), group(target_size=2, version=[{}, {}]))
    assert line(found, "machines").reason.startswith("the instance template is not in the plan")


def test_the_preferred_type_of_a_flexible_group_counts() -> None:
    choice = [
        {"rank": 2, "machine_types": ["n2-standard-4"]},
        {"rank": 1, "machine_types": ["e2-standard-4"]},
    ]
    policy = [{"instance_selections": choice}]
    found = estimated(template(), group(target_size=1, instance_flexibility_policy=policy))
    assert line(found, "e2-standard-4 on demand").quantity.amount == 730


def test_snapshots_of_the_disks_that_a_policy_is_attached_to() -> None:
    schedule = {"snapshot_schedule_policy": [{"retention_policy": [{"max_retention_days": 11}]}]}
    policy = resource("google_compute_resource_policy.daily", schedule)
    disk = resource("google_compute_disk.data", {"type": "pd-balanced", "size": 100})
    link = resource("google_compute_disk_resource_policy_attachment.data", {}, disk.address, policy.address)
    found = estimated(policy, disk, link, disk_used_percent=50, daily_change_percent=10)
    assert line(found, "snapshots, 11 days kept").quantity.amount == 100
    assert line(estimated(policy), "snapshots").reason.startswith("which disks take snapshots")


def bucket(*rules: dict[str, Any], **values: Any) -> Resource:
    off = {"soft_delete_policy": [{"retention_duration_seconds": 0}]}
    return resource("google_storage_bucket.this", {**off, "lifecycle_rule": list(rules), **values})


def move(tier: str, age: int) -> dict[str, Any]:
    return {"action": [{"type": "SetStorageClass", "storage_class": tier}], "condition": [{"age": age}]}


def test_objects_spread_over_classes_by_age() -> None:
    rules = (move("NEARLINE", 30), move("ARCHIVE", 90))
    found = estimated(bucket(*rules), storage_gb=1000, document_months=10, documents=1000)
    amounts = {
        ln.quantity.price.sku: round(ln.quantity.amount)
        for ln in found.lines
        if ln.quantity.label.startswith("objects")
    }
    assert amounts == {"standard": 99, "nearline": 197, "archive": 704}


@pytest.mark.parametrize(
    ("values", "days"),
    [
        ({}, 0),
        ({"soft_delete_policy": []}, 7),
        ({"versioning": [{"enabled": True}]}, 30),
        ({"soft_delete_policy": [], "versioning": [{"enabled": True}]}, 37),
    ],
)
def test_old_and_deleted_objects_stay_as_long_as_the_bucket_says(values: dict[str, Any], days: int) -> None:
    figures = {"documents": 10240, "document_mb": 100, "noncurrent_percent": 100}
    found = estimated(bucket(**values), **figures)
    kept = [ln.quantity.amount for ln in found.lines if ln.quantity.label.startswith("old")]
    assert [round(gib * Decimal("30.4375") / 1000, 3) for gib in kept] == ([days] if days else [])


def test_a_firewall_counts_its_rules_but_not_the_default_one() -> None:
    rules = [{"priority": 1000}, {"priority": 2000}, {"priority": 2147483647}]
    policy = resource("google_compute_security_policy.this", {"rule": rules})
    found = estimated(policy, requests_millions=4)
    assert cents(found, "security policy", "rules", "requests") == Decimal("10.00")


def test_a_backend_with_logs_and_one_with_the_cdn() -> None:
    app = resource("google_compute_backend_service.app", {"log_config": [{"enable": True}]})
    static = resource("google_compute_backend_service.static", {"enable_cdn": True})
    found = estimated(app, static, access_logs_gb=10, cdn_gb=100, cdn_requests=1_000_000)
    assert cents(found, "access logs taken in") == Decimal("5.00")
    assert cents(found, "data out", "cache look-ups") == Decimal("8.75")


def test_an_alert_policy_costs_nothing_yet_and_says_so() -> None:
    policy = resource("google_monitoring_alert_policy.cpu", {"conditions": [{}, {}]})
    found = line(estimated(policy), "alert conditions")
    assert (found.quantity.amount, found.monthly) == (2, 0)
    assert "2027-09-01" in found.note


def test_uptime_checks_beyond_a_million() -> None:
    check = {"period": "60s", "selected_regions": ["EUROPE", "USA_OREGON", "USA_VIRGINIA"]}
    many = [resource(f"google_monitoring_uptime_check_config.c{i}", check) for i in range(10)]
    found = estimated(*many, free_allowances=True)
    total = sum((ln.monthly or Decimal(0) for ln in found.lines), Decimal(0))
    assert total == Decimal("94.20")  # 1,314,000 runs, the first million free, 0.30 a thousand


def test_logs_without_a_bucket_go_to_the_projects_own() -> None:
    found = estimated(template(), group(target_size=1), logs_gb=60, free_allowances=True)
    assert cents(found, "logs taken in") == Decimal("5.00")  # 50 GiB are free


def test_data_out_climbs_the_steps_and_zones_bill_the_sender_once() -> None:
    zones = ["us-central1-a", "us-central1-b"]
    found = estimated(
        template(), group(target_size=1, distribution_policy_zones=zones), egress_gb=2048, inter_zone_gb=100
    )
    assert cents(found, "data out to the internet") == Decimal("235.52")  # 1024 * 0.12 + 1024 * 0.11
    assert cents(found, "data between zones") == Decimal("1.00")
