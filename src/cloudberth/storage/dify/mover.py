"""The transfer engine as the mover of a Dify migration: journal, resumption, verification are its work."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from cloudberth.storage.dify.outcome import Moved
from cloudberth.storage.transfer import engine
from cloudberth.storage.transfer.comparison import Kind
from cloudberth.storage.transfer.rules import Action, Rules

if TYPE_CHECKING:
    from cloudberth.storage.storage import Storage
    from cloudberth.storage.transfer.engine import Execution
    from cloudberth.storage.transfer.progress import Progress
    from cloudberth.storage.transfer.report import Summary

_FINE = frozenset({"moved", "incomplete", "nothing to do"})
_HARMLESS = frozenset({Kind.ATTRIBUTES.value, Kind.EXTRA.value})
"""Differences that no reader in Dify can notice: it keeps no content types and reads no lists."""


class EngineMover:
    """Copies what is missing or different, and at the first call compares the content of everything.

    Deletes nothing. Later calls only bring what was uploaded meanwhile. Raises KeyboardInterrupt when the
    execution was told to stop; the journal goes on with it at the next run.
    """

    def __init__(self, execution: Execution) -> None:
        self._execution = execution
        self._compared = False
        self.summary: Summary | None = None
        """Of the last call."""

    @property
    def progress(self) -> Progress:
        return self._execution.progress

    def stopped(self) -> bool:
        """Whether the execution was told to stop."""
        return self._execution.stop.is_set()

    def __call__(self, source: Storage, destination: Storage, *, dry_run: bool) -> Moved:
        if dry_run:
            return self._planned(source, destination)
        moved = self._transfer(source, destination)
        if moved.failed and not self._compared:
            # What was uploaded while all was compared counts as missing: once more brings it, or means it.
            again = self._transfer(source, destination)
            moved = Moved(
                moved.objects + again.objects, moved.bytes + again.bytes, again.present, again.failed
            )
        self._compared = True
        return moved

    def _planned(self, source: Storage, destination: Storage) -> Moved:
        with engine.planned(source, destination, Rules(), self._execution.progress) as (counts, _, _write):
            copies = (Action.COPY, Action.COMPARE)
            return Moved(
                sum(counts.planned(action) for action in copies),
                sum(counts.bytes[action.name.lower()] for action in copies),
                sum(counts.skipped.values()) - counts.skipped["not at the source"],
            )

    def _transfer(self, source: Storage, destination: Storage) -> Moved:
        with TemporaryDirectory(prefix="berth-dify-") as folder:
            report = self._execution.report or Path(folder) / "transfer.jsonl"
            run = engine.sync if self._compared else engine.migrate
            summary = run(source, destination, Rules(), replace(self._execution, report=report))
            self.summary = summary
            if summary.interrupted:
                raise KeyboardInterrupt
            # An object that failed is named once more when the places are compared.
            failed = [] if summary.exit_code == 0 else list(dict(reversed(list(_failures(report)))).items())
        return Moved(summary.copied, summary.bytes, summary.unchanged, failed)


def _failures(report: Path) -> Iterator[tuple[str, str]]:
    """What a report names as not moved, or as different in a way that matters."""
    with report.open(encoding="utf-8") as lines:
        for line in lines:
            found: dict[str, Any] = json.loads(line)
            if "key" not in found or found["status"] in _FINE:
                continue
            if found["action"] == "verify" and found["kind"] in _HARMLESS:
                continue
            yield found["key"], found["why"] or found["kind"] or found["status"]
