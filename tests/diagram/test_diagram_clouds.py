"""One picture for every cloud: the same things in the same places, from plans that a provider could make."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import azure_plans
import diagram_plans
import google_plans
import pytest
from test_diagram_aws import by_role, only
from test_diagram_layout import check

import cloudberth
from cloudberth.infra.diagram import draw, picture_of
from cloudberth.infra.diagram.azurerm.catalog import CATALOG as AZURE
from cloudberth.infra.diagram.catalog import Catalog
from cloudberth.infra.diagram.google.catalog import CATALOG as GOOGLE
from cloudberth.infra.diagram.model import Picture, Place, Role, Tier, Traffic
from cloudberth.infra.plan import Plan
from cloudberth.infra.simulation.schema import Block, ProviderSchema

PLANS: dict[str, Callable[..., Plan]] = {
    "aws": diagram_plans.dify_plan,
    "azurerm": azure_plans.dify_plan,
    "google": google_plans.dify_plan,
}
NEW = {"azurerm": "azure", "google": "google"}
"""Prefix of the types → folder of the Terraform root."""
ROOTS = Path(cloudberth.__file__).parent / "terraform"
MOST: dict[str, Any] = {
    "zones": 3,
    "nat": "per-zone",
    "multi_zone": True,
    "waf": True,
    "spot": 50,
    "schedules": 3,
}


def places(picture: Picture) -> dict[Role, tuple[Place, Tier | None]]:
    return {node.role: (node.place, node.tier) for node in picture.nodes}


@pytest.mark.parametrize("cloud", NEW)
def test_the_same_things_stand_in_the_same_places_as_on_aws(cloud: str) -> None:
    other, aws = (places(picture_of(PLANS[name](multi_zone=True, spot=50))) for name in (cloud, "aws"))
    assert set(other) >= set(aws)
    assert {role: other[role] for role in aws} == aws


@pytest.mark.parametrize("cloud", NEW)
def test_the_same_arrows_as_on_aws(cloud: str) -> None:
    """User, data and outbound traffic between the same roles; outwards each cloud leaves by its own door."""
    wanted = {
        ("users", "gateway"),
        ("gateway", "balancer"),
        ("balancer", "app"),
        ("app", "database"),
        ("stateful", "database"),
        ("app", "cache"),
        ("stateful", "cache"),
        ("app", "nat"),
        ("stateful", "nat"),
        ("app", "endpoint"),
        ("stateful", "endpoint"),
        ("endpoint", "objects"),
        ("alarms", "mail"),
        ("users", "dns"),
    }
    picture = picture_of(PLANS[cloud]())
    roles = {node.id: node.role.value for node in picture.nodes}
    found = {(roles[edge.source], roles[edge.target]) for edge in picture.edges}
    assert wanted <= found
    assert not found & {
        ("balancer", "stateful"),
        ("balancer", "database"),
        ("database", "app"),
        ("users", "app"),
        ("users", "balancer"),
        ("users", "stateful"),
    }
    inner = [
        edge for edge in picture.edges if {roles[edge.source], roles[edge.target]} == {"app", "stateful"}
    ]
    assert [(edge.label, edge.both) for edge in inner] == [("TCP 5001, 5002", True)]


@pytest.mark.parametrize("cloud", NEW)
@pytest.mark.parametrize("zones", [2, 3])
@pytest.mark.parametrize("nat", ["single", "none"])
@pytest.mark.parametrize("rich", [False, True])
@pytest.mark.parametrize("domain", [False, True])
def test_every_variant_is_laid_out_with_all_its_labels(
    cloud: str, zones: int, nat: str, rich: bool, domain: bool
) -> None:
    extras = {"multi_zone": rich, "waf": rich, "cdn": rich, "spot": 50 if rich else 0, "schedules": 2 * rich}
    picture = picture_of(PLANS[cloud](zones=zones, nat=nat, domain=domain, **extras))
    layout = check(picture)
    assert [route.edges[0].label for route in layout.routes if route.edges[0].label and not route.label] == []
    assert by_role(picture, Role.OTHER) == []
    assert len(picture.zones) == zones
    assert len(set(picture.edges)) == len(picture.edges)


@pytest.mark.parametrize("cloud", NEW)
def test_the_same_plan_gives_the_same_bytes(cloud: str) -> None:
    made = PLANS[cloud](**MOST)
    again = Plan(
        resources=made.resources[::-1],
        **{name: getattr(made, name) for name in ("name", "region", "providers", "rehearsal")},
    )
    assert draw(made) == draw(made)
    assert {node.id for node in picture_of(again).nodes} == {node.id for node in picture_of(made).nodes}


@pytest.mark.parametrize("cloud", NEW)
@pytest.mark.parametrize(
    ("plain", "rich", "role"),
    [
        ({}, {"waf": True}, Role.WAF),
        ({}, {"cdn": True}, Role.CDN),
        ({}, {"multi_zone": True}, Role.STANDBY),
        ({"domain": False}, {}, Role.DNS),
        ({"nat": "none"}, {}, Role.NAT),
    ],
)
def test_what_the_plan_lacks_is_not_drawn(
    cloud: str, plain: dict[str, Any], rich: dict[str, Any], role: Role
) -> None:
    assert by_role(picture_of(PLANS[cloud](**plain)), role) == []
    assert by_role(picture_of(PLANS[cloud](**rich)), role) != []


@pytest.mark.parametrize("cloud", NEW)
def test_no_nat_means_no_way_out(cloud: str) -> None:
    picture = picture_of(PLANS[cloud](nat="none"))
    assert not any(edge.traffic is Traffic.EGRESS for edge in picture.edges)
    assert by_role(picture, Role.INTERNET) == []


@pytest.mark.parametrize("cloud", NEW)
def test_subnets_span_the_zones(cloud: str) -> None:
    picture = picture_of(PLANS[cloud]())
    assert [(one.tier, one.zone) for one in picture.subnets] == [(tier, "") for tier in Tier]


@pytest.mark.parametrize("cloud", NEW)
def test_unknown_types_are_counted_in_one_node(cloud: str) -> None:
    made = [diagram_plans.resource(f"{cloud}_quantum_abacus.it[{index}]") for index in range(3)]
    node = only(picture_of(diagram_plans.plan(made)), Role.OTHER)
    assert node.captions[0] == f"3 × {cloud}_quantum_abacus"


def made_by_modules(cloud: str) -> list[str]:
    """Every resource type that the modules of a cloud hold, in whatever deployment."""
    files = (ROOTS / NEW[cloud]).rglob("*.tf")
    return sorted(
        {kind for file in files for kind in re.findall(r'^resource "(\w+)"', file.read_text(), re.MULTILINE)}
    )


@pytest.mark.parametrize("cloud", NEW)
def test_nothing_that_the_modules_can_make_is_unknown(cloud: str) -> None:
    kinds = made_by_modules(cloud)
    assert len(kinds) > 40
    made = [diagram_plans.resource(f"{kind}.it") for kind in kinds]
    assert by_role(picture_of(diagram_plans.plan(made)), Role.OTHER) == []
    for one in made:
        if one.type.startswith(cloud):
            assert by_role(picture_of(diagram_plans.plan([one])), Role.OTHER) == [], one.type


@pytest.mark.parametrize(("cloud", "catalog"), [("azurerm", AZURE), ("google", GOOGLE)])
def test_no_prefix_hides_a_later_one(cloud: str, catalog: Catalog) -> None:
    prefixes = [prefix for prefix, _ in catalog.settings]
    assert len(set(prefixes)) == len(prefixes)
    for index, prefix in enumerate(prefixes):
        before = [one for one in prefixes[:index] if prefix.startswith(one)]
        assert before == [], f"{cloud}: {prefix} comes after {before}"


def strangers(block: Block, tree: Mapping[str, Any], place: str = "") -> Iterator[str]:
    """Names in a tree of values that the schema does not have, with their place."""
    for name, value in tree.items():
        if name in block.attributes:
            continue
        if name not in block.blocks:
            yield f"{place}{name}"
            continue
        for entry in value if isinstance(value, list) else [value]:
            if isinstance(entry, Mapping):
                yield from strangers(block.blocks[name].block, entry, f"{place}{name}.")


@pytest.mark.parametrize("cloud", NEW)
def test_hand_made_plans_name_only_what_the_provider_has(cloud: str) -> None:
    schema = ProviderSchema.load(cloud)
    made = (*PLANS[cloud](**MOST).resources, *PLANS[cloud](cdn=True, waf=True).resources)
    wrong = [
        (one.address, stranger)
        for one in made
        if one.type.startswith(cloud)
        for tree in (one.values, one.unknown)
        for stranger in strangers(schema.resource(one.type), tree)
    ]
    assert wrong == []
