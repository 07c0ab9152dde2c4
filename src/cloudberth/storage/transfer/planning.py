"""Making a plan: both places are listed, every key is decided, what has to be done is written to the journal.

Nothing is copied or deleted while a plan is made, so a list that breaks off leaves both places as they are.
The position is kept with every batch of lines: a plan that was interrupted goes on behind it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cloudberth.errors import BucketNotFound, Refused
from cloudberth.storage.contract import Listing, ObjectInfo
from cloudberth.storage.keys import InvalidKey, checked_key
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
) -> Counts:
    """Write a plan into the journal, or go on with one that was interrupted; then guard it.

    Raises Refused when it would delete more than the rules allow, or anything at all for an empty source; the
    journal holds no plan then. missing_is_empty: of a destination that does not exist yet. Errors of the
    lists leave what was planned, to go on with.
    """
    if journal.state is not State.PLANNING or _disorder(source, target):
        journal.forget()
    try:
        counts = _planned(source, target, rules, journal, noticed, missing_is_empty, sort=False)
    except Disordered:
        journal.forget()
        counts = _planned(source, target, rules, journal, noticed, missing_is_empty, sort=True)
    try:
        guard(counts, rules, target.place)
    except Refused:
        journal.forget()
        journal.keep(state=State.NEW)
        raise
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
    *,
    sort: bool,
) -> Counts:
    position = str(journal.fact("position") or "")
    counts = Counts.of(journal.fact("counts"))
    line = int(journal.fact("lines") or 0) if position else 0
    folder = journal.path.parent if sort else None
    lines: list[tuple[Any, ...]] = []
    takes_part = key_filter(rules.include, rules.exclude)
    seen = 0
    with closing(pairs(source, target, position, folder, missing_is_empty=missing_is_empty)) as found:  # type: ignore[type-var]
        for key, mine, theirs in found:
            seen += 1
            if noticed is not None and seen % _NOTICE == 0:
                noticed(_NOTICE)
            if takes_part is not None and not takes_part(key):
                continue
            decision = _decided(key, mine, theirs, rules, target.prefix)
            _count(counts, decision, mine, theirs)
            if decision.action is not Action.SKIP:
                line += 1
                lines.append(_line(line, key, decision, mine))
            if len(lines) >= _BATCH:
                journal.add(lines, position=key, lines=line, counts=counts.document())
                lines = []
    if noticed is not None:
        noticed(seen % _NOTICE)
    journal.add(lines, lines=line, counts=counts.document())
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


def _decided(
    key: str, mine: ObjectInfo | None, theirs: ObjectInfo | None, rules: Rules, prefix: str
) -> Decision:
    decision = decide(mine, theirs, rules)
    if not key and not prefix and mine is not None and mine.size == 0:
        return deciding.FOLDER
    if theirs is None and decision.action is Action.COPY:
        try:
            checked_key(prefix + key)
        except InvalidKey:
            return deciding.INVALID
    return decision


def _count(counts: Counts, decision: Decision, mine: ObjectInfo | None, theirs: ObjectInfo | None) -> None:
    if mine is not None:
        counts.source += 1
    if theirs is not None:
        counts.target += 1
    if decision.action is Action.SKIP:
        counts.skipped[decision.reason] += 1
        return
    name = decision.action.name.lower()
    counts.objects[name] += 1
    if mine is not None:
        counts.bytes[name] += mine.size


def _line(number: int, key: str, decision: Decision, mine: ObjectInfo | None) -> tuple[Any, ...]:
    if not key.isascii():
        # A key that is no text cannot be written as such; it is never copied, only named in the report.
        key = key.encode("utf-8", "backslashreplace").decode()
    if mine is None:
        return number, key, int(decision.action), decision.reason.value, 0, None, None
    modified = mine.modified.timestamp() if mine.modified else None
    return number, key, int(decision.action), decision.reason.value, mine.size, modified, mine.etag
