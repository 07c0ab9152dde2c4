"""Two lists in order become one list of pairs, in one walk and without memory."""

from __future__ import annotations

from collections.abc import Iterator

from cloudberth.storage.contract import ObjectInfo

Pair = tuple[str, ObjectInfo | None, ObjectInfo | None]


def merge(
    source: Iterator[ObjectInfo], source_prefix: int, target: Iterator[ObjectInfo], target_prefix: int
) -> Iterator[Pair]:
    """(key, object of the source, object of the target) for every key that one of them has, in order.

    Both must be in ascending order of keys without repetition. The prefixes are lengths: so many characters
    are cut off before keys are compared, and off the key that is yielded. Text compares as UTF-8 does by
    bytes.
    """
    mine = next(source, None)
    theirs = next(target, None)
    while mine is not None and theirs is not None:
        key = mine.key[source_prefix:]
        other = theirs.key[target_prefix:]
        if key == other:
            yield key, mine, theirs
            mine = next(source, None)
            theirs = next(target, None)
        elif key < other:
            yield key, mine, None
            mine = next(source, None)
        else:
            yield other, None, theirs
            theirs = next(target, None)
    while mine is not None:
        yield mine.key[source_prefix:], mine, None
        mine = next(source, None)
    while theirs is not None:
        yield theirs.key[target_prefix:], None, theirs
        theirs = next(target, None)
