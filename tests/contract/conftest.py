"""What contract suites have in common: the table of what was proved, at the end of a run and in the docs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

import pytest
import storage_support
import vector_support

import thoroughness


@dataclass(frozen=True, slots=True)
class Suite:
    """A suite with a table. registry: module of its `all_rigs`. thorough: only a thorough run tells all.

    partial: rigs that cannot run here keep the row that they have.
    """

    name: str
    document: Path
    introduction: str
    registry: str
    thorough: bool
    partial: bool

    def rigs(self) -> set[str]:
        return {rig.id for rig in import_module(self.registry).all_rigs()}


SUITES = {
    suite.name: suite
    for suite in (
        Suite(
            "storage", storage_support.DOCUMENT, storage_support.INTRODUCTION, "rig_registry",
            thorough=True, partial=False,
        ),
        Suite(
            "vector", vector_support.DOCUMENT, vector_support.INTRODUCTION, "vector_rig_registry",
            thorough=True, partial=True,
        ),
    )
}  # fmt: skip

# Rigs of which tests were deselected.
_cut_down: set[str] = set()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--write-support-table",
        action="store_true",
        help="write the rows of this run into the table in docs/reference; all have to have passed",
    )


def pytest_deselected(items: Sequence[pytest.Item]) -> None:
    """Remember whose tests were left out: a row of theirs would tell half of it."""
    names = {f"{suite} rig" for suite in SUITES}
    for item in items:
        _cut_down.update(str(value) for name, value in item.user_properties if name in names)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print the table of each suite of which any test ran."""
    for suite in SUITES.values():
        rows = storage_support.rows_of(terminalreporter.stats, suite.name)
        if not rows:
            continue
        terminalreporter.section(f"{suite.name}: type × operation × proved how")
        for line in storage_support.terminal_table(rows):
            terminalreporter.write_line(line)
        terminalreporter.write_line(
            "u: refused by name  x: known exception of the server  s: skipped  F: failed  E: error  X: passed"
        )
        if config.getoption("--write-support-table", default=False):
            terminalreporter.write_line(written(suite, rows))


def written(suite: Suite, rows: list[storage_support.Row]) -> str:
    """Put the rows of a run into the document; what to say of it."""
    whole = [row for row in rows if row.id not in _cut_down and (row.count("passed") or not suite.partial)]
    if suite.thorough and not thoroughness.is_thorough():
        return "the table is not written: only a run with --thorough does all that it counts"
    reasons = [f"{row.id} ran in part" for row in rows if row.id in _cut_down]
    reasons += storage_support.unfit(whole)
    if reasons:
        return f"the table is not written: {'; '.join(reasons)}"
    document = suite.document
    old = storage_support.read(document.read_text(encoding="utf-8")) if document.exists() else []
    text = storage_support.document(storage_support.merged(old, whole, suite.rigs()), suite.introduction)
    document.write_text(text, encoding="utf-8")
    return f"written: {document}"
