"""What is to be done with one key: rules in, a decision out. Pure; the whole of a plan is made of these."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import Enum, IntEnum, StrEnum
from typing import Any

from cloudberth.errors import InvalidInput
from cloudberth.storage.contract import ObjectInfo

# Etags that are a hash (MD5, SHA, md5-N of a multipart upload) have at least so many characters.
_HASH_LENGTH = 32


class Compare(StrEnum):
    """How two objects of one key are told apart by what lists say."""

    AUTO = "auto"
    """Size; then a checksum both vouch for, or equal etags; else the source is newer."""
    SIZE = "size"
    ETAG = "etag"
    CHECKSUM = "checksum"
    """By content: a checksum both vouch for, else both are read."""
    ALWAYS = "always"
    """Not at all: everything is copied."""


class Action(IntEnum):
    """What is done. The numbers stand in journals."""

    SKIP = 0
    COPY = 1
    COMPARE = 2
    """Read both, and copy when they differ."""
    DELETE = 3
    CONFLICT = 4
    """It would be replaced, and the rules say no."""
    INVALID = 5
    """The destination cannot have such a key."""


class Reason(StrEnum):
    MISSING = "missing at the destination"
    SIZE = "another size"
    CHECKSUM = "another checksum"
    ETAG = "another etag"
    NEWER = "newer at the source"
    UNKNOWN = "only its content can tell"
    FORCED = "everything is copied"
    SAME = "the same"
    TARGET_NEWER = "not newer at the source"
    EXTRA = "not at the source"
    EXISTS = "exists with other content"
    KEY = "not a key the destination can have"
    FOLDER = "the empty object that marks the source's own folder"


class Decision:
    """What to do with a key, and why. There are few of them: each is one object, compared by identity.

    code, words: action and reason as they stand in a journal.
    """

    __slots__ = ("action", "code", "reason", "words")

    def __init__(self, action: Action, reason: Reason) -> None:
        self.action = action
        self.reason = reason
        self.code = int(action)
        self.words = reason.value


# One object for each: millions of keys make the same few decisions.
_COPY = {
    reason: Decision(Action.COPY, reason)
    for reason in (Reason.MISSING, Reason.SIZE, Reason.CHECKSUM, Reason.ETAG, Reason.NEWER, Reason.FORCED)
}
_MISSING = _COPY[Reason.MISSING]
_COMPARE = Decision(Action.COMPARE, Reason.UNKNOWN)
_SAME = Decision(Action.SKIP, Reason.SAME)
_TARGET_NEWER = Decision(Action.SKIP, Reason.TARGET_NEWER)
_KEPT = Decision(Action.SKIP, Reason.EXTRA)
_DELETE = Decision(Action.DELETE, Reason.EXTRA)
_CONFLICT = Decision(Action.CONFLICT, Reason.EXISTS)
INVALID = Decision(Action.INVALID, Reason.KEY)
FOLDER = Decision(Action.SKIP, Reason.FOLDER)


@dataclass(frozen=True, slots=True)
class MaxDelete:
    """How many objects of the destination may go. Exactly one of the two; floor: so many may go in any
    case.
    """

    count: int | None = None
    percent: float | None = None
    floor: int = 0

    @classmethod
    def parse(cls, text: str) -> MaxDelete:
        """``100`` or ``20%``. Raises InvalidInput."""
        try:
            if text.endswith("%"):
                percent = float(text[:-1])
                if 0 <= percent <= 100:
                    return cls(percent=percent)
            elif int(text) >= 0:
                return cls(count=int(text))
        except ValueError:
            pass
        raise InvalidInput(
            f"{text!r} is no limit of deletions", hint="write a number, or a percentage like 20%"
        )

    def allowed(self, objects: int) -> int:
        """How many of so many objects at the destination."""
        if self.count is not None:
            return self.count
        return max(self.floor, int(objects * (self.percent or 0.0) / 100))

    def __str__(self) -> str:
        return str(self.count) if self.count is not None else f"{self.percent:g}%"


# Half of a destination is hardly ever meant to go; ten objects may always.
USUAL_MAX_DELETE = MaxDelete(percent=50, floor=10)


@dataclass(frozen=True, slots=True)
class Rules:
    """What decides about every key. include, exclude: patterns of keys (patterns.py), relative to the
    prefixes.

    newer_only: never replace what is as new as the source, or newer. overwrite False: never replace anything;
    what differs is reported. delete: remove what the source has not; filtered keys are left alone.
    """

    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    compare: Compare = Compare.AUTO
    newer_only: bool = False
    overwrite: bool = True
    delete: bool = False
    max_delete: MaxDelete = field(default=USUAL_MAX_DELETE)

    def document(self) -> dict[str, Any]:
        """As JSON: what a plan and a journal are made under."""
        return {**asdict(self), "include": list(self.include), "exclude": list(self.exclude)}

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> Rules:
        """Of the JSON again. Raises InvalidInput."""
        try:
            return cls(
                include=tuple(document["include"]),
                exclude=tuple(document["exclude"]),
                compare=Compare(document["compare"]),
                newer_only=bool(document["newer_only"]),
                overwrite=bool(document["overwrite"]),
                delete=bool(document["delete"]),
                max_delete=MaxDelete(**document["max_delete"]),
            )
        except (KeyError, TypeError, ValueError):
            raise InvalidInput("the rules of the plan cannot be read") from None


class _Verdict(Enum):
    SAME = 1
    UNKNOWN = 2


def decide(source: ObjectInfo | None, target: ObjectInfo | None, rules: Rules) -> Decision:
    """What to do with one key, of which at least one side has an object."""
    if target is None:
        return _MISSING
    if source is None:
        return _DELETE if rules.delete else _KEPT
    verdict = _differ(source, target, rules.compare)
    if verdict is _Verdict.SAME:
        return _SAME
    if not rules.overwrite:
        return _CONFLICT
    if rules.newer_only and not _newer(source, target):
        return _TARGET_NEWER
    return _COMPARE if isinstance(verdict, _Verdict) else _COPY[verdict]


def _differ(source: ObjectInfo, target: ObjectInfo, compare: Compare) -> Reason | _Verdict:
    if compare is Compare.ALWAYS:
        return Reason.FORCED
    if source.size != target.size:
        return Reason.SIZE
    if compare is Compare.SIZE:
        return _Verdict.SAME
    if compare is Compare.ETAG:
        return _Verdict.SAME if source.etag and source.etag == target.etag else Reason.ETAG
    vouched = same_by_checksum(source, target)
    if vouched is not None:
        return _Verdict.SAME if vouched else Reason.CHECKSUM
    if compare is Compare.CHECKSUM or source.modified is None or target.modified is None:
        return _Verdict.UNKNOWN
    return Reason.NEWER if source.modified > target.modified else _Verdict.SAME


def same_by_checksum(one: ObjectInfo, other: ObjectInfo) -> bool | None:
    """Whether two objects have the same content, by what their stores vouch for; None: that cannot tell.

    Equal etags of a hash's length count: that is no coincidence. Different ones say nothing (encryption,
    parts).
    """
    if one.size != other.size:
        return False
    if one.checksums and other.checksums:
        for algorithm, value in one.checksums.items():
            known = other.checksums.get(algorithm)
            if known is not None:
                return known.lower() == value.lower()
    if one.etag is not None and one.etag == other.etag and len(one.etag) >= _HASH_LENGTH:
        return True
    return True if one.size == 0 else None


def _newer(source: ObjectInfo, target: ObjectInfo) -> bool:
    return source.modified is None or target.modified is None or source.modified > target.modified
