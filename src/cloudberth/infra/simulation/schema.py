"""A provider's schema as a value, read from the document that `terraform providers schema -json` has."""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from functools import cached_property
from importlib import resources
from typing import Any

from cloudberth.errors import EngineError
from cloudberth.infra.simulation.protocol import MESSAGES

Type = Any
"""A cty type in its JSON form: "string", ["list", T], ["object", {name: T}] ..."""


class Nesting(IntEnum):
    """How often a nested block may stand; the numbers are the protocol's."""

    SINGLE = 1
    LIST = 2
    SET = 3
    MAP = 4
    GROUP = 5


@dataclass(frozen=True, slots=True)
class Attribute:
    name: str
    type: Type
    required: bool
    optional: bool
    computed: bool
    sensitive: bool
    write_only: bool

    @property
    def read_only(self) -> bool:
        return self.computed and not self.optional


@dataclass(frozen=True, slots=True)
class NestedBlock:
    name: str
    nesting: Nesting
    block: Block
    min_items: int
    max_items: int


@dataclass(frozen=True, slots=True)
class Block:
    attributes: Mapping[str, Attribute]
    blocks: Mapping[str, NestedBlock]

    def empty(self) -> dict[str, Any]:
        """The value of a block in which nothing is set."""
        value: dict[str, Any] = dict.fromkeys(self.attributes)
        for name, nested in self.blocks.items():
            match nested.nesting:
                case Nesting.LIST | Nesting.SET:
                    value[name] = []
                case Nesting.MAP:
                    value[name] = {}
                case Nesting.SINGLE:
                    value[name] = None
                case Nesting.GROUP:
                    value[name] = nested.block.empty()
        return value


def _block(document: Mapping[str, Any]) -> Block:
    attributes = {
        name: Attribute(
            name=name,
            type=entry["type"],
            required=entry.get("required", False),
            optional=entry.get("optional", False),
            computed=entry.get("computed", False),
            sensitive=entry.get("sensitive", False),
            write_only=entry.get("write_only", False),
        )
        for name, entry in sorted(document.get("attributes", {}).items())
    }
    blocks = {
        name: NestedBlock(
            name=name,
            nesting=Nesting[entry["nesting_mode"].upper()],
            block=_block(entry["block"]),
            min_items=entry.get("min_items", 0),
            max_items=entry.get("max_items", 0),
        )
        for name, entry in sorted(document.get("block_types", {}).items())
    }
    return Block(attributes, blocks)


class ProviderSchema:
    """All schemas of one provider; each is parsed when first asked for."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self._document = document
        self._parsed: dict[tuple[str, str], Block] = {}
        self.version: str = document["provider_version"]

    @classmethod
    def load(cls, name: str) -> ProviderSchema:
        """The packaged schema `schemas/<name>.json.gz`."""
        file = resources.files("cloudberth.infra.schemas") / f"{name}.json.gz"
        if not file.is_file():
            raise EngineError(f"no schema of the provider {name!r} is packaged", where="rehearsal")
        return cls(json.loads(gzip.decompress(file.read_bytes())))

    @cached_property
    def provider(self) -> Block:
        return _block(self._document["provider"]["block"])

    def resource(self, name: str) -> Block:
        return self._get("resource_schemas", name)

    def data_source(self, name: str) -> Block:
        return self._get("data_source_schemas", name)

    def ephemeral(self, name: str) -> Block:
        return self._get("ephemeral_resource_schemas", name)

    def names(self, section: str) -> list[str]:
        return sorted(self._document.get(section, {}))

    def serialised(self, sensitive: Mapping[str, frozenset[str]]) -> bytes:
        """The GetProviderSchema response.

        sensitive: type → top-level attributes to mark as sensitive, where the document does not say so
        itself.
        """
        response = MESSAGES["GetProviderSchemaResponse"]()
        response.provider.block.SetInParent()
        _write_block(self._document["provider"]["block"], response.provider.block, frozenset())
        for section in ("resource_schemas", "data_source_schemas", "ephemeral_resource_schemas"):
            for name, entry in sorted(self._document.get(section, {}).items()):
                schema = getattr(response, section).add(key=name).value
                schema.version = entry.get("version", 0)
                schema.block.SetInParent()
                _write_block(entry["block"], schema.block, sensitive.get(name, frozenset()))
        # Terraform may keep the schema of an earlier call within one process.
        response.server_capabilities.get_provider_schema_optional = True
        serialised: bytes = response.SerializeToString()
        return serialised

    def _get(self, section: str, name: str) -> Block:
        key = (section, name)
        if key not in self._parsed:
            self._parsed[key] = _block(self._document[section][name]["block"])
        return self._parsed[key]


def _write_block(block: Mapping[str, Any], target: Any, sensitive: frozenset[str]) -> None:
    # Works on the JSON document, not on parsed Blocks: the whole provider goes out on every start of
    # Terraform, but a run looks closer only at the types that it uses.
    for name, entry in sorted(block.get("attributes", {}).items()):
        attribute = target.attributes.add(name=name, type=json.dumps(entry["type"]).encode())
        for flag in ("required", "optional", "computed", "sensitive", "write_only"):
            if entry.get(flag):
                setattr(attribute, flag, True)
        if name in sensitive:
            attribute.sensitive = True
    for name, entry in sorted(block.get("block_types", {}).items()):
        nested = target.block_types.add(
            type_name=name,
            nesting=Nesting[entry["nesting_mode"].upper()].value,
            min_items=entry.get("min_items", 0),
            max_items=entry.get("max_items", 0),
        )
        nested.block.SetInParent()
        _write_block(entry["block"], nested.block, frozenset())
