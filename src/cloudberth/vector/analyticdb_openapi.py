"""AnalyticDB for PostgreSQL in its OpenAPI mode: what `analyticdb` is when `ANALYTICDB_HOST` is not set."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self

from cloudberth.errors import InvalidInput, NotFound, PreconditionFailed
from cloudberth.vector._analyticdb_api import OpenApi, endpoint_of
from cloudberth.vector._postgres.conditions import condition
from cloudberth.vector.analyticdb import AnalyticDbSettings
from cloudberth.vector.comparing import nearest
from cloudberth.vector.contract import (
    Capabilities,
    Collection,
    DenseQuery,
    FullText,
    Health,
    Hit,
    Metric,
    Page,
    Record,
    TextQuery,
)
from cloudberth.vector.filters import Filter
from cloudberth.vector.opening import OpenableVectorBackend
from cloudberth.vector.options import Options
from cloudberth.vector.settings import VectorSettings, revealed

_METRICS = {Metric.COSINE: "cosine", Metric.L2: "l2", Metric.INNER: "ip"}
_COLUMNS = '{"ref_doc_id":"text","page_content":"text","metadata_":"jsonb"}'
_NAME = re.compile(r"[a-z_][a-z0-9_]{0,119}")
_REQUIRED = ("key_id", "key_secret", "region_id", "instance_id", "user", "password", "namespace_password")
# Records of one page: a whole one may be a megabyte of JSON.
_PAGE = 200


class AnalyticDbOpenApi(OpenableVectorBackend):
    """AnalyticDB by the vendor's OpenAPI, without its SDK.

    Layout as Dify's: the columns ``ref_doc_id, page_content, metadata_``; Dify's row ids are random, those of
    ours are the record's own, and a record that Dify wrote is replaced, not doubled. Filters are the SQL of
    the `analyticdb` SQL mode with its values quoted, because the interface takes text only. Cosine is the
    vendor's score, the other metrics are computed here from the vectors of the hits. Words are found by the
    instance's parser (zh_cn, which knows Chinese). There is no place for a note: a collection's model and
    fields are not remembered. Exact searches are compared here. The interface wants the passwords of account
    and namespace in the query of a request; it goes over TLS.

    Tested against a double that checks signatures and runs the SQL in a real PostgreSQL 18; the vendor's SDK
    (5.12) accepts it. Not proved: the service and its parser.
    """

    id: ClassVar[str] = "analyticdb"
    settings: ClassVar[type[VectorSettings]] = AnalyticDbSettings
    capabilities = Capabilities(
        metrics=frozenset(Metric), full_text=FullText.CJK, lower=True, dimensions=8192, batch=_PAGE,
        exact=False, notes=False,
    )  # fmt: skip

    def __init__(self, api: OpenApi, settings: AnalyticDbSettings) -> None:
        self.api = api
        self.place = f"analyticdb://{settings.instance_id}/{settings.namespace}"
        self._owner = {
            "ManagerAccount": settings.user,
            "ManagerAccountPassword": revealed(settings.password),
        }
        self._namespace = {
            "Namespace": settings.namespace,
            "NamespacePassword": revealed(settings.namespace_password),
        }

    @classmethod
    def open(cls, settings: VectorSettings, options: Options) -> Self:
        assert isinstance(settings, AnalyticDbSettings)  # noqa: S101 — the registry pairs them
        absent = [settings.variables()[name] for name in _REQUIRED if not getattr(settings, name)]
        if absent:
            raise InvalidInput(
                f"without ANALYTICDB_HOST the OpenAPI is used, and needs {', '.join(absent)}",
                where=absent[0],
                hint="or set ANALYTICDB_HOST to the instance's address for SQL",
            )
        api = OpenApi(
            settings.endpoint or endpoint_of(settings.region_id),
            options,
            key_id=settings.key_id,
            key_secret=revealed(settings.key_secret),
            common={"DBInstanceId": settings.instance_id, "RegionId": settings.region_id},
        )
        return cls(api, settings)

    # ── collections

    def create(self, collection: Collection) -> None:
        try:
            self.describe(collection.name)
        except NotFound:
            self._make_namespace()
        else:
            raise PreconditionFailed(f"there is a collection {collection.name} already")
        index = collection.index
        asked = {
            **self._owner,
            "Namespace": self._namespace["Namespace"],
            "Collection": collection.name,
            "Dimension": collection.dimension,
            "Metrics": _METRICS[collection.metric],
            "Metadata": _COLUMNS,
            "FullTextRetrievalFields": "page_content",
            "HnswM": index.links,
            "HnswEfConstruction": str(index.construction),
        }
        self.api.act("CreateCollection", asked)

    def _make_namespace(self) -> None:
        """The vector database of the instance, and the namespace in it, unless they are there."""
        self.api.act("InitVectorDatabase", self._owner)
        name = {"Namespace": self._namespace["Namespace"]}
        try:
            self.api.act("DescribeNamespace", {**self._owner, **name})
        except NotFound:
            self.api.act("CreateNamespace", {**self._owner, **self._namespace})

    def describe(self, name: str) -> Collection:
        found = self._act("DescribeCollection", name)
        metric = next((one for one, word in _METRICS.items() if word == found.get("Metrics")), Metric.COSINE)
        return Collection(name, int(found.get("Dimension") or 0), metric, dify=True)

    def collections(self) -> tuple[str, ...]:
        try:
            found = self.api.act("ListCollections", self._namespace)
        except NotFound:  # the namespace is made with the first collection
            return ()
        names = (found.get("Collections") or {}).get("Collection") or ()
        return tuple(sorted(name for name in map(str, names) if _NAME.fullmatch(name)))

    def drop(self, name: str) -> None:
        self._act("DescribeCollection", name)
        self._act("DeleteCollection", name)

    # ── records

    def upsert(self, collection: Collection, records: Sequence[Record]) -> None:
        ids = ", ".join(_quoted(record.id) for record in records)
        self._remove(collection.name, f"ref_doc_id IN ({ids}) AND id NOT IN ({ids})")
        rows = [
            {
                "Id": record.id,
                "Vector": _numbers(record.vector),
                "Metadata": {
                    "ref_doc_id": record.id,
                    "page_content": record.text,
                    "metadata_": json.dumps(dict(record.metadata), ensure_ascii=False),
                },
            }
            for record in records
        ]
        self._act("UpsertCollectionData", collection.name, body={"Rows": rows})

    def get(self, collection: Collection, ids: Sequence[str], *, vectors: bool) -> list[Record]:
        if not ids:
            return []
        wanted = f"ref_doc_id IN ({', '.join(map(_quoted, ids))})"
        found = self._query(collection.name, wanted, TopK=2 * len(ids), IncludeValues=vectors)
        return list({record.id: record for record in map(_record, found)}.values())

    def delete(self, collection: Collection, ids: Sequence[str]) -> int:
        if not ids:
            return 0
        return self._remove(collection.name, f"ref_doc_id IN ({', '.join(map(_quoted, ids))})")

    def delete_where(self, collection: Collection, filter: Filter) -> int:
        return self._remove(collection.name, _sql(filter))

    def _remove(self, name: str, where: str) -> int:
        found = self._act("DeleteCollectionData", name, CollectionDataFilter=where)
        return int(found.get("AppliedRows") or 0)

    def count(self, collection: Collection, filter: Filter | None) -> int:
        # The number of all that match is told of every page but the first.
        asked = {"TopK": 1, "Offset": 1, "OrderBy": "ref_doc_id", "IncludeValues": False}
        found = self._act("QueryCollectionData", collection.name, body=_body(_sql(filter)), **asked)
        return int(found.get("Total") or 0)

    def scan(
        self, collection: Collection, *, filter: Filter | None, after: str | None, limit: int, vectors: bool
    ) -> Page:
        limit = min(limit, _PAGE)
        where = _sql(filter)
        if after is not None:
            where = f"({where}) AND ref_doc_id > {_quoted(after)}"
        found = self._query(
            collection.name, where, TopK=limit + 1, OrderBy="ref_doc_id", Offset=0, IncludeValues=vectors
        )
        records = tuple(_record(one) for one in found[:limit])
        return Page(records, records[-1].id if len(found) > limit else None)

    # ── search

    def search_dense(self, collection: Collection, query: DenseQuery) -> list[Hit]:
        cosine = collection.metric is Metric.COSINE
        found = self._query(
            collection.name,
            _sql(query.filter) if query.filter else "",
            Vector=_numbers(query.vector),
            Metrics=_METRICS[collection.metric],
            TopK=query.k,
            IncludeValues=not cosine,
        )
        if not cosine:
            return nearest(map(_record, found), collection.metric, query.vector, query.k)
        hits = [Hit(_record(one), float(one["Score"])) for one in found]
        return sorted(hits, key=lambda hit: -hit.raw)[: query.k]

    def search_text(self, collection: Collection, query: TextQuery) -> list[Hit]:
        where = _sql(query.filter) if query.filter else ""
        found = self._query(collection.name, where, Content=query.text, TopK=query.k, IncludeValues=False)
        hits = [Hit(_record(one), max(0.0, float(one["Score"]))) for one in found]
        return sorted(hits, key=lambda hit: -hit.raw)

    def health(self) -> Health:
        self.collections()
        return Health("OpenAPI 2016-05-03")

    def close(self) -> None:
        self.api.close()

    # ── inside

    def _query(self, name: str, where: str, **asked: Any) -> list[Mapping[str, Any]]:
        found = self._act("QueryCollectionData", name, body=_body(where), **asked)
        return list((found.get("Matches") or {}).get("match") or ())

    def _act(self, action: str, name: str, *, body: Mapping[str, Any] | None = None, **asked: Any) -> Any:
        return self.api.act(action, {**self._namespace, "Collection": name, **asked}, body)


def _body(where: str) -> dict[str, str]:
    return {"Filter": where} if where else {}


def _record(found: Mapping[str, Any]) -> Record:
    metadata = found.get("Metadata") or {}
    values = (found.get("Values") or {}).get("value")
    whole = json.loads(metadata.get("metadata_") or "{}")
    vector = _vector(values) if values else None
    id = str(metadata.get("ref_doc_id") or found.get("Id"))
    return Record(id, vector, str(metadata.get("page_content") or ""), whole)


def _vector(values: Any) -> Any:
    import numpy

    return numpy.asarray(values, dtype=numpy.float32)


def _numbers(vector: Any) -> list[float]:
    """Nine digits tell a float32 apart from every other one; more would double the length of a query."""
    return [float(f"{number:.9g}") for number in vector.tolist()]


def _sql(filter: Filter | None) -> str:
    """A filter as SQL with its values in it, quoted: the statement's shape never depends on a value."""
    if filter is None:
        return "TRUE"
    sql, values = condition(filter, "metadata_")
    pieces = sql.split("%s")
    if len(pieces) != len(values) + 1:
        raise AssertionError("as many places as values")
    return pieces[0] + "".join(
        _literal(value) + piece for value, piece in zip(values, pieces[1:], strict=True)
    )


def _literal(value: Any) -> str:
    if isinstance(value, list):
        return f"ARRAY[{', '.join(map(_quoted, value))}]" if value else "ARRAY[]"
    return _quoted(str(value))


def _quoted(text: str) -> str:
    """A text of SQL. What a backslash in it means is a setting of the server's, but for E'…'."""
    doubled = text.replace("'", "''")
    if "\\" not in text:
        return f"'{doubled}'"
    return "E'" + doubled.replace("\\", "\\\\") + "'"
