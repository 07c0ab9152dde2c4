#!/usr/bin/env python3
"""Cut a provider schema down to the types that our Terraform uses.

    python tools/trim_schemas.py aws FULL.json.gz [--source "package 1.2.3"]

reads the HCL under src/cloudberth/terraform/ for the types of one provider (aws_…), adds those of
tools/schema_types_<provider>.txt, takes them out of a full schema (made by tools/extract_schema.py) and
writes src/cloudberth/infra/schemas/<provider>.json.gz and its README. The same input gives the same bytes.
`--check` writes nothing and exits 1 when the committed schema lacks a type that the HCL uses.
"""

from __future__ import annotations

import argparse
import gzip
import io
import json
import re
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
HCL = ROOT / "src" / "cloudberth" / "terraform"
SCHEMAS = ROOT / "src" / "cloudberth" / "infra" / "schemas"
SECTIONS = {
    "resource": "resource_schemas",
    "data": "data_source_schemas",
    "ephemeral": "ephemeral_resource_schemas",
}
BLOCK = re.compile(r'^\s*(resource|data|ephemeral)\s+"([a-z0-9_]+)"', re.MULTILINE)
BUILT_IN = frozenset({"terraform_data", "terraform_remote_state"})
"""Types of Terraform's own built-in provider."""


def types_in_hcl(folder: Path, provider: str = "") -> set[tuple[str, str]]:
    """(block kind, type) of every resource, data source and ephemeral resource in .tf files below folder; of
    one provider alone when it is named."""
    prefix = f"{provider}_" if provider else ""
    found: set[tuple[str, str]] = set()
    for file in sorted(folder.rglob("*.tf")):
        found.update(match.groups() for match in BLOCK.finditer(file.read_text()))  # type: ignore[misc]
    return {(kind, name) for kind, name in found if name not in BUILT_IN and name.startswith(prefix)}


def listed_types(file: Path) -> set[str]:
    """Names in a type list, if there is one: one a line, `#` starts a comment."""
    if not file.exists():
        return set()
    lines = (line.partition("#")[0].strip() for line in file.read_text().splitlines())
    return {line for line in lines if line}


def read_schema(file: Path) -> dict[str, Any]:
    with gzip.open(file) as stream:
        document: dict[str, Any] = json.load(stream)
    return document


def missing_types(document: Mapping[str, Any], used: Iterable[tuple[str, str]]) -> list[str]:
    """`kind type` of everything used that the schema does not have."""
    return sorted(f"{kind} {name}" for kind, name in used if name not in document[SECTIONS[kind]])


def trim(full: Mapping[str, Any], names: set[str]) -> dict[str, Any]:
    """The same document with only the named types."""
    trimmed = {key: value for key, value in full.items() if key not in SECTIONS.values()}
    for section in SECTIONS.values():
        trimmed[section] = {name: full[section][name] for name in sorted(names) if name in full[section]}
    return trimmed


def packed(document: Mapping[str, Any]) -> bytes:
    """Compressed JSON without time stamp or file name, so that the bytes depend on the content alone."""
    buffer = io.BytesIO()
    with gzip.GzipFile(filename="", mode="wb", compresslevel=9, fileobj=buffer, mtime=0) as stream:
        stream.write(json.dumps(document, sort_keys=True, separators=(",", ":")).encode())
    return buffer.getvalue()


README = """# Provider schemas

Trimmed to the resource types that Cloudberth's Terraform uses (and a few more that users' plans need); the
offline rehearsal serves them to Terraform.

| file | provider | resources | data sources | ephemeral | from |
|---|---|---|---|---|---|
{rows}

Made by `tools/extract_schema.py` (package → full schema) and `tools/trim_schemas.py` (full schema → these
files); do not edit by hand. A new type in the HCL: run

    python tools/trim_schemas.py <cloud> FULL.json.gz

What the packages do not carry and these files therefore lack: which attributes are sensitive, which force a
replacement, defaults, and the checks inside the provider. The simulated provider's own tables
(`infra/simulation/<cloud>/`) stand in for those.

## Notice

The schemas describe the HashiCorp Terraform providers (https://github.com/hashicorp), which are licensed
under the Mozilla Public License 2.0 (https://mozilla.org/MPL/2.0/); names, types and nesting of attributes
are taken from them. They are facts about those providers' interfaces and contain no provider code.
"""


def readme() -> str:
    rows = []
    for file in sorted(SCHEMAS.glob("*.json.gz")):
        document = read_schema(file)
        counts = " | ".join(str(len(document[section])) for section in SECTIONS.values())
        cloud = file.name.removesuffix(".json.gz")
        source = document.get("source", "unknown")
        rows.append(f"| `{file.name}` | {cloud} {document['provider_version']} | {counts} | {source} |")
    return README.format(rows="\n".join(rows))


def write_aside(file: Path, content: bytes) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    aside = file.with_name(file.name + ".new")
    aside.write_bytes(content)
    aside.replace(file)


def check(cloud: str) -> int:
    lacking = missing_types(read_schema(SCHEMAS / f"{cloud}.json.gz"), types_in_hcl(HCL, cloud))
    for line in lacking:
        print(f"not in schemas/{cloud}.json.gz: {line}", file=sys.stderr)
    if lacking:
        print(f"run: python tools/trim_schemas.py {cloud} FULL.json.gz", file=sys.stderr)
    return 1 if lacking else 0


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("cloud")
    parser.add_argument(
        "full", type=Path, nargs="?", help="full schema, as tools/extract_schema.py writes it"
    )
    parser.add_argument("--source", help="package and version that the full schema came from")
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args(arguments)
    if options.check:
        return check(options.cloud)
    if options.full is None:
        parser.error("the full schema is needed")
    full = read_schema(options.full)
    if options.source:
        full["source"] = options.source
    used = types_in_hcl(HCL, options.cloud)
    lacking = missing_types(full, used)
    if lacking:
        print("no such type in the provider: " + ", ".join(lacking), file=sys.stderr)
        return 1
    names = {name for _, name in used} | listed_types(ROOT / "tools" / f"schema_types_{options.cloud}.txt")
    unknown = sorted(
        name for name in names if not any(name in full[section] for section in SECTIONS.values())
    )
    if unknown:
        print("in the type list, but not in the provider: " + ", ".join(unknown), file=sys.stderr)
        return 1
    target = SCHEMAS / f"{options.cloud}.json.gz"
    write_aside(target, packed(trim(full, names)))
    write_aside(SCHEMAS / "README.md", readme().encode())
    print(f"{target.relative_to(ROOT)}: {len(names)} types, {target.stat().st_size} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
