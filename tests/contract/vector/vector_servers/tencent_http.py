"""Tencent Cloud VectorDB's HTTP interface in memory, with its own reader of the vendor's filter language.

The vendor's library accepts it (tests/vector/http_stores/test_vector_tencent.py).
"""

from __future__ import annotations

import json
import re
import threading
from dataclasses import dataclass, field
from typing import Any

from vector_servers.filter_text import FilterText, Meaning

from doubles.server import Request, Response, json_response

USER, KEY = "root", "of-tests-no-secret"
_TOKENS = re.compile(
    r"""\s*(?:(?P<text>"(?:[^"\\]|\\.)*")|(?P<number>-?\d+)|(?P<sign>!=|[=(),])"""
    r"""|(?P<word>[A-Za-z_][A-Za-z_0-9.]*))"""
)


class Refused(Exception):
    def __init__(self, code: int, said: str, status: int = 200) -> None:
        super().__init__(said)
        self.code, self.status = code, status


@dataclass
class TencentDouble:
    """collections: what was asked for, by (database, name); documents: by id, the same way."""

    port: int = 0
    databases: set[str] = field(default_factory=set)
    collections: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    documents: dict[tuple[str, str], dict[str, dict[str, Any]]] = field(default_factory=dict)
    requests: list[tuple[str, Any]] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def handle(self, request: Request) -> Response:
        try:
            if request.header("authorization") != f"Bearer account={USER}&api_key={KEY}":
                raise Refused(15000, "auth failed: the account or the key is wrong", 401)
            return json_response(200, {"code": 0, "msg": "ok", **self.answer(request.path, request.json())})
        except Refused as error:
            return json_response(error.status, {"code": error.code, "msg": str(error)})

    def answer(self, path: str, body: Any) -> dict[str, Any]:
        self.requests.append((path, body))
        with self.lock:
            if path == "/database/list":
                return {"databases": sorted(self.databases)}
            database = body["database"]
            if path == "/database/create":
                if database in self.databases:
                    raise Refused(15201, f"database already exist: {database}")
                self.databases.add(database)
                return {"affectedCount": 1}
            if database not in self.databases:
                raise Refused(15301, f"database not exist: {database}")
            if path == "/collection/list":
                found = [one for (owner, _), one in self.collections.items() if owner == database]
                return {"collections": found}
            key = (database, body["collection"])
            if path == "/collection/create":
                return self._create(key, body)
            if key not in self.collections:
                raise Refused(15302, f"collection not exist: {key[1]}")
            handler = getattr(self, "_" + path.strip("/").replace("/", "_"))
            found = handler(key, body)
            assert isinstance(found, dict)
            return found

    def _create(self, key: tuple[str, str], body: Any) -> dict[str, Any]:
        if key in self.collections:
            raise Refused(15202, f"collection already exist: {key[1]}")
        if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]{0,127}", key[1]):
            raise Refused(15113, "collection name is invalid")
        kept = {name: value for name, value in body.items() if name != "database"}
        self.collections[key] = {**kept, "database": key[0], "documentCount": 0, "alias": []}
        self.documents[key] = {}
        return {"affectedCount": 1}

    def _collection_describe(self, key: tuple[str, str], body: Any) -> dict[str, Any]:
        return {"collection": self.collections[key]}

    def _collection_drop(self, key: tuple[str, str], body: Any) -> dict[str, Any]:
        del self.collections[key], self.documents[key]
        return {"affectedCount": 1}

    def _document_upsert(self, key: tuple[str, str], body: Any) -> dict[str, Any]:
        dimension = self._vector(key)["dimension"]
        if len(body["documents"]) > 1000:
            raise Refused(15112, "too many documents")
        for one in body["documents"]:
            if len(one["vector"]) != dimension:
                raise Refused(15100, f"The dimension of the vector is not {dimension}")
            self.documents[key][one["id"]] = one
        return {"affectedCount": len(body["documents"])}

    def _document_query(self, key: tuple[str, str], body: Any) -> dict[str, Any]:
        query = body["query"]
        found = self._chosen(key, query)
        start = query.get("offset") or 0
        limit = query.get("limit") or 10
        if limit > 16384:
            raise Refused(15112, "limit is too large")
        return {
            "count": len(found),
            "documents": [_shown(one, query) for one in found[start : start + limit]],
        }

    def _document_count(self, key: tuple[str, str], body: Any) -> dict[str, Any]:
        return {"count": len(self._chosen(key, body.get("query") or {}))}

    def _document_delete(self, key: tuple[str, str], body: Any) -> dict[str, Any]:
        chosen = self._chosen(key, body["query"])
        for one in chosen:
            del self.documents[key][one["id"]]
        return {"affectedCount": len(chosen)}

    def _document_search(self, key: tuple[str, str], body: Any) -> dict[str, Any]:
        import numpy

        search, index = body["search"], self._vector(key)
        if not 1 <= search["limit"] <= 16384:
            raise Refused(15112, "limit is out of range")
        found = []
        for one in self._chosen(key, {"filter": search.get("filter")}):
            query, vector = numpy.asarray(search["vectors"][0]), numpy.asarray(one["vector"])
            if len(query) != index["dimension"]:
                raise Refused(15100, "The dimension of the vector is not right")
            found.append({**_shown(one, search), "score": _score(index["metricType"], query, vector)})
        found.sort(key=lambda one: one["score"] if index["metricType"] == "L2" else -one["score"])
        return {"documents": [found[: search["limit"]]]}

    def _vector(self, key: tuple[str, str]) -> dict[str, Any]:
        indexes = self.collections[key]["indexes"]
        found: dict[str, Any] = next(one for one in indexes if one["fieldName"] == "vector")
        return found

    def _chosen(self, key: tuple[str, str], query: dict[str, Any]) -> list[dict[str, Any]]:
        documents = list(self.documents[key].values())
        if query.get("documentIds") is not None:
            if len(query["documentIds"]) > 20:
                raise Refused(15112, "documentIds has more than 20 elements")
            wanted = set(query["documentIds"])
            documents = [one for one in documents if one["id"] in wanted]
        if query.get("filter"):
            known = {one["fieldName"] for one in self.collections[key]["indexes"] if one.get("indexType")}
            fits = Reader(query["filter"], known).read()
            documents = [one for one in documents if fits(one)]
        return documents


class Reader(FilterText):
    """and, or, not, parentheses; in, not in, = of texts; include, exclude of arrays; paths in JSON."""

    def __init__(self, text: str, known: set[str]) -> None:
        super().__init__(text, _TOKENS, lambda said: Refused(15114, f"filter syntax error: {said}"))
        self.known = known

    def condition(self) -> Meaning:
        if self.takes("NOT"):
            inner = self.one()
            return lambda one: not inner(one)
        path = self.next("word")[1].split(".")
        if path[0] not in self.known:
            raise Refused(15114, f"field {path[0]} is not indexed")
        for word, wanted in (("INCLUDE", True), ("EXCLUDE", False)):
            if self.takes(word):
                values = self.listed(self.value)
                return lambda one, values=values, wanted=wanted: (
                    any(value in (_at(one, path) or []) for value in values) == wanted
                )
        opposite = self.takes("NOT")
        if self.takes("IN"):
            values = self.listed(self.value)
            return lambda one: (_at(one, path) in values) != opposite
        self.needs("=")
        value = self.value()
        return lambda one: _at(one, path) == value

    def value(self) -> Any:
        return json.loads(self.next("text", "number")[1])


def _at(document: dict[str, Any], path: list[str]) -> Any:
    found: Any = document
    for name in path:
        found = found.get(name) if isinstance(found, dict) else None
    return found


def _shown(one: dict[str, Any], asked: dict[str, Any]) -> dict[str, Any]:
    wanted = asked.get("outputFields")
    return {
        name: value
        for name, value in one.items()
        if (name != "vector" or asked.get("retrieveVector")) and (not wanted or name in {*wanted, "id"})
    }


def _score(metric: str, query: Any, vector: Any) -> float:
    import numpy

    if metric == "L2":
        return float(numpy.linalg.norm(query - vector))
    product = float(query @ vector)
    return (
        product if metric == "IP" else product / float(numpy.linalg.norm(query) * numpy.linalg.norm(vector))
    )


def variables(port: int) -> dict[str, str]:
    return {
        "VECTOR_STORE": "tencent",
        "TENCENT_VECTOR_DB_URL": f"http://127.0.0.1:{port}",
        "TENCENT_VECTOR_DB_API_KEY": KEY,
        "TENCENT_VECTOR_DB_USERNAME": USER,
        "TENCENT_VECTOR_DB_DATABASE": "dify",
    }
