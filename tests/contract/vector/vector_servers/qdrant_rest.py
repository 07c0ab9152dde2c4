"""Qdrant's REST API over the local mode of its own library: requests are read by the vendor's models.

What the vendor's models refuse is refused with 400, as a server does. The vendor's client accepts it as a
server (tests/vector/own_clients/test_vector_qdrant.py).
"""

from __future__ import annotations

import re
import threading
import warnings
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Any
from urllib.parse import unquote

from doubles.server import Request, Response, json_response


def missing() -> str:
    """Why it cannot run here."""
    return "" if find_spec("qdrant_client") else "the library qdrant-client is not installed"


class Refused(Exception):
    def __init__(self, status: int, said: str) -> None:
        super().__init__(said)
        self.status = status


@dataclass
class QdrantDouble:
    """version: that it claims; below 1.10 without `query` and sparse vectors. key: needed if set."""

    version: str = "1.16.0"
    key: str = ""
    port: int = 0
    requests: list[tuple[str, str, Any]] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        import qdrant_client
        from qdrant_client import models

        self.client = qdrant_client.QdrantClient(":memory:")
        self.models: Any = models

    @property
    def old(self) -> bool:
        return tuple(map(int, self.version.split(".")[:2])) < (1, 10)

    def handle(self, request: Request) -> Response:
        path, body = request.raw_path, request.json()
        self.requests.append((request.method, path, body))
        if self.key and request.header("api-key") != self.key:
            said = "Must provide an API key or an Authorization bearer token"
            return json_response(401, {"status": {"error": said}})
        if path == "/":
            return json_response(200, {"title": "qdrant - vector search engine", "version": self.version})
        try:
            found = self.answer(request.method, path, body)
        except Refused as error:
            return json_response(error.status, {"status": {"error": str(error)}, "time": 0.0})
        return json_response(200, {"result": found, "status": "ok", "time": 0.0})

    def answer(self, method: str, path: str, body: Any) -> Any:
        """The `result` of a request; raises Refused."""
        if path == "/collections" and method == "GET":
            return _dumped(self.client.get_collections())
        if path.startswith("/aliases"):
            return {"aliases": []}
        found = re.fullmatch(r"/collections/([^/]+)(/.*)?", path)
        if not found:
            raise Refused(404, "")
        name, rest = unquote(found[1]), found[2] or ""
        if rest == "/exists":
            return {"exists": self.client.collection_exists(name)}
        if method == "PUT" and not rest:
            return self._create(name, body)
        if not self.client.collection_exists(name):
            if method == "DELETE" and not rest:
                return False
            raise Refused(404, f"Not found: Collection `{name}` doesn't exist!")
        with self.lock, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                return self._known(method, name, rest, body)
            except ValueError as error:
                raise Refused(400, f"Wrong input: {_as_server(str(error))}") from None

    def _create(self, name: str, body: Any) -> bool:
        if self.client.collection_exists(name):
            raise Refused(409, f"Wrong input: Collection `{name}` already exists!")
        made = self._read("CreateCollection", body)
        new = {} if self.old else {"sparse_vectors_config": made.sparse_vectors, "metadata": made.metadata}
        self.client.create_collection(name, vectors_config=made.vectors, **new)
        return True

    def _known(self, method: str, name: str, rest: str, body: Any) -> Any:
        client = self.client
        match method, rest:
            case "GET", "":
                return _dumped(client.get_collection(name))
            case "PATCH", "":
                self._read("UpdateCollection", body)
                return True
            case "DELETE", "":
                return client.delete_collection(name)
            case "PUT", "/index":
                self._read("CreateFieldIndex", body)
                return _DONE
            case "PUT", "/points":
                client.upsert(name, self._read("PointsList", body).points)
                return _DONE
            case "POST", "/points/delete":
                kind = "PointIdsList" if "points" in body else "FilterSelector"
                client.delete(name, self._read(kind, body))
                return _DONE
            case "POST", _:
                return self._asked(name, rest, body)
        raise Refused(404, "")

    def _asked(self, name: str, rest: str, body: Any) -> Any:
        client = self.client
        match rest:
            case "/points":
                asked = self._read("PointRequest", body)
                found = client.retrieve(name, asked.ids, asked.with_payload, asked.with_vector or False)
                return [_dumped(one) for one in found]
            case "/points/count":
                asked = self._read("CountRequest", body)
                return _dumped(client.count(name, asked.filter, exact=True))
            case "/points/scroll":
                asked = self._read("ScrollRequest", body)
                points, following = client.scroll(
                    name, asked.filter, asked.limit, None, asked.offset, True, asked.with_vector or False
                )
                return {"points": [_dumped(one) for one in points], "next_page_offset": following}
            case "/points/query" if not self.old:
                asked = self._read("QueryRequest", body)
                query = asked.query
                return _dumped(
                    client.query_points(
                        name, query, using=asked.using, query_filter=asked.filter, limit=asked.limit
                    )
                )
            case "/points/search":
                # The vendor's models have lost this request; all but the vector's name is the same.
                others = {key: value for key, value in body.items() if key != "vector"}
                asked = self._read("QueryRequest", {**others, "query": body["vector"]})
                best = client.query_points(name, asked.query, query_filter=asked.filter, limit=asked.limit)
                return [_dumped(one) for one in best.points]
        raise Refused(404, "")

    def _read(self, model: str, body: Any) -> Any:
        try:
            return getattr(self.models, model).model_validate(body)
        except ValueError as error:
            raise Refused(400, f"Format error in JSON body: {error}") from None


_DONE = {"operation_id": 1, "status": "completed"}


def _dumped(found: Any) -> Any:
    return found.model_dump(mode="json", exclude_none=True)


def _as_server(said: str) -> str:
    """The sentence of the server where the local mode has another."""
    return said.replace("Wrong input: ", "")
