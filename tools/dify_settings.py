"""Collects the settings of a Dify release from a contract document into ``tests/apps/dify_settings.csv``.

The document lists settings in Markdown tables: a line ``**ClassName** (`file`)`` and then rows
``| `NAME` | type | `default` | alias |``. Only facts are taken: names, types, defaults and aliases.

    python tools/dify_settings.py path/to/contract.md
"""

from __future__ import annotations

import csv
import re
import sys
from collections.abc import Iterator
from pathlib import Path

TARGET = Path(__file__).resolve().parents[1] / "tests/apps/dify_settings.csv"
COLUMNS = ("group", "name", "type", "default", "aliases")

_GROUP = re.compile(r"^\*\*(\w+)\*\* \(`")
_CELL = re.compile(r"(?<!\\)\|")


def settings(lines: Iterator[str]) -> Iterator[tuple[str, ...]]:
    """Rows of all tables that stand under a class name."""
    group = ""
    for line in lines:
        found = _GROUP.match(line)
        if found:
            group = found[1]
        elif line.startswith("#"):
            group = ""
        elif group and line.startswith("| `"):
            cells = [cell.strip().replace("\\|", "|") for cell in _CELL.split(line.strip().strip("|"))]
            name, kind, default, aliases = (*cells, "", "", "")[:4]
            yield group, name.strip("`"), kind, default.strip("`"), " ".join(re.findall(r"'(\w+)'", aliases))


def main(arguments: list[str]) -> int:
    if len(arguments) != 1:
        print(__doc__, file=sys.stderr)
        return 2
    with Path(arguments[0]).open(encoding="utf-8") as document:
        rows = sorted(set(settings(iter(document))), key=lambda row: row[:2])
    with TARGET.open("w", encoding="utf-8", newline="") as target:
        writer = csv.writer(target, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows(rows)
    print(f"{len(rows)} settings → {TARGET}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
