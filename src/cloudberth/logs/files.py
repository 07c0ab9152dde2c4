"""Log files of this machine: JSON lines or text, rotated (``app.log.1``) and compressed (``app.log.2.gz``).

Following is plain looking, a few times a second: no kernel interface, so that it works on network file
systems too. A file that was rotated is read to its end before its successor; one that was cut begins anew;
half a line waits for its other half.
"""

from __future__ import annotations

import glob
import gzip
import heapq
import io
import itertools
import re
import sys
import time
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO, ClassVar, Self

from cloudberth.errors import InvalidInput, Unsupported
from cloudberth.logs.analysis import Analysis, table
from cloudberth.logs.contract import Capabilities, DeploymentLogs, LogReader, Place, Retention, Row
from cloudberth.logs.filter import Filter
from cloudberth.logs.record import Record, record_of

_GZIP = b"\x1f\x8b"
_LONGEST_LINE = 1 << 20
_BLOCK = 1 << 16
_STANDARD_INPUT = "-"
_ROTATED = re.compile(r"\.[A-Za-z]+[.-]\d[\dT.-]*(\.gz)?$|\.gz$")
_SUFFIXES = {".log", ".txt", ".json", ".jsonl", ".ndjson", ".out", ".err"}


class Files(LogReader):
    """Files by path, pattern or folder; `-` is the standard input.

    The service of a line is its own, else the file's name without its endings.
    """

    capabilities: ClassVar[Capabilities] = Capabilities("none", False, timedelta(0), 0.2)

    def __init__(self, paths: Iterable[str], *, sleep: Callable[[float], None] = time.sleep) -> None:
        self._paths = tuple(paths)
        self._sleep = sleep

    @classmethod
    def at(cls, place: Place) -> Self:
        return cls((place.path,))

    @classmethod
    def of_deployment(cls, logs: DeploymentLogs) -> Self:
        raise InvalidInput("a deployment's logs are in its cloud")

    def query(self, filter: Filter, limit: int) -> list[Record]:
        number = itertools.count()
        # The newest, in memory that does not grow with the files; equal times keep their order.
        kept: list[tuple[datetime, int, Record]] = []
        for record in self.window(filter):
            entry = (record.time, next(number), record)
            if len(kept) < limit:
                heapq.heappush(kept, entry)
            else:
                heapq.heappushpop(kept, entry)
        return [record for _, _, record in sorted(kept, key=lambda entry: entry[:2])]

    def window(self, filter: Filter) -> Iterator[Record]:
        for record in self._all(filter.since):
            if filter.matches(record):
                yield record

    def raw(self, text: str, since: datetime, until: datetime, limit: int) -> list[Row]:
        raise Unsupported("files have no language of their own", where="logs", hint="leave --raw out")

    def analyse(self, analysis: Analysis, since: datetime, until: datetime) -> list[Row]:
        return list(table(analysis, self.window(Filter(since, until))))

    def compiled(self, filter: Filter, limit: int) -> str:
        return repr(filter)

    def compiled_analysis(self, analysis: Analysis) -> str:
        return repr(analysis)

    def retention(self) -> list[Retention]:
        raise Unsupported(
            "files are kept until somebody rotates them away",
            where="logs",
            hint="look at logrotate's settings",
        )

    def follow(self, filter: Filter) -> Iterator[Record]:
        if self._paths == (_STANDARD_INPUT,):
            for record in _records(sys.stdin.buffer, "", datetime.now(UTC)):
                if filter.matches_content(record):
                    yield record
            return
        # What there is already, then what comes.
        tails = {path: _Tail(path) for path in self._live()}
        backlog: list[Record] = []
        for path in self._files():
            source = tails[path].existing() if path in tails else self._read(path, filter.since)
            backlog += [
                record for record in source if record.time >= filter.since and filter.matches_content(record)
            ]
        yield from sorted(backlog, key=lambda record: record.time)
        yield from self._coming(filter, tails)

    def _coming(self, filter: Filter, tails: dict[Path, _Tail]) -> Iterator[Record]:
        while True:
            for path in self._live():
                if path not in tails:
                    tails[path] = _Tail(path)
            fresh: list[Record] = []
            for path, tail in list(tails.items()):
                fresh += [record for record in tail.fresh() if filter.matches_content(record)]
                if tail.gone:
                    del tails[path]
            yield from sorted(fresh, key=lambda record: record.time)
            self._sleep(self.capabilities.poll)

    # -- files -----------------------------------------------------------------------------------------------

    def _all(self, since: datetime) -> Iterator[Record]:
        if self._paths == (_STANDARD_INPUT,):
            yield from _records(sys.stdin.buffer, "", datetime.now(UTC))
            return
        files = self._files()
        if not files:
            raise InvalidInput("there is no such log file", where=", ".join(self._paths))
        for path in files:
            yield from self._read(path, since)

    def _read(self, path: Path, since: datetime) -> Iterator[Record]:
        try:
            changed = datetime.fromtimestamp(path.stat().st_mtime, UTC)
            # Nothing in it can be younger than its last change.
            if changed < since:
                return
            with path.open("rb") as stream:
                yield from _records(self._plain(stream), service_of(path), changed)
        except FileNotFoundError:
            return  # rotated away while we were reading others
        except (OSError, EOFError, zlib.error) as error:
            if isinstance(error, PermissionError | IsADirectoryError):
                raise
            self.remark(f"{path}: the rest cannot be read ({error})")

    @staticmethod
    def _plain(stream: IO[bytes]) -> IO[bytes]:
        start = stream.read(2)
        stream.seek(0)
        return gzip.open(stream) if start == _GZIP else stream  # type: ignore[return-value]

    def _files(self) -> list[Path]:
        """Oldest first by their last change, so that lines without a time stay in order."""
        found: dict[Path, float] = {}
        for named in self._paths:
            for path in _expanded(named):
                for one in (path, *_rotated(path)):
                    with suppress(FileNotFoundError):
                        if one.is_file():
                            found[one] = one.stat().st_mtime
        return sorted(found, key=lambda path: (found[path], str(path)))

    def _live(self) -> list[Path]:
        """Those that are being written: no rotated and no compressed ones."""
        return [path for path in self._files() if not _is_rotated(path)]


class _Tail:
    """One file that grows."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.gone = False
        self._service = service_of(path)
        self._stream: io.BufferedReader | None = None
        self._identity: tuple[int, int] | None = None
        self._place = 0
        self._rest = b""
        self._last = datetime.now(UTC)

    def existing(self) -> Iterator[Record]:
        """The lines that are there."""
        with suppress(FileNotFoundError):
            self._last = datetime.fromtimestamp(self.path.stat().st_mtime, UTC)
        yield from self.fresh()

    def fresh(self) -> Iterator[Record]:
        """Whole lines that came since the last look."""
        if self._stream is None and not self._opened():
            self.gone = True
            return
        yield from self._lines()
        try:
            now = self.path.stat()
        except FileNotFoundError:
            return  # rotated; its successor is not there yet
        if (now.st_dev, now.st_ino) != self._identity:
            # What the writer added between the two: it may keep the old file for a moment.
            yield from self._lines()
            if self._rest:
                yield self._record(self._rest)
            self._close()
            if self._opened():
                yield from self._lines()

    def _opened(self) -> bool:
        try:
            self._stream = self.path.open("rb")
        except FileNotFoundError:
            return False
        status = self.path.stat()
        self._identity, self._rest, self._place = (status.st_dev, status.st_ino), b"", 0
        return True

    def _close(self) -> None:
        if self._stream is not None:
            self._stream.close()
        self._stream, self._rest = None, b""

    def _lines(self) -> Iterator[Record]:
        stream = self._stream
        if stream is None:
            return
        if stream.seek(0, io.SEEK_END) < (place := self._place):
            place, self._rest = 0, b""  # cut by its writer (copytruncate)
        stream.seek(place)
        while block := stream.read(_BLOCK):
            self._place = stream.tell()
            *whole, self._rest = (self._rest + block).split(b"\n")
            for line in whole:
                if line.strip():
                    yield self._record(line)
            if len(self._rest) > _LONGEST_LINE:
                yield self._record(self._rest)
                self._rest = b""
        self._place = stream.tell()

    def _record(self, line: bytes) -> Record:
        record = record_of(_text(line), service="", fallback=self._last)
        self._last = record.time
        return _with_service(record, self._service)


def _records(stream: IO[bytes], service: str, changed: datetime) -> Iterator[Record]:
    """The lines of a stream. A line without a time has that of the one before, the first that of the file."""
    last = changed
    while line := stream.readline(_LONGEST_LINE):
        if not line.strip():
            continue
        record = record_of(_text(line.rstrip(b"\r\n")), fallback=last)
        last = record.time
        yield _with_service(record, service)


def service_of(path: Path) -> str:
    """``logs/api.log.2.gz`` → ``api``."""
    return path.name.partition(".")[0] or path.name


def _with_service(record: Record, service: str) -> Record:
    if record.service or not service:
        return record
    return Record(
        record.time, record.message, record.raw, service, record.severity, record.trace, record.span,
        record.fields, record.id,
    )  # fmt: skip


def _text(line: bytes) -> str:
    return line.decode("utf-8", "replace").rstrip("\r")


def _expanded(named: str) -> list[Path]:
    path = Path(named)
    if path.is_dir():
        return sorted(
            one
            for one in path.iterdir()
            if one.is_file() and _SUFFIXES & set(one.suffixes) and not _is_rotated(one)
        )
    if path.exists():
        return [path]
    return [Path(found) for found in sorted(glob.glob(named))]  # noqa: PTH207 - the pattern may be absolute


def _rotated(path: Path) -> list[Path]:
    """What rotation made of a file: ``app.log.1``, ``app.log.2.gz``, ``app.log-20261126``."""
    beside = glob.escape(path.name)
    found = [
        *path.parent.glob(f"{beside}.[0-9]*"),
        *path.parent.glob(f"{beside}-[0-9]*"),
        *path.parent.glob(f"{beside}.gz"),
    ]
    return [one for one in found if _is_rotated(one)]


def _is_rotated(path: Path) -> bool:
    return _ROTATED.search(path.name) is not None
