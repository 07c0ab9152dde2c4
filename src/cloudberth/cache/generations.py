"""Values that belong to groups, and groups that can be declared out of date at once.

A group (a dataset, say) has a generation, a number that only grows. A value is kept with the generations of
its groups as they were *before* it was computed, and holds as long as they are still the same: to invalidate
a group is one step, whatever hangs on it, and a value that was being computed meanwhile is never used. Both
are read in one request.

While the store cannot be told of an invalidation, this process uses no value of that group and tells it
again with the next call; other processes see it then, or when the values' time is over.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Sequence
from dataclasses import dataclass

from cloudberth.cache.cache import Cache, versioned
from cloudberth.errors import BackendError


@dataclass(frozen=True, slots=True)
class Seen:
    """What the store had: the generations of the groups, and the value if it holds under them."""

    generations: tuple[int, ...]
    value: bytes | None


class Generations:
    """The values of one namespace that belong to groups. Thread-safe."""

    def __init__(self, cache: Cache) -> None:
        self.cache = cache
        self._lock = threading.Lock()
        self._untold: set[str] = set()

    def read(self, key: str, groups: Sequence[str]) -> Seen | None:
        """What there is; None when the store is out or a group is out of date there. Raises nothing of it."""
        if self._untold and not self._tell(groups):
            return None
        return self.cache.attempt(lambda: self._read(key, groups), None)

    def write(
        self,
        key: str,
        groups: Sequence[str],
        seen: Seen,
        value: bytes,
        seconds: float | None,
        fence: int = 0,
    ) -> bool:
        """Keep a value that was computed after `seen` was read; False when a newer one is there already.

        fence: token of the lock it was computed under; who lost that lock does not write over who has it.
        """
        if self._untold and not self._tell(groups):
            return False
        texts = b",".join(b"%d" % number for number in seen.generations)
        newest, whole = fence or max(seen.generations, default=0), texts + b";" + value
        return self.cache.attempt(lambda: self.cache.set_versioned(key, newest, whole, seconds), False)

    def invalidate(self, *groups: str) -> bool:
        """Nothing that was kept for these groups is used again. False: the store does not know yet."""
        with self._lock:
            self._untold |= set(groups)
        return self._tell(groups)

    def _read(self, key: str, groups: Sequence[str]) -> Seen:
        *numbers, whole = self.cache.read_many([*(_name(group) for group in groups), key])
        generations = tuple(
            self._begun(_name(group)) if number is None else int(number)
            for group, number in zip(groups, numbers, strict=True)
        )
        found = versioned(whole)
        if found is None or None in numbers:
            return Seen(generations, None)
        text, _, value = found[1].partition(b";")
        kept = tuple(int(number) for number in text.split(b",") if number)
        return Seen(generations, value if kept == generations else None)

    def _begun(self, name: str) -> int:
        """A generation that is not there (evicted, or the first time) begins above all that ever were.

        Of several who begin it, all get that of the first: else each would wait for nobody but itself.
        """
        number = self.cache.advance("g")
        if self.cache.add(name, b"%d" % number):
            return number
        found = self.cache.read_many([name])[0]
        return number if found is None else int(found)

    def _tell(self, groups: Sequence[str]) -> bool:
        """Pass on what the store was not told yet; whether none of these groups is left."""
        with self._lock:
            untold = sorted(self._untold)
        for group in untold:
            try:
                self.cache.advance(_name(group))
            except BackendError as error:
                self.cache.did_without(error)
                break
            with self._lock:
                self._untold.discard(group)
        with self._lock:
            return self._untold.isdisjoint(groups)


def _name(group: str) -> str:
    return "g:" + hashlib.sha256(group.encode()).hexdigest()[:40]
