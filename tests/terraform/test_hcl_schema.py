"""Every argument of the HCL against the provider's schema: also in branches that no plan takes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hcl_blocks import Block, read, read_folder
from terraform_contract import CLOUDS, TERRAFORM, contract

from cloudberth.infra.simulation.registry import PROVIDERS
from cloudberth.infra.simulation.schema import Block as Schema
from cloudberth.infra.simulation.schema import ProviderSchema

BUILT_IN = "terraform"
"""Terraform's own provider (terraform_data), which has no schema of ours."""
META = {"count", "for_each", "depends_on", "provider", "lifecycle", "provisioner", "connection"}
# Groups of machines name their tags one by one, each with whether the machines inherit it.
TAG_BLOCKS = {"aws_autoscaling_group": "tag"}
LABELS = {"google": ("labels", "user_labels")}
"""Cloud → what it calls tags, where that is another word."""
TYPES = {
    "resource": ProviderSchema.resource,
    "data": ProviderSchema.data_source,
    "ephemeral": ProviderSchema.ephemeral,
}


@pytest.fixture(scope="module")
def schemas() -> dict[str, ProviderSchema]:
    return {name: ProviderSchema.load(name) for name in PROVIDERS}


def provider_of(block: Block) -> str:
    """The provider of a type: what stands before the first underscore."""
    return block.labels[0].split("_")[0]


def objects(cloud: str) -> Iterator[tuple[Path, Block]]:
    """Every resource, data source and ephemeral resource of a cloud."""
    for folder in (TERRAFORM / cloud, *(TERRAFORM / cloud / "modules" / name for name in contract().modules)):
        for block in read_folder(folder):
            if block.type in TYPES and provider_of(block) != BUILT_IN:
                yield folder, block


def faults(block: Block, schema: Schema, place: str) -> Iterator[str]:
    """What a provider would refuse about names in a block and those inside it."""
    for name in set(block.arguments) - META:
        attribute = schema.attributes.get(name)
        if attribute is None:
            yield f"{place}: there is no argument {name}"
        elif attribute.read_only:
            yield f"{place}: {name} is the provider's to set"
    for name, attribute in schema.attributes.items():
        if attribute.required and name not in block.arguments:
            yield f"{place}: {name} is missing"
    nested = [inner for inner in block.nested() if inner.type not in META]
    for inner in nested:
        known = schema.blocks.get(inner.type)
        if known is None:
            yield f"{place}: there is no block {inner.type}"
        else:
            yield from faults(inner, known.block, f"{place}.{inner.type}")
    for name, known in schema.blocks.items():
        found = sum(inner.type == name for inner in nested)
        dynamic = any(inner.type == "dynamic" and inner.labels == (name,) for inner in block.blocks)
        if known.min_items and not found:
            yield f"{place}: the block {name} is missing"
        if known.max_items and found > known.max_items and not dynamic:
            yield f"{place}: {found} blocks {name}, at most {known.max_items} may stand"


@pytest.mark.parametrize("cloud", CLOUDS)
def test_names_only_what_the_provider_knows(cloud: str, schemas: dict[str, ProviderSchema]) -> None:
    found = [
        fault
        for folder, block in objects(cloud)
        for fault in faults(
            block,
            TYPES[block.type](schemas[provider_of(block)], block.labels[0]),
            f"{folder.name}: {'.'.join(block.labels)}",
        )
    ]
    assert found == []
    assert sum(1 for _ in objects(cloud)) > 80


@pytest.mark.parametrize("cloud", CLOUDS)
def test_tags_whatever_takes_tags(cloud: str, schemas: dict[str, ProviderSchema]) -> None:
    untagged = []
    for folder, block in objects(cloud):
        if block.type != "resource":
            continue
        name = block.labels[0]
        if name in TAG_BLOCKS:
            tagged = any(block.nested(TAG_BLOCKS[name]))
        else:
            known = schemas[provider_of(block)].resource(name).attributes
            words = [word for word in LABELS.get(cloud, ("tags",)) if word in known]
            tagged = all(word in block.arguments for word in words)
        if not tagged:
            untagged.append(f"{folder.name}: {'.'.join(block.labels)}")
    assert untagged == []


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ('cidr_blok = "10.0.0.0/16"', "there is no argument cidr_blok"),
        ('arn = "x"', "arn is the provider's to set"),
        ("timeout {\n}", "there is no block timeout"),
    ],
)
def test_a_wrong_name_is_found(text: str, fault: str, schemas: dict[str, ProviderSchema]) -> None:
    (block,) = read(f'resource "aws_vpc" "this" {{\n{text}\n}}')
    assert list(faults(block, schemas["aws"].resource("aws_vpc"), "here")) == [f"here: {fault}"]
