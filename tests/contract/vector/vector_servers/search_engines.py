"""Emulators of Elasticsearch and OpenSearch out of their wheels, and a front that adds dense searches.

The emulator of OpenSearch has no dense search. The front passes everything on to it, and answers dense
searches itself: the engine finds what a query's filter matches, and the front measures and sorts. It speaks
three dialects: OpenSearch's, CSS's of Huawei Cloud, and Lindorm's. Analysers of plugins become `cjk`.
"""

from __future__ import annotations

import json
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from doubles.server import Request, Response

_READY = 30.0


def missing_elasticsearch() -> str:
    """Why the emulator of Elasticsearch cannot run here."""
    return "" if find_spec("noida_db") else "the emulator noida-db is not installed"


def missing_opensearch() -> str:
    """Why the emulator of OpenSearch cannot run here."""
    return "" if find_spec("osmem_server") else "the emulator osmem-server is not installed"


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


@dataclass
class Elasticsearch:
    """noida-db. It can be stopped and started again on the same port, with its data."""

    folder: Path
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        program = Path(str(import_module("noida_db").__file__)).parent / "noida-db"
        options = ["--only", "elasticsearch", "--elasticsearch-port", str(self.port)]
        self.process = subprocess.Popen(
            [str(program), "start", *options, "--data-dir", str(self.folder)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        ends = time.monotonic() + _READY
        while not _answers(self.port):
            if self.process.poll() is not None or time.monotonic() > ends:
                raise RuntimeError("noida-db does not come up")
            time.sleep(0.05)

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            self.process.wait(20)
            self.process = None


@contextmanager
def elasticsearch() -> Iterator[Elasticsearch]:
    """An emulator of its own: types that share one would find each other's collections."""
    with tempfile.TemporaryDirectory(prefix="berth-elastic-") as folder:
        made = Elasticsearch(Path(folder))
        made.start()
        try:
            yield made
        finally:
            made.stop()


@contextmanager
def opensearch() -> Iterator[int]:
    """The port of an emulator of OpenSearch."""
    with import_module("osmem_server").OsmemServer.start() as server:
        port = urlsplit(str(server.url)).port
        assert port is not None
        yield port


def _answers(port: int) -> bool:
    connection = HTTPConnection("127.0.0.1", port, timeout=2)
    try:
        connection.request("GET", "/")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


@dataclass
class Front:
    """behind: the port of an emulator. requests: (method, path, headers) of what came in.

    hides_vectors: as Elasticsearch 9.2, which leaves them out of `_source` unless it is told not to.
    refuses: a status and a body for every request, when set.
    """

    behind: int
    port: int = 0
    hides_vectors: bool = False
    refuses: tuple[int, Any] | None = None
    mappings: dict[str, Any] = field(default_factory=dict)
    requests: list[tuple[str, str, dict[str, str], bytes]] = field(default_factory=list)

    def handle(self, request: Request) -> Response:
        headers = dict(request.headers)
        try:
            status, found = self.answer(request.method, request.target, headers, request.body)
        except (KeyError, ValueError) as error:
            status, found = 400, _error("parsing_exception", f"not known here: {error}")
        return Response(status, {"content-type": "application/json"}, found)

    def answer(self, method: str, target: str, headers: dict[str, str], body: bytes) -> tuple[int, bytes]:
        path = urlsplit(target).path
        self.requests.append((method, target, headers, body))
        if self.refuses:
            return self.refuses[0], json.dumps(self.refuses[1]).encode()
        index = path.split("/")[1]
        asked = json.loads(body) if body and not path.endswith("_bulk") else {}
        if method == "PUT" and path.count("/") == 1 and asked:
            return self._create(target, index, asked)
        if path.endswith("_search") and (dense := _dense(asked)):
            return self._dense_search(target, asked, dense)
        shown = not self.hides_vectors
        if isinstance(asked.get("_source"), dict) and "exclude_vectors" in asked["_source"]:
            shown = not asked["_source"].pop("exclude_vectors")
            body = json.dumps(asked).encode()
        status, found = self._pass(method, target, headers, body)
        if path.endswith("_search") and not shown:
            found = _without_vectors(found)
        if method == "GET" and status == 200 and (path.endswith("_mapping") or path.count("/") == 1):
            found = self._as_made(found)
        return status, found

    def _create(self, target: str, index: str, asked: dict[str, Any]) -> tuple[int, bytes]:
        """What the engine behind does not know is remembered here, and shown again."""
        properties = (asked.get("mappings") or {}).get("properties") or {}
        original = {name: properties[name] for name in ("vector", "page_content") if name in properties}
        _check_vector(original.get("vector") or {})
        sent = json.loads(json.dumps(asked))
        if "dimension" in (original.get("vector") or {}):
            dimension = original["vector"]["dimension"]
            sent["mappings"]["properties"]["vector"] = {"type": "knn_vector", "dimension": dimension}
        if "analyzer" in (original.get("page_content") or {}):
            _check_analyzer(original["page_content"]["analyzer"], asked["settings"])
            sent["mappings"]["properties"]["page_content"] = {"type": "text", "analyzer": "cjk"}
        sent.pop("settings", None)
        status, found = self._pass("PUT", target, {}, json.dumps(sent).encode())
        if status == 200:
            self.mappings[index] = original
        return status, found

    def _as_made(self, found: bytes) -> bytes:
        bodies = json.loads(found)
        for index, body in bodies.items():
            if isinstance(body, dict) and index in self.mappings:
                body["mappings"]["properties"].update(self.mappings[index])
        return json.dumps(bodies).encode()

    def _dense_search(
        self, target: str, asked: dict[str, Any], dense: tuple[Any, Any, Any, int]
    ) -> tuple[int, bytes]:
        import numpy

        vector, filter, space, most = dense
        body = {"query": filter or {"match_all": {}}, "size": 10_000, "sort": ["_doc"]}
        status, found = self._pass("POST", target, {}, json.dumps(body).encode())
        if status != 200:
            return status, found
        index = target.split("/")[1]
        mapping = self.mappings.get(index, {}).get("vector") or {}
        method = mapping.get("method") or {}
        scripted = space is not None
        space = space or method.get("space_type") or mapping.get("metric") or "l2"
        query = numpy.asarray(vector, dtype=numpy.float64)
        if len(query) != mapping.get("dimension", len(query)):
            return 400, _error("illegal_argument_exception", "Query vector has invalid dimension")
        answer = json.loads(found)
        hits = answer["hits"]["hits"]
        for hit in hits:
            hit.pop("sort", None)
            hit["_score"] = _score(space, query, numpy.asarray(hit["_source"]["vector"]), scripted)
        hits.sort(key=lambda hit: -hit["_score"])
        answer["hits"]["hits"] = hits[: min(most, asked.get("size", 10))]
        if "vector" in ((asked.get("_source") or {}).get("excludes") or ()):
            return status, _without_vectors(json.dumps(answer).encode())
        return status, json.dumps(answer).encode()

    def _pass(self, method: str, target: str, headers: dict[str, str], body: bytes) -> tuple[int, bytes]:
        connection = HTTPConnection("127.0.0.1", self.behind, timeout=20)
        kind = {"content-type": headers.get("content-type", "application/json")}
        try:
            connection.request(method, target, body or None, kind)
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()


def _dense(asked: dict[str, Any]) -> tuple[Any, Any, Any, int] | None:
    """(vector, filter, space of a script, most) of a dense search in one of the dialects."""
    query = asked.get("query") or {}
    if "knn" in query:
        (one,) = query["knn"].values()
        _only_known(one, {"vector", "k", "filter"})
        return one["vector"], one.get("filter"), None, one["k"]
    if "vector" in query:
        (one,) = query["vector"].values()
        _only_known(one, {"vector", "topk", "filter", "ef"})
        return one["vector"], one.get("filter"), None, one["topk"]
    if "script_score" in query:
        script = query["script_score"]["script"]
        given = script["params"]
        known = {
            "knn": ("knn_score", "query_value", "space_type"),
            "vector": ("vector_score", "vector", "metric"),
        }
        if script.get("lang") not in known:
            return None
        source, vector, space = known[script["lang"]]
        if script["source"] != source or given["field"] != "vector":
            raise ValueError(f"a script {script['source']}")
        return given[vector], query["script_score"]["query"], given[space], 10_000
    return None


def _check_vector(mapping: dict[str, Any]) -> None:
    known = {
        "knn_vector": {"type", "dimension", "data_type", "method"},
        "vector": {"type", "dimension", "indexing", "algorithm", "metric", "neighbors", "efc"},
        "dense_vector": {"type", "dims", "index", "similarity", "index_options"},
    }
    if mapping:
        _only_known(mapping, known[mapping["type"]])


def _check_analyzer(name: str, settings: dict[str, Any]) -> None:
    """The plugins' analysers: IK's is there by name, kuromoji's is put together. Here both are cjk."""
    known = {"ik_max_word", *((settings.get("analysis") or {}).get("analyzer") or {})}
    if name not in known:
        raise ValueError(f"analyzer [{name}] has not been configured in mappings")


def _only_known(given: dict[str, Any], known: set[str]) -> None:
    if set(given) - known:
        raise ValueError(f"unknown: {set(given) - known}")


def _score(space: str, query: Any, vector: Any, scripted: bool) -> float:
    """As OpenSearch documents its scores; those of the other two are not documented, and are like these."""
    import numpy

    if space in {"cosinesimil", "cosine"}:
        near = float(query @ vector / (numpy.linalg.norm(query) * numpy.linalg.norm(vector)))
        return 1 + near if scripted else (1 + near) / 2
    if space in {"l2", "euclidean"}:
        return float(1 / (1 + numpy.sum((query - vector) ** 2)))
    product = float(query @ vector)
    return product + 1 if product >= 0 else 1 / (1 - product)


def _without_vectors(found: bytes) -> bytes:
    answer = json.loads(found)
    for hit in answer.get("hits", {}).get("hits", ()):
        hit.get("_source", {}).pop("vector", None)
    return json.dumps(answer).encode()


def _error(kind: str, reason: str) -> bytes:
    return json.dumps({"error": {"type": kind, "reason": reason}, "status": 400}).encode()
