"""Baidu Cloud VectorDB, Mochow (`baidu`), over its HTTP interface."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any, ClassVar, Self

from pydantic import Field, SecretStr

from cloudberth.errors import (
    BackendError,
    InvalidInput,
    Kind,
    Mismatch,
    NotFound,
    PermissionDenied,
    PreconditionFailed,
    TimedOut,
    Unavailable,
)
from cloudberth.vector._rest import Rest
from cloudberth.vector.comparing import nearest
from cloudberth.vector.contract import (
    DOC_ID,
    Capabilities,
    Collection,
    DenseQuery,
    Effort,
    FullText,
    Health,
    Hit,
    Index,
    Metric,
    Page,
    Record,
    TextQuery,
)
from cloudberth.vector.filters import And, Compare, Filter, Operator, Or, matches
from cloudberth.vector.opening import OpenableVectorBackend
from cloudberth.vector.options import Options
from cloudberth.vector.settings import VectorSettings, revealed

_METRICS = {Metric.COSINE: "COSINE", Metric.L2: "L2", Metric.INNER: "IP"}
_VECTOR_INDEX, _TEXT_INDEX = "vector_idx", "content_inverted_idx"
_WHOLE = ["id", "page_content", "metadata"]
_NAME = re.compile(r"[a-z_][a-z0-9_]{0,119}")
_PREFIX = "berth_"
_MOST = 1000
# Texts that can stand in a filter as they are: the vendor does not say how quotes are written in one.
_PLAIN = re.compile(r"[^'\"\\\x00-\x1f]{1,256}")
_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")
_WAIT = 0.2
_STRONGLY = {"readConsistency": "STRONG"}
# The vendor's ServerErrCode.
_ABSENT, _THERE, _DENIED, _LATER = {50, 69, 90}, {51, 70}, {20, 24, 25}, {1, 71, 72, 94}


class BaiduSettings(VectorSettings):
    """Dify's variables. In a location: host and port, the path is the database, TLS by ``?tls=true``."""

    parts: ClassVar[Mapping[str, str]] = {
        "host": "host", "port": "port", "user": "account", "path": "database"
    }  # fmt: skip
    endpoint: str = Field("", alias="BAIDU_VECTOR_DB_ENDPOINT")
    connection_timeout_ms: int = Field(30_000, alias="BAIDU_VECTOR_DB_CONNECTION_TIMEOUT_MS", ge=1)
    account: str = Field("", alias="BAIDU_VECTOR_DB_ACCOUNT")
    api_key: SecretStr | None = Field(None, alias="BAIDU_VECTOR_DB_API_KEY")
    database: str = Field("", alias="BAIDU_VECTOR_DB_DATABASE")
    shard: int = Field(1, alias="BAIDU_VECTOR_DB_SHARD", ge=1)
    replicas: int = Field(3, alias="BAIDU_VECTOR_DB_REPLICAS", ge=0)
    analyzer: str = Field("DEFAULT_ANALYZER", alias="BAIDU_VECTOR_DB_INVERTED_INDEX_ANALYZER")
    parser_mode: str = Field("COARSE_MODE", alias="BAIDU_VECTOR_DB_INVERTED_INDEX_PARSER_MODE")
    increment: int = Field(500, alias="BAIDU_VECTOR_DB_AUTO_BUILD_ROW_COUNT_INCREMENT")
    increment_ratio: float = Field(0.05, alias="BAIDU_VECTOR_DB_AUTO_BUILD_ROW_COUNT_INCREMENT_RATIO")
    rebuild_timeout: int = Field(300, alias="BAIDU_VECTOR_DB_REBUILD_INDEX_TIMEOUT_IN_SECONDS", ge=1)
    ca_file: str = Field("", alias="BAIDU_VECTOR_DB_CA_FILE")
    host: str = ""
    port: int = Field(5287, ge=1, le=65535)
    tls: bool = False

    @property
    def address(self) -> str:
        if self.host:
            return f"{'https' if self.tls else 'http'}://{self.host}:{self.port}"
        return self.endpoint


class Baidu(OpenableVectorBackend):
    """Mochow over HTTP, without its library. Reads are strongly consistent.

    Layout exactly Dify's: ``id`` (doc_id), ``page_content``, ``metadata`` as JSON, ``vector``, and its three
    indexes. Dify's tables measure inner products, ours what they are told, cosine by default; the note is the
    table's description. Words are found by the engine (BM25, Dify's analyser; ours without regard to
    capitals). Filters: what compares texts that need no quoting goes to the engine, and all is compared here
    once more, at the cost of one pass over the metadata where the engine cannot tell (`doc_id` and
    `document_id` alone need none). Counting walks over the ids. Scores are computed here from the vectors of
    the hits, because the vendor does not say how its own are made; exact searches are compared here.

    Tested against a double that the vendor's library (2.4) accepts. Not proved: the service.
    """

    id: ClassVar[str] = "baidu"
    settings: ClassVar[type[VectorSettings]] = BaiduSettings
    capabilities = Capabilities(
        metrics=frozenset(Metric), full_text=FullText.CJK, lower=True, batch=500, dimensions=4096, exact=False
    )

    def __init__(self, rest: Rest, settings: BaiduSettings) -> None:
        self.rest = rest
        self.place = f"baidu://{rest.origin.host}:{rest.origin.port}/{settings.database}"
        self._settings = settings

    @classmethod
    def open(cls, settings: VectorSettings, options: Options) -> Self:
        assert isinstance(settings, BaiduSettings)  # noqa: S101 — the registry pairs them
        key = revealed(settings.api_key)
        given = {
            "BAIDU_VECTOR_DB_ENDPOINT": settings.address,
            "BAIDU_VECTOR_DB_ACCOUNT": settings.account,
            "BAIDU_VECTOR_DB_API_KEY": key,
            "BAIDU_VECTOR_DB_DATABASE": settings.database,
        }
        absent = [name for name, value in given.items() if not value]
        if absent:
            raise InvalidInput(f"not set: {', '.join(absent)}", where=absent[0])
        if not key.isascii() or not key.isprintable():
            raise InvalidInput("a key has printable ASCII characters only", where="BAIDU_VECTOR_DB_API_KEY")
        headers = {"authorization": f"Bearer account={settings.account}&api_key={key}"}
        waiting = replace(options, timeout=min(options.timeout, settings.connection_timeout_ms / 1000))
        rest = Rest(settings.address, waiting, headers=headers, ca_file=settings.ca_file, meaning=meaning)
        return cls(rest, settings)

    # ── collections

    def create(self, collection: Collection) -> None:
        with suppress(PreconditionFailed):
            self._call("database", "create")
        body = {
            "replication": self._settings.replicas,
            "partition": {"partitionType": "HASH", "partitionNum": self._settings.shard},
            "schema": {"fields": _fields(collection.dimension), "indexes": self._indexes(collection)},
            "enableDynamicField": False,
            "description": collection.note(),
        }
        self._call("table", "create", collection.name, **body)
        self._wait(collection.name, "table", {})
        # Dify does so too: only an index that was built once takes searches.
        index = {"indexName": _VECTOR_INDEX}
        self._call("index", "rebuild", collection.name, **index)
        self._wait(collection.name, "index", index)

    def _indexes(self, collection: Collection) -> list[dict[str, Any]]:
        index, settings = collection.index, self._settings
        vector: dict[str, Any] = {
            "indexName": _VECTOR_INDEX,
            "indexType": "FLAT" if index.kind == "exact" else "HNSW",
            "field": "vector",
            "metricType": _METRICS[collection.metric],
            "autoBuild": True,
            "autoBuildPolicy": {
                "policyType": "ROW_COUNT_INCREMENT",
                "rowCountIncrement": settings.increment,
                "rowCountIncrementRatio": settings.increment_ratio,
            },
        }
        if index.kind != "exact":
            vector["params"] = {"M": index.links, "efConstruction": index.construction}
        filtering = {
            "indexName": "filtering_idx", "indexType": "FILTERING", "fields": [{"field": "metadata"}]
        }  # fmt: skip
        words = {
            "indexName": _TEXT_INDEX,
            "indexType": "INVERTED",
            "fields": ["page_content"],
            "params": {
                "analyzer": settings.analyzer,
                "parseMode": settings.parser_mode,
                "analyzerCaseSensitive": False,
            },
            "fieldsIndexAttributes": ["ATTRIBUTE_ANALYZED"],
        }
        return [vector, filtering, words]

    def _wait(self, name: str, what: str, asked: Mapping[str, Any]) -> None:
        """Until a table, or its index, is in use."""
        ends = time.monotonic() + self._settings.rebuild_timeout
        while self._call(what, "desc", name, **asked)[what].get("state") != "NORMAL":
            if time.monotonic() > ends:
                raise TimedOut(f"the {what} is not ready after {self._settings.rebuild_timeout} s")
            time.sleep(_WAIT)

    def describe(self, name: str) -> Collection:
        found = self._call("table", "desc", name)["table"]
        schema = found.get("schema") or {}
        field = _named(schema.get("fields"), "fieldName", "vector")
        index = _named(schema.get("indexes"), "indexName", _VECTOR_INDEX)
        if field is None or index is None:
            raise NotFound(f"there is no collection {name}: the table of that name has no vectors")
        metric = next(
            (one for one, word in _METRICS.items() if word == index.get("metricType")), Metric.INNER
        )
        made = Collection(name, int(field["dimension"]), metric, index=Index())
        return made.noted(str(found.get("description") or ""))

    def collections(self) -> tuple[str, ...]:
        try:
            tables = self._call("table", "list").get("tables") or ()
        except NotFound:  # the database is made with the first collection
            return ()
        names = [_shown(str(name)) for name in tables]
        return tuple(sorted(name for name in names if _NAME.fullmatch(name) and self._is_ours(name)))

    def _is_ours(self, name: str) -> bool:
        try:
            self.describe(name)
        except NotFound:
            return False
        return True

    def drop(self, name: str) -> None:
        query = (("database", self._settings.database), ("table", _stored(name)))
        self.rest.call("DELETE", "/v1/table", query=query)
        # It is removed in the background; a new one of its name would be refused until then.
        ends = time.monotonic() + self._settings.rebuild_timeout
        with suppress(NotFound):
            while self._call("table", "desc", name):
                if time.monotonic() > ends:
                    raise TimedOut(f"the table is not gone after {self._settings.rebuild_timeout} s")
                time.sleep(_WAIT)

    # ── records

    def upsert(self, collection: Collection, records: Sequence[Record]) -> None:
        self._call("row", "upsert", collection.name, rows=[_row(record) for record in records])

    def get(self, collection: Collection, ids: Sequence[str], *, vectors: bool) -> list[Record]:
        return [_record(one) for one in self._rows(collection.name, ids, _WHOLE, vectors=vectors)]

    def _rows(
        self, name: str, ids: Sequence[str], fields: list[str], *, vectors: bool
    ) -> list[Mapping[str, Any]]:
        if not ids:
            return []
        asked = {
            "keys": [{"primaryKey": {"id": id}} for id in ids],
            "projections": [*fields, "vector"] if vectors else fields,
            "retrieveVector": vectors,
        }
        found = self._call("row", "batchQuery", name, **asked, **_STRONGLY)
        return [one for one in found.get("rows") or () if one and one.get("id") is not None]

    def delete(self, collection: Collection, ids: Sequence[str]) -> int:
        there = [str(one["id"]) for one in self._rows(collection.name, ids, ["id"], vectors=False)]
        plain = [id for id in there if _PLAIN.fullmatch(id)]
        if plain:
            self._call("row", "delete", collection.name, filter=f"id IN ({_quoted(plain)})")
        for id in there:
            if not _PLAIN.fullmatch(id):
                self._call("row", "delete", collection.name, primaryKey={"id": id})
        return len(there)

    def delete_where(self, collection: Collection, filter: Filter) -> int:
        ids = list(self._matching(collection.name, filter))
        return sum(self.delete(collection, ids[start : start + 500]) for start in range(0, len(ids), 500))

    def count(self, collection: Collection, filter: Filter | None) -> int:
        return sum(1 for _ in self._matching(collection.name, filter))

    def scan(
        self, collection: Collection, *, filter: Filter | None, after: str | None, limit: int, vectors: bool
    ) -> Page:
        """A page may hold fewer than there are: those of its stretch that a filter matches."""
        condition, _ = _condition(filter)
        fields = [*_WHOLE, "vector"] if vectors else _WHOLE
        marker = json.loads(after) if after else None
        page, following = self._select(collection.name, condition, fields, marker, min(limit, _MOST))
        records = (_record(one) for one in page)
        kept = tuple(one for one in records if matches(filter, one.metadata))
        return Page(kept, None if following is None else json.dumps(following))

    def _matching(self, name: str, filter: Filter | None) -> Iterator[str]:
        """Ids of all records that a filter matches."""
        condition, is_all = _condition(filter)
        fields = ["id"] if is_all else ["id", "metadata"]
        marker: Any = None
        while True:
            page, marker = self._select(name, condition, fields, marker, _MOST)
            for one in page:
                if is_all or matches(filter, _metadata(one)):
                    yield str(one["id"])
            if marker is None:
                return

    def _select(
        self, name: str, condition: str | None, fields: list[str], marker: Any, limit: int
    ) -> tuple[list[Mapping[str, Any]], Any]:
        asked: dict[str, Any] = {"projections": fields, "limit": limit}
        if condition:
            asked["filter"] = condition
        if marker is not None:
            asked["marker"] = marker
        found = self._call("row", "select", name, **asked, **_STRONGLY)
        return list(found.get("rows") or ()), found.get("nextMarker") if found.get("isTruncated") else None

    # ── search

    def search_dense(self, collection: Collection, query: DenseQuery) -> list[Hit]:
        condition, is_all = _condition(query.filter)
        k = query.k if is_all and query.effort is Effort.NORMAL else max(400, 4 * query.k)
        looked_at = max(collection.index.search, k)
        anns: dict[str, Any] = {
            "vectorField": "vector",
            "vectorFloats": query.vector.tolist(),
            "params": {"ef": looked_at, "limit": k},
        }
        if condition:
            anns["filter"] = condition
        found = self._call(
            "row", "search", collection.name, anns=anns, projections=[*_WHOLE, "vector"], **_STRONGLY
        )
        records = (_record(one["row"]) for one in found.get("rows") or ())
        kept = (one for one in records if matches(query.filter, one.metadata))
        return nearest(kept, collection.metric, query.vector, query.k)

    def search_text(self, collection: Collection, query: TextQuery) -> list[Hit]:
        condition, is_all = _condition(query.filter)
        asked: dict[str, Any] = {
            "BM25SearchParams": {"indexName": _TEXT_INDEX, "searchText": query.text},
            "limit": query.k if is_all else max(1000, 4 * query.k),
            "projections": _WHOLE,
        }
        if condition:
            asked["filter"] = condition
        found = self._call("row", "search", collection.name, **asked, **_STRONGLY)
        hits = [Hit(_record(one["row"]), float(one.get("score") or 0.0)) for one in found.get("rows") or ()]
        kept = [hit for hit in hits if matches(query.filter, hit.record.metadata)]
        return sorted(kept, key=lambda hit: -hit.raw)[: query.k]

    def end_bulk(self, collection: Collection) -> None:
        index = {"indexName": _VECTOR_INDEX}
        self._call("index", "rebuild", collection.name, **index)
        self._wait(collection.name, "index", index)

    def health(self) -> Health:
        found = self.rest.call("POST", "/v1/database", {}, query=(("list", ""),)) or {}
        return Health("HTTP v1", {"databases": str(len(found.get("databases") or ()))})

    def close(self) -> None:
        self.rest.close()

    def _call(self, what: str, action: str, name: str = "", **body: Any) -> Any:
        place = {"database": self._settings.database, **({"table": _stored(name)} if name else {})}
        return self.rest.call("POST", f"/v1/{what}", {**place, **body}, query=((action, ""),)) or {}


def meaning(status: int, body: Any) -> BackendError | None:
    """What an answer means: by the vendor's numbers."""
    if not isinstance(body, Mapping) or not isinstance(body.get("code"), int) or not body["code"]:
        return None
    code, said = body["code"], " ".join(str(body.get("msg") or "").split())[:300]
    error: BackendError
    if code in _ABSENT:
        error = NotFound(said)
    elif code in _THERE:
        error = PreconditionFailed(said)
    elif code in _DENIED or status in {401, 403}:
        error = PermissionDenied(said, hint="check BAIDU_VECTOR_DB_ACCOUNT and BAIDU_VECTOR_DB_API_KEY")
    elif code == 3:
        error = TimedOut(said)
    elif code in _LATER:
        error = Unavailable(said)
    elif "dimension" in said.lower():
        error = Mismatch(said)
    else:
        error = BackendError(said, kind=Kind.INVALID)
    error.code = str(code)
    return error


def _fields(dimension: int) -> list[dict[str, Any]]:
    return [
        {"fieldName": "id", "fieldType": "STRING", "notNull": True, "primaryKey": True, "partitionKey": True},
        {"fieldName": "page_content", "fieldType": "TEXT", "notNull": False},
        {"fieldName": "metadata", "fieldType": "JSON", "notNull": False},
        {"fieldName": "vector", "fieldType": "FLOAT_VECTOR", "notNull": True, "dimension": dimension},
    ]


def _named(found: Any, key: str, name: str) -> Mapping[str, Any] | None:
    return next((one for one in found or () if one.get(key) == name), None)


def _row(record: Record) -> dict[str, Any]:
    assert record.vector is not None  # noqa: S101 — the facade sees to it
    return {
        "id": record.id,
        "page_content": record.text,
        "metadata": dict(record.metadata),
        "vector": record.vector.tolist(),
    }


def _metadata(found: Mapping[str, Any]) -> dict[str, Any]:
    given = found.get("metadata") or {}
    # Some versions answer with the JSON as text.
    return dict(json.loads(given)) if isinstance(given, str) else dict(given)


def _record(found: Mapping[str, Any]) -> Record:
    given = found.get("vector")
    vector = None
    if given:
        import numpy

        vector = numpy.asarray(given, dtype=numpy.float32)
    return Record(str(found["id"]), vector, str(found.get("page_content") or ""), _metadata(found))


def _condition(filter: Filter | None) -> tuple[str | None, bool]:
    """A condition that holds wherever a filter does, and whether it says exactly the same."""
    match filter:
        case None:
            return None, True
        case And(parts):
            each = [_condition(part) for part in parts]
            texts = [text for text, _ in each if text]
            whole = all(is_all for _, is_all in each)
            return (f"({' AND '.join(texts)})" if texts else None), whole
        case Or(parts) if parts:
            each = [_condition(part) for part in parts]
            texts = [text for text, _ in each if text]
            if len(texts) < len(each):
                return None, False
            return f"({' OR '.join(texts)})", all(is_all for _, is_all in each)
        case Compare(field, Operator.EQ | Operator.IN, _) if filter.values and _KEY.fullmatch(field):
            texts = [value for value in filter.values if isinstance(value, str) and _PLAIN.fullmatch(value)]
            if len(texts) == len(filter.values):
                return f'metadata["{field}"] IN ({_quoted(texts)})', field in {DOC_ID, "document_id"}
    return None, False


def _quoted(texts: Sequence[str]) -> str:
    return ", ".join(f"'{text}'" for text in texts)


def _stored(name: str) -> str:
    """Names begin with a letter there."""
    return f"{_PREFIX}{name}" if name.startswith(("_", _PREFIX)) else name


def _shown(name: str) -> str:
    return name.removeprefix(_PREFIX)
