"""Comparing two places object by object: one walk over both lists, every difference with its name.

Content is compared by checksums that both stores vouch for, else by hashing; attributes need a look at each
object.
"""

from __future__ import annotations

import queue
import select
import threading
import zlib
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from tempfile import gettempdir
from typing import TYPE_CHECKING

from cloudberth.errors import BucketNotFound, CloudberthError, NotFound
from cloudberth.storage.calls import Call, Program
from cloudberth.storage.checksums import PREFERENCE
from cloudberth.storage.contract import Checksum, ObjectInfo
from cloudberth.storage.lanes import Lanes
from cloudberth.storage.transfer.content import Verify, computable, digest, hashed, opened_hash
from cloudberth.storage.transfer.crew import unordered
from cloudberth.storage.transfer.listings import Disordered
from cloudberth.storage.transfer.mapping import attribute_differences, tiers
from cloudberth.storage.transfer.merging import Pair
from cloudberth.storage.transfer.patterns import key_filter
from cloudberth.storage.transfer.planning import pairs
from cloudberth.storage.transfer.route import LANES_UP_TO, layered
from cloudberth.storage.transfer.rules import same_by_checksum
from cloudberth.storage.transfer.small import run_here

if TYPE_CHECKING:
    from cloudberth.storage.layers import Layered
    from cloudberth.storage.storage import Storage


class Kind(StrEnum):
    """What is different."""

    MISSING = "missing"
    """At the destination."""
    EXTRA = "extra"
    """Only at the destination."""
    SIZE = "size"
    CONTENT = "content"
    ATTRIBUTES = "attributes"
    UNREADABLE = "unreadable"
    """One of the two could not be looked at, so nobody knows."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One difference. detail: in words."""

    key: str
    kind: Kind
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Comparing:
    """What is compared. content SIZE: sizes only; CHECKSUM: checksums both vouch for, else both are read;
    READ: both are always read. attributes: types, headers, metadata, class as well. sample: share of the
    objects (0 to 1) whose content and attributes are looked at, always the same ones; sizes are compared of
    all.
    """

    content: Verify = Verify.CHECKSUM
    attributes: bool = True
    extra: bool = True
    sample: float = 1.0
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()


USUAL = Comparing()


@dataclass(slots=True)
class Compared:
    """Sums of a comparison, while it goes on. looked: objects whose content or attributes were compared."""

    objects: int = 0
    looked: int = 0
    bytes: int = 0
    differences: int = 0


def differences(
    source: Storage,
    target: Storage,
    comparing: Comparing = USUAL,
    *,
    sums: Compared | None = None,
    stop: threading.Event | None = None,
    noticed: Callable[[int], None] | None = None,
    sort_in: Path | None = None,
) -> Iterator[Difference]:
    """Every difference, as they are found, not in the order of keys. Memory does not grow with the number of
    objects.

    Raises the errors of the lists, and of a store that cannot be used at all; an object that cannot be read
    is a difference. A store that breaks its promise of order raises Disordered, unless `sort_in` names a
    folder.
    """
    sums = sums or Compared()
    stop = stop or threading.Event()
    look = _Look(source, target, comparing, sums)
    width = min(source.options.concurrency, target.options.concurrency)
    with closing(_candidates(source, target, comparing, sums, noticed, sort_in, stop)) as found:  # type: ignore[type-var]
        for result in _looked_at(look, found, width, stop):
            if result is not None:
                sums.differences += 1
                yield result


def _looked_at(
    look: _Look, found: Iterator[Pair], width: int, stop: threading.Event
) -> Iterator[Difference | None]:
    """What comes of every pair: small ones through the lanes, large ones on threads beside them."""
    if not hasattr(select, "epoll"):
        yield from unordered(look, found, threads=width, stop=stop, chunk=4)
        return
    large = _Beside(look, -(-width // 2), stop)

    def small() -> Iterator[tuple[int, Program[Difference | None]]]:
        for pair in found:
            if stop.is_set() or large.failed:
                return
            _, mine, theirs = pair
            if mine is not None and theirs is not None and mine.size > LANES_UP_TO:
                large.put(pair)
            else:
                yield 2 * mine.size if mine is not None else 0, look.program(pair)

    try:
        lanes: Lanes[Difference | None] = Lanes(width)
        for result in lanes.run(small()):
            yield result
            yield from large.results()
    finally:
        large.end()
    yield from large.rest()


class _Beside:
    """Compares pairs on threads. It takes a few ahead: whoever brings more has to wait."""

    def __init__(self, look: _Look, threads: int, stop: threading.Event) -> None:
        self._pairs: queue.Queue[Pair | None] = queue.Queue(2 * threads)
        self._results: queue.SimpleQueue[Difference | None] = queue.SimpleQueue()
        self._look = look
        self._threads = threads
        self._stop = stop
        self._running: list[threading.Thread] = []
        self._failures: list[BaseException] = []

    @property
    def failed(self) -> bool:
        return bool(self._failures)

    def put(self, pair: Pair) -> None:
        if len(self._running) < self._threads:
            thread = threading.Thread(target=self._work, daemon=True, name="cloudberth-compare")
            self._running.append(thread)
            thread.start()
        self._offer(pair)

    def _offer(self, pair: Pair | None) -> None:
        while not (self._stop.is_set() or self._failures):
            try:
                self._pairs.put(pair, timeout=0.2)
            except queue.Full:
                continue
            return

    def _work(self) -> None:
        while not (self._stop.is_set() or self._failures):
            try:
                pair = self._pairs.get(timeout=0.2)
            except queue.Empty:
                continue
            if pair is None:
                return
            try:
                self._results.put(self._look(pair))
            except BaseException as error:
                self._failures.append(error)

    def results(self) -> Iterator[Difference | None]:
        """What is there by now."""
        while not self._results.empty():
            yield self._results.get()

    def end(self) -> None:
        """There is no more to come."""
        for _ in self._running:
            self._offer(None)

    def rest(self) -> Iterator[Difference | None]:
        """Wait for the rest; raises what went wrong on a thread."""
        for thread in self._running:
            while thread.is_alive():
                thread.join(0.2)
                yield from self.results()
        yield from self.results()
        if self._failures:
            raise self._failures[0]


def all_differences(
    source: Storage,
    target: Storage,
    comparing: Comparing,
    found: Callable[[Difference], None],
    *,
    restart: Callable[[], None],
    stop: threading.Event,
    noticed: Callable[[int], None] | None = None,
) -> Compared:
    """Compare to the end, also when a store breaks its promise of order. found: called with every difference.

    restart: called when everything found so far is to be forgotten, because it begins again with sorted
    lists.
    """
    sums = Compared()
    try:
        for one in differences(source, target, comparing, sums=sums, stop=stop, noticed=noticed):
            found(one)
    except Disordered:
        restart()
        sums = Compared()
        place = Path(gettempdir())
        for one in differences(
            source, target, comparing, sums=sums, stop=stop, noticed=noticed, sort_in=place
        ):
            found(one)
    return sums


def _candidates(
    source: Storage,
    target: Storage,
    comparing: Comparing,
    sums: Compared,
    noticed: Callable[[int], None] | None,
    sort_in: Path | None,
    stop: threading.Event,
) -> Iterator[Pair]:
    """Pairs that need a look, or differ already by what the lists say."""
    takes_part = key_filter(comparing.include, comparing.exclude)
    with closing(pairs(source, target, sort_in=sort_in)) as found:  # type: ignore[type-var]
        for pair in found:
            key, mine, theirs = pair
            if stop.is_set():
                return
            if noticed is not None:
                noticed(1)
            if takes_part is not None and not takes_part(key):
                continue
            sums.objects += 1
            if mine is None or theirs is None:
                if theirs is None or comparing.extra:
                    yield pair
            elif mine.size != theirs.size or _needs_a_look(key, mine, theirs, comparing):
                yield pair


def _needs_a_look(key: str, mine: ObjectInfo, theirs: ObjectInfo, comparing: Comparing) -> bool:
    if not chosen(key, comparing.sample):
        return False
    if comparing.attributes or comparing.content is Verify.READ:
        return True
    return comparing.content is Verify.CHECKSUM and same_by_checksum(mine, theirs) is not True


def chosen(key: str, sample: float) -> bool:
    """Whether a key is in a sample: the same keys every time, a share of them all."""
    return sample >= 1.0 or zlib.crc32(key.encode("utf-8", "surrogatepass")) < sample * 0x1_0000_0000


class _Look:
    """Compares one pair: as a program for the lanes, or called by many threads."""

    def __init__(self, source: Storage, target: Storage, comparing: Comparing, sums: Compared) -> None:
        self._source = layered(source.backend)
        self._target = layered(target.backend)
        self._comparing = comparing
        self._sums = sums
        self._lock = threading.Lock()
        self._source_tiers = tiers(source.capabilities)
        self._target_tiers = tiers(target.capabilities)

    def __call__(self, pair: Pair) -> Difference | None:
        """Compare a pair of any size on the caller's thread."""
        return run_here(self.program(pair))

    def program(self, pair: Pair) -> Program[Difference | None]:
        key, mine, theirs = pair
        if theirs is None:
            return Difference(key, Kind.MISSING)
        if mine is None:
            return Difference(key, Kind.EXTRA)
        if mine.size != theirs.size:
            return Difference(key, Kind.SIZE, f"{mine.size} and {theirs.size} bytes")
        try:
            found = yield from self._compared(key, mine, theirs)
        except BucketNotFound:
            raise
        except NotFound as error:
            return Difference(key, Kind.MISSING, f"deleted meanwhile: {error}")
        except CloudberthError as error:
            return Difference(key, Kind.UNREADABLE, str(error))
        with self._lock:
            self._sums.looked += 1
            self._sums.bytes += mine.size
        return found

    def _compared(self, key: str, mine: ObjectInfo, theirs: ObjectInfo) -> Program[Difference | None]:
        comparing = self._comparing
        same = same_by_checksum(mine, theirs)
        if comparing.content is Verify.CHECKSUM and same is None and self._told(mine, theirs):
            # A look at both may tell a checksum that the list did not.
            mine, theirs = yield from self._heads(mine.key, theirs.key)
            same = same_by_checksum(mine, theirs)
            if same is None:
                same = yield from self._by_hash(mine, theirs)
        elif comparing.content is Verify.READ or (comparing.content is Verify.CHECKSUM and same is None):
            mine, theirs, same = yield from self._by_reading(mine, theirs)
        elif comparing.attributes and same is not False:
            mine, theirs = yield from self._heads(mine.key, theirs.key)
        if comparing.content is not Verify.SIZE and same is False:
            return Difference(key, Kind.CONTENT, "other bytes of the same number")
        if comparing.attributes:
            names = attribute_differences(
                mine.attributes, self._source_tiers, theirs.attributes, self._target_tiers
            )
            if names:
                return Difference(key, Kind.ATTRIBUTES, ", ".join(names))
        return None

    def _heads(self, mine: str, theirs: str) -> Program[tuple[ObjectInfo, ObjectInfo]]:
        one = yield self._source, Call("head", (mine,), mine)
        other = yield self._target, Call("head", (theirs,), theirs)
        return one, other

    def _by_hash(self, mine: ObjectInfo, theirs: ObjectInfo) -> Program[bool]:
        """One side's word is enough when the other is hashed with the same; else both are read."""
        for algorithm in PREFERENCE:
            if not computable(algorithm):
                continue
            for knows, backend, info in (
                (mine, self._target, theirs),
                (theirs, self._source, mine),
            ):
                if algorithm in knows.checksums:
                    found = yield from self._hashed(backend, info, algorithm)
                    return found == knows.checksums[algorithm].lower()
        return (yield from self._by_reading(mine, theirs))[2]

    def _hashed(self, backend: Layered, info: ObjectInfo, algorithm: Checksum) -> Program[str | None]:
        if info.size > LANES_UP_TO:
            return hashed(backend, info.key, info.size, algorithm)
        opened = yield backend, Call("get", (info.key,), info.key)
        with opened.reader as reader:
            return digest(algorithm, reader.read())

    def _by_reading(
        self, mine: ObjectInfo, theirs: ObjectInfo
    ) -> Program[tuple[ObjectInfo, ObjectInfo, bool]]:
        if mine.size > LANES_UP_TO:
            mine, one = opened_hash(self._source, mine.key)
            theirs, other = opened_hash(self._target, theirs.key)
            return mine, theirs, one == other
        left = yield self._source, Call("get", (mine.key,), mine.key)
        right = yield self._target, Call("get", (theirs.key,), theirs.key)
        with left.reader as first, right.reader as second:
            return left.info, right.info, first.read() == second.read()

    def _told(self, *infos: ObjectInfo) -> bool:
        """Whether a store tells checksums when it is asked for one object."""
        capabilities = self._source.capabilities, self._target.capabilities
        return any(info.checksums for info in infos) or all(one.checksum is not None for one in capabilities)
