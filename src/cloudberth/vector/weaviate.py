"""Weaviate (`weaviate`): a server, or Weaviate Cloud."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar, Self

from pydantic import Field, SecretStr

from cloudberth.errors import BackendError, InvalidInput, Kind, NotFound
from cloudberth.storage.http.message import Origin
from cloudberth.vector import _weaviate_rows as rows
from cloudberth.vector._weaviate_calls import Address, WeaviateCalls
from cloudberth.vector._weaviate_filters import condition
from cloudberth.vector.contract import (
    Capabilities,
    Collection,
    DenseQuery,
    Effort,
    FullText,
    Health,
    Hit,
    Metric,
    Page,
    Record,
    TextQuery,
)
from cloudberth.vector.filters import Filter, matches
from cloudberth.vector.opening import OpenableVectorBackend
from cloudberth.vector.options import Options
from cloudberth.vector.settings import VectorSettings, revealed
from cloudberth.vector.text import tokenized

_METRICS = {"cosine": Metric.COSINE, "l2-squared": Metric.L2, "dot": Metric.INNER}
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,119}")
# Weaviate makes the first letter of a class a capital; of other names, this stands before.
_WRAPPED = "Berth0_"
# QUERY_MAXIMUM_RESULTS of a server, as it is by default.
_MOST = 10_000
_PAGE = 500
_REMEMBERED = 30.0


class WeaviateSettings(VectorSettings):
    """Dify's variables. endpoint: ``http(s)://host:port``. grpc_endpoint: ``host:port``, with ``grpcs://``
    before it for TLS; left out, port 50051, or 443 of an https endpoint. tokenization: of the texts, for
    Dify's search by words. In a location: host and port, https by ``?tls=true``.
    """

    parts: ClassVar[Mapping[str, str]] = {"host": "host", "port": "port"}
    endpoint: str = Field("", alias="WEAVIATE_ENDPOINT")
    api_key: SecretStr | None = Field(None, alias="WEAVIATE_API_KEY")
    grpc_endpoint: str = Field("", alias="WEAVIATE_GRPC_ENDPOINT")
    batch_size: int = Field(100, alias="WEAVIATE_BATCH_SIZE", ge=1, le=1000)
    tokenization: str = Field("word", alias="WEAVIATE_TOKENIZATION")
    host: str = ""
    port: int = Field(8080, ge=1, le=65535)
    tls: bool = False

    @property
    def address(self) -> str:
        if self.host:
            return f"{'https' if self.tls else 'http'}://{self.host}:{self.port}"
        return self.endpoint


class Weaviate(OpenableVectorBackend):
    """Weaviate 1.27 and newer, through its own library: REST for classes, gRPC for objects.

    Layout as Dify's: a class with the named vector ``default`` and Dify's properties. Beyond it the metadata
    as JSON, words for filters, and our tokens, by which texts are searched (also Chinese); Dify's classes are
    searched by their text and its tokenization. What Weaviate has no filter for (the opposite of one, order,
    Dify's properties) is compared here, at the cost of one pass over the class. Exact searches are compared
    here. Classes tell no dimension: it stands in the note, or is that of an object.

    Tested with the vendor's library against a double of its REST and gRPC API. Not proved: Weaviate itself.
    """

    id: ClassVar[str] = "weaviate"
    settings: ClassVar[type[VectorSettings]] = WeaviateSettings
    capabilities = Capabilities(
        metrics=frozenset(Metric),
        full_text=FullText.CJK,
        ids="uuid",
        dimensions=65_535,
        batch=200,
        exact=False,
    )

    def __init__(self, calls: WeaviateCalls, tokenization: str) -> None:
        self.calls = calls
        self.tokenization = tokenization
        self.place = f"weaviate://{calls.address.http.host}:{calls.address.http.port}"
        self._ours: dict[str, bool] = {}
        self._mixed: dict[str, tuple[float, bool]] = {}

    @classmethod
    def open(cls, settings: VectorSettings, options: Options) -> Self:
        assert isinstance(settings, WeaviateSettings)  # noqa: S101 — the registry pairs them
        if not settings.address:
            raise InvalidInput("the server is not named", where="WEAVIATE_ENDPOINT")
        known = {
            "word",
            "whitespace",
            "lowercase",
            "field",
            "trigram",
            "gse",
            "gse_ch",
            "kagome_ja",
            "kagome_kr",
        }
        if settings.tokenization not in known:
            raise InvalidInput(
                f"there is no tokenization {settings.tokenization!r}",
                where="WEAVIATE_TOKENIZATION",
                hint=", ".join(sorted(known)),
            )
        address = _address(settings.address, settings.grpc_endpoint)
        if (address.http.host, address.http.port) == (address.grpc_host, address.grpc_port):
            raise InvalidInput(
                "REST and gRPC have one address, which the vendor's library does not take",
                where="WEAVIATE_GRPC_ENDPOINT",
                hint="Weaviate Cloud: its gRPC host; behind one proxy: another name of it",
            )
        return cls(WeaviateCalls(address, revealed(settings.api_key), options.timeout), settings.tokenization)

    # ── collections

    def create(self, collection: Collection) -> None:
        config = self.calls.classes.config
        kinds, tokens = config.DataType, config.Tokenization
        word = next(word for word, metric in _METRICS.items() if metric is collection.metric)
        graph = config.Configure.VectorIndex.hnsw(
            distance_metric=config.VectorDistances(word),
            max_connections=max(4, collection.index.links),
            ef_construction=max(4, collection.index.construction),
        )
        made = [
            config.Property(name=rows.TEXT, data_type=kinds.TEXT, tokenization=tokens(self.tokenization)),
            *(config.Property(name=name, data_type=kinds(kind)) for name, kind in rows.DIFY.items()),
            config.Property(name=rows.WORDS, data_type=kinds.TEXT, tokenization=tokens.WHITESPACE),
            config.Property(name=rows.FACETS, data_type=kinds.TEXT_ARRAY, tokenization=tokens.FIELD),
            config.Property(
                name=rows.WHOLE, data_type=kinds.TEXT, index_filterable=False, index_searchable=False
            ),
        ]
        self.calls.run(
            lambda client: client.collections.create(
                _stored(collection.name),
                description=collection.note(),
                properties=made,
                vector_config=config.Configure.Vectors.self_provided(vector_index_config=graph),
                inverted_index_config=config.Configure.inverted_index(
                    index_null_state=True, stopwords_preset=config.StopwordsPreset.NONE
                ),
            )
        )
        self._ours[collection.name] = True
        self._mixed[collection.name] = (time.monotonic(), False)

    def describe(self, name: str) -> Collection:
        found = self.calls.run(lambda client: client.collections.use(_stored(name)).config.get())
        vectors = found.vector_config or {}
        index = getattr(vectors.get(rows.VECTOR), "vector_index_config", None)
        if index is None:
            raise BackendError(
                f"the class has no vector named {rows.VECTOR}",
                kind=Kind.INVALID,
                where=f"{self.place} {name}",
            )
        self._ours[name] = {prop.name for prop in found.properties} >= rows.OURS
        metric = _METRICS.get(getattr(index.distance_metric, "value", "cosine"), Metric.COSINE)
        dimension = re.search(r'"dimension":(\d+)', found.description or "")
        made = Collection(name, int(dimension[1]) if dimension else self._measured_dimension(name), metric)
        return made.noted(found.description)

    def collections(self) -> tuple[str, ...]:
        found = self.calls.run(lambda client: client.collections.list_all(simple=True))
        names = (name.removeprefix(_WRAPPED) for name in found)
        return tuple(sorted(name for name in names if _NAME.fullmatch(name)))

    def drop(self, name: str) -> None:
        def work(client: Any) -> None:
            if not client.collections.exists(_stored(name)):
                raise NotFound(f"there is no collection {name}")
            client.collections.delete(_stored(name))

        self.calls.run(work)
        self._ours.pop(name, None)
        self._mixed.pop(name, None)

    # ── records

    def upsert(self, collection: Collection, records: Sequence[Record]) -> None:
        ours = self._is_ours(collection.name)
        # Where the object of a record has another id than the record (Dify's older ones), it is kept.
        objects = (
            {}
            if ours
            else {record.id: id for id, record in self._found(collection.name, [r.id for r in records])}
        )
        data = self.calls.classes.data
        made = [
            data.DataObject(
                uuid=objects.get(record.id, record.id),
                properties=rows.properties(record, ours=ours),
                vector={rows.VECTOR: record.vector.tolist() if record.vector is not None else []},
            )
            for record in records
        ]
        written = self._on(collection.name, lambda one: one.data.insert_many(made))
        if written.has_errors:
            first = next(iter(written.errors.values()))
            raise _of_batch(str(first.message), len(written.errors))

    def get(self, collection: Collection, ids: Sequence[str], *, vectors: bool) -> list[Record]:
        return [record for _, record in self._found(collection.name, ids, vectors=vectors)]

    def delete(self, collection: Collection, ids: Sequence[str]) -> int:
        found = [id for id, _ in self._found(collection.name, ids)]
        self._remove(collection.name, found)
        return len(found)

    def delete_where(self, collection: Collection, filter: Filter) -> int:
        found = [id for id, _ in self._matching(collection.name, filter)]
        self._remove(collection.name, found)
        return len(found)

    def count(self, collection: Collection, filter: Filter | None) -> int:
        exact = self._exact_condition(collection.name, filter)
        if filter is not None and exact is None:
            return sum(1 for _ in self._matching(collection.name, filter))
        found = self._on(collection.name, lambda one: one.aggregate.over_all(total_count=True, filters=exact))
        return int(found.total_count)

    def scan(
        self, collection: Collection, *, filter: Filter | None, after: str | None, limit: int, vectors: bool
    ) -> Page:
        """after: the id of the last object before. A filter is compared here, page by page."""
        records: list[Record] = []
        while True:
            found = self._page(collection.name, after, limit, vectors=vectors)
            for id, record in found:
                after = id
                if matches(filter, record.metadata):
                    records.append(record)
                    if len(records) == limit:
                        return Page(tuple(records), id)
            if len(found) < limit:
                return Page(tuple(records), None)

    # ── search

    def search_dense(self, collection: Collection, query: DenseQuery) -> list[Hit]:
        condition = self._condition(collection.name, query.filter)
        if condition is _NOTHING:
            return []
        # Weaviate looks at more candidates the more results are asked for.
        wide = query.k if query.effort is Effort.NORMAL else min(_MOST, max(400, 4 * query.k))
        found = self._on(
            collection.name,
            lambda one: one.query.near_vector(
                near_vector=query.vector.tolist(),
                target_vector=rows.VECTOR,
                limit=wide,
                filters=condition,
                return_metadata=self.calls.classes.query.MetadataQuery(distance=True),
            ),
        )
        return [
            Hit(_record(one), _measured(collection.metric, one.metadata.distance))
            for one in found.objects[: query.k]
        ]

    def search_text(self, collection: Collection, query: TextQuery) -> list[Hit]:
        ours = self._is_ours(collection.name)
        words = tokenized(query.text) if ours else query.text
        condition = self._condition(collection.name, query.filter)
        if not words or condition is _NOTHING:
            return []
        found = self._on(
            collection.name,
            lambda one: one.query.bm25(
                query=words,
                query_properties=[rows.WORDS if ours else rows.TEXT],
                limit=query.k,
                filters=condition,
                return_metadata=self.calls.classes.query.MetadataQuery(score=True),
            ),
        )
        return [Hit(_record(one), float(one.metadata.score or 0.0)) for one in found.objects]

    def health(self) -> Health:
        found = self.calls.run(lambda client: client.get_meta())
        return Health(str(found.get("version", "unknown")))

    def close(self) -> None:
        self.calls.close()

    # ── inside

    def _on(self, name: str, work: Any) -> Any:
        return self.calls.run(lambda client: work(client.collections.use(_stored(name))))

    def _condition(self, name: str, filter: Filter | None) -> Any:
        """A filter of Weaviate's that means the same; `_NOTHING` when it matches nothing."""
        if filter is None:
            return None
        exact = self._exact_condition(name, filter)
        if exact is not None:
            return exact
        ids = [id for id, _ in self._matching(name, filter)]
        return self.calls.classes.query.Filter.by_id().contains_any(ids) if ids else _NOTHING

    def _exact_condition(self, name: str, filter: Filter | None) -> Any:
        """The same by facets alone; None where they do not answer it, or some objects have none."""
        if filter is None or not rows.is_positive(filter) or self._has_foreign(name):
            return None
        return condition(filter, self.calls.classes.query.Filter)

    def _matching(self, name: str, filter: Filter) -> Iterator[tuple[str, Record]]:
        exact = self._exact_condition(name, filter)
        if exact is not None:
            found = self._on(name, lambda one: one.query.fetch_objects(filters=exact, limit=_MOST)).objects
            if len(found) < _MOST:
                yield from ((str(one.uuid), _record(one)) for one in found)
                return
        after: str | None = None
        while True:
            page = self._page(name, after, _PAGE, vectors=False)
            yield from ((id, record) for id, record in page if matches(filter, record.metadata))
            if len(page) < _PAGE:
                return
            after = page[-1][0]

    def _page(self, name: str, after: str | None, limit: int, *, vectors: bool) -> list[tuple[str, Record]]:
        """Objects by id, which is the order that Weaviate goes on in."""
        # The nil UUID begins a walk in that order; without it the order is another.
        start = after or "00000000-0000-0000-0000-000000000000"
        found = self._on(
            name,
            lambda one: one.query.fetch_objects(
                limit=limit, after=start, include_vector=[rows.VECTOR] if vectors else False
            ),
        )
        return [(str(one.uuid), _record(one)) for one in found.objects]

    def _found(self, name: str, ids: Sequence[str], *, vectors: bool = False) -> list[tuple[str, Record]]:
        """(id of the object, record) of records by id."""
        if not ids:
            return []
        filters = self.calls.classes.query.Filter
        wanted = filters.by_id().contains_any(list(ids))
        if self._has_foreign(name):
            wanted = wanted | filters.by_property("doc_id").contains_any(list(ids))
        found = self._on(
            name,
            lambda one: one.query.fetch_objects(
                filters=wanted, limit=_MOST, include_vector=[rows.VECTOR] if vectors else False
            ),
        )
        asked = set(ids)
        pairs = [(str(one.uuid), _record(one)) for one in found.objects]
        return [(id, record) for id, record in pairs if record.id in asked]

    def _remove(self, name: str, ids: list[str]) -> None:
        filters = self.calls.classes.query.Filter
        for start in range(0, len(ids), _PAGE):
            batch = ids[start : start + _PAGE]
            self._on(name, lambda one: one.data.delete_many(where=filters.by_id().contains_any(batch)))  # noqa: B023

    def _is_ours(self, name: str) -> bool:
        if name not in self._ours:
            self.describe(name)
        return self._ours[name]

    def _has_foreign(self, name: str) -> bool:
        """Whether objects of Dify are in it, which have none of our properties."""
        if not self._is_ours(name):
            return True
        since, known = self._mixed.get(name, (0.0, True))
        if time.monotonic() - since > _REMEMBERED:
            missing = self.calls.classes.query.Filter.by_property(rows.WHOLE).is_none(True)
            found = self._on(name, lambda one: one.query.fetch_objects(filters=missing, limit=1))
            known = bool(found.objects)
            self._mixed[name] = (time.monotonic(), known)
        return known

    def _measured_dimension(self, name: str) -> int:
        found = self._on(
            name, lambda one: one.query.fetch_objects(limit=1, include_vector=[rows.VECTOR])
        ).objects
        return len(found[0].vector.get(rows.VECTOR) or ()) if found else 0


_NOTHING = object()


def _record(found: Any) -> Record:
    import numpy

    vector = (found.vector or {}).get(rows.VECTOR)
    return rows.record_of(
        str(found.uuid),
        found.properties,
        None if vector is None else numpy.asarray(vector, dtype=numpy.float32),
    )


def _measured(metric: Metric, distance: float | None) -> float:
    """Weaviate's distances: 1 - cosine, the square of Euclid's, the inner product with its sign turned."""
    if distance is None:
        raise BackendError("a hit came without its distance", kind=Kind.UNEXPECTED)
    if metric is Metric.L2:
        return math.sqrt(max(0.0, distance))
    return 1.0 - distance if metric is Metric.COSINE else -distance


def _of_batch(said: str, number: int) -> BackendError:
    from cloudberth.errors import Mismatch

    text = f"{number} records were not written: {' '.join(said.split())[:200]}"
    if "vector" in said and "length" in said:
        return Mismatch(text)
    return BackendError(text, kind=Kind.UNEXPECTED)


def _stored(name: str) -> str:
    return name if name[0].isupper() and not name.startswith(_WRAPPED) else _WRAPPED + name


def _address(endpoint: str, grpc_endpoint: str) -> Address:
    http = Origin.parse(endpoint if "://" in endpoint else f"http://{endpoint}")
    if not grpc_endpoint:
        secure = http.scheme == "https"
        return Address(http, http.host, 443 if secure else 50051, secure)
    scheme, _, rest = grpc_endpoint.rpartition("://")
    secure = scheme in {"grpcs", "https"}
    host, _, port = rest.rpartition(":") if ":" in rest else (rest, "", "")
    if port and not port.isdecimal():
        raise InvalidInput(f"{grpc_endpoint!r} is no address", where="WEAVIATE_GRPC_ENDPOINT")
    return Address(http, host, int(port) if port else (443 if secure else 50051), secure)
