"""Couchbase's management, Query and Search services in memory, each on a port of its own.

Formats and messages after the vendor's documentation and the sources of its server and libraries; the search
index follows the documents after `lag` seconds, and a new collection is known everywhere after `hearing`.
"""

from __future__ import annotations

import base64
import json
import re
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from urllib.parse import parse_qs, unquote

from vector_servers.couchbase_search import Search, hits_of
from vector_servers.couchbase_sqlpp import Reader, Wrong

from doubles.server import HttpServer, Request, Response

USER, PASSWORD, BUCKET, SCOPE = "dify", "of-tests-no-secret", "Embeddings", "knowledge"
_INDEX = re.compile(r"/api/bucket/([^/]+)/scope/([^/]+)/index(?:/([^/]+))?(/query)?")
_SCOPES = re.compile(r"/pools/default/buckets/([^/]+)/scopes(?:/([^/]+)/collections(?:/([^/]+))?)?")
_HTTP = {12003: 424, 12020: 424, 13014: 401, 3000: 400}


class Refused(Exception):
    """said: the body, as JSON or as it is."""

    def __init__(self, status: int, said: Any) -> None:
        super().__init__(str(said))
        self.status, self.said = status, said


class Documents(dict[str, Any]):
    """The documents of a collection; changed: hears of each change."""

    def __init__(self, uid: str, born: float, changed: Callable[[str, Any], None]) -> None:
        super().__init__()
        self.uid, self.born, self.changed = uid, born, changed

    def __setitem__(self, key: str, value: Any) -> None:
        super().__setitem__(key, value)
        self.changed(key, value)

    def __delitem__(self, key: str) -> None:
        super().__delitem__(key)
        self.changed(key, None)


@dataclass
class CouchbaseDouble:
    """ports: by service. prefilters, cosine: whether the server is new enough for them.

    requests: (service, method and path, body). failing: what a search says of its parts, for one search.
    """

    lag: float = 0.0
    hearing: float = 0.0
    prefilters: bool = True
    cosine: bool = True
    index_service: bool = True
    scopes: tuple[str, ...] = ("_default", SCOPE)
    ports: dict[str, int] = field(default_factory=dict)
    external: dict[str, Any] | None = None
    keyspaces: dict[tuple[str, str], Documents] = field(default_factory=dict)
    indexes: dict[tuple[str, str], Search] = field(default_factory=dict)
    requests: list[tuple[str, str, Any]] = field(default_factory=list)
    failing: int = 0
    lock: threading.RLock = field(default_factory=threading.RLock)
    numbers: int = 8

    def listening(self, service: str, tls: ssl.SSLContext | None = None) -> HttpServer:
        """One service."""
        return HttpServer(partial(self.handle, service), tls=tls)

    def handle(self, service: str, request: Request) -> Response:
        status, found = 200, None
        try:
            wanted = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
            if request.header("authorization") != wanted:
                raise Refused(401, _stranger(service))
            form = "urlencoded" in request.header("content-type")
            body = request.body.decode() if form else request.json()
            found = self.answer(service, request.method, request.target, body)
        except Refused as error:
            status, found = error.status, error.said
        return Response(status, {}, (found if isinstance(found, str) else json.dumps(found)).encode())

    def answer(self, service: str, method: str, path: str, body: Any) -> Any:
        with self.lock:
            self.requests.append((service, f"{method} {path}", body))
            if service == "n1ql" and path == "/query/service":
                return self._query(body)
            if service == "fts" and (found := _INDEX.fullmatch(path)):
                return self._search(method, [unquote(part or "") for part in found.groups()], body)
            if service == "mgmt":
                return self._manage(method, path, body)
        raise Refused(404, "Not found.")

    # ── management

    def _manage(self, method: str, path: str, body: Any) -> Any:
        if path == "/pools":
            return {"isAdminCreds": True, "implementationVersion": "7.6.5-5704-enterprise"}
        if path == "/pools/default/nodeServices":
            services = {**self.ports, "kv": 11210}
            node: dict[str, Any] = {"services": services, "thisNode": True}
            if self.external:
                node["alternateAddresses"] = {"external": self.external}
            return {"rev": 1, "nodesExt": [node]}
        found = _SCOPES.fullmatch(path)
        if not found:
            raise Refused(404, "Object Not Found")
        bucket, scope, name = (unquote(part or "") for part in found.groups())
        if bucket != BUCKET:
            raise Refused(404, "Requested resource not found.\r\n")
        if not scope:
            return {"uid": f"{self.numbers:x}", "scopes": [self._scope(one) for one in self.scopes]}
        if scope not in self.scopes:
            raise Refused(404, {"errors": {"_": f'Scope with name "{scope}" is not found'}})
        return self._made(scope, body) if method == "POST" else self._dropped(scope, name)

    def _scope(self, name: str) -> dict[str, Any]:
        collections = [
            {"name": collection, "uid": documents.uid, "maxTTL": 0, "history": False}
            for (scope, collection), documents in self.keyspaces.items()
            if scope == name
        ]
        return {"name": name, "uid": "0", "collections": collections}

    def _made(self, scope: str, body: Any) -> dict[str, str]:
        (name,) = parse_qs(body, keep_blank_values=True)["name"]
        if name.startswith(("_", "%")):
            raise Refused(400, {"errors": {"name": "First character must not be _ or %"}})
        if not re.fullmatch(r"[0-9A-Za-z_%\-]{1,251}", name):
            raise Refused(400, {"errors": {"name": "Can only contain characters A-Z, a-z, 0-9 …"}})
        if (scope, name) in self.keyspaces:
            said = f'Collection with name "{name}" in scope "{scope}" already exists'
            raise Refused(400, {"errors": {"_": said}})
        self.numbers += 1

        def changed(key: str, value: Any) -> None:
            for index in self.indexes.values():
                index.heard(scope, name, key, value, time.monotonic() + self.lag)

        self.keyspaces[scope, name] = Documents(f"{self.numbers:x}", time.monotonic(), changed)
        return {"uid": f"{self.numbers:x}"}

    def _dropped(self, scope: str, name: str) -> dict[str, str]:
        if (scope, name) not in self.keyspaces:
            said = f'Collection with name "{name}" in scope "{scope}" is not found'
            raise Refused(404, {"errors": {"_": said}})
        del self.keyspaces[scope, name]
        return {"uid": "ff"}

    # ── Query

    def _query(self, body: Any) -> dict[str, Any]:
        values = {name[1:]: value for name, value in body.items() if name.startswith("$")}
        try:
            if "CREATE PRIMARY INDEX" in body["statement"] and not self.index_service:
                raise Wrong(4115, "No index service available")
            rows, changed = Reader(body["statement"], values, self._documents).run()
        except Wrong as error:
            errors = [{"code": error.code, "msg": str(error)}]
            said = {"requestID": "1", "errors": errors, "status": "fatal", "metrics": {"errorCount": 1}}
            raise Refused(_HTTP.get(error.code, 200), {**said, "results": []}) from error
        metrics = {"elapsedTime": "1ms", "resultCount": len(rows)}
        if changed:
            metrics["mutationCount"] = changed
        return {"requestID": "1", "results": rows, "status": "success", "metrics": metrics}

    def _documents(self, path: tuple[str, ...]) -> dict[str, Any]:
        bucket, scope, name = path
        found = self.keyspaces.get((scope, name)) if bucket == BUCKET else None
        if found is None or time.monotonic() - found.born < self.hearing:
            where = f"default:{bucket}.{scope}.{name}"
            raise Wrong(12003, f"Keyspace not found in CB datastore: {where}")
        return found

    # ── Search

    def _search(self, method: str, parts: list[str], body: Any) -> Any:
        bucket, scope, name, querying = parts
        index = self.indexes.get((scope, name))
        if not name:
            found = {
                f"{bucket}.{owner}.{each}": {**one.definition, "name": f"{bucket}.{owner}.{each}"}
                for (owner, each), one in self.indexes.items()
                if owner == scope
            }
            inner = {"uuid": "1", "indexDefs": found, "implVersion": "5.7.0"}
            return {"status": "ok", "indexDefs": inner if found else None}
        if method == "PUT":
            return self._defined(scope, name, body)
        if index is None:
            said = "rest_auth: preparePerms, err: index not found"
            raise Refused(400, {"error": said, "request": None, "status": "fail"})
        if method == "DELETE":
            del self.indexes[scope, name]
            return {"status": "ok"}
        if not querying:
            return {"status": "ok", "indexDef": index.definition, "planPIndexes": None}
        if self.failing:
            status = {"total": 1, "failed": 1, "successful": 0, "errors": {"part": "context deadline"}}
            self.failing -= 1
            return {"status": status, "hits": [], "total_hits": 0, "max_score": 0, "took": 1}
        try:
            return hits_of(index, body, prefilters=self.prefilters)
        except ValueError as error:
            raise Refused(400, {"error": str(error), "request": body, "status": "fail"}) from error

    def _defined(self, scope: str, name: str, body: Any) -> dict[str, str]:
        def refused(said: str) -> Refused:
            return Refused(400, {"error": f"rest_create_index: {said}", "request": body, "status": "fail"})

        if (scope, name) in self.indexes and not body.get("uuid"):
            raise refused("cannot create index because an index with the same name already exists")
        if not re.fullmatch(r"[A-Za-z][0-9A-Za-z_\-]*", name):
            raise refused("index name is invalid")
        index = Search({**body, "uuid": f"{len(self.requests):x}"})
        scopes = {one for one, _ in index.collections}
        if len(scopes) > 1:
            raise refused("collection_utils: multiple scopes found; index can only span a single scope")
        for one, collection in index.collections:
            if collection != "_default" and (one, collection) not in self.keyspaces:
                raise refused(
                    f"collection_utils: collection: '{collection}' doesn't belong to scope: '{one}'"
                )
        if index.similarity == "cosine" and not self.cosine:
            raise refused(
                "PrepareIndex, err: cosine similarity metric for vectors not supported in this cluster"
            )
        for (one, collection), documents in self.keyspaces.items():
            for key, value in documents.items():
                index.heard(one, collection, key, value, time.monotonic() + self.lag)
        self.indexes[scope, name] = index
        return {"status": "ok", "name": f"{BUCKET}.{scope}.{name}", "uuid": index.definition["uuid"]}


def _stranger(service: str) -> Any:
    """What each service says to somebody whom it does not know."""
    if service == "n1ql":
        errors = [{"code": 13014, "msg": "User does not have credentials to run SELECT queries"}]
        return {"errors": errors, "status": "fatal", "results": []}
    return "" if service == "mgmt" else {"error": "rest_auth: cbauth.AuthWebCreds", "status": "fail"}


@contextmanager
def serving(double: CouchbaseDouble, tls: ssl.SSLContext | None = None) -> Iterator[CouchbaseDouble]:
    """The double, its three services on ports of their own; with TLS under the names of such ports."""
    with ExitStack() as stack:
        for service in ("mgmt", "n1ql", "fts"):
            server = stack.enter_context(double.listening(service, tls))
            double.ports[f"{service}SSL" if tls else service] = server.address[1]
        yield double


def variables(port: int, scope: str = SCOPE) -> dict[str, str]:
    """Dify's, for the management port of a double."""
    return {
        "VECTOR_STORE": "couchbase",
        "COUCHBASE_CONNECTION_STRING": f"couchbase://127.0.0.1:{port}=http",
        "COUCHBASE_USER": USER,
        "COUCHBASE_PASSWORD": PASSWORD,
        "COUCHBASE_BUCKET_NAME": BUCKET,
        "COUCHBASE_SCOPE_NAME": scope,
    }
