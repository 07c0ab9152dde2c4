"""The table *storage type × operation × proved how*, made of what a run of the contract suite really did."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "reference" / "storage-support.md"
COMMAND = "pytest tests/contract -k storage --thorough --write-support-table"
# Outcomes as pytest names them → how a cell shows them.
SIGNS = {
    "passed": "",
    "unsupported": "u",
    "xfailed": "x",
    "skipped": "s",
    "failed": "F",
    "error": "E",
    "xpassed": "X",
}

INTRODUCTION = f"""\
# Object storage: what works, and how it is proved

Written by runs of the contract suite: `{COMMAND}`
(with `-k azure`, say, the rows of one type anew).
A row is what one type really ran against, a column a part of the suite in `tests/contract/storage/`.

In the cells: tests that passed; `u`: in so many of these an ability, or a key, that the store does not have
was asked for and refused by name, so nothing is silently ignored or changed; `x`: tests that the *server of
the proof* is known to fail, or that make no sense for it, listed below with the reason; `s`: skipped, not
applicable to the type (a local folder has no secret key).

How far a proof reaches, best first: *against a real server*, a production server that checks what it is sent;
*against the vendor's emulator*; *against an emulator* of somebody else; *against a protocol double that the
vendor's SDK accepts*, a server of ours that checks signatures on its own and that the vendor's SDK and our
client both work with. None of these is the vendor's cloud: no type is proved live yet.
"""


@dataclass
class Row:
    """What one rig did. cells: theme → outcome → count."""

    id: str
    type: str
    proved: str
    cells: dict[str, Counter[str]] = field(default_factory=dict)
    refused: set[str] = field(default_factory=set)
    exceptions: dict[str, str] = field(default_factory=dict)

    def count(self, *outcomes: str) -> int:
        return sum(cell[outcome] for cell in self.cells.values() for outcome in outcomes)


def rows_of(stats: Mapping[str, Iterable[Any]], suite: str = "storage") -> list[Row]:
    """From the reports of a run, by outcome. Tests of other suites are left out."""
    rows: dict[str, Row] = {}
    for outcome, reports in stats.items():
        for report in reports:
            said = getattr(report, "user_properties", ())
            properties = dict(said)
            if f"{suite} rig" not in properties or outcome not in SIGNS:
                continue
            rig = properties[f"{suite} rig"]
            row = rows.setdefault(rig, Row(rig, properties[f"{suite} type"], properties[f"{suite} proof"]))
            cell = row.cells.setdefault(properties[f"{suite} theme"], Counter())
            cell[outcome] += 1
            refused = {value for name, value in said if name == f"{suite} unsupported"}
            cell["unsupported"] += bool(refused)
            row.refused |= {shown(name) for name in refused}
            if outcome == "xfailed":
                test = report.nodeid.rpartition("::")[2].replace(f"[{rig}]", "").replace(f"{rig}-", "")
                row.exceptions[test] = report.wasxfail.removeprefix("reason: ").removeprefix(f"{rig}: ")
    return sorted(rows.values(), key=lambda row: (row.type, row.id))


def themes_of(rows: Iterable[Row]) -> list[str]:
    return sorted({theme for row in rows for theme in row.cells})


def cell_text(cell: Counter[str]) -> str:
    """``12 1u 2x``; empty when nothing ran."""
    shown = [f"{cell[outcome]}{sign}" for outcome, sign in SIGNS.items() if cell[outcome]]
    return " ".join(shown)


def terminal_table(rows: Sequence[Row]) -> list[str]:
    """For the end of a run: a line for each rig, columns in a width that fits their texts."""
    themes = themes_of(rows)
    lines = [["type", *themes, "proved"]]
    lines += [
        [row.id, *(cell_text(row.cells.get(theme, Counter())) for theme in themes), row.proved]
        for row in rows
    ]
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    return [
        "  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    ]


def shown(name: str) -> str:
    """A refused ability or key on one line: what cannot be seen, or means something here, is escaped."""
    text = name if len(name) < 60 else f"{name[:40]}… ({len(name)} characters)"
    plain = "".join(character if character.isprintable() else repr(character)[1:-1] for character in text)
    return re.sub(r"[`|;<>*\[\]]", lambda match: f"\\x{ord(match[0]):02x}", plain)


def document(rows: Sequence[Row], introduction: str = INTRODUCTION) -> str:
    """docs/reference/storage-support.md, or that of another suite."""
    themes = themes_of(rows)
    parts = [
        introduction,
        f"| rig | proved | {' | '.join(themes)} |",
        "|---|---" + "|---" * len(themes) + "|",
    ]
    parts += [
        f"| `{row.id}` | {row.proved} | "
        + " | ".join(cell_text(row.cells.get(theme, Counter())) or "–" for theme in themes)
        + " |"
        for row in rows
    ]
    parts += ["", "## Refused by name", ""]
    parts += [f"- `{row.id}`: {'; '.join(sorted(row.refused)) or 'nothing'}" for row in rows]
    parts += ["", "## Known exceptions of the servers", ""]
    found = [
        f"- `{row.id}`, `{test}`: {reason}" for row in rows for test, reason in sorted(row.exceptions.items())
    ]
    return "\n".join([*parts, *(found or ["None."])]) + "\n"


_ROW = re.compile(r"^\| `([^`]+)` \| (.*) \|$", re.MULTILINE)
_HEADER = re.compile(r"^\| rig \| proved \| (.*) \|$", re.MULTILINE)
_COUNT = re.compile(r"(\d+)(\w?)")
_REFUSED = re.compile(r"^- `([^`]+)`: (.*)$", re.MULTILINE)
_EXCEPTION = re.compile(r"^- `([^`]+)`, `([^`]+)`: (.*)$", re.MULTILINE)


def read(text: str) -> list[Row]:
    """The rows of a document, as `document` wrote it."""
    header = _HEADER.search(text)
    if header is None:
        return []
    themes = header[1].split(" | ")
    outcomes = {sign: outcome for outcome, sign in SIGNS.items()}
    rows = {}
    for rig, rest in _ROW.findall(text):
        proved, *cells = rest.split(" | ")
        counted = {
            theme: Counter({outcomes[sign]: int(count) for count, sign in _COUNT.findall(cell)})
            for theme, cell in zip(themes, cells, strict=True)
            if cell != "–"
        }
        rows[rig] = Row(rig, rig.partition("@")[0], proved, counted)
    for rig, said in _REFUSED.findall(text):
        rows[rig].refused = set() if said == "nothing" else set(said.split("; "))
    for rig, test, reason in _EXCEPTION.findall(text):
        rows[rig].exceptions[test] = reason
    return list(rows.values())


def merged(old: Iterable[Row], new: Iterable[Row], known: Container[str]) -> list[Row]:
    """The rows of a document with those of a run in their place; rigs that are no more are left out."""
    rows = {row.id: row for row in (*old, *new) if row.id in known}
    return sorted(rows.values(), key=lambda row: (row.type, row.id))


def unfit(rows: Sequence[Row]) -> list[str]:
    """Why a run may not be written down: a rig that did not run, or that failed."""
    found = [f"{row.id} did not run here" for row in rows if not row.count("passed")]
    return found + [f"{row.id} failed" for row in rows if row.count("failed", "error", "xpassed")]
