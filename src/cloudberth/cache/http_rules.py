"""Which HTTP answers may be kept, for how long, and under which name. Pure; RFC 9110, 9111 and 5861."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import parse_qsl

Headers = tuple[tuple[str, str], ...]
CREDENTIALS = frozenset({"authorization", "cookie"})
# Of an answer that was not changed, the headers that a 304 repeats (RFC 9110, 15.4.5).
_REPEATED = frozenset(
    {"etag", "cache-control", "vary", "date", "content-location", "expires", "age", "cache-status"}
)


@dataclass(frozen=True, slots=True)
class Request:
    """A request as far as a cache looks at it. query: as it stands in the URL. headers: names in any case.

    principal: who asks, as the application found out ("" for nobody in particular); None: not known.
    """

    method: str
    path: str
    query: str = ""
    headers: Headers = ()
    principal: str | None = None

    def header(self, name: str) -> str:
        """All values of a header with commas between; empty without one."""
        return ", ".join(value for key, value in self.headers if key.lower() == name)


@dataclass(frozen=True, slots=True)
class Response:
    """An answer, whole."""

    status: int
    headers: Headers
    body: bytes

    def header(self, name: str) -> str:
        return ", ".join(value for key, value in self.headers if key.lower() == name)

    def with_headers(self, *more: tuple[str, str]) -> Response:
        """With these in place of those of the same name."""
        names = {name.lower() for name, _ in more}
        kept = tuple(pair for pair in self.headers if pair[0].lower() not in names)
        return Response(self.status, (*kept, *more), self.body)


@dataclass(frozen=True, slots=True)
class Lifetime:
    """Seconds from when an answer was made: used as it is, and used while it is made anew."""

    fresh: float
    stale: float


def directives(text: str) -> dict[str, str]:
    """A ``Cache-Control`` header: names in lower case; without a value, empty."""
    found = {}
    for part in text.split(","):
        name, _, value = part.strip().partition("=")
        if name:
            found[name.lower()] = value.strip('"')
    return found


def may_be_looked_up(request: Request) -> bool:
    """Whether an answer to this may come from the cache or be kept at all."""
    if request.method not in {"GET", "HEAD"} or request.header("range"):
        return False
    if "no-store" in directives(request.header("cache-control")):
        return False
    # Whose answer it is has to be known when the request says who asks.
    return request.principal is not None or not any(request.header(name) for name in CREDENTIALS)


def wants_new(request: Request) -> bool:
    """Whether the client asks for an answer that is made now."""
    asked = directives(request.header("cache-control"))
    return "no-cache" in asked or asked.get("max-age") == "0"


def may_be_kept(request: Request, response: Response, varying: Sequence[str]) -> bool:
    """Whether an answer may be kept. varying: the request's headers that are in the name already."""
    if response.status != 200 or response.header("set-cookie") or response.header("content-range"):
        return False
    rules = directives(response.header("cache-control"))
    if "no-store" in rules or "no-cache" in rules or rules.get("max-age") == "0":
        return False
    if "private" in rules and not request.principal:
        return False
    return all(
        name in varying or (name in CREDENTIALS and request.principal is not None)
        for name in (part.strip().lower() for part in response.header("vary").split(","))
        if name
    )


def lifetime(response: Response, otherwise: Lifetime) -> Lifetime:
    """What the answer says of itself goes before what is configured."""
    rules = directives(response.header("cache-control"))
    fresh = _seconds(rules.get("s-maxage") or rules.get("max-age"), otherwise.fresh)
    stale = (
        0.0 if "must-revalidate" in rules else _seconds(rules.get("stale-while-revalidate"), otherwise.stale)
    )
    return Lifetime(fresh, stale)


def _seconds(text: str | None, otherwise: float) -> float:
    return float(text) if text is not None and text.isascii() and text.isdigit() else otherwise


def name_of(request: Request, varying: Sequence[str]) -> str:
    """The name of an answer. Equal: method (HEAD and GET are one), path, query whatever the order of its
    parameters, principal, and the headers that answers vary by.
    """
    # Sorted by name only: of two values of one parameter the order means something.
    pairs = sorted(parse_qsl(request.query, keep_blank_values=True), key=lambda pair: pair[0])
    headers = [(name, " ".join(request.header(name).lower().split())) for name in sorted(varying)]
    whole = json.dumps([request.path, pairs, request.principal, headers], ensure_ascii=True)
    return hashlib.sha256(whole.encode()).hexdigest()


def short_name(text: str) -> str:
    """A text of any length as a name."""
    return hashlib.sha256(text.encode()).hexdigest()[:40]


def etag_of(body: bytes) -> str:
    return f'"{hashlib.sha256(body).hexdigest()[:32]}"'


def not_modified(request: Request, response: Response) -> bool:
    """Whether the client has this answer already (``If-None-Match``, compared weakly)."""
    asked = request.header("if-none-match")
    tag = response.header("etag")
    if not asked or not tag or response.status != 200:
        return False
    tags = [part.strip() for part in asked.split(",")]
    return "*" in tags or tag.removeprefix("W/") in {each.removeprefix("W/") for each in tags}


def as_asked(request: Request, response: Response) -> Response:
    """The answer as this client gets it: 304 when it has it, no body to HEAD."""
    if not_modified(request, response):
        kept = tuple(pair for pair in response.headers if pair[0].lower() in _REPEATED)
        return Response(304, kept, b"")
    return Response(response.status, response.headers, b"") if request.method == "HEAD" else response
