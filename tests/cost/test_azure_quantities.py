"""Azure: what each resource type takes, and figures that others published, to the cent."""

from __future__ import annotations

from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import pytest
from cost_plans import plan, resource

from cloudberth.cost.estimate import estimate
from cloudberth.cost.model import Estimate, Line, PriceKey
from cloudberth.cost.usage import Usage
from cloudberth.infra.plan import Resource

APP = "azurerm_orchestrated_virtual_machine_scale_set.app"
DISK = [{"storage_account_type": "Premium_LRS", "disk_size_gb": 64}]


def estimated(*resources: Resource, region: str = "eastus", **figures: Any) -> Estimate:
    # A resource group says which cloud it is where nothing else does.
    group = resource("azurerm_resource_group.this", {"location": region})
    usage = Usage.model_validate({"free_allowances": False, **figures})
    return estimate(plan(group, *resources, region=region), usage, today=date(2026, 11, 23))


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


def scale_set(**values: Any) -> Resource:
    return resource(APP, {"sku_name": "Standard_D2s_v5", "instances": 2, "os_disk": DISK, **values})


def profile(low: int, high: int, *hours: int, days: tuple[str, ...] = ()) -> dict[str, Any]:
    capacity = [{"minimum": low, "maximum": high, "default": low}]
    recurrence = (
        [{"timezone": "UTC", "days": list(days), "hours": list(hours), "minutes": [0]}] if hours else []
    )
    return {"name": f"{low}", "capacity": capacity, "recurrence": recurrence}


def autoscale(*profiles: dict[str, Any], **values: Any) -> Resource:
    return resource("azurerm_monitor_autoscale_setting.app", {"profile": list(profiles), **values}, APP)


# -- published figures -----------------------------------------------------------------------------


def test_two_machines_and_their_disks() -> None:
    found = estimated(scale_set())
    assert cents(found, "D2s_v5 on demand") == Decimal("140.16")  # 2 * 730 * 0.096
    assert cents(found, "disk P6-LRS") == Decimal("20.42")
    assert line(found, "D2s_v5 on demand").quantity.fixed


@pytest.mark.parametrize(
    ("kind", "size", "sku", "cost"),
    [
        ("Premium_LRS", 1, "P1-LRS", None),
        ("Premium_LRS", 32, "P4-LRS", "5.28"),  # Infracost managed_disk_test
        ("Premium_LRS", 128, "P10-LRS", "19.71"),  # Infracost kubernetes_cluster_test
        ("Premium_LRS", 129, "P15-LRS", None),
        ("StandardSSD_LRS", 1000, "E30-LRS", "76.80"),  # Infracost managed_disk_test
        ("Standard_LRS", 1, "S4-LRS", "1.54"),  # standard disks begin at 32 GiB
        ("Premium_ZRS", 64, "P6-ZRS", None),
    ],
)
def test_a_disk_is_billed_as_the_smallest_size_that_holds_it(
    kind: str, size: int, sku: str, cost: str | None
) -> None:
    disk = resource("azurerm_managed_disk.data", {"storage_account_type": kind, "disk_size_gb": size})
    found = line(estimated(disk), "volume")
    assert found.quantity.price.sku == sku
    assert found.monthly == (None if cost is None else Decimal(cost))


def test_a_premium_v2_disk_pays_for_what_exceeds_what_is_included() -> None:
    values = {"storage_account_type": "PremiumV2_LRS", "disk_size_gb": 100, "disk_iops_read_write": 4000}
    found = estimated(resource("azurerm_managed_disk.data", {**values, "disk_mbps_read_write": 125}))
    amounts = {ln.quantity.price.sku: ln.quantity.amount for ln in found.lines}
    assert amounts == {"PremiumV2-LRS": 100, "PremiumV2-iops": 1000}


@pytest.mark.parametrize(
    ("name", "autoscaling", "hours", "units"),
    [
        (
            "Standard_v2",
            {"min_capacity": 1, "max_capacity": 10},
            "146.00",
            "58.40",
        ),  # 730 * 0.20; 10 * 730 * 0.008
        (
            "WAF_v2",
            {"min_capacity": 2, "max_capacity": 10},
            "262.80",
            "210.24",
        ),  # Infracost application_gateway_test
    ],
)
def test_a_gateway_reserves_ten_units_for_each_instance(
    name: str, autoscaling: dict[str, int], hours: str, units: str
) -> None:
    values = {"sku": [{"name": name}], "autoscale_configuration": [autoscaling]}
    found = estimated(resource("azurerm_application_gateway.this", values), alb_gb=0)
    assert cents(found, "application gateway") == Decimal(hours)
    reserved = autoscaling["min_capacity"] * 10
    assert cents(found, f"{reserved} reserved capacity units") == Decimal(units)
    assert line(found, "capacity units above").monthly == 0


@pytest.mark.parametrize(
    ("figures", "units"),
    [
        ({"alb_active_connections": 50_000}, 20),
        ({"alb_new_connections_per_second": 1000, "alb_active_connections": 0}, 20),
        # 2.22 Mb/s all month is 2.22 / 8 / 1024 GB a second
        ({"alb_gb": "14243.554688", "alb_active_connections": 0, "alb_new_connections_per_second": 0}, 20),
    ],
)
def test_traffic_takes_capacity_units_above_the_reserved_ones(figures: dict[str, Any], units: int) -> None:
    values = {"sku": [{"name": "Standard_v2", "capacity": 1}]}
    found = estimated(resource("azurerm_application_gateway.this", values), **figures)
    assert round(line(found, "capacity units above").quantity.amount / 730 + 10, 3) == units


def test_nat_gateway_930_gb_and_its_address() -> None:
    address = resource("azurerm_public_ip.nat", {"sku": "Standard"})
    found = estimated(resource("azurerm_nat_gateway.this", {"sku_name": "Standard"}), address, nat_gb=930)
    assert cents(found, "NAT gateway", "NAT data") == Decimal("74.70")
    assert cents(found, "public IPv4 address") == Decimal("3.65")


def test_the_second_nat_gateway_kind_has_a_price_of_its_own_that_nobody_has_told_us() -> None:
    found = estimated(resource("azurerm_nat_gateway.this", {"sku_name": "StandardV2"}))
    assert line(found, "NAT gateway").monthly is None


@pytest.mark.parametrize(
    ("sku", "region", "standby", "cost"),
    [
        ("B_Standard_B1ms", "eastus", False, "12.41"),  # Infracost postgresql_flexible_server_test
        ("GP_Standard_D2ds_v5", "westus", False, "148.19"),
        ("GP_Standard_D4s_v3", "westus", False, "284.70"),
        ("GP_Standard_D16s_v3", "westus", False, "1138.80"),
        ("GP_Standard_D2ds_v5", "eastus", True, "259.88"),  # twice 2 cores * 730 * 0.089
        ("GP_Standard_D8ds_v5", "eastus", False, "519.76"),
    ],
)
def test_servers_of_postgresql(sku: str, region: str, standby: bool, cost: str) -> None:
    values = {"sku_name": sku, "storage_mb": 131072, "backup_retention_days": 7}
    if standby:
        values["high_availability"] = [{"mode": "ZoneRedundant"}]
    found = estimated(resource("azurerm_postgresql_flexible_server.this", values), region=region)
    assert cents(found, sku.split("_")[2]) == Decimal(cost)
    assert line(found, "storage").quantity.amount == (256 if standby else 128)


def test_a_servers_storage_in_east_us_and_its_backups() -> None:
    values = {"sku_name": "B_Standard_B1ms", "storage_mb": 131072, "backup_retention_days": 35}
    server = resource("azurerm_postgresql_flexible_server.this", values)
    found = estimated(server, database_used_percent=100, daily_change_percent=10)
    assert cents(found, "storage") == Decimal("14.72")
    # 128 GB once and 34 days of 12.8 GB, less the free 128 GB
    assert line(found, "backups").quantity.amount == Decimal("435.2")
    assert cents(found, "backups") == Decimal("41.34")


def test_a_size_that_we_do_not_read_is_unknown() -> None:
    server = resource("azurerm_postgresql_flexible_server.this", {"sku_name": "XX_Odd", "storage_mb": 32768})
    assert line(estimated(server), "Odd").reason == "the size of the server is not one that we read"


@pytest.mark.parametrize(
    ("sku", "available", "cost"),
    [
        ("Balanced_B3", True, "94.90"),  # Infracost managed_redis_test
        ("Balanced_B3", False, "47.45"),
        ("MemoryOptimized_M10", True, "315.36"),
        ("ComputeOptimized_X10", True, "851.18"),
    ],
)
def test_a_cache_with_high_availability_has_two_nodes(sku: str, available: bool, cost: str) -> None:
    values = {"sku_name": sku, "high_availability_enabled": available}
    assert cents(estimated(resource("azurerm_managed_redis.this", values)), sku) == Decimal(cost)


def test_endpoints_zones_and_front_door() -> None:
    found = estimated(
        resource("azurerm_private_endpoint.blob"),
        resource("azurerm_private_dns_zone.blob"),
        resource("azurerm_dns_zone.public"),
        resource("azurerm_cdn_frontdoor_profile.this", {"sku_name": "Standard_AzureFrontDoor"}),
        endpoint_gb=100, dns_queries_millions=10, cdn_gb=100, cdn_requests=1_000_000,
    )  # fmt: skip
    assert cents(found, "private endpoint", "endpoint data") == Decimal("8.30")
    assert cents(found, "private zone", "public zone", "queries") == Decimal("5.00")
    assert cents(found, "Front Door", "data out", "requests") == Decimal("44.15")  # 35 + 8.25 + 0.90


def test_logs_beyond_the_free_month() -> None:
    found = estimated(
        resource("azurerm_log_analytics_workspace.this", {"retention_in_days": 92}), logs_gb=30.4375
    )
    assert cents(found, "logs taken in") == Decimal("70.01")  # 30.4375 * 2.30
    assert line(found, "logs kept 92 days").quantity.amount == 61
    assert cents(found, "logs kept 92 days") == Decimal("6.10")


# -- cases that prices do not show -----------------------------------------------------------------


def test_the_mix_of_regular_and_spot_machines() -> None:
    mix = [{"base_regular_count": 1, "regular_percentage_above_base": 50}]
    found = estimated(scale_set(instances=4, priority="Spot", priority_mix=mix))
    assert line(found, "D2s_v5 on demand").quantity.amount == Decimal("2.5") * 730
    assert line(found, "D2s_v5 spot").quantity.amount == Decimal("1.5") * 730


def test_spot_without_a_price_is_bounded_by_the_price_on_demand() -> None:
    found = estimated(scale_set(priority="Spot", sku_name="Standard_B2ms"))
    spot = line(found, "B2ms spot")
    assert spot.quantity.upper_bound == PriceKey("azure", "eastus", "virtual-machines", "B2ms", "hour")
    assert spot.monthly == 2 * 730 * Decimal("0.0832")
    assert spot.note.startswith("upper bound")


def test_of_several_sizes_the_first_in_rank_counts() -> None:
    sizes = [{"name": "Standard_D4s_v4", "rank": 1}, {"name": "Standard_D4s_v5", "rank": 0}]
    found = estimated(scale_set(sku_name="Mix", sku_profile=[{"virtual_machine_size": sizes}]))
    assert cents(found, "D4s_v5 on demand") == Decimal("280.32")


def test_a_set_with_an_autoscale_setting_is_priced_at_its_minimum() -> None:
    found = estimated(scale_set(instances=1), autoscale(profile(2, 6)))
    machines = line(found, "D2s_v5").quantity
    assert (machines.amount, machines.fixed) == (2 * 730, False)
    assert machines.assumptions == ("app_machines_average",)


def test_recurring_profiles_hold_until_the_next_one() -> None:
    found = estimated(scale_set(), autoscale(profile(1, 6), profile(4, 6, 8), profile(1, 6, 20)))
    assert line(found, "D2s_v5").quantity.amount == Decimal("2.5") * 730
    week = profile(3, 6, 0, days=("Monday",)), profile(1, 6, 0, days=("Saturday",))
    average = line(estimated(scale_set(), autoscale(profile(1, 6), *week)), "D2s_v5").quantity.amount / 730
    assert abs(average - (3 * 5 + 2) / Decimal(7)) < Decimal("0.02")  # a year is not whole weeks


@pytest.mark.parametrize(("given", "machines"), [(3, 3), (99, 6)])
def test_a_given_mean_is_kept_within_the_profiles(given: int, machines: int) -> None:
    found = estimated(scale_set(), autoscale(profile(2, 6)), app_machines_average=given)
    assert line(found, "D2s_v5").quantity.amount == machines * 730


def test_a_setting_that_is_off_or_cannot_move_changes_nothing() -> None:
    off = line(estimated(scale_set(), autoscale(profile(4, 6), enabled=False)), "D2s_v5").quantity
    assert (off.amount, off.fixed) == (2 * 730, True)
    still = line(estimated(scale_set(), autoscale(profile(3, 3))), "D2s_v5").quantity
    assert (still.amount, still.fixed) == (3 * 730, True)


def test_local_system_disks_are_free_and_public_addresses_of_machines_are_not() -> None:
    public = [{"ip_configuration": [{"public_ip_address": [{"name": "a"}]}]}]
    local = [{"diff_disk_settings": [{"option": "Local"}], "disk_size_gb": 64, "storage_account_type": "x"}]
    found = estimated(scale_set(os_disk=local, network_interface=public))
    assert [ln.quantity.label for ln in found.lines if "disk" in ln.quantity.label] == []
    assert cents(found, "public IPv4 addresses") == Decimal("7.30")


def test_addresses_of_version_six_are_free() -> None:
    assert estimated(resource("azurerm_public_ip.this", {"ip_version": "IPv6"})).lines == ()


def account(**values: Any) -> Resource:
    return resource("azurerm_storage_account.this", {"account_replication_type": "LRS", **values})


def policy(**tiers: int) -> Resource:
    base = {
        f"tier_to_{tier}_after_days_since_modification_greater_than": days for tier, days in tiers.items()
    }
    unset = {"tier_to_cold_after_days_since_creation_greater_than": -1}
    rule = {"enabled": True, "actions": [{"base_blob": [{**unset, **base}]}]}
    return resource(
        "azurerm_storage_management_policy.this", {"rule": [rule]}, "azurerm_storage_account.this"
    )


def test_blobs_spread_over_tiers_by_age() -> None:
    # kept 10 months of 30.4375 days: a tenth each month
    found = estimated(
        account(), policy(cool=30, archive=90), storage_gb=1000, document_months=10, documents=1000
    )
    amounts = {
        ln.quantity.price.sku: ln.quantity.amount
        for ln in found.lines
        if ln.quantity.label.startswith("objects")
    }
    assert {sku: round(amount) for sku, amount in amounts.items()} == {
        "hot-lrs": 99, "cool-lrs": 197, "archive-lrs": 704,
    }  # fmt: skip
    assert line(found, "moves to archive").quantity.amount == Decimal("0.3")


def test_an_account_without_rules_keeps_everything_in_its_first_tier() -> None:
    found = estimated(account(access_tier="Cool"), storage_gb=100)
    assert line(found, "objects, cool LRS").quantity.amount == 100


def test_an_account_that_takes_flow_logs_holds_them_as_long_as_they_say() -> None:
    keeps = {"retention_policy": [{"days": 61, "enabled": True}]}
    flow = resource("azurerm_network_watcher_flow_log.this", keeps, "azurerm_storage_account.this")
    found = estimated(account(), flow, flow_logs_gb="30.4375")
    assert line(found, "logs, 61 days kept").quantity.amount == 61
    assert [ln for ln in found.lines if ln.quantity.label.startswith("objects")] == []


def test_diagnostic_settings_take_in_the_logs_of_their_service_once() -> None:
    logs = {"enabled_log": [{"category": "x"}]}
    workspace = resource("azurerm_log_analytics_workspace.this", {"retention_in_days": 30})
    settings = [
        resource(f"azurerm_monitor_diagnostic_setting.{name}", logs, workspace.address, service)
        for name, service in (
            ("gateway", "azurerm_application_gateway.this"),
            ("server", "azurerm_postgresql_flexible_server.this"),
            ("vault", "azurerm_key_vault.this"),
        )
    ]
    services = [
        resource("azurerm_application_gateway.this", {"sku": [{"name": "Standard_v2"}]}),
        resource("azurerm_postgresql_flexible_server.this", {"sku_name": "B_Standard_B1ms"}),
        resource("azurerm_key_vault.this"),
    ]
    found = estimated(workspace, *services, *settings, access_logs_gb=3, database_logs_gb=2)
    taken = [ln.quantity.amount for ln in found.lines if ln.quantity.label.startswith("logs of the service")]
    assert taken == [3, 2]


def test_alert_rules_count_their_time_series() -> None:
    values = {"criteria": [{"dimension": [{"values": ["a", "b"]}, {"values": ["c", "d", "e"]}]}]}
    assert line(
        estimated(resource("azurerm_monitor_metric_alert.a", values)), "metric alert"
    ).monthly == Decimal("0.6")
    dynamic = resource("azurerm_monitor_metric_alert.a", {"dynamic_criteria": [{}]})
    assert line(estimated(dynamic), "metric alert").quantity.amount == 2


@pytest.mark.parametrize(
    ("frequency", "sku"),
    [("PT1M", "1m"), ("PT5M", "5m"), ("PT10M", "10m"), ("PT15M", "15m"), ("PT1H", "15m"), ("P1D", "15m")],
)
def test_log_rules_are_billed_by_how_often_they_run(frequency: str, sku: str) -> None:
    rule = resource(
        "azurerm_monitor_scheduled_query_rules_alert_v2.errors", {"evaluation_frequency": frequency}
    )
    found = estimated(rule, region="westeurope")
    costs = {"1m": "3.00", "5m": "1.50", "10m": "1.00", "15m": "0.50"}  # Infracost's test of the type
    assert cents(found, "log alert") == Decimal(costs[sku])


def test_a_disk_backup_keeps_snapshots_as_long_as_its_policy_says() -> None:
    disk = resource("azurerm_managed_disk.data", {"storage_account_type": "Premium_LRS", "disk_size_gb": 100})
    keeps = resource(
        "azurerm_data_protection_backup_policy_disk.daily", {"default_retention_duration": "P11D"}
    )
    backup = resource("azurerm_data_protection_backup_instance_disk.data", {}, disk.address, keeps.address)
    found = estimated(disk, keeps, backup, disk_used_percent=50, daily_change_percent=10)
    assert line(found, "snapshots, 11 days kept").quantity.amount == 100  # 50 GB and ten days of 5 GB
    assert cents(found, "snapshots, 11 days kept") == Decimal("5.00")
    alone = estimated(backup)
    assert line(alone, "snapshots").reason == "the disk that is backed up is not in the plan"


def test_allowances_of_azure_are_used_up_once() -> None:
    alerts = [resource(f"azurerm_monitor_metric_alert.a{i}", {"criteria": [{}]}) for i in range(12)]
    found = estimated(*alerts, scale_set(), free_allowances=True, egress_gb=150)
    series = [ln for ln in found.lines if ln.quantity.label == "metric alert"]
    assert sum((ln.monthly or Decimal(0) for ln in series), Decimal(0)) == Decimal("0.2")
    assert cents(found, "data out to the internet") == Decimal("4.35")  # 50 GB at 0.087


def test_data_between_zones_is_free_on_azure() -> None:
    found = estimated(scale_set(zones=["1", "2", "3"]), inter_zone_gb=1000)
    assert [ln for ln in found.lines if "zones" in ln.quantity.label] == []


@pytest.mark.parametrize(
    ("target", "gb"),
    # Files of 10 GB, written once and read five times, and 512 MB of internal traffic; or 2 GB of logs.
    [("blob", "60.5"), ("redisEnterprise", "60.5"), ("azuremonitor", "2"), ("vault", "0")],
)
def test_what_goes_through_private_endpoints_follows_from_what_they_lead_to(target: str, gb: str) -> None:
    connection = {"private_service_connection": [{"subresource_names": [target]}]}
    found = estimated(
        resource("azurerm_private_endpoint.this", connection), logs_gb=2, documents=1024, document_mb=10,
        monthly_active_users=1, chats_per_user=1024, internal_kb_per_chat=512,
    )  # fmt: skip
    assert line(found, "endpoint data").quantity.amount == Decimal(gb)
