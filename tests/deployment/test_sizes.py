"""The size presets: complete, right, and growing."""

from __future__ import annotations

import pytest

from cloudberth.deployment import Deployment, load_text
from cloudberth.deployment.facts import facts
from cloudberth.deployment.sizes import SIZES, merged, preset

HEAD = "name: dify\napp: dify\ncloud: aws\nregion: eu-central-1\n"
OWN = "services: {web: {image: a:1, resources: {cpu: 1, memory_mb: 512}}}\n"


def sized(size: str, more: str = "") -> Deployment:
    return load_text(f"{HEAD}size: {size}\n{more}", environment={})


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("region", facts("aws").regions)
def test_every_size_loads_in_every_region(size: str, region: str) -> None:
    """A region with two zones cannot hold a large deployment as it is; everything else works anywhere."""
    zones = facts("aws").region_zones(region)
    more = "network: {zones: 2}\n" if zones == 2 else ""
    text = HEAD.replace("eu-central-1", region) + f"size: {size}\n{more}"
    assert load_text(text, environment={}).region == region


@pytest.mark.parametrize("size", SIZES)
def test_own_applications_have_the_same_sizes(size: str) -> None:
    own = load_text(HEAD.replace("app: dify", "app: custom") + f"size: {size}\n" + OWN, environment={})
    assert own.compute == sized(size).compute


@pytest.mark.parametrize("size", SIZES)
def test_cost_control_is_on(size: str) -> None:
    deployment = sized(size)
    assert deployment.budget is not None
    assert deployment.budget.amount > 0
    assert deployment.budget.anomaly
    assert deployment.alarms.enabled


def test_large_survives_the_loss_of_a_zone() -> None:
    large = sized("large")
    assert large.database is not None
    assert large.cache is not None
    assert (large.network.zones, large.network.nat) == (3, "per-zone")
    assert large.database.multi_zone
    assert large.cache.multi_zone
    assert large.cache.replicas >= 1
    assert large.compute.app.min >= large.network.zones
    assert large.access.waf


def test_sizes_grow() -> None:
    def numbers(size: str) -> list[float]:
        deployment, known = sized(size), facts("aws")
        assert deployment.database is not None
        assert deployment.cache is not None
        assert deployment.budget is not None
        app, stateful = (
            known.machines[deployment.compute.app.machine_types[0]],
            known.machines[deployment.compute.stateful.machine_type],
        )
        return [
            deployment.compute.app.min,
            deployment.compute.app.max,
            app.memory_gib,
            stateful.memory_gib,
            known.database_connections(deployment.database),
            deployment.database.storage_gb,
            known.cache_classes[deployment.cache.machine_type].memory_gib,
            deployment.logs.retention_days,
            deployment.backup.retention_days,
            deployment.budget.amount,
        ]

    small, medium, large = (numbers(size) for size in SIZES)
    assert all(a < b < c for a, b, c in zip(small, medium, large, strict=True))


def test_spot_machines_come_in_several_types() -> None:
    """One type alone runs out of spot capacity together."""
    for size in SIZES:
        app = sized(size).compute.app
        if app.spot_percent:
            assert len(app.machine_types) >= 3
            assert app.on_demand >= 1


def test_small_machines_in_two_zones() -> None:
    small = sized("small")
    assert small.network.zones == 2
    assert facts("aws").machines[small.compute.app.machine_types[0]].architecture == "arm64"


def test_merging() -> None:
    under = {"a": {"x": 1, "y": [1, 2]}, "b": 2, "c": {"d": 3}}
    over = {"a": {"y": [3]}, "b": None, "c": 4, "e": 5}
    assert merged(under, over) == {"a": {"x": 1, "y": [3]}, "b": None, "c": 4, "e": 5}
    assert under == {"a": {"x": 1, "y": [1, 2]}, "b": 2, "c": {"d": 3}}


def test_a_preset_is_a_copy() -> None:
    preset("aws", "small")["compute"]["app"]["min"] = 99
    assert preset("aws", "small")["compute"]["app"]["min"] == 1
