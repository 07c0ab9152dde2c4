"""Connections that are lent out, with a limit of time for every answer, and the driver's errors as ours."""

from __future__ import annotations

import re
import select
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any

from cloudberth.errors import (
    BackendError,
    CloudberthError,
    InvalidInput,
    Kind,
    Mismatch,
    NotFound,
    PermissionDenied,
    PreconditionFailed,
    Throttled,
    TimedOut,
    Unavailable,
    Unsupported,
)
from cloudberth.extras import late_import

if TYPE_CHECKING:
    import psycopg

    class Connection(psycopg.Connection[Any]):
        """limit: seconds for one answer; None: for ever. told: settings that the session was given.

        taught: numbers of the types whose values it can send. reader: a cursor that is used again.
        """

        limit: float | None
        told: dict[str, str]
        taught: set[int]
        reader: psycopg.Cursor[Any] | None


# Seconds that the server has beyond its own limit to say that it gave up.
_GRACE = 2.0
_UNKNOWN_SETTING = "42704"


class NoAnswer(Exception):
    """The server was silent for too long. Nothing can be said on this connection any more."""


@cache
def driver(store: str) -> Any:
    """psycopg; InvalidInput with the command that installs it when it is missing."""
    return late_import("psycopg", extra="postgres", needed_for=store)


@cache
def connection_class(psycopg: Any) -> type[Any]:
    """psycopg's connection that does not wait longer than `limit` seconds for one answer."""

    class Limited(psycopg.Connection[Any]):  # type: ignore[misc]
        limit: float | None = None
        reader: Any = None

        def wait(self, gen: Any, *args: Any, **named: Any) -> Any:
            if self.limit is not None:
                gen = _limited(gen, time.monotonic() + self.limit)
            return super().wait(gen, *args, **named)

    return Limited


def _limited(steps: Any, deadline: float) -> Any:
    """A generator of the driver's that is asked again at least every 0.1 s, until a deadline."""
    ready = None
    while True:
        try:
            wanted = steps.send(ready)
        except StopIteration as done:
            return done.value
        ready = yield wanted
        if not ready and time.monotonic() > deadline:
            raise NoAnswer


class Pool:
    """Lends connections; at most `size` at once, the one used last first. Safe with several threads.

    open: a new connection. wait: seconds for a free one.
    """

    def __init__(self, open: Callable[[], Connection], size: int, wait: float) -> None:
        self._open = open
        self._size = size
        self._wait = wait
        self._free: list[Connection] = []
        self._places = threading.BoundedSemaphore(size)
        self._guard = threading.Lock()
        self._closed = False

    @contextmanager
    def lend(self) -> Iterator[Connection]:
        """A connection outside of a transaction. Raises TimedOut when all are busy."""
        connection = self.borrow()
        sound = False
        try:
            yield connection
            sound = True
        finally:
            self.give_back(connection, sound=sound)

    def borrow(self) -> Connection:
        """The same, to be given back."""
        if not self._places.acquire(timeout=self._wait):
            raise TimedOut(f"all {self._size} connections were busy for {self._wait:g} s")
        try:
            return self._take()
        except BaseException:
            self._places.release()
            raise

    def give_back(self, connection: Connection, *, sound: bool) -> None:
        """sound: no statement failed on it."""
        try:
            self._give(connection, sound)
        finally:
            self._places.release()

    def forget(self) -> None:
        """Close what is idle: the server was restarted, or another one answers at its address now."""
        with self._guard:
            free, self._free = self._free, []
        for connection in free:
            connection.close()

    def close(self) -> None:
        self._closed = True
        self.forget()

    def _take(self) -> Connection:
        if self._closed:
            raise CloudberthError("this vector store is closed")
        while True:
            with self._guard:
                if not self._free:
                    break
                connection = self._free.pop()
            if _is_quiet(connection):
                return connection
            connection.close()
        return self._open()

    def _give(self, connection: Connection, sound: bool) -> None:
        if not sound and not connection.closed:
            # A statement failed: the session is fine when the server says that it is idle.
            sound = int(connection.info.transaction_status) == 0
        if not sound or connection.closed or self._closed:
            connection.close()
            return
        with self._guard:
            self._free.append(connection)


def _is_quiet(connection: Connection) -> bool:
    """Whether nothing came while it was idle: an end of the connection, or a notice that it will end."""
    if connection.closed:
        return False
    poll = select.poll()
    poll.register(connection.pgconn.socket, select.POLLIN | select.POLLERR | select.POLLHUP)
    return not poll.poll(0)


def opened(
    store: str,
    parameters: Mapping[str, str],
    *,
    timeout: float,
    session: tuple[str, ...] = (),
    pooler: bool = False,
    user_adapters: Callable[[Any], None] | None = None,
) -> Connection:
    """A new connection, each statement a transaction of its own. Raises psycopg's errors."""
    psycopg = driver(store)
    connection: Connection = connection_class(psycopg).connect(
        **parameters,
        autocommit=True,
        connect_timeout=max(2, round(min(timeout, 10.0))),
        application_name="cloudberth",
        client_encoding="utf8",
        keepalives_idle="30",
        keepalives_interval="10",
        keepalives_count="3",
        # Behind a pooler a statement may be prepared on one server connection and run on another.
        prepare_threshold=None if pooler else 5,
    )
    connection.limit = timeout + _GRACE
    connection.told = {}
    connection.taught = set()
    if user_adapters is not None:
        user_adapters(connection)
    if not pooler:
        told = (f"SET statement_timeout = {int(timeout * 1000)}", *session)
        for statement in told:
            tell(connection, statement)
    return connection


def tell(connection: Connection, statement: str) -> bool:
    """Change a setting of the session; False when the server does not know it."""
    try:
        connection.execute(statement)
    except Exception as error:
        if getattr(error, "sqlstate", None) != _UNKNOWN_SETTING:
            raise
        return False
    return True


def tell_local(connection: Any, name: str, value: str) -> None:
    """Change a setting until the end of the transaction."""
    connection.execute("SELECT set_config(%s, %s, true)", [name, value])


@contextmanager
def translated(store: str, pool: Pool | None, timeout: float) -> Iterator[None]:
    """Errors of the driver as ours; after a lost connection the idle ones are closed too."""
    try:
        yield
    except Exception as error:
        found = meant(error, store, pool, timeout)
        if found is error:
            raise
        raise found from None


def meant(error: Exception, store: str, pool: Pool | None, timeout: float) -> Exception:
    """What `translated` raises of an error."""
    if isinstance(error, NoAnswer):
        if pool is not None:
            pool.forget()
        return TimedOut(f"no answer in {timeout:g} s")
    if not isinstance(error, driver(store).Error):
        return error
    found = as_ours(error)
    if isinstance(found, Unavailable) and not isinstance(found, TimedOut) and pool is not None:
        pool.forget()
    return found


# SQLSTATE → what it means here. Of a class (two characters) where the state itself is not listed.
_STATES: dict[str, Callable[[str], BackendError]] = {
    "08": Unavailable,
    "25006": lambda what: Unavailable(what, hint="the server only reads: is it a replica, or failing over?"),
    "28": PermissionDenied,
    "3D000": lambda what: NotFound(what, hint="create the database, or set another"),
    "3F000": NotFound,
    "40": Unavailable,
    "42501": PermissionDenied,
    "42P01": lambda _: NotFound("there is no such collection"),
    "42P07": lambda _: PreconditionFailed("there is such a collection already"),
    "42704": lambda what: Unsupported(what, hint="is the vector extension there, and new enough?"),
    "42883": lambda what: Unsupported(what, hint="is the vector extension there, and new enough?"),
    "0A000": Unsupported,
    "58P01": Unsupported,
    "53": Throttled,
    "55P03": Unavailable,
    "57014": TimedOut,
    "57": Unavailable,
}
_REFUSED = re.compile(
    r"authentication failed|no pg_hba\.conf entry|role \".*\" does not exist|password|certificate verify"
    r"|not permitted to log in|no password supplied|certificate .*does not match",
)


def as_ours(error: Exception) -> BackendError:
    """A driver's error as one of ours, with the server's own word for it."""
    diagnosis = getattr(error, "diag", None)
    what = (diagnosis.message_primary if diagnosis else None) or _one_line(str(error))
    state = getattr(error, "sqlstate", None) or ""
    found = _of_state(state, what) if state else _of_connection(error, what)
    found.code = state
    return found


def _of_state(state: str, what: str) -> BackendError:
    if (state.startswith(("22", "23514")) and "dimension" in what) or "_check" in what:
        return Mismatch(what)
    if state.startswith("23505"):
        # Two writers inserted the same record at the same moment, or made the same collection.
        return BackendError(what, kind=Kind.CONFLICT, retryable=True)
    make = _STATES.get(state) or _STATES.get(state[:2])
    if make is not None:
        return make(what)
    kind = Kind.INVALID if state[:2] in {"22", "23", "42"} else Kind.UNEXPECTED
    return BackendError(what, kind=kind, retryable=False)


def _of_connection(error: Exception, what: str) -> BackendError:
    """Errors without a state: the connection was not made, or was lost. libpq says why only in words."""
    if type(error).__name__ not in {"OperationalError", "ConnectionTimeout", "InterfaceError"}:
        return BackendError(what, kind=Kind.UNEXPECTED)
    if "too many" in what or "remaining connection slots" in what:
        return Throttled(what)
    if re.search(r'database "[^"]*" does not exist', what):
        return _STATES["3D000"](what)
    if _REFUSED.search(what):
        return PermissionDenied(what, hint="check user, password and the server's rules for TLS")
    return TimedOut(what) if "timeout" in what else Unavailable(what)


def _one_line(text: str) -> str:
    return " ".join(text.split())[:300]


def checked_cursor(after: str | None) -> str | None:
    """A cursor of an earlier page; InvalidInput for one that is none."""
    if after is not None and (not after or "\0" in after or len(after) > 1024):
        raise InvalidInput("this is no cursor of an earlier page", where="after")
    return after
