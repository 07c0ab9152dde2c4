"""Weaviate's REST (classes) and gRPC (objects) API in memory, out of the vendor's own protobuf files.

It is exact where a server is approximate, tokenizes as the documentation says, and refuses what a server
refuses: unknown properties in filters, vectors of another length, other types than the first.
"""

from __future__ import annotations

import re
import struct
import threading
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Any

from vector_servers.weaviate_ranking import ranked, tokens_of

from doubles.server import HttpServer, Request, Response, json_response


def missing() -> str:
    """Why it cannot run here."""
    absent = [name for name in ("weaviate", "grpc") if find_spec(name) is None]
    return f"the library {absent[0]} is not installed" if absent else ""


class Refused(Exception):
    def __init__(self, status: int, said: str) -> None:
        super().__init__(said)
        self.status = status


@dataclass
class Object:
    properties: dict[str, Any]
    vector: tuple[float, ...]


@dataclass
class WeaviateDouble:
    """version: that it claims. key: needed if set."""

    version: str = "1.33.0"
    key: str = ""
    http_port: int = 0
    grpc_port: int = 0
    classes: dict[str, dict[str, Any]] = field(default_factory=dict)
    objects: dict[str, dict[str, Object]] = field(default_factory=dict)
    lock: threading.RLock = field(default_factory=threading.RLock)

    def handle(self, request: Request) -> Response:
        """The answer to a request over REST."""
        if self.key and request.header("authorization") != f"Bearer {self.key}":
            return json_response(401, {"error": [{"message": "anonymous access not enabled"}]})
        try:
            with self.lock:
                return json_response(200, self.answer(request.method, request.raw_path, request.json()))
        except Refused as error:
            return json_response(error.status, {"error": [{"message": str(error)}]})

    # ── classes

    def answer(self, method: str, path: str, body: Any) -> Any:
        """The answer of a REST request; raises Refused."""
        match method, path.removeprefix("/v1").strip("/").split("/"):
            case "GET", ["meta"]:
                return {"version": self.version, "modules": {}, "hostname": "http://[::]:8080"}
            case "GET", [".well-known", _]:
                return {}
            case "GET", ["schema"]:
                return {"classes": list(self.classes.values())}
            case "POST", ["schema"]:
                return self._create(body)
            case "GET", ["schema", name]:
                return self._class(name)
            case "DELETE", ["schema", name]:
                self.classes.pop(name, None)
                self.objects.pop(name, None)
                return {}
        raise Refused(404, "no such path")

    def _create(self, body: Any) -> Any:
        name = body["class"]
        if not re.fullmatch(r"[A-Z][_0-9A-Za-z]{0,254}", name):
            raise Refused(422, f"'{name}' is not a valid class name")
        if name in self.classes:
            raise Refused(422, f'class name "{name}" already exists')
        self.classes[name] = _completed(body)
        self.objects[name] = {}
        return self.classes[name]

    def _class(self, name: str) -> dict[str, Any]:
        if name not in self.classes:
            raise Refused(404, f"could not find class {name} in schema")
        return self.classes[name]

    # ── objects

    def write(self, request: Any) -> Any:
        from weaviate.proto.v1 import batch_pb2

        reply = batch_pb2.BatchObjectsReply()
        for at, one in enumerate(request.objects):
            try:
                self._write(one)
            except Refused as error:
                reply.errors.add(index=at, error=str(error))
        return reply

    def _write(self, one: Any) -> None:
        objects = self._objects(one.collection)
        named = {vector.name: _floats(vector.vector_bytes) for vector in one.vectors}
        vector = named.get("default", _floats(one.vector_bytes))
        for other in objects.values():
            if len(other.vector) != len(vector):
                raise Refused(
                    422,
                    f"new node has a vector with length {len(vector)}. "
                    f"Existing nodes have vectors with length {len(other.vector)}",
                )
            break
        properties: dict[str, Any] = _plain(one.properties.non_ref_properties)
        for listed in one.properties.text_array_properties:
            properties[listed.prop_name] = list(listed.values)
        for empty in one.properties.empty_list_props:
            properties[empty] = []
        self._fit(one.collection, properties)
        objects[one.uuid] = Object(properties, vector)

    def _fit(self, name: str, properties: dict[str, Any]) -> None:
        """Types are those of the class; a new property becomes one of the class (auto schema)."""
        known = {one["name"]: one for one in self.classes[name]["properties"]}
        for property, value in properties.items():
            kind = _kind(value)
            if property not in known:
                tokenization = {"tokenization": "word"} if kind == "text" else {}
                self.classes[name]["properties"].append(
                    {"name": property, "dataType": [kind], **_FLAGS, **tokenization}
                )
                continue
            wanted = known[property]["dataType"][0]
            if wanted == "int" and isinstance(value, float) and value.is_integer():
                properties[property] = int(value)
            elif wanted != kind and not (wanted == "text[]" and value == []):
                raise Refused(422, f"invalid {wanted} property '{property}' on class '{name}': {value!r}")

    def remove(self, request: Any) -> int:
        objects = self._objects(request.collection)
        fits = self.fitting(request.collection, request.filters)
        found = [id for id in objects if fits(id)]
        for id in found:
            del objects[id]
        return len(found)

    def count(self, request: Any) -> int:
        name = request.collection
        if not request.HasField("filters"):
            return len(self._objects(name))
        fits = self.fitting(name, request.filters)
        return sum(1 for id in self._objects(name) if fits(id))

    def search(self, request: Any) -> Any:
        from weaviate.proto.v1 import search_get_pb2

        name, reply = request.collection, search_get_pb2.SearchReply()
        filtered = request.HasField("filters")
        if request.after and filtered:
            raise Refused(422, "where cannot be set with after and limit parameters")
        objects = self._objects(name)
        ids = sorted(objects)
        if filtered:
            fits = self.fitting(name, request.filters)
            ids = [id for id in ids if fits(id)]
        if request.after:
            ids = [id for id in ids if id > request.after]
        measured: list[tuple[str, float]] = [(id, 0.0) for id in ids]
        if request.HasField("near_vector"):
            measured = self._nearest(name, ids, request.near_vector)
        elif request.HasField("bm25_search"):
            measured = self._best(name, ids, request.bm25_search)
        for id, value in measured[: request.limit or 10]:
            _result(reply.results.add(), request, id, objects[id], value, name)
        return reply

    def _nearest(self, name: str, ids: list[str], near: Any) -> list[tuple[str, float]]:
        if list(near.targets.target_vectors or near.target_vectors) != ["default"]:
            raise Refused(422, "class has no such target vector")
        query = _floats(near.vectors[0].vector_bytes if near.vectors else near.vector_bytes)
        config = self.classes[name]["vectorConfig"]["default"]["vectorIndexConfig"]
        objects = self._objects(name)
        if any(len(objects[id].vector) != len(query) for id in ids):
            raise Refused(422, "vector lengths don't match")
        found = [(id, _distance(config["distance"], query, objects[id].vector)) for id in ids]
        return sorted(found, key=lambda one: one[1])

    def _best(self, name: str, ids: list[str], asked: Any) -> list[tuple[str, float]]:
        (property,) = asked.properties
        tokenization = self._property(name, property)["tokenization"]
        objects = self._objects(name)
        texts = [str(objects[id].properties.get(property) or "") for id in ids]
        return [(ids[at], score) for at, score in ranked(asked.query, texts, tokenization)]

    # ── filters

    def fitting(self, name: str, filters: Any) -> Callable[[str], bool]:
        """Whether the object of an id fits."""
        word = type(filters).Operator.Name(filters.operator).removeprefix("OPERATOR_")
        if word in {"AND", "OR"}:
            parts = [self.fitting(name, part) for part in filters.filters]
            joined = all if word == "AND" else any
            return lambda id: joined(part(id) for part in parts)
        target = filters.target.property or (filters.on[0] if filters.on else "")
        wanted = list(filters.value_text_array.values) or [filters.value_text]
        if target in {"_id", "id"}:
            return set(wanted).__contains__
        known, objects = self._property(name, target), self._objects(name)
        if word == "IS_NULL":
            if not self.classes[name]["invertedIndexConfig"].get("indexNullState"):
                raise Refused(422, "Nullstate must be indexed to be filterable")
            empty = filters.value_boolean
            return lambda id: (objects[id].properties.get(target) in (None, [])) == empty
        if word not in {"CONTAINS_ANY", "EQUAL"}:
            raise Refused(422, f"{word} is not in this double")
        tokenization = known.get("tokenization", "field")
        asked = [set(tokens_of(one, tokenization)) for one in wanted]

        def has(id: str) -> bool:
            value = objects[id].properties.get(target)
            values = value if isinstance(value, list) else [] if value is None else [value]
            there = {token for one in values for token in tokens_of(str(one), tokenization)}
            return any(one <= there for one in asked if there)

        return has

    def _property(self, name: str, property: str) -> dict[str, Any]:
        for one in self._class(name)["properties"]:
            if one["name"] == property:
                found: dict[str, Any] = one
                return found
        raise Refused(422, f"no such prop with name '{property}' found in class '{name}'")

    def _objects(self, name: str) -> dict[str, Object]:
        self._class(name)
        return self.objects[name]


_FLAGS = {"indexFilterable": True, "indexSearchable": True, "indexRangeFilters": False}


def _completed(given: dict[str, Any]) -> dict[str, Any]:
    """A class as a server shows it: with everything that was left out."""
    vectors = given.get("vectorConfig") or {}
    for vector in vectors.values():
        vector["vectorIndexConfig"] = {**_GRAPH, **(vector.get("vectorIndexConfig") or {})}
        vector.setdefault("vectorIndexType", "hnsw")
    properties = [
        {**_FLAGS, **({"tokenization": "word"} if one["dataType"][0].startswith("text") else {}), **one}
        for one in given.get("properties") or []
    ]
    inverted = {**_INVERTED, **(given.get("invertedIndexConfig") or {})}
    inverted["stopwords"] = {**_INVERTED["stopwords"], **(inverted.get("stopwords") or {})}
    return {
        **_CLASS,
        **given,
        "vectorConfig": vectors,
        "properties": properties,
        "invertedIndexConfig": inverted,
    }


_GRAPH = {
    "distance": "cosine", "ef": -1, "efConstruction": 128, "maxConnections": 32, "skip": False,
    "cleanupIntervalSeconds": 300, "dynamicEfMin": 100, "dynamicEfMax": 500, "dynamicEfFactor": 8,
    "vectorCacheMaxObjects": 10**12, "flatSearchCutoff": 40000, "filterStrategy": "sweeping",
    "pq": {"enabled": False}, "bq": {"enabled": False}, "sq": {"enabled": False},
    "multivector": {"enabled": False},
}  # fmt: skip
_INVERTED: dict[str, Any] = {
    "bm25": {"b": 0.75, "k1": 1.2}, "cleanupIntervalSeconds": 60, "indexNullState": False,
    "indexPropertyLength": False, "indexTimestamps": False,
    "stopwords": {"preset": "en", "additions": None, "removals": None},
}  # fmt: skip
_CLASS: dict[str, Any] = {
    "multiTenancyConfig": {"enabled": False, "autoTenantCreation": False, "autoTenantActivation": False},
    "replicationConfig": {"factor": 1, "asyncEnabled": False, "deletionStrategy": "NoAutomatedResolution"},
    "shardingConfig": {
        "virtualPerPhysical": 128, "desiredCount": 1, "actualCount": 1, "desiredVirtualCount": 128,
        "actualVirtualCount": 128, "key": "_id", "strategy": "hash", "function": "murmur3",
    },
}  # fmt: skip


def _floats(data: bytes) -> tuple[float, ...]:
    return struct.unpack(f"{len(data) // 4}f", data)


def _distance(kind: str, one: tuple[float, ...], other: tuple[float, ...]) -> float:
    import numpy

    first, second = numpy.asarray(one), numpy.asarray(other)
    if kind == "l2-squared":
        return float(((first - second) ** 2).sum())
    product = float(first @ second)
    if kind == "dot":
        return -product
    return 1.0 - product / float(numpy.linalg.norm(first) * numpy.linalg.norm(second))


def _kind(value: Any) -> str:
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int | float):
        return "number"
    return "text[]" if isinstance(value, list) else "text"


def _plain(given: Any) -> dict[str, Any]:
    from google.protobuf.json_format import MessageToDict

    return MessageToDict(given)


def _result(made: Any, request: Any, id: str, one: Object, value: float, name: str) -> None:
    from weaviate.proto.v1 import base_pb2

    made.metadata.id = id
    made.metadata.id_as_bytes = uuid.UUID(id).bytes
    made.properties.target_collection = name
    fields = made.properties.non_ref_props.fields
    for property, kept in one.properties.items():
        if isinstance(kept, bool):
            fields[property].bool_value = kept
        elif isinstance(kept, int):
            fields[property].int_value = kept
        elif isinstance(kept, float):
            fields[property].number_value = kept
        elif isinstance(kept, list):
            fields[property].list_value.text_values.values.extend(kept)
        else:
            fields[property].text_value = kept
    if request.metadata.vectors or request.metadata.vector:
        data = struct.pack(f"{len(one.vector)}f", *one.vector)
        single = base_pb2.Vectors.VECTOR_TYPE_SINGLE_FP32
        made.metadata.vectors.add(name="default", vector_bytes=data, type=single)
    if request.metadata.distance and request.HasField("near_vector"):
        made.metadata.distance, made.metadata.distance_present = value, True
    if request.metadata.score and request.HasField("bm25_search"):
        made.metadata.score, made.metadata.score_present = value, True


def _service(double: WeaviateDouble) -> Any:
    import grpc
    from weaviate.proto.v1 import aggregate_pb2, batch_delete_pb2, weaviate_pb2_grpc

    class Service(weaviate_pb2_grpc.WeaviateServicer):  # type: ignore[misc]
        def _do(self, context: Any, work: Any) -> Any:
            given = dict(context.invocation_metadata())
            if double.key and given.get("authorization") != f"Bearer {double.key}":
                context.abort(grpc.StatusCode.UNAUTHENTICATED, "unauthorized: anonymous access not enabled")
            try:
                with double.lock:
                    return work()
            except Refused as error:
                context.abort(grpc.StatusCode.UNKNOWN, str(error))

        def Search(self, request: Any, context: Any) -> Any:
            return self._do(context, lambda: double.search(request))

        def BatchObjects(self, request: Any, context: Any) -> Any:
            return self._do(context, lambda: double.write(request))

        def BatchDelete(self, request: Any, context: Any) -> Any:
            number = self._do(context, lambda: double.remove(request))
            return batch_delete_pb2.BatchDeleteReply(matches=number, successful=number)

        def Aggregate(self, request: Any, context: Any) -> Any:
            number = self._do(context, lambda: double.count(request))
            single = aggregate_pb2.AggregateReply.Single(objects_count=number)
            return aggregate_pb2.AggregateReply(single_result=single)

    return Service()


@contextmanager
def serving(double: WeaviateDouble) -> Iterator[WeaviateDouble]:
    """The double on two ports of its own."""
    import grpc
    from weaviate.proto.v1 import weaviate_pb2_grpc

    rpc = grpc.server(ThreadPoolExecutor(8), options=[("grpc.max_receive_message_length", 64 * 2**20)])
    weaviate_pb2_grpc.add_WeaviateServicer_to_server(_service(double), rpc)
    double.grpc_port = rpc.add_insecure_port("127.0.0.1:0")
    rpc.start()
    try:
        with HttpServer(double.handle) as server:
            double.http_port = server.address[1]
            yield double
    finally:
        rpc.stop(0.2).wait()
