"""VikingDB's HTTP interface (V1) in memory: signatures, limits, filters and the delay of its indexes.

The vendor's library accepts it (tests/vector/http_stores/test_vector_vikingdb.py).
"""

from __future__ import annotations

import hashlib
import hmac
import random
import threading
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from vector_servers.vikingdb_rows import Collection, Fields, Index, Refused, named

from doubles.server import Request, Response, json_response

ACCESS_KEY, SECRET_KEY, REGION = "AKTESTS", "of-tests-no-secret", "cn-shanghai"
_RANGES = {
    "gt": lambda value, edge: value > edge,
    "gte": lambda value, edge: value >= edge,
    "lt": lambda value, edge: value < edge,
    "lte": lambda value, edge: value <= edge,
}


@dataclass
class VikingDbDouble:
    """delay: seconds until indexes see what was written. slow: how often a new index, or one that is being
    removed, is asked about until it is done. busy: answers left that say the quota is used up.
    """

    port: int = 0
    delay: float = 0.0
    slow: int = 0
    busy: int = 0
    most: int = 5000
    collections: dict[str, Collection] = field(default_factory=dict)
    requests: list[tuple[str, Any]] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def handle(self, request: Request) -> Response:
        status = 200
        try:
            _check_signature(request)
            asked = {**request.query, **(request.json() or {})}
            data = self.answer(request.method, request.path, asked)
            found = {"code": 0, "message": "success", "data": data}
        except Refused as error:
            status, found = error.status, {"code": error.code, "message": str(error)}
        except (KeyError, TypeError, ValueError) as error:
            status, found = 400, {"code": 1000003, "message": f"invalid request: {error!r}"}
        return json_response(status, {**found, "request_id": "02176"})

    def answer(self, method: str, path: str, asked: Fields) -> Any:
        with self.lock:
            self.requests.append((path, asked))
            if self.busy:
                self.busy -= 1
                raise Refused(1000029, "quota limit: the request is too often", 429)
            kind, action = _ROUTES.get((method, path), ("", ""))
            if kind == "":
                raise Refused(1000024, f"api not implemented: {method} {path}", 404)
            if kind == "none":
                return getattr(self, action)(asked)
            name = asked["collection_name"]
            if name not in self.collections:
                raise Refused(1000005, f"collection not exist: {name}")
            collection = self.collections[name]
            if kind == "collection":
                return getattr(self, action)(collection, asked)
            return getattr(self, action)(collection, self._index(collection, asked["index_name"]), asked)

    def _index(self, collection: Collection, name: str) -> Index:
        index = collection.indexes.get(name)
        if index is not None and index.dropping >= 0:
            index = None
        if index is None:
            raise Refused(1000008, f"index not exist: {name}")
        return index

    # ── collections and indexes

    def ping(self, asked: Fields) -> Any:
        return {}

    def create(self, asked: Fields) -> Any:
        made = Collection.made(asked, self.delay)
        if made.name in self.collections:
            raise Refused(1000004, f"collection exist: {made.name}")
        self.collections[made.name] = made

    def listed(self, asked: Fields) -> Any:
        return [one.told() for one in self.collections.values()]

    def info(self, collection: Collection, asked: Fields) -> Any:
        return collection.told()

    def drop(self, collection: Collection, asked: Fields) -> Any:
        for name, index in [*collection.indexes.items()]:
            if index.dropping == 0:
                del collection.indexes[name]
            elif index.dropping > 0:
                index.dropping -= 1
        if collection.indexes:
            raise Refused(1000006, "operation not allowed: the collection has indexes")
        del self.collections[collection.name]

    def create_index(self, collection: Collection, asked: Fields) -> Any:
        name = named(asked["index_name"])
        if name in collection.indexes:
            raise Refused(1000007, f"index exist: {name}")
        scalars = [
            one for one, kind in collection.fields.items() if kind["field_type"] not in {"vector", "text"}
        ]
        wanted = asked.get("scalar_index")
        if wanted is not None and set(wanted) - set(scalars):
            raise Refused(1000003, f"invalid request: scalar_index {wanted}")
        if asked["vector_index"]["distance"] not in {"l2", "ip", "cosine"}:
            raise Refused(1000003, "invalid request: distance")
        settings = {**asked, "scalar_index": scalars if wanted is None else wanted}
        collection.indexes[name] = Index(settings, building=self.slow)

    def index_info(self, collection: Collection, index: Index, asked: Fields) -> Any:
        status = "INIT" if index.building else "READY"
        index.building = max(0, index.building - 1)
        by = index.settings.get("partition_by") or ""
        parts = sorted({str(row[by]) for row in collection.seen().values()}) if by else []
        told = {**index.settings, "status": status, "enum_index": index.scalars, "range_index": []}
        return {**told, **({"partitions": parts} if by else {})}

    def drop_index(self, collection: Collection, index: Index, asked: Fields) -> Any:
        index.dropping = self.slow

    # ── rows

    def upsert(self, collection: Collection, asked: Fields) -> Any:
        collection.upsert(asked["fields"])

    def fetch(self, collection: Collection, asked: Fields) -> Any:
        keys = asked["primary_keys"]
        keys = keys if isinstance(keys, list) else [keys]
        if len(keys) > 100:
            raise Refused(1000003, "invalid request: primary_keys length should be no more than 100")
        absent = {"message": "data does not exist"}
        return [collection.rows.get(key) or {collection.key: key, **absent} for key in keys]

    def delete(self, collection: Collection, asked: Fields) -> Any:
        keys = asked["primary_keys"]
        collection.delete(keys if isinstance(keys, list) else [keys])

    # ── search

    def search(self, collection: Collection, index: Index, asked: Fields) -> Any:
        search = asked["search"]
        limit = search.get("limit", 10)
        if not 1 <= limit <= self.most:
            raise Refused(1000003, f"invalid request: limit should be in [1, {self.most}]")
        found = self._chosen(collection, index, search)
        unwanted = set(search.get("primary_key_not_in") or ())
        found = [row for row in found if row[collection.key] not in unwanted]
        scores = [1.0] * len(found)
        if "order_by_vector" in search:
            found, scores = self._nearest(collection, index, found, search["order_by_vector"]["vectors"][0])
        elif "order_by_scalar" in search:
            order = search["order_by_scalar"]
            name = order["field_name"]
            if name not in index.scalars or collection.fields[name]["field_type"] not in {"int64", "float32"}:
                raise Refused(1000019, f"invalid scalar cond: {name} has no range index")
            found.sort(key=lambda row: row[name], reverse=order["order"] == "desc")
        else:
            random.Random(len(self.requests)).shuffle(found)  # any order will do
        told = [
            {collection.key: row[collection.key], "fields": _told(collection, index, row, search)}
            for row in found[:limit]
        ]
        return [[{**one, "score": score} for one, score in zip(told, scores[:limit], strict=True)]]

    def count(self, collection: Collection, index: Index, asked: Fields) -> Any:
        if asked["agg"].get("op") != "count" or not index.scalars:
            raise Refused(1000003, "invalid request: count needs a scalar index")
        found = self._chosen(collection, index, asked.get("search") or {})
        return {"agg_op": "count", "group_by_field": "NONE", "agg_result": {"_total": len(found)}}

    def _chosen(self, collection: Collection, index: Index, search: Fields) -> list[Fields]:
        if index.building:
            raise Refused(1000023, "index not ready")
        by, part = index.settings.get("partition_by") or "", search.get("partition", "default")
        rows = [*collection.seen().values()]
        if by:
            rows = [row for row in rows if str(row[by]) == part]
        elif part != "default":
            raise Refused(1000018, f"invalid partition: {part}")
        filter = search.get("filter")
        return [row for row in rows if filter is None or _fits(filter, row, index.scalars)]

    def _nearest(
        self, collection: Collection, index: Index, rows: list[Fields], query: list[float]
    ) -> tuple[list[Fields], list[float]]:
        import numpy

        (name,) = (one for one, kind in collection.fields.items() if kind["field_type"] == "vector")
        if len(query) != collection.fields[name]["dim"]:
            raise Refused(1000016, "invalid query vec: the dim is another")
        if not rows:
            return [], []
        matrix, point = numpy.asarray([row[name] for row in rows]), numpy.asarray(query)
        distance = index.settings["vector_index"]["distance"]
        near = -numpy.linalg.norm(matrix - point, axis=1) if distance == "l2" else matrix @ point
        if distance == "cosine":
            near = near / (numpy.linalg.norm(matrix, axis=1) * numpy.linalg.norm(point))
        order = numpy.argsort(-near, kind="stable")
        return [rows[at] for at in order], [float(near[at]) for at in order]


_ROUTES = {
    ("GET", "/api/viking_db/data/ping"): ("none", "ping"),
    ("POST", "/api/collection/create"): ("none", "create"),
    ("GET", "/api/collection/list"): ("none", "listed"),
    ("GET", "/api/collection/info"): ("collection", "info"),
    ("POST", "/api/collection/drop"): ("collection", "drop"),
    ("POST", "/api/collection/upsert_data"): ("collection", "upsert"),
    ("GET", "/api/collection/fetch_data"): ("collection", "fetch"),
    ("POST", "/api/collection/del_data"): ("collection", "delete"),
    ("POST", "/api/index/create"): ("collection", "create_index"),
    ("GET", "/api/index/info"): ("index", "index_info"),
    ("POST", "/api/index/drop"): ("index", "drop_index"),
    ("POST", "/api/index/search"): ("index", "search"),
    ("POST", "/api/index/search/agg"): ("index", "count"),
}


def _fits(filter: Fields, row: Fields, scalars: list[str]) -> bool:
    """Whether a row fits: must and must_not (of a list: one of its elements), range, range_out, and, or."""
    operator = filter["op"]
    if operator in {"and", "or"}:
        parts = [_fits(one, row, scalars) for one in filter["conds"]]
        if not parts:
            raise Refused(1000019, "invalid scalar cond: no conds")
        return all(parts) if operator == "and" else any(parts)
    name = filter["field"]
    if name not in scalars:
        raise Refused(1000019, f"invalid scalar cond: {name} has no scalar index")
    value = row[name]
    if operator in {"must", "must_not"}:
        values = value if isinstance(value, list) else [value]
        return any(one in filter["conds"] for one in values) == (operator == "must")
    edges = {edge: filter[edge] for edge in _RANGES if edge in filter}
    if operator not in {"range", "range_out"} or not edges or isinstance(value, str | bool | list):
        raise Refused(1000019, f"invalid scalar cond: {operator} {name}")
    if operator == "range":
        return all(_RANGES[edge](value, limit) for edge, limit in edges.items())
    return any(_RANGES[edge](value, limit) for edge, limit in edges.items())


def _told(collection: Collection, index: Index, row: Fields, search: Fields) -> Fields:
    """The fields of a hit: all but vectors, or those asked for; vectors of cosine indexes have length 1."""
    wanted = search.get("output_fields")
    if wanted is None:
        return {name: row[name] for name in row if collection.fields[name]["field_type"] != "vector"}
    unknown = set(wanted) - set(row)
    if unknown:
        raise Refused(1000003, f"invalid request: output_fields {sorted(unknown)}")
    told = {name: row[name] for name in wanted}
    for name, value in told.items():
        is_vector = collection.fields[name]["field_type"] == "vector"
        if is_vector and index.settings["vector_index"]["distance"] == "cosine":
            length = sum(one * one for one in value) ** 0.5
            told[name] = [one / length for one in value]
    return told


def signature(method: str, target: str, headers: Any, body: bytes, secret: str) -> str:
    """The signature that a request should have, by the names and the scope that it says."""
    said = dict(part.strip().split("=", 1) for part in headers["authorization"].split(" ", 1)[1].split(","))
    scope = said["Credential"].split("/", 1)[1]
    names = said["SignedHeaders"].split(";")
    parts = urlsplit(target)
    canonical = "\n".join([
        method, parts.path, parts.query, *(f"{name}:{headers[name]}" for name in names), "",
        said["SignedHeaders"], hashlib.sha256(body).hexdigest(),
    ])  # fmt: skip
    key = secret.encode()
    for part in scope.split("/"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    text = f"HMAC-SHA256\n{headers['x-date']}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()


def _check_signature(request: Request) -> None:
    given = request.header("authorization")
    day = request.header("x-date")[:8]
    begin = f"HMAC-SHA256 Credential={ACCESS_KEY}/{day}/{REGION}/air/request, SignedHeaders="
    hashed = hashlib.sha256(request.body).hexdigest()
    if not given.startswith(begin) or request.header("x-content-sha256") != hashed:
        raise Refused(1000001, "unauthorized", 401)
    names = given.split("SignedHeaders=")[1].split(",")[0].split(";")
    wanted = signature(request.method, request.target, request.headers, request.body, SECRET_KEY)
    if {"host", "x-date", "x-content-sha256"} - set(names) or not given.endswith(f"Signature={wanted}"):
        raise Refused(1000001, "unauthorized: the signature is wrong", 401)


def variables(port: int) -> dict[str, str]:
    return {
        "VECTOR_STORE": "vikingdb",
        "VIKINGDB_ACCESS_KEY": ACCESS_KEY,
        "VIKINGDB_SECRET_KEY": SECRET_KEY,
        "VIKINGDB_REGION": REGION,
        "VIKINGDB_HOST": f"127.0.0.1:{port}",
        "VIKINGDB_SCHEME": "http",
    }
