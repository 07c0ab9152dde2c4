#!/usr/bin/env python3
"""Recover a Terraform provider's schema from a CDK Terrain provider package, without running the provider.

    pip download --no-deps cdktn-provider-aws==25.8.1
    python tools/extract_schema.py cdktn_provider_aws-25.8.1-py3-none-any.whl full-aws.json.gz

The wheel holds generated JavaScript in which every attribute stands with its Terraform name, flags and type:

    // volume_size - computed: true, optional: true, required: false       (in the class of the block)
    volume_size: { value: …, isBlock: false, type: "simple", storageClassType: "number" }   (in its synthesis)

From these the document is put together that `terraform providers schema -json` would print. The generator
does not keep descriptions, sensitive marks, defaults, minimum and maximum counts above one, or schema
versions; it types the few recursive blocks as "any" (see TRANSPLANTS).
"""

from __future__ import annotations

import argparse
import gzip
import io
import json
import re
import sys
import tarfile
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Block = dict[str, Any]

ATTRIBUTE = re.compile(
    r"^ {4}// (\S+) - computed: (true|false), optional: (true|false), required: (true|false)$", re.MULTILINE
)
CLASS = re.compile(r"^class (\w+) extends (?:\w+\.)?(\w+) \{$", re.MULTILINE)
SYNTHESIS = re.compile(r"^function (\w+)ToHclTerraform\(struct\) \{$(.*?)^\}$", re.MULTILINE | re.DOTALL)
HINT = re.compile(
    r"^\s+(\w+): \{\n\s+value: (.*?),\n\s+isBlock: (true|false),\n\s+type: \"(\w+)\",\n"
    r"\s+storageClassType: \"(\w+)\",",
    re.MULTILINE,
)
STORED = re.compile(r" _\w+ = new (\w+\.)?(\w+)\(this, \"[^\"]+\"(?:, (true|false))?\);")
GETTER = re.compile(r"return (.*?)this\.get(\w+)Attribute\(")
INTERFACE = re.compile(r"^export interface (\w+) \{$(.*?)^\}$", re.MULTILINE | re.DOTALL)
MEMBER = re.compile(r"#(\w+) \w+#\1\}?\s*\n\s*\*/\s*\n\s*readonly \w+(\??):")
TYPE_NAME = re.compile(r'tfResourceType = "([^"]+)";')
VERSION = re.compile(r"providerVersion: '([^']+)'")
SOURCE_MAP = re.compile(r"^//# sourceMappingURL.*$", re.MULTILINE)
IMPORTED = re.compile(r"\(0, \w+\.(\w+)\)|\b(?:index|structs\d+)_\d+\.")

SECTIONS = {
    "TerraformResource": "resource_schemas",
    "TerraformDataSource": "data_source_schemas",
    "TerraformEphemeralResource": "ephemeral_resource_schemas",
}
PRIMITIVES = {"string": "string", "number": "number", "boolean": "bool", "any": "dynamic"}
RECURSION_LIMIT = 3
TRANSPLANTS = {
    ("aws_wafv2_web_acl", "rule", "statement"): "aws_wafv2_web_acl_rule",
    ("aws_wafv2_rule_group", "rule", "statement"): "aws_wafv2_web_acl_rule",
}
"""(type, block, attribute typed as any) → type that has the same block in full."""


@dataclass(frozen=True, slots=True)
class Hint:
    """How the generator writes one argument: value is the JavaScript of the mapper."""

    value: str
    kind: str
    storage: str

    @property
    def write_only(self) -> bool:
        return "markWriteOnlyAttribute" in self.value

    @property
    def many(self) -> bool | None:
        """For a list of objects: True for blocks, False for an attribute; None for a single object."""
        found = re.search(r"listMapperHcl\(\w+, (true|false)\)", self.value)
        return None if found is None else found[1] == "true"


@dataclass(frozen=True, slots=True)
class Entry:
    """One attribute or block as its class lists it. text: the class's code about it."""

    name: str
    computed: bool
    optional: bool
    required: bool
    text: str

    def flags(self) -> Block:
        flags = ("computed", "optional", "required")
        return {flag: True for flag in flags if getattr(self, flag)}


@dataclass
class Module:
    """The code of one resource type, data source or the provider."""

    classes: dict[str, tuple[str, str]] = field(default_factory=dict)
    hints: dict[str, dict[str, Hint]] = field(default_factory=dict)
    optional_members: dict[str, dict[str, bool]] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)

    def add_javascript(self, text: str) -> None:
        text = IMPORTED.sub(lambda match: match[1] or "", SOURCE_MAP.sub("", text))
        marks = list(CLASS.finditer(text))
        ends = [mark.start() for mark in marks[1:]] + [len(text)]
        for mark, end in zip(marks, ends[: len(marks)], strict=True):
            self.classes[mark[1]] = (mark[2], text[mark.end() : end])
        for match in SYNTHESIS.finditer(text):
            self.hints[match[1]] = hints_in(match[2])

    def add_declarations(self, text: str) -> None:
        for match in INTERFACE.finditer(text):
            self.optional_members[match[1]] = {name: mark == "?" for name, mark in MEMBER.findall(match[2])}

    def tops(self) -> Iterator[tuple[str, str, str]]:
        """(class, base class, code) of what the module is about."""
        for name, (base, text) in self.classes.items():
            if base in SECTIONS or base == "TerraformProvider":
                yield name, base, text


def hints_in(text: str) -> dict[str, Hint]:
    return {m[1]: Hint(value=m[2], kind=m[4], storage=m[5]) for m in HINT.finditer(text)}


def decapitalised(name: str) -> str:
    return name[:1].lower() + name[1:]


def simple_type(storage: str, kind: str) -> Any:
    """`stringList`, `numberMap`, `stringMapList` … as a Terraform type; None for a class name."""
    for suffix, collection in (("List", "list"), ("Map", "map")):
        if storage.endswith(suffix) and storage[:1].islower():
            inner = simple_type(storage.removesuffix(suffix), "list")
            return (
                None
                if inner is None
                else ["set" if kind == "set" and collection == "list" else collection, inner]
            )
    return PRIMITIVES.get(storage)


class Reader:
    """Puts the blocks of one module together."""

    def __init__(self, module: Module) -> None:
        self.module = module

    def top(self, name: str, text: str) -> Block:
        start = text.find("synthesizeHclAttributes() {")
        return self.block(name, text, hints_in(text[start:]) if start >= 0 else {}, ())

    def nested(self, struct: str, stack: tuple[str, ...]) -> Block:
        """The block of a struct, from its reference class or (in the provider block) its interface."""
        if stack.count(struct) >= RECURSION_LIMIT:
            return {}
        hints = self.module.hints.get(decapitalised(struct), {})
        found = self.module.classes.get(f"{struct}OutputReference")
        if found:
            return self.block(struct, found[1], hints, (*stack, struct))
        optional = self.module.optional_members.get(struct, {})
        entries = [Entry(n, False, optional.get(n, True), not optional.get(n, True), "") for n in hints]
        return self.assemble(struct, entries, hints, (*stack, struct))

    def block(self, name: str, text: str, hints: Mapping[str, Hint], stack: tuple[str, ...]) -> Block:
        marks = list(ATTRIBUTE.finditer(text))
        ends = [mark.start() for mark in marks[1:]] + [len(text)]
        entries = [
            Entry(mark[1], mark[2] == "true", mark[3] == "true", mark[4] == "true", text[mark.end() : end])
            for mark, end in zip(marks, ends[: len(marks)], strict=True)
        ]
        return self.assemble(name, entries, hints, stack)

    def assemble(
        self, name: str, entries: list[Entry], hints: Mapping[str, Hint], stack: tuple[str, ...]
    ) -> Block:
        attributes: Block = {}
        blocks: Block = {}
        previous = ""
        for entry in entries:
            hint = hints.get(entry.name)
            # Attributes come first, in alphabetical order, then blocks: a break in the order is a block.
            late = bool(blocks) or entry.name < previous
            nested = self.nested_block(entry, hint, stack, late=late)
            if nested is not None:
                blocks[entry.name] = nested
            else:
                attributes[entry.name] = self.attribute(name, entry, hint, stack)
            previous = entry.name
        return {k: v for k, v in (("attributes", attributes), ("block_types", blocks)) if v}

    def nested_block(
        self, entry: Entry, hint: Hint | None, stack: tuple[str, ...], *, late: bool
    ) -> Block | None:
        """The entry as a nested block; None when it is an attribute."""
        if hint is None or simple_type(hint.storage, hint.kind) is not None or hint.many is False:
            return None
        if hint.kind == "map" or (hint.kind == "struct" and not self.single_block(entry, late)):
            return None
        struct = hint.storage if hint.kind == "struct" else hint.storage.removesuffix("List")
        mode = "single" if hint.kind == "struct" else hint.kind
        block: Block = {"nesting_mode": mode, "block": self.nested(struct, stack)}
        if entry.required and mode != "single":
            block["min_items"] = 1
        if hint.many is None and mode != "single":
            block["max_items"] = 1
        return block

    @staticmethod
    def single_block(entry: Entry, late: bool) -> bool:
        return entry.name == "timeouts" or (late and not entry.computed)

    def attribute(self, owner: str, entry: Entry, hint: Hint | None, stack: tuple[str, ...]) -> Block:
        attribute = entry.flags()
        if (hint and hint.write_only) or "@deprecated Write-only" in entry.text:
            attribute["write_only"] = True
        kind = self.configurable_type(hint, stack) if hint else self.computed_type(entry, stack)
        if kind is None:
            self.module.warnings.append(f"{owner}.{entry.name}: no type found, taken as dynamic")
        attribute["type"] = "dynamic" if kind is None else kind
        return attribute

    def configurable_type(self, hint: Hint, stack: tuple[str, ...]) -> Any:
        simple = simple_type(hint.storage, hint.kind)
        if simple is not None:
            return simple
        if hint.kind == "struct":
            return self.object_type(hint.storage, stack)
        suffix = "Map" if hint.kind == "map" else "List"
        return [hint.kind, self.object_type(hint.storage.removesuffix(suffix), stack)]

    def computed_type(self, entry: Entry, stack: tuple[str, ...]) -> Any:
        stored = STORED.search(entry.text)
        if stored:
            return self.stored_type(stored, stack)
        getter = GETTER.search(entry.text)
        if getter is None:
            return None
        kind = simple_type(
            {"List": "stringList", "NumberList": "numberList"}.get(getter[2], decapitalised(getter[2])), ""
        )
        return ["set", kind[1]] if "tolist" in getter[1] else kind

    def stored_type(self, stored: re.Match[str], stack: tuple[str, ...]) -> Any:
        library, name, is_set = stored[1], stored[2], stored[3] == "true"
        if library:
            return simple_type(decapitalised(name), "set" if is_set else "")
        if name.endswith("OutputReference"):
            return self.object_type(name.removesuffix("OutputReference"), stack)
        if name.endswith("Map"):
            return ["map", self.object_type(name.removesuffix("Map"), stack)]
        return ["set" if is_set else "list", self.object_type(name.removesuffix("List"), stack)]

    def object_type(self, struct: str, stack: tuple[str, ...]) -> Any:
        """A struct inside an attribute: everything in it is an attribute."""
        if f"{struct}OutputReference" not in self.module.classes:
            return self.collection_of(struct, stack)
        return as_type(self.nested(struct, stack))

    def collection_of(self, struct: str, stack: tuple[str, ...]) -> Any:
        for suffix, kind in (("List", "list"), ("Map", "map")):
            inner = struct.removesuffix(suffix)
            if inner != struct and f"{inner}OutputReference" in self.module.classes:
                return [kind, self.object_type(inner, stack)]
        self.module.warnings.append(f"{struct}: no class")
        return "dynamic"


def as_type(block: Block) -> Any:
    members = {name: entry["type"] for name, entry in block.get("attributes", {}).items()}
    for name, nested in block.get("block_types", {}).items():
        inner = as_type(nested["block"])
        mode = nested["nesting_mode"]
        members[name] = inner if mode == "single" else [mode, inner]
    return ["object", members]


def modules(wheel: Path) -> dict[str, Module]:
    """Folder → module, of everything in the wheel's JavaScript archive."""
    with zipfile.ZipFile(wheel) as archive:
        names = [name for name in archive.namelist() if name.endswith(".jsii.tgz")]
        if len(names) != 1:
            raise SystemExit(f"{wheel}: not a provider package (it has {len(names)} JavaScript archives)")
        packed = archive.read(names[0])
    found: dict[str, Module] = {}
    with tarfile.open(fileobj=io.BytesIO(packed), mode="r:gz") as files:
        for member in files:
            parts = member.name.split("/")
            stream = files.extractfile(member)
            if len(parts) < 4 or parts[:2] != ["package", "lib"] or stream is None:
                continue
            module = found.setdefault(parts[2], Module())
            text = stream.read().decode()
            if member.name.endswith(".js"):
                module.add_javascript(text)
            elif parts[2] == "provider" and member.name.endswith(".d.ts"):
                module.add_declarations(text)
    return found


def transplant(document: Block) -> None:
    for (target, outer, name), source in TRANSPLANTS.items():
        resources = document["resource_schemas"]
        if target not in resources or source not in resources:
            continue
        block = resources[target]["block"]["block_types"][outer]["block"]
        block.get("attributes", {}).pop(name, None)
        whole = resources[source]["block"]["block_types"][name]
        block.setdefault("block_types", {})[name] = {**whole, "min_items": 1, "max_items": 1}


def extract(wheel: Path) -> tuple[Block, list[str]]:
    """(schema document, warnings) of a provider package."""
    document: Block = {section: {} for section in SECTIONS.values()}
    package, version = wheel.name.split("-")[:2]
    document["source"] = f"{package.replace('_', '-')} {version}"
    warnings: list[str] = []
    for module in modules(wheel).values():
        for name, base, text in module.tops():
            block = Reader(module).top(name, text)
            found = VERSION.search(text)
            if found:
                document["provider_version"] = found[1]
            if base == "TerraformProvider":
                block["attributes"].pop("alias", None)
                document["provider"] = {"version": 0, "block": block}
            else:
                kind = TYPE_NAME.search(text)
                document[SECTIONS[base]][kind[1] if kind else name] = {"version": 0, "block": block}
        warnings += module.warnings
    transplant(document)
    return document, warnings


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("wheel", type=Path)
    parser.add_argument("output", type=Path, help="schema document, compressed JSON")
    options = parser.parse_args(arguments)
    document, warnings = extract(options.wheel)
    with gzip.GzipFile(options.output, "wb", mtime=0) as stream:
        stream.write(json.dumps(document, sort_keys=True, separators=(",", ":")).encode())
    counts = ", ".join(
        f"{len(document[section])} {section.removesuffix('_schemas')}s" for section in SECTIONS.values()
    )
    print(
        f"{document['source']}: provider {document['provider_version']}; {counts}; {len(warnings)} warnings"
    )
    for warning in warnings:
        print(f"  {warning}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.setrecursionlimit(10_000)
    sys.exit(main())
