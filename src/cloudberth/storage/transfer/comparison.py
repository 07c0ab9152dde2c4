"""Comparing two places object by object: one walk over both lists, every difference with its name.

Content is compared by checksums that both stores vouch for, else by hashing; attributes need a look at each
object.
"""

from __future__ import annotations

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
from cloudberth.storage.contract import ObjectInfo
from cloudberth.storage.transfer.content import Verify, opened_hash, same_content
from cloudberth.storage.transfer.crew import unordered
from cloudberth.storage.transfer.listings import Disordered
from cloudberth.storage.transfer.mapping import attribute_differences, tiers
from cloudberth.storage.transfer.merging import Pair
from cloudberth.storage.transfer.patterns import key_filter
from cloudberth.storage.transfer.planning import pairs
from cloudberth.storage.transfer.rules import same_by_checksum

if TYPE_CHECKING:
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
    """Every difference, about in the order of keys. Memory does not grow with the number of objects.

    Raises the errors of the lists, and of a store that cannot be used at all; an object that cannot be read
    is a difference. A store that breaks its promise of order raises Disordered, unless `sort_in` names a
    folder.
    """
    sums = sums or Compared()
    stop = stop or threading.Event()
    look = _Look(source, target, comparing, sums)
    threads = min(source.options.concurrency, target.options.concurrency)
    with closing(_candidates(source, target, comparing, sums, noticed, sort_in)) as found:  # type: ignore[type-var]
        for result in unordered(look, found, threads=threads, stop=stop, chunk=4):
            if result is not None:
                sums.differences += 1
                yield result


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
) -> Iterator[Pair]:
    """Pairs that need a look, or differ already by what the lists say."""
    takes_part = key_filter(comparing.include, comparing.exclude)
    with closing(pairs(source, target, sort_in=sort_in)) as found:  # type: ignore[type-var]
        for pair in found:
            key, mine, theirs = pair
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
    """Compares one pair; called by many threads."""

    def __init__(self, source: Storage, target: Storage, comparing: Comparing, sums: Compared) -> None:
        self._source = source.backend
        self._target = target.backend
        self._comparing = comparing
        self._sums = sums
        self._lock = threading.Lock()
        self._source_tiers = tiers(source.capabilities)
        self._target_tiers = tiers(target.capabilities)

    def __call__(self, pair: Pair) -> Difference | None:
        key, mine, theirs = pair
        if theirs is None:
            return Difference(key, Kind.MISSING)
        if mine is None:
            return Difference(key, Kind.EXTRA)
        if mine.size != theirs.size:
            return Difference(key, Kind.SIZE, f"{mine.size} and {theirs.size} bytes")
        try:
            found = self._compared(key, mine, theirs)
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

    def _compared(self, key: str, mine: ObjectInfo, theirs: ObjectInfo) -> Difference | None:
        comparing = self._comparing
        same = same_by_checksum(mine, theirs)
        if comparing.content is Verify.READ or (comparing.content is Verify.CHECKSUM and same is None):
            if comparing.content is Verify.CHECKSUM and (self._told(mine) or self._told(theirs)):
                # A look at both may tell a checksum that the list did not.
                mine, theirs = self._source.head(mine.key), self._target.head(theirs.key)
                same = same_content(self._source, mine, self._target, theirs)
            else:
                (mine, one), (theirs, other) = (
                    opened_hash(self._source, mine.key),
                    opened_hash(self._target, theirs.key),
                )
                same = one == other
        elif comparing.attributes and same is not False:
            mine, theirs = self._source.head(mine.key), self._target.head(theirs.key)
        if comparing.content is not Verify.SIZE and same is False:
            return Difference(key, Kind.CONTENT, "other bytes of the same number")
        if comparing.attributes:
            names = attribute_differences(
                mine.attributes, self._source_tiers, theirs.attributes, self._target_tiers
            )
            if names:
                return Difference(key, Kind.ATTRIBUTES, ", ".join(names))
        return None

    def _told(self, info: ObjectInfo) -> bool:
        """Whether a store tells checksums when it is asked for one object."""
        return bool(info.checksums) or (
            self._source.capabilities.checksum is not None and self._target.capabilities.checksum is not None
        )
