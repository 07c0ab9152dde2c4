"""What contract suites have in common: the table of what was proved, at the end of a run and in the docs."""

from __future__ import annotations

import pytest
import storage_support


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--write-support-table",
        action="store_true",
        help="write docs/reference/storage-support.md from this run; every rig has to have run and passed",
    )


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
        reasons = storage_support.unfit(rows)
        if reasons:
            terminalreporter.write_line(f"the table is not written: {'; '.join(reasons)}", red=True)
        else:
            storage_support.DOCUMENT.write_text(storage_support.document(rows), encoding="utf-8")
            terminalreporter.write_line(f"written: {storage_support.DOCUMENT}")
