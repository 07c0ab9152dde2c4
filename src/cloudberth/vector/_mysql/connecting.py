"""Connections of PyMySQL, and its errors as ours."""

from __future__ import annotations

import select
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from cloudberth.errors import (
    BackendError,
    InvalidInput,
    Kind,
    Mismatch,
    NotFound,
    PermissionDenied,
    PreconditionFailed,
    TimedOut,
    Unavailable,
    Unsupported,
)
from cloudberth.extras import late_import
from cloudberth.vector._dbapi_pool import Pool

NO_SUCH_FUNCTION = 1305

_LOST = {0, 1053, 1077, 1079, 1927, 2000, 2002, 2003, 2006, 2013, 2014, 2027, 2055}
# Too many connections, deadlocks, locks, snapshots that are too old, leaders that moved (OceanBase, TiDB).
_BUSY = {1020, 1040, 1158, 1159, 1160, 1161, 1203, 1205, 1213, 4038, 6002}
_BUSY |= {8022, 8028, 9001, 9002, 9003, 9004, 9005, 9007}
_SLOW = {1317, 1969, 3024, 1028, 4012}
_DENIED = {1044, 1045, 1130, 1142, 1143, 1227, 1251, 1370, 1410, 1698, 1820, 3118, 3159, 3955}
_DIMENSION = {7600}
_TOO_LARGE = {1153, 1301, 1406}


def driver(store: str) -> Any:
    """PyMySQL; InvalidInput with the command that installs it when it is missing."""
    return late_import("pymysql", extra="mysql", needed_for=store)


def opened(store: str, parameters: Mapping[str, Any], timeout: float, session: tuple[str, ...]) -> Any:
    """A new connection; every statement is a transaction of its own. Raises PyMySQL's errors."""
    connection = driver(store).connect(
        **parameters,
        autocommit=True,
        connect_timeout=max(1, min(timeout, 10)),
        read_timeout=timeout,
        write_timeout=timeout,
        program_name="cloudberth",
    )
    # What this session was told, so that it is not told again.
    connection.told = {}
    _keep_alive(connection)
    for statement in session:
        with connection.cursor() as cursor:
            cursor.execute(statement)
    return connection


def tell(connection: Any, variable: str, value: int) -> None:
    """Set a variable of the session. variable: a constant of ours, never input."""
    if connection.told.get(variable) != value:
        with connection.cursor() as cursor:
            cursor.execute(f"SET SESSION {variable} = %s", (value,))
        connection.told[variable] = value


def is_quiet(connection: Any) -> bool:
    """Whether nothing came while it was idle: an end of the connection, or a notice that it will end."""
    channel = getattr(connection, "_sock", None)
    if channel is None or not connection.open:
        return False
    poll = select.poll()
    poll.register(channel, select.POLLIN | select.POLLERR | select.POLLHUP)
    return not poll.poll(0)


def _keep_alive(connection: Any) -> None:
    """Notice a firewall that forgot us while we waited."""
    channel = getattr(connection, "_sock", None)
    if isinstance(channel, socket.socket):
        channel.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)


@contextmanager
def translated(store: str, pool: Pool, name: str = "") -> Iterator[None]:
    """Errors of the driver as ours; after a lost connection the idle ones are closed too."""
    pymysql = driver(store)
    try:
        yield
    except pymysql.MySQLError as error:
        found = as_ours(error, name)
        if isinstance(found, Unavailable):
            pool.forget()
        raise found from None
    except (OSError, EOFError) as error:
        pool.forget()
        raise Unavailable(f"the connection broke: {error}") from None


def as_ours(error: Exception, name: str = "") -> BackendError | InvalidInput:
    """The driver's error in our tree. name: of the collection that was meant."""
    number = error.args[0] if error.args and isinstance(error.args[0], int) else -1
    said = str(error.args[1]) if len(error.args) > 1 else str(error)
    found = _kind(number, said, name)
    if isinstance(found, BackendError):
        found.code = str(number)
    return found


def _kind(number: int, said: str, name: str) -> BackendError | InvalidInput:
    if number in {1146, 1051, 1109}:
        return NotFound(f"there is no collection {name or said}")
    if number == 1050:
        return PreconditionFailed(f"there is a collection {name} already")
    if number == 1049:
        return BackendError(said, kind=Kind.NOT_FOUND, hint="create the database, or name another one")
    if number in _DENIED:
        return PermissionDenied(said)
    if "CERTIFICATE_VERIFY_FAILED" in said:
        return BackendError(said, kind=Kind.INVALID, hint="name the CA file (ca_file)")
    if number in _LOST or number in _SLOW:
        late = "timed out" in said or number in _SLOW
        return TimedOut("no answer in time") if late else Unavailable(said or "the connection is gone")
    if number in _BUSY:
        return Unavailable(said)
    if number == 1191:
        return Unsupported(
            "this collection has no full-text index", hint="make it again here, or add the index by hand"
        )
    if number in _DIMENSION or "Incorrect vector value" in said:
        return Mismatch(f"a vector does not fit the collection: {said}")
    if number in _TOO_LARGE:
        return BackendError(said, kind=Kind.INVALID, hint="shorten the text, or raise the server's limit")
    if number == 1059:
        return InvalidInput("the name of a collection has at most 64 characters here", where=name)
    if "ector" in said and number in {1128, 1235, 4163, 4164, 1064, 1305, 4161}:
        return Unsupported(f"this server has no vectors of this kind: {said}")
    return BackendError(said, kind=Kind.UNEXPECTED)
