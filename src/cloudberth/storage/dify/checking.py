"""Dify's database against a bucket: every row's object is there, with its size and its content.

Rows come in the byte order of their keys, and so does the list of a bucket: the two are read side by side,
one request per thousand objects and constant memory. Only what does not fit is asked for one by one.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import islice

from cloudberth.errors import NotFound
from cloudberth.storage.contract import Listing, ObjectInfo
from cloudberth.storage.dify.database import DifyDatabase, Reference, Tenant
from cloudberth.storage.dify.layout import private_key_of
from cloudberth.storage.dify.tenant_keys import KeyState, key_state
from cloudberth.storage.keys import InvalidKey
from cloudberth.storage.storage import Storage

BATCH = 512
TENANTS = 64
THREADS = 8


class Trouble(StrEnum):
    """What is wrong with the object of a row."""

    NOT_MOVED = "the object is at the source only"
    LOST = "the object is in neither store"
    OTHER_SIZE = "the two stores have objects of different sizes"
    OTHER_CONTENT = "the two stores have different contents"
    ODD_SIZE = "both stores agree, but the database tells another size"
    ODD_CONTENT = "both stores agree, but the database tells another hash"

    @property
    def note(self) -> bool:
        """It was so before: moving changed nothing about it. (Dify counts pasted texts in characters.)"""
        return self in {Trouble.ODD_SIZE, Trouble.ODD_CONTENT}


@dataclass(frozen=True, slots=True)
class Problem:
    """One row whose object is not as the row says. id: of the row."""

    trouble: Trouble
    table: str
    id: str
    key: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class KeyProblem:
    """A workspace whose credentials could not be read from the destination."""

    tenant: str
    state: KeyState

    @property
    def key(self) -> str:
        return private_key_of(self.tenant)


@dataclass
class Checked:
    """How a check ended. rows: by table. hashed: objects whose content was read."""

    rows: Counter[str] = field(default_factory=Counter)
    troubles: Counter[Trouble] = field(default_factory=Counter)
    hashed: int = 0


Sink = Callable[[Problem], None]
Pair = tuple[Reference, ObjectInfo | None]


def joined(references: Iterable[Reference], objects: Iterable[ObjectInfo]) -> Iterator[Pair]:
    """Each row with the object of its key, or None. Both in the order of their keys."""
    listed = iter(objects)
    current = next(listed, None)
    for reference in references:
        while current is not None and current.key < reference.key:
            current = next(listed, None)
        yield reference, current if current is not None and current.key == reference.key else None


def batches(pairs: Iterable[Pair], size: int = BATCH) -> Iterator[list[Pair]]:
    """The same in lists of up to `size`."""
    source = iter(pairs)
    while batch := list(islice(source, size)):
        yield batch


class Checker:
    """Holds rows to a store. listed: the store that has to have the objects; other: the one besides it.

    moved: `listed` is the destination, after everything was moved. Else it is the source, before: an object
    that only the destination has is fine; `other` is None when there is no destination yet. deep: compare
    the SHA3-256 of the content, too, where a row has it.
    """

    def __init__(
        self, listed: Storage, other: Storage | None, sink: Sink, *, moved: bool, deep: bool = False
    ) -> None:
        self._listed = listed
        self._other = other
        self._sink = sink
        self._moved = moved
        self._deep = deep
        self.result = Checked()
        self.stopped: Callable[[], bool] = bool
        """Asked from time to time; KeyboardInterrupt when it says yes."""

    def rows(self, database: DifyDatabase, remember: bool) -> Checked:
        """Check every row. remember: tell the database which ones, for `DifyDatabase.change`."""
        with ThreadPoolExecutor(THREADS) as threads, closing(database.references()) as references:
            pairs: Iterable[Pair]
            if self._listed.capabilities.listing is Listing.BYTES:
                pairs = joined(references, self._listed.list())
            else:
                pairs = ((reference, None) for reference in references)
            for batch in batches(pairs):
                if self.stopped():
                    raise KeyboardInterrupt
                # Most rows need no request: only the others are worth a thread.
                asked = iter(threads.map(self._is_here, [pair for pair in batch if not self._fits(pair)]))
                here = [True if self._fits(pair) else next(asked) for pair in batch]
                if remember:
                    rows = [reference for reference, _ in batch]
                    database.remember(list(zip(rows, here, strict=True)))
                self.result.rows.update(reference.table for reference, _ in batch)
        return self.result

    def _fits(self, pair: Pair) -> bool:
        """Whether the list alone says that all is well."""
        reference, info = pair
        if info is None or (self._deep and reference.hash):
            return False
        return reference.size is None or reference.size == info.size

    def _is_here(self, pair: Pair) -> bool:
        """Whether the object is where it has to be; problems go to the sink."""
        reference, info = pair
        info = info or _head(self._listed, reference.key)
        if info is None:
            elsewhere = _head(self._other, reference.key)
            if elsewhere is not None and not self._moved:
                return True
            self._report(reference, Trouble.NOT_MOVED if elsewhere else Trouble.LOST)
            return False
        return self._size_fits(reference, info) and self._content_fits(reference)

    def _size_fits(self, reference: Reference, info: ObjectInfo) -> bool:
        if reference.size in {None, info.size}:
            return True
        said = f"database {reference.size}, {self._listed.type} {info.size} bytes"
        if not self._moved:
            self._report(reference, Trouble.ODD_SIZE, said)
            return True
        original = _head(self._other, reference.key)
        if original is None or original.size != info.size:
            there = original.size if original else "none"
            self._report(reference, Trouble.OTHER_SIZE, f"{said}, source {there}")
            return False
        self._report(reference, Trouble.ODD_SIZE, said)
        return True

    def _content_fits(self, reference: Reference) -> bool:
        if not self._deep or not reference.hash:
            return True
        found = _digest(self._listed, reference.key)
        self.result.hashed += 1
        if found == reference.hash.lower():
            return True
        if self._moved and self._other and _digest(self._other, reference.key) != found:
            self._report(reference, Trouble.OTHER_CONTENT, f"SHA3-256 {found}")
            return False
        self._report(reference, Trouble.ODD_CONTENT, f"SHA3-256 {found}")
        return True

    def _report(self, reference: Reference, trouble: Trouble, detail: str = "") -> None:
        self.result.troubles[trouble] += 1
        self._sink(Problem(trouble, reference.table, reference.id, reference.key, detail))


def tenant_keys(database: DifyDatabase, stores: Sequence[Storage]) -> tuple[int, list[KeyProblem]]:
    """Check the private key of every workspace in the first of `stores` that has it.

    Gives how many workspaces there are, and the problems: those of workspaces without a public key included.
    """
    count = 0
    problems: list[KeyProblem] = []
    with ThreadPoolExecutor(THREADS) as threads, closing(database.tenants()) as tenants:
        while batch := list(islice(tenants, TENANTS)):
            for tenant, state in zip(batch, threads.map(lambda one: _state(one, stores), batch), strict=True):
                count += 1
                if state is not KeyState.GOOD:
                    problems.append(KeyProblem(tenant.id, state))
    return count, problems


def _state(tenant: Tenant, stores: Sequence[Storage]) -> KeyState:
    for store in stores:
        try:
            return key_state(store.load(private_key_of(tenant.id)), tenant.public_key)
        except NotFound as error:
            if type(error) is not NotFound:
                raise
    return key_state(None, tenant.public_key)


def _head(store: Storage | None, key: str) -> ObjectInfo | None:
    if store is None:
        return None
    try:
        return store.head(key)
    except InvalidKey:
        return None
    except NotFound as error:
        if type(error) is not NotFound:
            raise
        return None


def _digest(store: Storage, key: str) -> str:
    """SHA3-256 of an object, as Dify keeps it; empty when it is not there."""
    digest = hashlib.sha3_256()
    try:
        for piece in store.stream(key):
            digest.update(piece)
    except NotFound as error:
        if type(error) is not NotFound:
            raise
        return ""
    return digest.hexdigest()
