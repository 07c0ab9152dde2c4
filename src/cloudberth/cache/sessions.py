"""Who is signed in, where several servers share the work.

The same methods as the server's own table of sessions has, so that either can be used: `start`, `find`,
`end`, `end_all`. A session ends when it was not used for `hours`. What is kept of a token is a hash.

When the cache is out: whoever this process has seen lately stays signed in for `grace` seconds, a new
session works in this process, and a session that is ended is over here at once and everywhere as soon as
the cache is back.
"""

from __future__ import annotations

import hashlib
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from cloudberth.cache.cache import Cache
from cloudberth.errors import BackendError

S = TypeVar("S")
MARK_EVERY = 60.0
"""Seconds: a session is marked as used at most this often by one process."""
_REMEMBERED = 10_000
_EPOCH, _EPOCHS = "epoch", "epochs"


@dataclass(frozen=True, slots=True)
class _Remembered:
    form_token: str
    seen: float
    marked: float


class CacheSessions(Generic[S]):
    """Sessions in a cache. make: what `find` gives, from the session's form token (``Session``)."""

    def __init__(
        self,
        cache: Cache,
        hours: float,
        make: Callable[[str], S],
        *,
        grace: float = 300.0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._cache = cache
        self._seconds = hours * 3600
        self._make = make
        self._grace = grace
        self._clock = clock
        self._lock = threading.Lock()
        self._remembered: OrderedDict[str, _Remembered] = OrderedDict()
        self._untold_ends: set[str] = set()
        self._untold_end_of_all = False

    def start(self) -> str:
        """Begin a session; its token."""
        token, form_token = secrets.token_urlsafe(32), secrets.token_urlsafe(32)
        name = _name(token)
        self._cache.attempt(lambda: self._keep(name, form_token), None)
        self._remember(name, form_token)
        return token

    def find(self, token: str) -> S | None:
        """The session of a token, unless it ended or was not used for too long."""
        name = _name(token)
        if not self._told() and (self._untold_end_of_all or name in self._untold_ends):
            return None
        try:
            form_token = self._read(name)
        except BackendError as error:
            self._cache.did_without(error)
            form_token = self._lately(name)
        else:
            self._cache.counted(*((0, 1) if form_token is None else (1, 0)))
            if form_token is None:
                self._forget(name)
            else:
                self._mark(name, form_token)
        return None if form_token is None else self._make(form_token)

    def end(self, token: str) -> None:
        """End a session; nothing happens when there is none."""
        name = _name(token)
        self._forget(name)
        with self._lock:
            self._untold_ends.add(name)
        self._told()

    def end_all(self) -> None:
        """Sign everybody out, in one step."""
        with self._lock:
            self._remembered.clear()
            self._untold_end_of_all = True
        self._told()

    # -- the cache -------------------------------------------------------------------------------------------

    def _keep(self, name: str, form_token: str) -> None:
        epoch = self._cache.read_many([_EPOCH])[0]
        if epoch is None:
            # Begins above all that ever were: what is left of before the cache was emptied stays over. Of two
            # who begin it, the first one's holds.
            epoch = b"%d" % self._cache.advance(_EPOCHS)
            if not self._cache.add(_EPOCH, epoch):
                epoch = self._cache.read_many([_EPOCH])[0] or epoch
        self._cache.set(name, epoch + b" " + form_token.encode(), self._seconds)

    def _read(self, name: str) -> str | None:
        epoch, value = self._cache.read_many([_EPOCH, name])
        if epoch is None or value is None:
            return None
        kept, _, form_token = value.partition(b" ")
        return form_token.decode() if kept == epoch else None

    def _mark(self, name: str, form_token: str) -> None:
        """It was used. `expire` does nothing to one that was ended meanwhile; a write would revive it."""
        now = self._clock()
        with self._lock:
            old = self._remembered.get(name)
        marked = old.marked if old is not None else 0.0
        if now - marked > MARK_EVERY and self._cache.attempt(
            lambda: self._cache.expire(name, self._seconds), False
        ):
            marked = now
        self._remember(name, form_token, marked)

    def _told(self) -> bool:
        """Pass on the ends that the cache was not told yet; whether none is left."""
        if not self._untold_ends and not self._untold_end_of_all:
            return True
        with self._lock:
            names, everybody = sorted(self._untold_ends), self._untold_end_of_all
        try:
            if everybody:
                self._cache.advance(_EPOCH)
            if names:
                self._cache.delete(*names)
        except BackendError as error:
            self._cache.did_without(error)
            return False
        with self._lock:
            self._untold_ends -= set(names)
            self._untold_end_of_all = self._untold_end_of_all and not everybody
        return True

    # -- this process ----------------------------------------------------------------------------------------

    def _remember(self, name: str, form_token: str, marked: float | None = None) -> None:
        now = self._clock()
        with self._lock:
            self._remembered[name] = _Remembered(form_token, now, now if marked is None else marked)
            self._remembered.move_to_end(name)
            if len(self._remembered) > _REMEMBERED:
                self._remembered.popitem(last=False)

    def _forget(self, name: str) -> None:
        with self._lock:
            self._remembered.pop(name, None)

    def _lately(self, name: str) -> str | None:
        with self._lock:
            found = self._remembered.get(name)
        if found is None or self._clock() - found.seen > min(self._grace, self._seconds):
            return None
        return found.form_token


def _name(token: str) -> str:
    return "s:" + hashlib.sha256(token.encode()).hexdigest()
