"""The hand-made plans are plans that a provider could make: their attributes exist in the real schema.

Without this, a rule and its plans could agree on a name that no provider has, and never report anything.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from finding_plans import CASES
from test_finding_rules import TABLES

from cloudberth.infra.plan import Resource
from cloudberth.infra.simulation.schema import Block, ProviderSchema

SCHEMAS = {name: ProviderSchema.load(name) for name in ("aws", "azurerm", "google")}
TYPES = frozenset(kind for schema in SCHEMAS.values() for kind in schema.names("resource_schemas"))


def block_of(kind: str) -> Block:
    return SCHEMAS[kind.partition("_")[0]].resource(kind)


def strangers(block: Block, tree: Mapping[str, Any], place: str = "") -> Iterator[str]:
    """Names in a tree of values that the schema does not have, with their place."""
    for name, value in tree.items():
        if name in block.attributes:
            continue
        nested = block.blocks.get(name)
        if nested is None:
            yield f"{place}{name}"
            continue
        for entry in value if isinstance(value, list) else [value]:
            if isinstance(entry, Mapping):
                yield from strangers(nested.block, entry, f"{place}{name}.")


def resources_of(rule: str) -> Iterator[Resource]:
    for sample in (*CASES[rule].reported, *CASES[rule].silent):
        yield from (r for r in sample.plan.resources if not r.data and r.type in TYPES)


def test_the_schema_covers_most_of_the_plans() -> None:
    assert TABLES
    used = {r.type for case in CASES.values() for s in case.reported for r in s.plan.resources}
    assert len(used & TYPES) > len(used) * 0.7


@pytest.mark.parametrize("rule", sorted(CASES))
def test_plans_name_only_what_the_provider_has(rule: str) -> None:
    for resource in resources_of(rule):
        block = block_of(resource.type)
        for tree in (resource.values, resource.unknown, resource.before):
            assert list(strangers(block, tree)) == [], resource.address


def test_a_stranger_is_noticed() -> None:
    block = block_of("aws_lb")
    tree = {"idle_timeout": 60, "idle_time": 1, "access_logs": [{"bucket": "b", "bukket": "b"}]}
    assert list(strangers(block, tree)) == ["idle_time", "access_logs.bukket"]
