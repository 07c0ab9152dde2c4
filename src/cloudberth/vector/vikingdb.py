"""Volcengine VikingDB (`vikingdb`), over its HTTP interface (V1, which Dify uses)."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any, ClassVar, Literal, Self

from pydantic import Field, SecretStr

from cloudberth.errors import (
    BackendError,
    InvalidInput,
    Kind,
    NotFound,
    PreconditionFailed,
    TimedOut,
    Unsupported,
)
from cloudberth.vector import _vikingdb_rows as rows
from cloudberth.vector._snapshots import Snapshots
from cloudberth.vector._vikingdb_errors import NOT_ALLOWED, meaning, meant
from cloudberth.vector._volcengine_v4 import Signed
from cloudberth.vector.comparing import nearest
from cloudberth.vector.contract import (
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
from cloudberth.vector.filters import Filter, matches
from cloudberth.vector.opening import OpenableVectorBackend
from cloudberth.vector.options import Options
from cloudberth.vector.settings import VectorSettings, revealed

_METRICS = {Metric.COSINE: "cosine", Metric.L2: "l2", Metric.INNER: "ip"}
_NAME = re.compile(r"[a-z_][a-z0-9_]{0,119}")
_PREFIX = "berth_"
_LONGEST_NAME = 128
# A request takes at most so many rows or keys, and a search answers with at most so many.
_BATCH = 100
_MOST = 5000
_WHOLE = [rows.TEXT, rows.METADATA]
# Of an index without a field that parts it, and of every search of Dify's.
_DEFAULT = "default"
_WAIT = 0.5


class VikingDbSettings(VectorSettings):
    """Dify's variables. In a location: ``vikingdb://host?region=cn-shanghai&scheme=https``.

    scheme: http by default, as Dify has it: signed, not encrypted. connection_timeout: accepted as Dify's; a
    connection is given up after 10 s. ready_timeout: seconds that a new index, and one that is removed, is
    waited for; ours, not Dify's.
    """

    parts: ClassVar[Mapping[str, str]] = {"host": "host", "port": "port"}
    access_key: SecretStr | None = Field(None, alias="VIKINGDB_ACCESS_KEY")
    secret_key: SecretStr | None = Field(None, alias="VIKINGDB_SECRET_KEY")
    region: str = Field("cn-shanghai", alias="VIKINGDB_REGION", pattern=r"^[a-z0-9-]+$")
    host: str = Field("api-vikingdb.mlp.cn-shanghai.volces.com", alias="VIKINGDB_HOST")
    scheme: Literal["http", "https"] = Field("http", alias="VIKINGDB_SCHEME")
    connection_timeout: int = Field(30, alias="VIKINGDB_CONNECTION_TIMEOUT", ge=1)
    socket_timeout: int = Field(30, alias="VIKINGDB_SOCKET_TIMEOUT", ge=1)
    ca_file: str = Field("", alias="VIKINGDB_CA_FILE")
    ready_timeout: int = Field(600, alias="VIKINGDB_READY_TIMEOUT", ge=1)
    port: int = Field(0, ge=0, le=65535)

    @property
    def address(self) -> str:
        return f"{self.scheme}://{self.host}{f':{self.port}' if self.port else ''}"


class VikingDb(OpenableVectorBackend):
    """VikingDB over HTTP, without its library; requests are signed here.

    Layout as Dify's: ``id`` (doc_id), ``metadata`` as text, ``group_id`` (the data set), ``page_content``,
    ``vector``, and an index ``<name>_idx``. Dify's indexes measure Euclidean distances, ours what they are
    told, cosine by default, unquantised; the note is the collection's description. A text has at most 256
    bytes there: of longer metadata `metadata` keeps what Dify reads, and the list `cloudberth_rest` all of it
    (some 6 KB, compressed). Filters look for digests in the list `cloudberth`; order is compared here, and so
    is all that Dify wrote, at the cost of one pass over the metadata. Ours have no field that parts the index
    (Dify's have `group_id`), because every search of Dify's asks for the part ``default``.

    Reads by id are at once; everything else sees what was written after 10 to 20 seconds. A scan goes over
    `cloudberth_order`, a number of the id. Collections of Dify's have none: there the service is asked for
    what was not seen yet, 5,000 rows at a time. Distances are computed here from the vectors of the hits,
    because the vendor does not say how its scores are made; exact searches are compared here. Dimensions are
    multiples of 4. No searches by words: the service has none over vectors that are brought along.

    Tested against a double that the vendor's library (volcengine-compat 1.0.156, the one that Dify pins)
    accepts; the vendor's open engine (OpenViking 0.5.2) found the same rows as the double for 283 of our
    conditions, measured once. Dify's own adapter stops at its index with that library (``'str' object has no
    attribute 'value'``): its collections have no index unless somebody made it. Not proved: the service.
    """

    id: ClassVar[str] = "vikingdb"
    settings: ClassVar[type[VectorSettings]] = VikingDbSettings
    capabilities = Capabilities(
        metrics=frozenset(Metric), lower=True, batch=_BATCH, dimensions=4096, exact=False, immediate=False
    )

    def __init__(self, rest: Signed, settings: VikingDbSettings) -> None:
        self.rest = rest
        self.place = f"vikingdb://{rest.origin.authority}"
        self._ready_timeout = settings.ready_timeout
        self._snapshots = Snapshots()
        self._partitions: dict[str, tuple[str, ...]] = {}

    @classmethod
    def open(cls, settings: VectorSettings, options: Options) -> Self:
        assert isinstance(settings, VikingDbSettings)  # noqa: S101 — the registry pairs them
        access_key, secret_key = revealed(settings.access_key), revealed(settings.secret_key)
        given = {"VIKINGDB_ACCESS_KEY": access_key, "VIKINGDB_SECRET_KEY": secret_key}
        absent = [name for name, value in given.items() if not value]
        if absent:
            raise InvalidInput(f"not set: {', '.join(absent)}", where=absent[0])
        for name, value in given.items():
            if not value.isascii() or not value.isprintable():
                raise InvalidInput("a key has printable ASCII characters only", where=name)
        rest = Signed(
            settings.address,
            replace(options, timeout=min(options.timeout, settings.socket_timeout)),
            access_key=access_key,
            secret_key=secret_key,
            service="air",
            region=settings.region,
            ca_file=settings.ca_file,
            meaning=meaning,
        )
        return cls(rest, settings)

    # ── collections

    def create(self, collection: Collection) -> None:
        name = collection.name
        if collection.dimension % 4:
            with suppress(NotFound):
                self._info(name)
                raise PreconditionFailed(f"there is a collection {name} already")
            raise InvalidInput(
                f"VikingDB keeps vectors of 4 to 4096 numbers, a multiple of 4, not {collection.dimension}",
                where=name,
            )
        try:
            self._post(
                "/api/collection/create",
                name,
                description=collection.note(),
                primary_key=rows.ID,
                fields=rows.schema(collection.dimension),
            )
        except PreconditionFailed:
            if not self._is_half_made(collection):
                raise
        self._make_index(collection)
        self._wait_for_index(name)

    def _is_half_made(self, collection: Collection) -> bool:
        """Whether it is the same collection and only its index is missing: somebody was stopped."""
        found = self._info(collection.name)
        return found.get("description") == collection.note() and not found.get("indexes")

    def _make_index(self, collection: Collection) -> None:
        index = collection.index
        vector: dict[str, Any] = {"distance": _METRICS[collection.metric], "quant": "float"}
        if index.kind == "exact":
            vector["index_type"] = "flat"
        else:
            vector["index_type"] = "hnsw"
        if index.kind == "hnsw":
            vector |= {"hnsw_m": index.links, "hnsw_cef": index.construction, "hnsw_sef": index.search}
        self._post(
            "/api/index/create",
            collection.name,
            indexed=True,
            vector_index=vector,
            scalar_index=rows.SCALARS,
            cpu_quota=2,
            partition_by="",
            description="",
        )

    def _wait_for_index(self, name: str) -> None:
        ends = time.monotonic() + self._ready_timeout
        while str(self._index(name).get("status") or "READY").upper() != "READY":
            if time.monotonic() > ends:
                raise TimedOut(f"the index of {name} is not ready after {self._ready_timeout} s")
            time.sleep(_WAIT)

    def describe(self, name: str) -> Collection:
        found = self._info(name)
        vector = _field(found, rows.VECTOR)
        if vector is None or found.get("primary_key") != rows.ID:
            raise NotFound(f"there is no collection {name}: that of this name has another layout")
        made = Collection(name, int(vector.get("dim") or 0), Metric.L2, index=Index())
        made = made.noted(str(found.get("description") or ""))
        if made.dify or _index_of(name) not in (found.get("indexes") or ()):
            index = self._index_there(name)
            self._partitions[name] = _partitions(name, index)
            distance = (index.get("vector_index") or {}).get("distance")
            metric = next((one for one, word in _METRICS.items() if word == distance), made.metric)
            made = replace(made, metric=metric) if made.dify else made
        return made

    def collections(self) -> tuple[str, ...]:
        found = self._call("GET", "/api/collection/list", {})["data"] or ()
        names = [_shown(str(one.get("collection_name"))) for one in found if _is_ours(one)]
        return tuple(sorted(name for name in names if _NAME.fullmatch(name)))

    def drop(self, name: str) -> None:
        self._snapshots.forget(name)
        self._partitions.pop(name, None)
        for index in self._info(name).get("indexes") or ():
            with suppress(NotFound):
                self._post("/api/index/drop", name, index_name=index)
        # Indexes are removed in the background, and a collection that has one stays.
        ends = time.monotonic() + self._ready_timeout
        while True:
            try:
                self._post("/api/collection/drop", name)
                return
            except BackendError as error:
                if error.code != str(NOT_ALLOWED) or time.monotonic() > ends:
                    raise
            time.sleep(_WAIT)

    def _info(self, name: str) -> Mapping[str, Any]:
        found: Mapping[str, Any] = self._call(
            "GET", "/api/collection/info", {"collection_name": _stored(name)}
        )["data"]
        return found

    def _index(self, name: str) -> Mapping[str, Any]:
        found: Mapping[str, Any] = self._call("GET", "/api/index/info", _named(name, indexed=True))["data"]
        return found

    def _index_there(self, name: str) -> Mapping[str, Any]:
        try:
            return self._index(name)
        except NotFound as error:
            raise NotFound(
                f"the collection {name} has no index {_index_of(name)}",
                hint="Dify leaves empty ones like this behind: drop it, or make the index in the console",
            ) from error

    # ── records

    def upsert(self, collection: Collection, records: Sequence[Record]) -> None:
        made = [rows.row(record, collection.name, dify=collection.dify) for record in records]
        self._post("/api/collection/upsert_data", collection.name, fields=made, ttl=0)
        self._snapshots.forget(collection.name)

    def get(self, collection: Collection, ids: Sequence[str], *, vectors: bool) -> list[Record]:
        found = [rows.record_of(str(one[rows.ID]), one) for one in self._fetched(collection.name, ids)]
        return found if vectors else [replace(one, vector=None) for one in found]

    def _fetched(self, name: str, ids: Sequence[str]) -> Iterator[Mapping[str, Any]]:
        """Rows by their keys, as they are now; those that are not there are left out."""
        for start in range(0, len(ids), _BATCH):
            asked = {**_named(name), "primary_keys": list(ids[start : start + _BATCH])}
            for one in self._call("GET", "/api/collection/fetch_data", asked)["data"] or ():
                # Of what is not there the service tells the key and a `message`.
                if rows.METADATA in one:
                    yield one

    def delete(self, collection: Collection, ids: Sequence[str]) -> int:
        removed = 0
        for start in range(0, len(ids), _BATCH):
            some = ids[start : start + _BATCH]
            there = [str(one[rows.ID]) for one in self._fetched(collection.name, some)]
            if there:
                self._post("/api/collection/del_data", collection.name, primary_keys=there)
            removed += len(there)
        return removed

    def delete_where(self, collection: Collection, filter: Filter) -> int:
        return self.delete(collection, self._matching(collection, filter))

    def count(self, collection: Collection, filter: Filter | None) -> int:
        if filter is None:
            with suppress(_Uncounted):
                return self._counted(collection, None)
            return len(self._matching(collection, None))
        condition, is_all = rows.compiled(filter)
        if not collection.dify and is_all and not self._counted(collection, rows.UNMARKED):
            return self._counted(collection, condition)
        return len(self._matching(collection, filter))

    def _counted(self, collection: Collection, condition: rows.Query | None) -> int:
        """How many rows the index has. Raises _Uncounted for an index of Dify's that cannot say it."""
        total = 0
        for part in self._parts(collection):
            search = {"partition": part, **({"filter": condition} if condition else {})}
            try:
                found = self._post(
                    "/api/index/search/agg", collection.name, indexed=True, search=search, agg={"op": "count"}
                )
            except BackendError as error:
                # It needs a scalar field in the index, of which Dify's may have none.
                if collection.dify and error.kind is Kind.INVALID:
                    raise _Uncounted from error
                raise
            result = (found.get("data") or {}).get("agg_result") or 0
            total += sum(map(int, result.values())) if isinstance(result, Mapping) else int(result)
        return total

    def scan(
        self, collection: Collection, *, filter: Filter | None, after: str | None, limit: int, vectors: bool
    ) -> Page:
        ids, following = self._snapshots.page(
            (collection.name, filter), after, limit, lambda: self._matching(collection, filter)
        )
        found = {one.id: one for one in self.get(collection, ids, vectors=vectors)}
        return Page(tuple(found[id] for id in ids if id in found), following)

    def _matching(self, collection: Collection, filter: Filter | None) -> list[str]:
        """Ids of all rows that a filter matches, sorted."""
        condition = None if collection.dify else rows.candidates(filter)
        fields = [] if filter is None else [rows.METADATA, *([] if collection.dify else [rows.REST])]
        found = self._walk(collection, condition, fields)
        return sorted({id for id, one in found if filter is None or matches(filter, rows.metadata_of(one))})

    def _walk(
        self, collection: Collection, condition: rows.Query | None, fields: list[str]
    ) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """(id, fields) of all rows for which a condition holds, each once."""
        if not collection.dify:
            yield from self._in_order(collection.name, condition, fields)
            # Those that Dify added have no place in the order.
            condition = rows.every([condition, {"op": "range", "field": rows.ORDER, "lt": 1}])
        for part in self._parts(collection):
            yield from self._unseen(collection.name, part, condition, fields)

    def _in_order(
        self, name: str, condition: rows.Query | None, fields: list[str]
    ) -> Iterator[tuple[str, Mapping[str, Any]]]:
        start, seen = 1, set[str]()
        order = {"field_name": rows.ORDER, "order": "asc"}
        while True:
            filter = rows.every([condition, {"op": "range", "field": rows.ORDER, "gte": start}])
            page = self._search(name, _DEFAULT, filter, [*fields, rows.ORDER], _MOST, order_by_scalar=order)
            fresh = [one for one in page if one[0] not in seen]
            yield from fresh
            if len(page) < _MOST or not fresh:
                return
            start = int(page[-1][1][rows.ORDER])
            seen = {id for id, one in page if int(one[rows.ORDER]) == start}

    def _unseen(
        self, name: str, part: str, condition: rows.Query | None, fields: list[str]
    ) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """Rows in no order: again and again those that were not seen yet."""
        seen: list[str] = []
        while True:
            more = {"primary_key_not_in": seen} if seen else {}
            page = self._search(name, part, condition, fields, _MOST, **more)
            known = set(seen)
            fresh = [one for one in page if one[0] not in known]
            if page and not fresh:
                raise Unsupported(
                    f"the service repeats {len(seen)} rows of {name} instead of telling the others",
                    hint="copy them with the vendor's export into a collection of ours",
                )
            yield from fresh
            if len(page) < _MOST:
                return
            seen += [id for id, _ in fresh]

    # ── search

    def search_dense(self, collection: Collection, query: DenseQuery) -> list[Hit]:
        condition = None if collection.dify else rows.candidates(query.filter)
        is_all = query.filter is None or (not collection.dify and rows.compiled(query.filter)[1])
        k = query.k if is_all and query.effort is Effort.NORMAL else max(400, 4 * query.k)
        fields = [*_WHOLE, rows.VECTOR, *([] if collection.dify else [rows.REST])]
        order = {"vectors": [query.vector.tolist()]}
        found = [
            rows.record_of(id, one)
            for part in self._parts(collection)
            for id, one in self._search(
                collection.name, part, condition, fields, min(_MOST, k), order_by_vector=order
            )
        ]
        kept = (one for one in found if matches(query.filter, one.metadata))
        return nearest(kept, collection.metric, query.vector, query.k)

    def _search(
        self, name: str, part: str, filter: rows.Query | None, fields: list[str], limit: int, **asked: Any
    ) -> list[tuple[str, Mapping[str, Any]]]:
        search = {**asked, "limit": limit, "partition": part, "output_fields": fields}
        if filter is not None:
            search["filter"] = filter
        found = self._post("/api/index/search", name, indexed=True, search=search)
        return [
            (str(one[rows.ID]), one.get("fields") or {}) for items in found["data"] or () for one in items
        ]

    def health(self) -> Health:
        self._call("GET", "/api/viking_db/data/ping", {})
        return Health("HTTP V1")

    def close(self) -> None:
        self.rest.close()

    # ── inside

    def _parts(self, collection: Collection) -> tuple[str, ...]:
        """The parts of an index. Only those of Dify's have more than one."""
        if not collection.dify:
            return (_DEFAULT,)
        name = collection.name
        if name not in self._partitions:
            self._partitions[name] = _partitions(name, self._index(name))
        return self._partitions[name]

    def _post(self, path: str, name: str, *, indexed: bool = False, **body: Any) -> Any:
        return self._call("POST", path, {**_named(name, indexed=indexed), **body})

    def _call(self, method: str, path: str, body: Mapping[str, Any]) -> Any:
        """The vendor's interface reads the body of a GET too."""
        found = self.rest.call(method, path, body) or {}
        if int(found.get("code") or 0):
            raise meant(int(found["code"]), str(found.get("message") or found.get("msg") or ""))
        return found


class _Uncounted(Exception):
    """The index cannot count its rows."""


def _named(name: str, *, indexed: bool = False) -> dict[str, str]:
    place = {"collection_name": _stored(name)}
    return {**place, "index_name": _index_of(name)} if indexed else place


def _field(found: Mapping[str, Any], name: str) -> Mapping[str, Any] | None:
    fields: Sequence[Mapping[str, Any]] = found.get("fields") or ()
    return next((one for one in fields if one.get("field_name") == name), None)


def _is_ours(found: Mapping[str, Any]) -> bool:
    """Whether a collection has Dify's fields and its index."""
    name = _shown(str(found.get("collection_name")))
    there = all(_field(found, field) for field in (rows.ID, rows.METADATA, rows.TEXT, rows.VECTOR))
    return there and _index_of(name) in (found.get("indexes") or ())


def _partitions(name: str, index: Mapping[str, Any]) -> tuple[str, ...]:
    """The parts of an index of Dify's: as it says, else that of the data set."""
    if not index.get("partition_by"):
        return (_DEFAULT,)
    given = tuple(str(one) for one in index.get("partitions") or ())
    return given or (rows.dataset_of(name) or _DEFAULT,)


def _index_of(name: str) -> str:
    return f"{_stored(name)}_idx"[:_LONGEST_NAME]


def _stored(name: str) -> str:
    """Names begin with a letter there."""
    return f"{_PREFIX}{name}" if name.startswith(("_", _PREFIX)) else name


def _shown(name: str) -> str:
    return name.removeprefix(_PREFIX)
