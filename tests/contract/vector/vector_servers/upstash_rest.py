"""Upstash Vector's REST API in memory: namespaces, ranges, and its own filter language with its own reader.

The vendor's library accepts it (tests/vector/http_stores/test_vector_upstash.py).
"""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass, field
from typing import Any

from vector_servers.filter_text import FilterText, Meaning

from doubles.server import Request, Response, json_response

TOKEN = "of-tests-no-secret"
_TOKENS = re.compile(
    r"""\s*(?:(?P<text>'[^']*'|"[^"]*")|(?P<number>-?\d+(?:\.\d+)?)|(?P<sign><=|>=|!=|[=<>(),])"""
    r"""|(?P<word>[a-zA-Z_][a-zA-Z_0-9.\[\]#-]*))"""
)


class Refused(Exception):
    def __init__(self, status: int, said: str) -> None:
        super().__init__(said)
        self.status = status


@dataclass
class UpstashDouble:
    """spaces: records by id, by namespace. requests: (path, body)."""

    dimension: int = 16
    similarity: str = "COSINE"
    port: int = 0
    spaces: dict[str, dict[str, dict[str, Any]]] = field(default_factory=lambda: {"": {}})
    requests: list[tuple[str, Any]] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def handle(self, request: Request) -> Response:
        try:
            if request.header("authorization") != f"Bearer {TOKEN}":
                raise Refused(401, "Unauthorized: Invalid auth token")
            return json_response(200, {"result": self.answer(request.path, request.json())})
        except Refused as error:
            return json_response(error.status, {"error": str(error), "status": error.status})

    def answer(self, path: str, body: Any) -> Any:
        what, _, space = path.strip("/").partition("/")
        self.requests.append((path, body))
        records = self.spaces.get(space, {})
        with self.lock:
            match what:
                case "info":
                    return self._info()
                case "upsert":
                    return self._upsert(space, body if isinstance(body, list) else [body])
                case "fetch":
                    found = (records.get(id) for id in body["ids"])
                    return [_shown(one, body) if one else None for one in found]
                case "delete":
                    return self._delete(records, body)
                case "range":
                    return self._range(records, body)
                case "query":
                    return self._query(records, body)
                case "list-namespaces":
                    return sorted(self.spaces)
                case "delete-namespace":
                    if space not in self.spaces:
                        raise Refused(404, f"Namespace {space} does not exist")
                    del self.spaces[space]
                    return "Success"
        raise Refused(404, f"no path {path}")

    def _info(self) -> dict[str, Any]:
        numbers = {
            name: {"vectorCount": len(records), "pendingVectorCount": 0}
            for name, records in self.spaces.items()
        }
        return {
            "vectorCount": sum(len(records) for records in self.spaces.values()),
            "pendingVectorCount": 0,
            "indexSize": 1,
            "dimension": self.dimension,
            "similarityFunction": self.similarity,
            "namespaces": numbers,
        }

    def _upsert(self, space: str, given: list[dict[str, Any]]) -> str:
        if len(given) > 1000:
            raise Refused(422, "Exceeded the maximum of 1000 vectors")
        for one in given:
            if len(one["vector"]) != self.dimension:
                raise Refused(
                    422, f"Invalid vector dimension: {len(one['vector'])}, expected: {self.dimension}"
                )
            self.spaces.setdefault(space, {})[str(one["id"])] = {**one, "id": str(one["id"])}
        return "Success"

    def _delete(self, records: dict[str, dict[str, Any]], body: Any) -> dict[str, int]:
        ids = body["ids"] if isinstance(body, dict) else body
        return {"deleted": sum(1 for id in ids if records.pop(id, None) is not None)}

    def _range(self, records: dict[str, dict[str, Any]], body: Any) -> dict[str, Any]:
        """From the cursor on, in the order of ids: what is deleted meanwhile moves nothing."""
        if not 1 <= body["limit"] <= 1000:
            raise Refused(422, "limit is 1 to 1000")
        start = "" if body["cursor"] in {"", "0"} else bytes.fromhex(body["cursor"]).decode()
        ids = [id for id in sorted(records) if id >= start]
        page, rest = ids[: body["limit"]], ids[body["limit"] :]
        return {
            "nextCursor": rest[0].encode().hex() if rest else "",
            "vectors": [_shown(records[id], body) for id in page],
        }

    def _query(self, records: dict[str, dict[str, Any]], body: Any) -> list[dict[str, Any]]:
        import numpy

        if not 1 <= body["topK"] <= 1000:
            raise Refused(422, "topK is 1 to 1000")
        if len(body["vector"]) != self.dimension:
            raise Refused(422, f"Invalid vector dimension: {len(body['vector'])}")
        fits = Reader(body["filter"]).read() if body.get("filter") else lambda metadata: True
        query = numpy.asarray(body["vector"])
        found = []
        for one in records.values():
            if not fits(one.get("metadata") or {}):
                continue
            vector = numpy.asarray(one["vector"])
            near = float(query @ vector / (numpy.linalg.norm(query) * numpy.linalg.norm(vector)))
            found.append({**_shown(one, body), "score": (1 + near) / 2})
        return sorted(found, key=lambda one: -one["score"])[: body["topK"]]


class Reader(FilterText):
    """The filter language of the vendor's documentation: OR of AND of comparisons, with parentheses."""

    def __init__(self, text: str) -> None:
        super().__init__(text, _TOKENS, lambda said: Refused(422, f"Invalid filter: {said}"))

    def condition(self) -> Meaning:
        if self.takes("HAS"):
            absent = self.takes("NOT")
            self.needs("FIELD")
            name = self.next("word")[1]
            return lambda metadata: (name in metadata) != absent
        name = self.next("word")[1]
        opposite = self.takes("NOT")
        if self.takes("CONTAINS"):
            value = self.value()
            return lambda metadata: (value in (metadata.get(name) or [])) != opposite
        if self.takes("IN"):
            values = self.listed(self.value)
            return lambda metadata: (metadata.get(name) in values) != opposite
        sign, value = self.next("sign")[1], self.value()
        if sign == "=":
            return lambda metadata: metadata.get(name) == value
        if sign == "!=":
            return lambda metadata: name in metadata and metadata[name] != value
        raise Refused(422, f"{sign} is not in this double")

    def value(self) -> Any:
        kind, text = self.next("text", "number", "word")
        if kind == "text":
            return text[1:-1]
        return float(text) if kind == "number" else text


def _shown(one: dict[str, Any], asked: dict[str, Any]) -> dict[str, Any]:
    names = {"vector": "includeVectors", "metadata": "includeMetadata", "data": "includeData"}
    kept = {name: one[name] for name, flag in names.items() if asked.get(flag) and one.get(name) is not None}
    return {"id": one["id"], **kept}
