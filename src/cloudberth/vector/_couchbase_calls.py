"""Couchbase's documented REST services: management, SQL++ (Query), Search; and what their errors mean."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode, urlsplit

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
from cloudberth.storage.body import BytesBody
from cloudberth.storage.http.message import Request
from cloudberth.vector._couchbase_address import Address, places
from cloudberth.vector._rest import Rest, quoted
from cloudberth.vector.options import Options

_NAMES = {"mgmt": "management", "n1ql": "Query", "fts": "Search"}
# Codes of the Query service, from its documentation ("SQL++ error codes").
_MISSING = frozenset({12003, 12020, 12021})
_FORBIDDEN = frozenset({10000, 13014, 1161, 1162})
_BUSY = frozenset({1191, 1192, 1201})
_LATE = 1080
_CHECK = "check COUCHBASE_USER and COUCHBASE_PASSWORD, and what that user may do"


class ServiceRest(Rest):
    """One service of one node."""

    def form(self, path: str, fields: Mapping[str, str]) -> Any:
        """POST as a web form, which is what the management service takes."""
        headers = {**self.headers, "content-type": "application/x-www-form-urlencoded"}
        body = BytesBody(urlencode(fields).encode())
        response = self._client.send(
            Request("POST", self.origin, self.base + path, (), headers, body, idempotent=True)
        )
        found = _json(response.body)
        if response.status >= 300:
            raise self._error(response, found)
        return found


@dataclass(frozen=True, slots=True)
class Answer:
    """What the Query service answered: rows, and how many documents were changed."""

    rows: list[Any]
    changed: int = 0


class Cluster:
    """Requests to the services of a cluster, wherever they run. Thread-safe.

    Which node runs what is asked for with the first request, and again when a node did not answer.
    """

    def __init__(
        self, address: Address, options: Options, headers: Mapping[str, str], ca_file: str = ""
    ) -> None:
        self.address = address
        self._options = options
        self._headers = headers
        self._ca_file = ca_file
        self._lock = threading.Lock()
        self._rests: dict[str, ServiceRest] = {}
        self._places: dict[str, tuple[str, ...]] = {}
        self._turn = 0

    def call(self, service: str, method: str, path: str, body: Any = None) -> Any:
        """One request; raises errors of ours."""
        return self._turned(self._at(service), lambda rest: rest.call(method, path, body))

    def form(self, path: str, fields: Mapping[str, str]) -> Any:
        return self._turned(self._at("mgmt"), lambda rest: rest.form(path, fields))

    def query(self, statement: str, values: Mapping[str, Any], *, fresh: bool = True) -> Answer:
        """A statement of SQL++ with named values. fresh: it sees all that was written before it."""
        body: dict[str, Any] = {
            "statement": statement,
            "timeout": f"{max(1, int(self._options.timeout))}s",
            **{f"${name}": value for name, value in values.items()},
        }
        if fresh:
            body["scan_consistency"] = "request_plus"
        found = self.call("n1ql", "POST", "/query/service", body)
        if not isinstance(found, Mapping) or "results" not in found:
            raise BackendError("this is no answer of a Query service", kind=Kind.UNEXPECTED)
        # A statement may fail after its answer has begun, with the status 200.
        if found.get("errors"):
            raise of_query(found["errors"])
        return Answer(list(found["results"]), int((found.get("metrics") or {}).get("mutationCount") or 0))

    def search(self, path: str, body: Any) -> Mapping[str, Any]:
        """A search of which every part of the index answered."""
        found = self.call("fts", "POST", f"{path}/query", body)
        if not isinstance(found, Mapping) or not isinstance(found.get("status"), Mapping):
            raise BackendError("this is no answer of a Search service", kind=Kind.UNEXPECTED)
        status = found["status"]
        if int(status.get("failed") or 0):
            said = "; ".join(str(one) for one in (status.get("errors") or {}).values())
            failed = f"{status['failed']} of {status.get('total')} parts of the index"
            raise Unavailable(f"{failed} did not answer: {said[:200]}")
        return found

    def nodes(self) -> Mapping[str, tuple[str, ...]]:
        """URLs by service."""
        with self._lock:
            known = self._places
        return known or self._discovered()

    def close(self) -> None:
        with self._lock:
            rests = list(self._rests.values())
            self._rests.clear()
        for rest in rests:
            rest.close()

    # ── inside

    def _at(self, service: str) -> str:
        urls = self.nodes()[service]
        if not urls:
            raise Unsupported(
                f"no node of the cluster runs the {_NAMES[service]} service",
                where=self.address.shown(),
                hint="it is needed: Data, Query and Search; Index for large collections",
            )
        return urls[self._turn % len(urls)]

    def _turned(self, url: str, ask: Any) -> Any:
        try:
            return ask(self._rest(url))
        except Unavailable:
            # The next attempt asks anew where the services are, and takes another node.
            with self._lock:
                self._turn += 1
                self._places = {}
            raise

    def _rest(self, url: str) -> ServiceRest:
        with self._lock:
            if url not in self._rests:
                self._rests[url] = ServiceRest(
                    url, self._options, headers=self._headers, ca_file=self._ca_file, meaning=meaning
                )
            return self._rests[url]

    def _discovered(self) -> Mapping[str, tuple[str, ...]]:
        """Ask the nodes of the address one after the other."""
        failed: Unavailable | None = None
        for host, port in self.address.resolved():
            shown = f"[{host}]" if ":" in host else host
            rest = self._rest(f"{'https' if self.address.secure else 'http'}://{shown}:{port}")
            try:
                found = places(rest.call("GET", "/pools/default/nodeServices"), self.address, host)
            except Unavailable as error:
                failed = error
                continue
            if not found["mgmt"]:
                raise BackendError(
                    "this does not answer as a Couchbase cluster does", kind=Kind.UNEXPECTED,
                    where=urlsplit(str(rest.origin)).netloc,
                )  # fmt: skip
            with self._lock:
                self._places = found
            return found
        raise failed or Unavailable("no node answers", where=self.address.shown())


def index_path(bucket: str, scope: str, index: str = "") -> str:
    """The path of a search index of a scope, or of all of them."""
    path = f"/api/bucket/{quoted(bucket)}/scope/{quoted(scope)}/index"
    return f"{path}/{quoted(index)}" if index else path


def meaning(status: int, body: Any) -> BackendError | None:
    """What an answer means where its status alone does not say it."""
    if not isinstance(body, Mapping):
        return PermissionDenied("the cluster does not let us in", hint=_CHECK) if status == 401 else None
    errors = body.get("errors")
    if isinstance(errors, list) and errors:
        return of_query(errors)
    if isinstance(errors, Mapping):
        return _of_management(status, "; ".join(map(str, errors.values())))
    said = " ".join(str(body.get("error") or body.get("message") or "").split())[:300]
    return _of_search(status, said) if said else None


def of_query(errors: list[Any]) -> BackendError:
    """The first error of the Query service."""
    first = errors[0] if isinstance(errors[0], Mapping) else {}
    code = int(first.get("code") or 0)
    said = " ".join(str(first.get("msg") or errors[0]).split())[:300]
    error = _meant(code, said, bool(first.get("retry")))
    error.code = str(code)
    return error


def _meant(code: int, said: str, repeated: bool) -> BackendError:
    low = said.lower()
    if code in _MISSING or "unknown collection" in low or "collection_unknown" in low:
        return NotFound(said)
    if code in _FORBIDDEN:
        return PermissionDenied(said, hint=_CHECK)
    if code in _BUSY:
        return Throttled(said)
    if code == _LATE:
        return TimedOut(said)
    if "no index available" in low:
        return Unsupported(
            said, hint="make a primary index on the collection, or allow its user sequential scans"
        )
    if repeated or 1180 <= code <= 1182:
        return Unavailable(said)
    return BackendError(said, kind=Kind.INVALID if 3000 <= code < 4000 else Kind.UNEXPECTED)


def _of_management(status: int, said: str) -> BackendError | None:
    if "already exists" in said:
        return PreconditionFailed(said)
    if status == 404 or "is not found" in said:
        return NotFound(said)
    if "Maximum number" in said:
        return BackendError(said, kind=Kind.INVALID, hint="remove collections that nobody needs")
    return BackendError(said, kind=Kind.INVALID) if status == 400 else None


def _of_search(status: int, said: str) -> BackendError | None:
    low = said.lower()
    if "already exists" in low:
        return PreconditionFailed(said)
    if "no planpindexes" in low or "doesn't belong to scope" in low:
        return Unavailable(said)
    if "index not found" in low or "could not get indexdef" in low:
        return NotFound(said)
    if "not supported in this cluster" in low:
        return Unsupported(said, hint="Couchbase Server 7.6 searches vectors, 7.6.5 also by cosine")
    if "type: vector, dims" in low:
        return Mismatch(said)
    if status in {401, 403}:
        return PermissionDenied(said, hint=_CHECK)
    return BackendError(said, kind=Kind.INVALID) if status == 400 else None


def _json(body: bytes) -> Any:
    import json

    try:
        return json.loads(body) if body.strip() else None
    except ValueError:
        return None
