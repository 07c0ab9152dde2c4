"""Making a plan: both places are listed, every key is decided, what has to be done is written to the journal.

Nothing is copied or deleted while a plan is made, so a list that breaks off leaves both places as they are.
The position is kept with every batch of lines: a plan that was interrupted goes on behind it.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cloudberth.errors import BucketNotFound, Refused
from cloudberth.storage.contract import Listing, ObjectInfo
from cloudberth.storage.keys import MAX_BYTES, InvalidKey, checked_key
from cloudberth.storage.transfer import rules as deciding
from cloudberth.storage.transfer.journal import Journal, State
from cloudberth.storage.transfer.listings import Disordered, objects
from cloudberth.storage.transfer.merging import Pair, merge
from cloudberth.storage.transfer.patterns import key_filter
from cloudberth.storage.transfer.rules import Action, Decision, Rules, decide

if TYPE_CHECKING:
    from cloudberth.storage.storage import Storage

_BATCH = 2000
_NOTICE = 1000
Noticed = Callable[[int], None]
"""Called with the number of keys that have just been compared."""


class Interrupted(Exception):
    """Planning was asked to stop; what was planned is in the journal, to go on with."""


@dataclass(slots=True)
class Counts:
    """What a plan comes to. Objects and bytes by action; source, target: objects that were listed and take
    part.
    """

    source: int = 0
    target: int = 0
    objects: Counter[str] = field(default_factory=Counter)
    bytes: Counter[str] = field(default_factory=Counter)
    skipped: Counter[str] = field(default_factory=Counter)

    def document(self) -> dict[str, Any]:
        return {
            "source": self.source,
            "target": self.target,
            "objects": dict(self.objects),
            "bytes": dict(self.bytes),
            "skipped": dict(self.skipped),
        }

    @classmethod
    def of(cls, document: dict[str, Any] | None) -> Counts:
        if not document:
            return cls()
        return cls(
            document["source"],
            document["target"],
            Counter(document["objects"]),
            Counter(document["bytes"]),
            Counter(document["skipped"]),
        )

    def planned(self, action: Action) -> int:
        return self.objects[action.name.lower()]


def plan(
    source: Storage,
    target: Storage,
    rules: Rules,
    journal: Journal,
    noticed: Noticed | None = None,
    *,
    missing_is_empty: bool = False,
    stop: threading.Event | None = None,
) -> Counts:
    """Write a plan into the journal, or go on with one that was interrupted. `guard` it before it is
    executed.

    Raises Interrupted when `stop` was set. missing_is_empty: of a destination that does not exist yet. Errors
    of the lists leave what was planned, to go on with.
    """
    if journal.state is not State.PLANNING or _disorder(source, target):
        journal.forget()
    try:
        counts = _planned(source, target, rules, journal, noticed, missing_is_empty, stop, sort=False)
    except Disordered:
        journal.forget()
        counts = _planned(source, target, rules, journal, noticed, missing_is_empty, stop, sort=True)
    journal.keep(state=State.RUNNING, counts=counts.document())
    return counts


def _disorder(source: Storage, target: Storage) -> bool:
    """A list without an order cannot be gone on with behind a key."""
    return Listing.NONE in {source.capabilities.listing, target.capabilities.listing}


def guard(counts: Counts, rules: Rules, where: str) -> None:
    """Raise Refused for a plan that deletes too much."""
    deletions = counts.planned(Action.DELETE)
    if not deletions:
        return
    if counts.source == 0:
        raise Refused(
            f"the source has no objects, so nothing is deleted; {deletions} would have been", where=where,
            hint="is it the right place? `berth storage rm` deletes on purpose",
        )  # fmt: skip
    allowed = rules.max_delete.allowed(counts.target)
    if deletions > allowed:
        raise Refused(
            f"{deletions} of {counts.target} objects would be deleted, over {rules.max_delete} ({allowed})",
            where=where, hint="look at the plan with --dry-run, then allow it with --max-delete",
        )  # fmt: skip


def _planned(
    source: Storage,
    target: Storage,
    rules: Rules,
    journal: Journal,
    noticed: Noticed | None,
    missing_is_empty: bool,
    stop: threading.Event | None,
    *,
    sort: bool,
) -> Counts:
    position = str(journal.fact("position") or "")
    counts = Counts.of(journal.fact("counts"))
    line = int(journal.fact("lines") or 0) if position else 0
    folder = journal.path.parent if sort else None
    sums = _Sums(counts)
    lines: list[tuple[Any, ...]] = []
    takes_part = key_filter(rules.include, rules.exclude)
    decided = _decider(rules, target.prefix)
    seen = 0
    with closing(pairs(source, target, position, folder, missing_is_empty=missing_is_empty)) as found:  # type: ignore[type-var]
        for key, mine, theirs in found:
            seen += 1
            if seen % _NOTICE == 0:
                if noticed is not None:
                    noticed(_NOTICE)
                if stop is not None and stop.is_set():
                    raise Interrupted
            if takes_part is not None and not takes_part(key):
                continue
            decision = decided(key, mine, theirs)
            sums.add(decision, mine, theirs)
            if decision.code:
                line += 1
                lines.append(_line(line, key, decision, mine))
                if len(lines) >= _BATCH:
                    journal.add(lines, position=key, lines=line, counts=sums.counts().document())
                    lines = []
    if noticed is not None:
        noticed(seen % _NOTICE)
    counts = sums.counts()
    journal.add(lines, lines=line, counts=counts.document())
    return counts


class _Sums:
    """Adds up decisions at the least cost for each; `counts` puts them into words."""

    def __init__(self, counts: Counts) -> None:
        self._counts = counts
        self._source = self._target = 0
        self._decided: dict[Decision, list[int]] = {}

    def add(self, decision: Decision, mine: ObjectInfo | None, theirs: ObjectInfo | None) -> None:
        sums = self._decided.get(decision)
        if sums is None:
            sums = self._decided[decision] = [0, 0]
        sums[0] += 1
        if mine is not None:
            self._source += 1
            sums[1] += mine.size
        if theirs is not None:
            self._target += 1

    def counts(self) -> Counts:
        counts = self._counts
        counts.source += self._source
        counts.target += self._target
        for decision, (count, size) in self._decided.items():
            if decision.action is Action.SKIP:
                counts.skipped[decision.reason] += count
                continue
            name = decision.action.name.lower()
            counts.objects[name] += count
            counts.bytes[name] += size
        self._source = self._target = 0
        self._decided = {}
        return counts


def pairs(
    source: Storage,
    target: Storage,
    after: str = "",
    sort_in: Path | None = None,
    *,
    missing_is_empty: bool = False,
) -> Iterator[Pair]:
    """Both lists merged, behind a key. sort_in: sort both on disk there, whatever the stores promise."""
    mine = objects(source, after=source.prefix + after if after else "", sort_in=sort_in)
    theirs = objects(target, after=target.prefix + after if after else "", sort_in=sort_in)
    if missing_is_empty:
        theirs = _or_nothing(theirs)
    with closing(mine), closing(theirs):  # type: ignore[type-var]
        yield from merge(mine, len(source.prefix), theirs, len(target.prefix))


def _or_nothing(found: Iterator[ObjectInfo]) -> Iterator[ObjectInfo]:
    with suppress(BucketNotFound):
        yield from found


def _decider(rules: Rules, prefix: str) -> Callable[[str, ObjectInfo | None, ObjectInfo | None], Decision]:
    """`decide`, and a look at keys that the destination would get."""
    # So many characters of ASCII can be added to the prefix without asking.
    room = MAX_BYTES - len(prefix.encode())

    def decided(key: str, mine: ObjectInfo | None, theirs: ObjectInfo | None) -> Decision:
        decision = decide(mine, theirs, rules)
        if theirs is None and not (0 < len(key) <= room and key.isascii() and "\0" not in key):
            if not key and not prefix and mine is not None and mine.size == 0:
                return deciding.FOLDER
            try:
                checked_key(prefix + key)
            except InvalidKey:
                return deciding.INVALID
        return decision

    return decided


def _line(number: int, key: str, decision: Decision, mine: ObjectInfo | None) -> tuple[Any, ...]:
    if not key.isascii():
        # A key that is no text cannot be written as such; it is never copied, only named in the report.
        key = key.encode("utf-8", "backslashreplace").decode()
    if mine is None:
        return number, key, decision.code, decision.words, 0, None, None
    modified = mine.modified.timestamp() if mine.modified else None
    return number, key, decision.code, decision.words, mine.size, modified, mine.etag
