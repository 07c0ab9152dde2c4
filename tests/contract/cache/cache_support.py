"""The table *cache type × operation × proved how*, made of what a run of the contract suite really did."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

DOCUMENT = Path(__file__).resolve().parents[3] / "docs" / "reference" / "cache-support.md"
COMMAND = "pytest tests/contract -k cache --write-support-table"
SIGNS = {"passed": "", "skipped": "s", "failed": "F", "error": "E"}

INTRODUCTION = f"""\
# The cache: what works, and how it is proved

Written by runs of the contract suite: `{COMMAND}`.
A row is what one type really ran against, a column a part of the suite in `tests/contract/cache/`. In the
cells: tests that passed; `s`: skipped.

Beside this table stand tests of one kind of store: outages, hangs, resets, failover, full memory and wrong
passwords (`test_cache_faults.py`), passwords that are tokens and change (`test_cache_identities.py`), and a
state machine that runs the same steps, with a clock that is moved, on the embedded twin and on a redis-server
(`test_cache_congruence.py`).

Not proved live: Amazon ElastiCache and MemoryDB, Azure Managed Redis, Google Memorystore. The tokens of AWS
and Microsoft Entra are tested against a real redis-server whose password is the token; what the clouds check
of a token was not seen. Google's token is fetched by google-auth and was not seen at work.
"""


@dataclass
class Row:
    """What one rig did. cells: theme → outcome → count."""

    id: str
    proved: str
    cells: dict[str, Counter[str]] = field(default_factory=dict)

    def count(self, *outcomes: str) -> int:
        return sum(cell[outcome] for cell in self.cells.values() for outcome in outcomes)


def rows_of(stats: Mapping[str, Iterable[Any]]) -> list[Row]:
    """From the reports of a run, by outcome. Tests of other suites are left out."""
    rows: dict[str, Row] = {}
    for outcome, reports in stats.items():
        for report in reports:
            properties = dict(getattr(report, "user_properties", ()))
            if "cache rig" not in properties or outcome not in SIGNS:
                continue
            row = rows.setdefault(
                properties["cache rig"], Row(properties["cache rig"], properties["cache proof"])
            )
            row.cells.setdefault(properties["cache theme"], Counter())[outcome] += 1
    return sorted(rows.values(), key=lambda row: row.id)


def themes_of(rows: Iterable[Row]) -> list[str]:
    return sorted({theme for row in rows for theme in row.cells})


def cell_text(cell: Counter[str]) -> str:
    """``12 1s``; empty when nothing ran."""
    return " ".join(f"{cell[outcome]}{sign}" for outcome, sign in SIGNS.items() if cell[outcome])


def document(rows: Sequence[Row]) -> str:
    """docs/reference/cache-support.md."""
    themes = themes_of(rows)
    lines = [
        INTRODUCTION,
        f"| rig | proved | {' | '.join(themes)} |",
        "|---|---" + "|---" * len(themes) + "|",
    ]
    for row in rows:
        cells = (cell_text(row.cells.get(theme, Counter())) or "–" for theme in themes)
        lines.append(f"| `{row.id}` | {row.proved} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def documented(text: str) -> dict[str, str]:
    """rig → how it is proved, as the document says."""
    return dict(re.findall(r"^\| `([^`]+)` \| ([^|]+) \|", text, re.MULTILINE))


def unfit(rows: Sequence[Row], known: Iterable[str]) -> list[str]:
    """Why a run may not be written down: a rig that did not run, or that failed."""
    ran = {row.id for row in rows if row.count("passed")}
    found = [f"{rig} did not run" for rig in known if rig not in ran]
    return found + [f"{row.id} failed" for row in rows if row.count("failed", "error")]
