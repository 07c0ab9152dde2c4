"""Tencent Cloud VectorDB (`tencent`), over its HTTP interface."""

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
    Throttled,
    Unavailable,
)
from cloudberth.vector import _digested_facts as digested
from cloudberth.vector._comparing_metadata import comparisons
from cloudberth.vector._rest import Rest
from cloudberth.vector._snapshots import Snapshots
from cloudberth.vector.comparing import nearest
from cloudberth.vector.contract import (
    DOC_ID,
    Capabilities,
    Collection,
    DenseQuery,
    Effort,
    Health,
    Hit,
    Index,
    Metric,
    Page,
    Record,
)
from cloudberth.vector.filters import And, Compare, Filter, Operator, Or, matches
from cloudberth.vector.opening import OpenableVectorBackend
from cloudberth.vector.options import Options
from cloudberth.vector.settings import VectorSettings, revealed

_METRICS = {Metric.COSINE: "COSINE", Metric.L2: "L2", Metric.INNER: "IP"}
_FACTS, _REST = "cloudberth", "cloudberth_rest"
_SYNTAX = digested.Syntax(f"{_FACTS} include ({{}})", f"{_FACTS} exclude ({{}})")
_NAME = re.compile(r"[a-z_][a-z0-9_]{0,119}")
_PREFIX = "berth_"
# A request names at most so many documents by their ids, and answers with at most so many.
_IDS = 20
_MOST = 16_384
_REMEMBERED = 60.0
_NO_COLLECTION, _NO_DATABASE = 15302, 15301
_EXISTS = frozenset({15201, 15202})
_TEXT = re.compile(r'[^"\\\x00-\x1f]*')


class TencentSettings(VectorSettings):
    """Dify's variables. In a location: host and port, the path is the database, TLS by ``?tls=true``.

    enable_hybrid_search: accepted as Dify's; there are no searches by words here.
    """

    parts: ClassVar[Mapping[str, str]] = {
        "host": "host", "port": "port", "user": "username", "path": "database"
    }  # fmt: skip
    url: str = Field("", alias="TENCENT_VECTOR_DB_URL")
    api_key: SecretStr | None = Field(None, alias="TENCENT_VECTOR_DB_API_KEY")
    timeout: int = Field(30, alias="TENCENT_VECTOR_DB_TIMEOUT", ge=1)
    username: str = Field("", alias="TENCENT_VECTOR_DB_USERNAME")
    password: SecretStr | None = Field(None, alias="TENCENT_VECTOR_DB_PASSWORD")
    shard: int = Field(1, alias="TENCENT_VECTOR_DB_SHARD", ge=1)
    replicas: int = Field(2, alias="TENCENT_VECTOR_DB_REPLICAS", ge=0)
    database: str = Field("", alias="TENCENT_VECTOR_DB_DATABASE")
    enable_hybrid_search: bool = Field(False, alias="TENCENT_VECTOR_DB_ENABLE_HYBRID_SEARCH")
    ca_file: str = Field("", alias="TENCENT_VECTOR_DB_CA_FILE")
    host: str = ""
    port: int = Field(80, ge=1, le=65535)
    tls: bool = False

    @property
    def address(self) -> str:
        if self.host:
            return f"{'https' if self.tls else 'http'}://{self.host}:{self.port}"
        return self.url


class Tencent(OpenableVectorBackend):
    """Tencent Cloud VectorDB over HTTP, without its library. Reads are strongly consistent.

    Layout as Dify's: ``id`` (doc_id), ``vector`` (HNSW), ``text``, ``metadata`` as JSON. Dify's collections
    measure inner products; ours what they are told, cosine by default. Beyond it an array `cloudberth` of
    digests that filters look into, and `cloudberth_rest` with what JSON fields may not keep as it is. Order
    is compared here; of what Dify wrote the engine filters `doc_id` and `document_id`, the rest is compared
    here, at the cost of one pass over the metadata. Euclidean distances are computed here from the vectors
    of the hits. No searches by words: Dify's needs a dictionary and a sparse index that it alone fills.
    Exact searches are compared here.

    Tested against a double that the vendor's library (2.1, HTTP) accepts. Not proved: the service.
    """

    id: ClassVar[str] = "tencent"
    settings: ClassVar[type[VectorSettings]] = TencentSettings
    capabilities = Capabilities(
        metrics=frozenset(Metric), lower=True, batch=500, dimensions=4096, exact=False
    )

    def __init__(self, rest: Rest, settings: TencentSettings) -> None:
        self.rest = rest
        self.place = f"tencent://{rest.origin.host}:{rest.origin.port}/{settings.database}"
        self._database = settings.database
        self._copies = {"shardNum": settings.shard, "replicaNum": settings.replicas}
        self._snapshots = Snapshots()
        self._ours: dict[str, float] = {}

    @classmethod
    def open(cls, settings: VectorSettings, options: Options) -> Self:
        assert isinstance(settings, TencentSettings)  # noqa: S101 — the registry pairs them
        key = revealed(settings.api_key) or revealed(settings.password)
        given = {
            "TENCENT_VECTOR_DB_URL": settings.address,
            "TENCENT_VECTOR_DB_USERNAME": settings.username,
            "TENCENT_VECTOR_DB_API_KEY": key,
            "TENCENT_VECTOR_DB_DATABASE": settings.database,
        }
        absent = [name for name, value in given.items() if not value]
        if absent:
            raise InvalidInput(f"not set: {', '.join(absent)}", where=absent[0])
        if not key.isascii() or not key.isprintable():
            raise InvalidInput("a key has printable ASCII characters only", where="TENCENT_VECTOR_DB_API_KEY")
        headers = {
            "authorization": f"Bearer account={settings.username}&api_key={key}",
            "backend-service": "vdb",
        }
        waiting = replace(options, timeout=min(options.timeout, settings.timeout))
        rest = Rest(settings.address, waiting, headers=headers, ca_file=settings.ca_file, meaning=meaning)
        return cls(rest, settings)

    # ── collections

    def create(self, collection: Collection) -> None:
        with suppress(PreconditionFailed):
            self._call("/database/create")
        index = collection.index
        vector: dict[str, Any] = {
            "fieldName": "vector",
            "fieldType": "vector",
            "indexType": "FLAT" if index.kind == "exact" else "HNSW",
            "dimension": collection.dimension,
            "metricType": _METRICS[collection.metric],
        }
        if index.kind != "exact":
            vector["params"] = {"M": index.links, "efConstruction": index.construction}
        kinds = (("id", "string", "primaryKey"), ("text", "string", "filter"),
                 ("metadata", "json", "filter"), (_FACTS, "array", "filter"))  # fmt: skip
        fields = [{"fieldName": name, "fieldType": kind, "indexType": use} for name, kind, use in kinds]
        body = {**self._copies, "description": collection.note(), "indexes": [fields[0], vector, *fields[1:]]}
        self._call("/collection/create", collection.name, **body)

    def describe(self, name: str) -> Collection:
        found = self._call("/collection/describe", name)["collection"]
        vector = _vector_index(found)
        if vector is None:
            raise NotFound(f"there is no collection {name}: that of this name has no vectors")
        metric = next(
            (one for one, word in _METRICS.items() if word == vector.get("metricType")), Metric.INNER
        )
        made = Collection(name, int(vector["dimension"]), metric, index=Index())
        return made.noted(str(found.get("description") or ""))

    def collections(self) -> tuple[str, ...]:
        try:
            found = self._call("/collection/list").get("collections") or ()
        except NotFound:  # the database is made with the first collection
            return ()
        names = (_shown(str(one["collection"])) for one in found if _vector_index(one) is not None)
        return tuple(sorted(name for name in names if _NAME.fullmatch(name)))

    def drop(self, name: str) -> None:
        self._forget(name)
        self._call("/collection/describe", name)
        self._call("/collection/drop", name)

    def _forget(self, name: str) -> None:
        self._snapshots.forget(name)
        self._ours.pop(name, None)

    # ── records

    def upsert(self, collection: Collection, records: Sequence[Record]) -> None:
        documents = [_document(record) for record in records]
        self._call("/document/upsert", collection.name, buildIndex=True, documents=documents)
        self._snapshots.forget(collection.name)

    def get(self, collection: Collection, ids: Sequence[str], *, vectors: bool) -> list[Record]:
        found: list[Record] = []
        for some in _batches(list(ids), _IDS):
            query = {"documentIds": some, "retrieveVector": vectors, "limit": len(some)}
            found += [_record(one) for one in self._query(collection.name, query)]
        return found

    def delete(self, collection: Collection, ids: Sequence[str]) -> int:
        return self._delete(collection.name, list(ids))

    def delete_where(self, collection: Collection, filter: Filter) -> int:
        return self._delete(collection.name, self._matching(collection, filter))

    def _delete(self, name: str, ids: list[str]) -> int:
        removed = 0
        for some in _batches(ids, _IDS):
            found = self._call("/document/delete", name, query={"documentIds": some})
            removed += int(found.get("affectedCount") or 0)
        return removed

    def count(self, collection: Collection, filter: Filter | None) -> int:
        if filter is None:
            return self._count(collection.name, {})
        condition, is_all = self._compiled(collection, filter)
        if is_all and condition:
            return self._count(collection.name, {"filter": condition})
        return len(self._matching(collection, filter))

    def _count(self, name: str, query: Mapping[str, Any]) -> int:
        return int(self._call("/document/count", name, query=query, **_STRONGLY)["count"])

    def scan(
        self, collection: Collection, *, filter: Filter | None, after: str | None, limit: int, vectors: bool
    ) -> Page:
        ids, following = self._snapshots.page(
            (collection.name, filter), after, limit, lambda: self._matching(collection, filter)
        )
        found = {one.id: one for one in self.get(collection, ids, vectors=vectors)}
        return Page(tuple(found[id] for id in ids if id in found), following)

    # ── search

    def search_dense(self, collection: Collection, query: DenseQuery) -> list[Hit]:
        measures = collection.metric is Metric.L2
        k = query.k if query.effort is Effort.NORMAL else max(400, 4 * query.k)
        looked_at = max(collection.index.search, k)
        search: dict[str, Any] = {
            "vectors": [query.vector.tolist()],
            "limit": min(_MOST, k),
            "retrieveVector": measures,
            "params": {"ef": min(32_768, looked_at)},
        }
        if query.filter is not None:
            condition, _ = self._compiled(collection, query.filter)
            if condition:
                search["filter"] = condition
        answer = self._call("/document/search", collection.name, search=search, **_STRONGLY)
        (found,) = answer.get("documents") or [[]]
        kept = [(one, _record(one)) for one in found]
        kept = [(one, record) for one, record in kept if matches(query.filter, record.metadata)]
        if measures:
            return nearest((record for _, record in kept), collection.metric, query.vector, query.k)
        return [Hit(record, float(one["score"])) for one, record in kept[: query.k]]

    def health(self) -> Health:
        found = self.rest.call("GET", "/database/list") or {}
        return Health("HTTP", {"databases": str(len(found.get("databases") or ()))})

    def close(self) -> None:
        self.rest.close()

    # ── inside

    def _matching(self, collection: Collection, filter: Filter | None) -> list[str]:
        """Ids of all records that a filter matches, sorted."""
        condition, is_all = (None, True) if filter is None else self._compiled(collection, filter)
        fields = ["id"] if is_all else ["id", "metadata", _REST]
        query: dict[str, Any] = {"outputFields": fields, "limit": _MOST}
        if condition:
            query["filter"] = condition
        found: list[str] = []
        offset = 0
        while True:
            page = self._query(collection.name, {**query, "offset": offset})
            found += [str(one["id"]) for one in page if is_all or matches(filter, _metadata(one))]
            offset += len(page)
            if len(page) < _MOST:
                return sorted(set(found))

    def _compiled(self, collection: Collection, filter: Filter) -> tuple[str | None, bool]:
        """What the engine evaluates of a filter, and whether that is all."""
        native = _native(filter)
        if native is not None:
            return native, True
        if collection.dify or not self._all_ours(collection.name):
            return None, False
        return digested.compiled(filter, _SYNTAX)

    def _all_ours(self, name: str) -> bool:
        """Whether every record has digests. Remembered for a minute."""
        since = self._ours.get(name)
        if since is not None and time.monotonic() - since < _REMEMBERED:
            return True
        total = self._count(name, {})
        if total and self._count(name, {"filter": digested.every(_SYNTAX)}) != total:
            return False
        self._ours[name] = time.monotonic()
        return True

    def _query(self, name: str, query: Mapping[str, Any]) -> list[Mapping[str, Any]]:
        found = self._call("/document/query", name, query=query, **_STRONGLY)
        return list(found.get("documents") or ())

    def _call(self, path: str, name: str = "", **body: Any) -> Any:
        place = {"database": self._database, **({"collection": _stored(name)} if name else {})}
        found = self.rest.call("POST", path, {**place, **body}) or {}
        if int(found.get("code") or 0):
            raise _meant(int(found["code"]), str(found.get("msg") or ""))
        return found


_STRONGLY = {"readConsistency": "strongConsistency"}


def meaning(status: int, body: Any) -> BackendError | None:
    """What an answer means where its status alone does not say it."""
    if not isinstance(body, Mapping) or not int(body.get("code") or 0):
        return None
    if status in {401, 403}:
        return PermissionDenied(str(body.get("msg") or ""), hint="check TENCENT_VECTOR_DB_API_KEY")
    return _meant(int(body["code"]), str(body.get("msg") or ""))


def _meant(code: int, said: str) -> BackendError:
    said = " ".join(said.split())[:300]
    low = said.lower()
    error: BackendError
    if code in {_NO_COLLECTION, _NO_DATABASE} or "not exist" in low:
        error = NotFound(said)
    elif code in _EXISTS or "already exist" in low:
        error = PreconditionFailed(said)
    elif "dimension" in low:
        error = Mismatch(said)
    elif "auth" in low or "permission" in low:
        error = PermissionDenied(said, hint="check TENCENT_VECTOR_DB_USERNAME and TENCENT_VECTOR_DB_API_KEY")
    elif "rate limit" in low or "too many" in low:
        error = Throttled(said)
    elif "internal" in low or "unavailable" in low:
        error = Unavailable(said)
    else:
        error = BackendError(said, kind=Kind.INVALID)
    error.code = str(code)
    return error


def _vector_index(found: Mapping[str, Any]) -> Mapping[str, Any] | None:
    indexes: Sequence[Mapping[str, Any]] = found.get("indexes") or ()
    return next((one for one in indexes if one.get("fieldName") == "vector"), None)


def _document(record: Record) -> dict[str, Any]:
    assert record.vector is not None  # noqa: S101 — the facade sees to it
    plain = {name: value for name, value in record.metadata.items() if _keeps(name, value)}
    rest = {name: value for name, value in record.metadata.items() if not isinstance(plain.get(name), str)}
    made: dict[str, Any] = {
        "id": record.id,
        "vector": record.vector.tolist(),
        "text": record.text,
        "metadata": plain,
        _FACTS: digested.digests_of(record.metadata),
    }
    return {**made, _REST: json.dumps(rest, ensure_ascii=False)} if rest else made


def _keeps(name: str, value: Any) -> bool:
    """What stands in Dify's field too: texts, numbers and booleans under names that are no paths."""
    return bool(name.strip()) and "." not in name and isinstance(value, str | int | float)


def _metadata(found: Mapping[str, Any]) -> dict[str, Any]:
    given = found.get("metadata") or {}
    # Before JSON fields there were, Dify wrote it as text.
    plain = json.loads(given) if isinstance(given, str) else dict(given)
    rest = found.get(_REST)
    return {**plain, **(json.loads(rest) if rest else {})}


def _record(found: Mapping[str, Any]) -> Record:
    given = found.get("vector")
    vector = None
    if given:
        import numpy

        vector = numpy.asarray(given, dtype=numpy.float32)
    return Record(str(found["id"]), vector, str(found.get("text") or ""), _metadata(found))


def _native(filter: Filter) -> str | None:
    """Filters over what both we and Dify keep as text in the metadata; None for every other."""
    if any(
        part.field not in {DOC_ID, "document_id"}
        or part.operator not in {Operator.EQ, Operator.IN}
        or not part.values
        or not all(isinstance(value, str) and _TEXT.fullmatch(value) for value in part.values)
        for part in comparisons(filter)
    ):
        return None
    match filter:
        case Compare(field, _, _):
            texts = [json.dumps(value, ensure_ascii=False) for value in filter.values]
            return f"metadata.{field} in ({', '.join(texts)})"
        case And(parts) | Or(parts) if parts:
            inner = [_native(part) for part in parts]
            sign = " and " if isinstance(filter, And) else " or "
            return None if None in inner else f"({sign.join(text for text in inner if text)})"
    return None


def _stored(name: str) -> str:
    """Names begin with a letter there."""
    return f"{_PREFIX}{name}" if name.startswith(("_", _PREFIX)) else name


def _shown(name: str) -> str:
    return name.removeprefix(_PREFIX)


def _batches(ids: list[str], size: int) -> Iterator[list[str]]:
    for start in range(0, len(ids), size):
        yield ids[start : start + size]
