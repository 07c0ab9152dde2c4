"""What contract suites have in common: the table of what was proved, at the end of a run and in the docs."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import storage_support

import thoroughness

# Rigs of which tests were deselected.
_cut_down: set[str] = set()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--write-support-table",
        action="store_true",
        help="write the rows of this run into docs/reference/storage-support.md; all have to have passed",
    )


def pytest_deselected(items: Sequence[pytest.Item]) -> None:
    """Remember whose tests were left out: a row of theirs would tell half of it."""
    for item in items:
        _cut_down.update(str(value) for name, value in item.user_properties if name == "storage rig")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print the table of the storage suite, if any of it ran."""
    rows = storage_support.rows_of(terminalreporter.stats)
    if not rows:
        return
    terminalreporter.section("storage: type × operation × proved how")
    for line in storage_support.terminal_table(rows):
        terminalreporter.write_line(line)
    terminalreporter.write_line(
        "u: refused by name  x: known exception of the server  s: skipped  F: failed  E: error  X: passed"
    )
    if config.getoption("--write-support-table", default=False):
        terminalreporter.write_line(written(rows))


def written(rows: list[storage_support.Row]) -> str:
    """Put the rows of a run into the document; what to say of it."""
    from rig_registry import all_rigs

    whole = [row for row in rows if row.id not in _cut_down]
    if not thoroughness.is_thorough():
        return "the table is not written: only a run with --thorough does all that it counts"
    reasons = [f"{row.id} ran in part" for row in rows if row.id in _cut_down]
    reasons += storage_support.unfit(whole)
    if reasons:
        return f"the table is not written: {'; '.join(reasons)}"
    document = storage_support.DOCUMENT
    old = storage_support.read(document.read_text(encoding="utf-8")) if document.exists() else []
    known = {rig.id for rig in all_rigs()}
    text = storage_support.document(storage_support.merged(old, whole, known))
    document.write_text(text, encoding="utf-8")
    return f"written: {document}"
