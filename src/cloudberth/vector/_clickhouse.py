"""ClickHouse's HTTP interface: one statement a request, its values as parameters of the server.

https://clickhouse.com/docs/interfaces/http — texts travel as hexadecimal digits, which `unhex` reads: how
servers unescape parameters changed between versions, and digits need no escaping.
"""

from __future__ import annotations

import http.client
import json
import re
import secrets
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from cloudberth.errors import (
    BackendError,
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
from cloudberth.vector._dbapi_pool import Pool

# Longer parameters go into the body.
_LONGEST_URL = 8_000
_CODE = re.compile(r"Code: (\d+)")
_TOO_MANY = {202, 241, 252, 439}
_NOT_NOW = {3, 32, 74, 159, 160, 164, 209, 210, 225, 236, 242, 279, 319, 394, 425, 999}
_DENIED = {192, 193, 194, 291, 492, 497, 516}


@dataclass(frozen=True, slots=True)
class Place:
    """Where the server is. context: None for plain HTTP."""

    host: str
    port: int
    user: str
    password: str
    database: str
    context: ssl.SSLContext | None = None


class Values:
    """Parameters of one statement: each `bound` value is an expression for its text."""

    def __init__(self) -> None:
        self.given: dict[str, str] = {}

    def bound(self, value: Any) -> str:
        """An expression that is the value."""
        if isinstance(value, bool):
            return self._named("UInt8", str(int(value)))
        if isinstance(value, int):
            return self._named("Int64" if abs(value) < 2**63 else "Int128", str(value))
        if isinstance(value, float):
            return self._named("Float64", repr(value))
        return f"unhex({self._named('String', str(value).encode().hex())})"

    def texts(self, values: Sequence[str]) -> str:
        """A subquery with the texts as rows."""
        digits = ",".join(f"'{value.encode().hex()}'" for value in values)
        return f"(SELECT unhex(arrayJoin({self._named('Array(String)', f'[{digits}]')})))"

    def vector(self, numbers: Sequence[float]) -> str:
        """An array of float32."""
        return self._named("Array(Float32)", "[" + ",".join(format(one, ".9g") for one in numbers) + "]")

    def _named(self, kind: str, text: str) -> str:
        name = f"p{len(self.given)}"
        self.given[name] = text
        return f"{{{name}:{kind}}}"


class ClickHouse:
    """A client with kept connections. Safe with several threads."""

    def __init__(self, place: Place, timeout: float, connections: int) -> None:
        self._place = place
        self._timeout = timeout
        self._pool = Pool(self._opened, connections, timeout)

    def close(self) -> None:
        self._pool.close()

    def rows(self, statement: str, values: Values | None = None) -> list[list[Any]]:
        """The rows of a SELECT; numbers of 64 bits come as texts."""
        answer = self.run(f"{statement} FORMAT JSONCompactEachRow", values)
        return [json.loads(line) for line in answer.splitlines() if line]

    def run(self, statement: str, values: Values | None = None, *, database: bool = True) -> str:
        """Run one statement; its output as text. database: False where ours does not exist yet."""
        given = {f"param_{name}": value for name, value in (values.given if values else {}).items()}
        if sum(map(len, given.values())) + 4 * len(given) <= _LONGEST_URL:
            return self._sent(given, statement.encode(), "text/plain; charset=utf-8", database)
        boundary = secrets.token_hex(16)
        body = "".join(
            f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
            for name, value in {**given, "query": statement}.items()
        )
        form = f"{body}--{boundary}--\r\n".encode()
        return self._sent({}, form, f"multipart/form-data; boundary={boundary}", database)

    def insert(self, statement: str, rows: Sequence[dict[str, Any]]) -> None:
        """``INSERT INTO … FORMAT JSONEachRow`` with its rows as the body."""
        body = "\n".join(json.dumps(row, ensure_ascii=False) for row in rows)
        self._sent({"query": statement}, body.encode(), "text/plain; charset=utf-8", True)

    def _opened(self) -> http.client.HTTPConnection:
        place = self._place
        if place.context is None:
            return http.client.HTTPConnection(place.host, place.port, timeout=self._timeout)
        return http.client.HTTPSConnection(
            place.host, place.port, timeout=self._timeout, context=place.context
        )

    def _sent(self, query: dict[str, str], body: bytes, kind: str, database: bool) -> str:
        place = self._place
        asked = {**query, "wait_end_of_query": "1", "max_query_size": "20000000"}
        if database:
            asked["database"] = place.database
        headers = {
            "Content-Type": kind,
            "X-ClickHouse-User": place.user,
            "X-ClickHouse-Key": place.password,
            "User-Agent": "cloudberth",
        }
        try:
            with self._pool.lend() as connection:
                connection.request("POST", f"/?{urlencode(asked)}", body=body, headers=headers)
                answer = connection.getresponse()
                text: str = answer.read().decode("utf-8", "replace")
        except TimeoutError:
            self._pool.forget()
            raise TimedOut(f"no answer in {self._timeout:g} s") from None
        except (OSError, http.client.HTTPException) as error:
            self._pool.forget()
            raise Unavailable(f"the connection broke: {error or type(error).__name__}") from None
        if answer.status != 200:
            raise as_ours(answer.status, text)
        return text


def as_ours(status: int, text: str) -> BackendError:
    """The server's error in our tree. text: what it said."""
    found = _CODE.search(text)
    number = int(found[1]) if found else 0
    error = _kind(status, number, " ".join(text.split())[:300])
    error.code = str(number or status)
    return error


def _kind(status: int, number: int, said: str) -> BackendError:
    if number == 60:
        return NotFound("there is no such collection")
    if number == 57:
        return PreconditionFailed("there is such a collection already")
    if number == 81:
        return BackendError(said, kind=Kind.NOT_FOUND, hint="create the database, or name another one")
    if number in _DENIED or status in {401, 403}:
        return PermissionDenied(said)
    if number == 469:
        return Mismatch("a vector does not fit the collection")
    if number in _TOO_MANY or status == 429:
        return Throttled(said)
    if number == 159:
        return TimedOut(said)
    if number in _NOT_NOW or (not number and status >= 500):
        return Unavailable(said)
    if number in {46, 48, 344}:
        return Unsupported(said)
    return BackendError(said, kind=Kind.UNEXPECTED)
