"""What is kept of a migration: a summary, every problem, and the way back.

A folder with ``report.json`` (the summary), ``problems.jsonl`` (one line a problem, however many) and
``rollback.sql`` (for psql; it is on disk before the database is changed).
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from itertools import groupby, islice
from pathlib import Path
from typing import Any, TextIO

from cloudberth.errors import InvalidInput
from cloudberth.storage.dify.checking import Problem

SUMMARY = "report.json"
PROBLEMS = "problems.jsonl"
ROLLBACK = "rollback.sql"
_IDS = 1000
_STATEMENT = "UPDATE upload_files SET storage_type = {old} WHERE storage_type = {new} AND id IN (\n{ids});\n"


def default_folder(now: datetime | None = None) -> Path:
    """``dify-migration-20261126T203000Z``, in the current folder."""
    return Path(f"dify-migration-{(now or datetime.now(UTC)):%Y%m%dT%H%M%SZ}")


class Report:
    """The folder of one run. None as folder: nothing is written, for a dry run. Thread-safe.

    EXAMPLES of each kind of trouble are kept for the screen.
    """

    EXAMPLES = 5

    def __init__(self, folder: Path | None) -> None:
        self.folder = folder
        self.examples: dict[str, list[Problem]] = {}
        self._lock = threading.Lock()
        self._lines: TextIO | None = None
        if folder is not None:
            with self._writing():
                folder.mkdir(parents=True, exist_ok=True)

    def begin_pass(self) -> None:
        """Problems of an earlier pass do not count any more."""
        with self._lock:
            self.examples.clear()
            if self.folder is not None:
                self._close()
                with self._writing():
                    self._lines = (self.folder / PROBLEMS).open("w", encoding="utf-8")

    def problem(self, problem: Problem) -> None:
        """Keep one problem."""
        with self._lock:
            kept = self.examples.setdefault(problem.trouble, [])
            if len(kept) < self.EXAMPLES:
                kept.append(problem)
            if self._lines is not None:
                with self._writing():
                    self._lines.write(json.dumps(asdict(problem), ensure_ascii=False) + "\n")

    def rollback(self, rows: Iterable[tuple[str, str]], new: str) -> int:
        """Write the way back for rows (id, type before), in the order of their types; how many they are."""
        if self.folder is None:
            return sum(1 for _ in rows)
        target = self.folder / ROLLBACK
        draft = target.with_suffix(".part")
        with self._writing():
            with draft.open("w", encoding="utf-8") as stream:
                count = _write_rollback(stream, rows, new)
                stream.flush()
                os.fsync(stream.fileno())
            draft.replace(target)
        return count

    def finish(self, summary: dict[str, Any]) -> None:
        """Write the summary."""
        with self._lock:
            self._close()
        if self.folder is None:
            return
        draft = self.folder / f"{SUMMARY}.part"
        with self._writing():
            draft.write_text(json.dumps(summary, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
            draft.replace(self.folder / SUMMARY)

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise InvalidInput(
                f"the report cannot be written there: {error.strerror}",
                where=str(self.folder),
                hint="the database is not changed without it; choose another folder with --report",
            ) from None

    def _close(self) -> None:
        if self._lines is not None:
            self._lines.close()
            self._lines = None


def _write_rollback(stream: TextIO, rows: Iterable[tuple[str, str]], new: str) -> int:
    stream.write(
        "-- Gives upload_files its storage types back. Written before the change was made: when it was not,\n"
        "-- this changes nothing. Run it against Dify's database: psql --file=rollback.sql\n"
        "\\set ON_ERROR_STOP on\nBEGIN;\n"
    )
    count = 0
    for old, members in groupby(rows, key=lambda row: row[1]):
        ids = (row_id for row_id, _ in members)
        while batch := list(islice(ids, _IDS)):
            count += len(batch)
            listed = ",\n".join(_literal(row_id) for row_id in batch)
            stream.write(_STATEMENT.format(old=_literal(old), new=_literal(new), ids=listed))
    stream.write("COMMIT;\n")
    return count


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
