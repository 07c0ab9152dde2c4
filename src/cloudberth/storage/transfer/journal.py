"""The journal of a transfer: the plan, what became of each line of it, and how far large objects are. On
disk.

SQLite in WAL mode. Status is collected in memory and committed once a second by a thread of the journal, so a
process that is killed forgets at most the last second; the upload of a large object is committed before its
first part is sent, so that no upload is ever forgotten. A lock beside the file keeps a second process out.
Nothing secret is written: places, keys, sizes, etags, upload ids, words of errors.
"""

from __future__ import annotations

import fcntl
import json
import os
import sqlite3
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

from cloudberth.errors import CloudberthError, InvalidInput, Refused
from cloudberth.storage.contract import Part
from cloudberth.storage.transfer.rules import Action

FORMAT = 1
COMMIT_SECONDS = 1.0
_READ = 2000
_CACHE_KIB = 8192

_SCHEMA = """
CREATE TABLE IF NOT EXISTS fact (name TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS work (
    id INTEGER PRIMARY KEY, key TEXT NOT NULL, action INTEGER NOT NULL, reason TEXT NOT NULL,
    size INTEGER NOT NULL, modified REAL, etag TEXT,
    status INTEGER NOT NULL DEFAULT 0, kind TEXT, note TEXT
);
CREATE TABLE IF NOT EXISTS upload (
    work INTEGER PRIMARY KEY, upload TEXT NOT NULL, part_size INTEGER NOT NULL, size INTEGER NOT NULL, etag
    TEXT
);
CREATE TABLE IF NOT EXISTS part (
    work INTEGER, number INTEGER, etag TEXT NOT NULL, size INTEGER NOT NULL, digest TEXT NOT NULL,
    PRIMARY KEY (work, number)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS difference (key TEXT NOT NULL, kind TEXT NOT NULL, detail TEXT NOT NULL);
"""


_INSERT = "INSERT INTO work (id, key, action, reason, size, modified, etag) VALUES (?,?,?,?,?,?,?)"


_ACTIONS = {int(action): action for action in Action}


class JournalFailure(CloudberthError):
    """The journal cannot be written, so the transfer stops: what it did would be forgotten."""


class State(StrEnum):
    """Of a transfer."""

    NEW = "new"
    PLANNING = "planning"
    RUNNING = "running"
    DONE = "done"


class Status(IntEnum):
    """Of one line of the plan."""

    PENDING = 0
    DONE = 1
    FAILED = 2
    RETRY = 3
    """It failed in a way that may pass: still to be done."""
    SKIPPED = 4
    """Nothing had to be done after all."""


OPEN = (Status.PENDING, Status.RETRY)


class Work(NamedTuple):
    """One line of a plan. size, modified (seconds since 1970), etag: of the source's object when it was
    listed.
    """

    id: int
    key: str
    action: Action
    reason: str
    size: int
    modified: float | None = None
    etag: str | None = None


@dataclass(frozen=True, slots=True)
class Upload:
    """A multipart upload that was begun. digests: by part number, of parts that were written before."""

    upload: str
    part_size: int
    size: int
    etag: str | None
    parts: Mapping[int, tuple[Part, str]]


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the plan with what became of it, for reports."""

    work: Work
    status: Status
    kind: str
    note: str


class Journal:
    """An open journal. Thread-safe; one process at a time (Refused for a second one)."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.RLock()
        self._failure: Exception | None = None
        self._statuses: list[tuple[int, str | None, str | None, int]] = []
        self._parts: list[tuple[int, int, str, int, str]] = []
        self._gone: list[int] = []
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._descriptor = self._locked()
        except OSError as error:
            raise InvalidInput(f"the journal cannot be made: {error.strerror}", where=str(path)) from None
        try:
            self._database = self._connected(writing=True)
            self._database.executescript(_SCHEMA)
        except sqlite3.Error as error:
            os.close(self._descriptor)
            raise JournalFailure(f"the journal cannot be opened: {error}", where=str(path)) from None
        self._closed = threading.Event()
        self._ticker = threading.Thread(target=self._tick, daemon=True, name="cloudberth-journal")
        self._ticker.start()

    def _locked(self) -> int:
        descriptor = os.open(f"{self.path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(descriptor)
            raise Refused(
                "another process is working on this transfer", where=str(self.path),
                hint="wait for it, or stop it; or give this one a journal of its own with --journal",
            ) from None  # fmt: skip
        return descriptor

    def _connected(self, *, writing: bool = False) -> sqlite3.Connection:
        if writing:
            # Made by hand so that nobody else of this machine can read which objects there are.
            os.close(os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        database = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False, timeout=60)
        if writing:
            database.execute("PRAGMA journal_mode = WAL")
            database.execute("PRAGMA synchronous = NORMAL")
        database.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
        return database

    # -- facts -----------------------------------------------------------------------------------------------

    def fact(self, name: str) -> Any:
        """A fact that was kept, as JSON; None when it was not."""
        with self._lock:
            row = self._database.execute("SELECT value FROM fact WHERE name = ?", (name,)).fetchone()
        return json.loads(row[0]) if row else None

    def keep(self, **facts: Any) -> None:
        """Keep facts, committed."""
        with self._lock, self._writing():
            self._database.executemany(
                "INSERT OR REPLACE INTO fact VALUES (?, ?)",
                [(name, json.dumps(value)) for name, value in facts.items()],
            )

    @property
    def state(self) -> State:
        return State(self.fact("state") or State.NEW)

    def belongs(self, purpose: Mapping[str, Any]) -> None:
        """Take the journal for a transfer, or raise Refused when it is that of another one."""
        kept = self.fact("purpose")
        if kept is None:
            self.keep(purpose=dict(purpose), format=FORMAT)
        elif kept != json.loads(json.dumps(dict(purpose))):
            raise Refused(
                "the journal is that of another transfer", where=str(self.path),
                hint=f"it is from {kept.get('source')} to {kept.get('destination')}; name another file",
            )  # fmt: skip
        elif self.fact("format") != FORMAT:
            raise Refused(
                "the journal is of another version of berth", where=str(self.path), hint="remove it"
            )

    # -- the plan --------------------------------------------------------------------------------------------

    def forget(self) -> None:
        """Begin a plan: everything of the last one goes."""
        with self._lock, self._writing():
            for table in ("work", "upload", "part", "difference"):
                self._database.execute(f"DELETE FROM {table}")  # noqa: S608
        self.keep(state=State.PLANNING, planned_at=time.time(), position="", counts=None)

    def add(self, rows: Iterable[tuple[Any, ...]], **facts: Any) -> None:
        """Write lines of the plan (columns id to etag of the table) and the facts that hold with them, as
        one.
        """
        with self._lock, self._writing():
            self._database.executemany(
                _INSERT,
                rows,
            )
            self._database.executemany(
                "INSERT OR REPLACE INTO fact VALUES (?, ?)",
                [(name, json.dumps(value)) for name, value in facts.items()],
            )

    def works(
        self,
        actions: Sequence[Action],
        statuses: Sequence[Status] = OPEN,
        *,
        least: int = 0,
        below: int | None = None,
    ) -> Iterator[Work]:
        """Lines of the plan in the order of keys, those of a size in [least, below) only."""
        for row in self._rows(actions, statuses, least, below):
            yield _work(row)

    def rows(
        self, actions: Sequence[Action], statuses: Sequence[Status], *, noted: bool = False
    ) -> Iterator[Row]:
        """The same with what became of them. noted: only those with a remark."""
        for row in self._rows(actions, statuses, 0, None, "AND note IS NOT NULL" if noted else ""):
            yield Row(_work(row), Status(row[7]), row[8] or "", row[9] or "")

    def _rows(
        self,
        actions: Sequence[Action],
        statuses: Sequence[Status],
        least: int,
        below: int | None,
        more: str = "",
    ) -> Iterator[tuple[Any, ...]]:
        limit = below if below is not None else 1 << 62
        marks = ",".join("?" * len(actions)), ",".join("?" * len(statuses))
        query = (
            f"SELECT * FROM work WHERE id > ? AND action IN ({marks[0]}) AND status IN ({marks[1]})"  # noqa: S608
            f" AND size >= ? AND size < ? {more} ORDER BY id LIMIT {_READ}"
        )
        last = 0
        with closing(self._connected()) as database:
            while True:
                found = database.execute(query, (last, *actions, *statuses, least, limit)).fetchall()
                yield from found
                if len(found) < _READ:
                    return
                last = found[-1][0]

    def tally(self) -> list[tuple[Action, Status, int, int]]:
        """How many lines, and how many bytes, by action and status."""
        self.flush()
        query = "SELECT action, status, count(*), coalesce(sum(size), 0) FROM work GROUP BY action, status"
        with self._lock:
            found = self._database.execute(query).fetchall()
        return [(Action(action), Status(status), count, size) for action, status, count, size in found]

    # -- what became of it -----------------------------------------------------------------------------------

    def record(self, work: int, status: Status, kind: str | None = None, note: str | None = None) -> None:
        """What became of a line. Committed within a second. Raises JournalFailure when that was
        impossible.
        """
        if self._failure is not None:
            raise self._failed()
        with self._lock:
            self._statuses.append((status, kind, note, work))

    def begin_upload(self, work: int, upload: str, part_size: int, size: int, etag: str | None) -> None:
        """A multipart upload was begun: committed at once."""
        with self._lock, self._writing():
            self._database.execute("DELETE FROM part WHERE work = ?", (work,))
            self._database.execute(
                "INSERT OR REPLACE INTO upload VALUES (?, ?, ?, ?, ?)", (work, upload, part_size, size, etag)
            )

    def part_done(self, work: int, part: Part, digest: str) -> None:
        """A part is at the destination. digest: of its bytes, ``name:hexadecimal``. Committed within a
        second.
        """
        if self._failure is not None:
            raise self._failed()
        with self._lock:
            self._parts.append((work, part.number, part.etag, part.size, digest))

    def end_upload(self, work: int) -> None:
        """An upload is finished or thrown away. Committed within a second."""
        with self._lock:
            self._gone.append(work)

    def upload(self, work: int) -> Upload | None:
        """The upload that was begun for a line, and its parts."""
        self.flush()
        with self._lock:
            row = self._database.execute("SELECT * FROM upload WHERE work = ?", (work,)).fetchone()
            if row is None:
                return None
            parts = self._database.execute(
                "SELECT number, etag, size, digest FROM part WHERE work = ?", (work,)
            ).fetchall()
        known = {number: (Part(number, etag, size), digest) for number, etag, size, digest in parts}
        return Upload(row[1], row[2], row[3], row[4], known)

    def uploads(self) -> list[tuple[str, str]]:
        """(key, upload id) of every upload that is not finished."""
        self.flush()
        query = "SELECT work.key, upload.upload FROM upload JOIN work ON work.id = upload.work"
        with self._lock:
            return [(key, upload) for key, upload in self._database.execute(query)]

    def add_differences(self, found: Iterable[tuple[str, str, str]]) -> None:
        """Differences that a verification named: key, kind, detail."""
        with self._lock, self._writing():
            self._database.executemany("INSERT INTO difference VALUES (?, ?, ?)", found)

    def differences(self) -> Iterator[tuple[str, str, str]]:
        with closing(self._connected()) as database:
            yield from database.execute("SELECT key, kind, detail FROM difference ORDER BY rowid")

    # -- writing ---------------------------------------------------------------------------------------------

    def flush(self) -> None:
        """Commit everything recorded so far. Raises JournalFailure."""
        with self._lock:
            if self._failure is not None:
                raise self._failed()
            if not (self._statuses or self._parts or self._gone):
                return
            with self._writing():
                # One statement for the many that are simply done: each further one hands the interpreter's
                # lock over, and a second is soon gone.
                last = {row[3]: row for row in self._statuses}
                plain = [number for number, row in last.items() if row[0] == Status.DONE and row[2] is None]
                self._database.execute(
                    "UPDATE work SET status = 1, kind = NULL, note = NULL"
                    " WHERE id IN (SELECT value FROM json_each(?))",
                    (json.dumps(plain),),
                )
                self._database.executemany(
                    "UPDATE work SET status = ?, kind = ?, note = ? WHERE id = ?",
                    [row for row in last.values() if row[0] != Status.DONE or row[2] is not None],
                )
                self._database.executemany("INSERT OR REPLACE INTO part VALUES (?, ?, ?, ?, ?)", self._parts)
                gone = [(work,) for work in self._gone]
                self._database.executemany("DELETE FROM part WHERE work = ?", gone)
                self._database.executemany("DELETE FROM upload WHERE work = ?", gone)
            self._statuses, self._parts, self._gone = [], [], []

    def _tick(self) -> None:
        while not self._closed.wait(COMMIT_SECONDS):
            with suppress(JournalFailure):
                self.flush()

    def _writing(self) -> _Transaction:
        return _Transaction(self)

    def _failed(self) -> JournalFailure:
        return JournalFailure(
            f"the journal cannot be written: {self._failure}", where=str(self.path),
            hint="make room there, then run the same command again: it goes on where it was",
        )  # fmt: skip

    def close(self) -> None:
        """Commit and give the file back."""
        self._closed.set()
        try:
            if self._failure is None:
                self.flush()
        finally:
            with self._lock:
                self._database.close()
            os.close(self._descriptor)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class _Transaction:
    """BEGIN … COMMIT; an error of SQLite becomes a JournalFailure that stays."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    def __enter__(self) -> None:
        self._run("BEGIN IMMEDIATE")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self._run("COMMIT")
            return
        with suppress(sqlite3.Error):
            self._journal._database.execute("ROLLBACK")
        if isinstance(error, sqlite3.Error):
            self._fail(error)

    def _run(self, statement: str) -> None:
        try:
            self._journal._database.execute(statement)
        except sqlite3.Error as error:
            with suppress(sqlite3.Error):
                self._journal._database.execute("ROLLBACK")
            self._fail(error)

    def _fail(self, error: sqlite3.Error) -> None:
        self._journal._failure = error
        raise self._journal._failed() from None


def _work(row: tuple[Any, ...]) -> Work:
    return Work(row[0], row[1], _ACTIONS[row[2]], row[3], row[4], row[5], row[6])
