"""Couchbase (`couchbase`) over its documented REST services: management, Query (SQL++) and Search."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any, ClassVar, Self

from pydantic import Field, SecretStr

from cloudberth.errors import (
    BackendError,
    InvalidInput,
    NotFound,
    PreconditionFailed,
    Unavailable,
)
from cloudberth.vector import _couchbase_layout as layout
from cloudberth.vector._couchbase_address import MANAGEMENT, Address, parsed
from cloudberth.vector._couchbase_calls import Answer, Cluster, index_path
from cloudberth.vector._rest import basic, quoted
from cloudberth.vector.comparing import nearest
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

_NOTES = "berth_collections"
# Bytes of one request; the Query service takes 64 MiB.
_BYTES = 8_000_000
_IDS = 500
# Hits of one search, and neighbours: what the Search service gives at most.
_MOST = 10_000
# A filter that leaves so few is compared here; up to so many, their keys go with the search.
_COMPARED, _LISTED = 100, 5_000
# Seconds that a write waits until the index shows it, and a new collection until every service knows it.
_CATCHING_UP = 10.0


class CouchbaseSettings(VectorSettings):
    """Dify's variables. In a location: host and management port, the path is the bucket, ``?tls=true``.

    connection_string: ``couchbase://host``, ``couchbases://…`` (TLS, Capella), ``http[s]://host:port``; names
    without a port are asked for in DNS (SRV), as the vendor's libraries do. ca_file: the authority that
    signed the cluster's certificate; Capella's own is none of the usual ones.
    """

    parts: ClassVar[Mapping[str, str]] = {
        "host": "host", "port": "port", "user": "user", "path": "bucket_name"
    }  # fmt: skip
    connection_string: str = Field("", alias="COUCHBASE_CONNECTION_STRING")
    user: str = Field("", alias="COUCHBASE_USER")
    password: SecretStr | None = Field(None, alias="COUCHBASE_PASSWORD")
    bucket_name: str = Field("", alias="COUCHBASE_BUCKET_NAME", pattern=r"^[A-Za-z0-9_.%-]*$")
    scope_name: str = Field("", alias="COUCHBASE_SCOPE_NAME", pattern=r"^[A-Za-z0-9_%-]*$")
    ca_file: str = Field("", alias="COUCHBASE_CA_FILE")
    host: str = ""
    port: int = Field(0, ge=0, le=65535)
    tls: bool = False

    def address(self) -> Address:
        """Where the cluster is. Raises InvalidInput."""
        if not self.host:
            return parsed(self.connection_string)
        return Address(((self.host, self.port or MANAGEMENT[self.tls]),), self.tls)


class Couchbase(OpenableVectorBackend):
    """Couchbase Server 7.6.5 or later (7.6 without cosine) and Capella, over REST, without its library.

    Names that DNS knows as services, as all of Capella's, need the extra `couchbase`.
    Needs the services Data, Query and Search. The bucket and the scope have to be there. Layout as Dify's: a
    document a record, its key the id, with ``text``, ``embedding`` and ``metadata``, and the search index
    ``<collection>_search``. Ours indexes texts with the analyser `cjk`; of Dify's, which uses `standard`,
    Chinese is found character by character. What a collection is stands in a collection of ours,
    ``berth_collections``. Where the Index service runs, each of our collections gets a primary index; those
    that Dify made have none, and the server reads them whole for filters, scans and counts.

    Filters are evaluated by SQL++, exactly, but for numbers beyond 2^53, which are compared as doubles. The
    keys that one leaves go with the search (server 7.6.4 or later); where they are more than 5,000, and in
    indexes of Dify's, the nearest are looked through here, and the facade compares the rest. Scores are
    computed here from the vectors of the hits. The search index follows the documents: writes wait up to 10
    seconds until it shows them, but a replaced record may be found by its old vector or words a moment
    longer. Writes are as durable as the bucket's minimum durability level says.

    Tested against a double of ours that evaluates the SQL++ and the searches that are sent. Not proved: the
    server, and Capella.
    """

    id: ClassVar[str] = "couchbase"
    settings: ClassVar[type[VectorSettings]] = CouchbaseSettings
    capabilities = Capabilities(
        metrics=frozenset(Metric),
        full_text=FullText.CJK,
        batch=_IDS,
        dimensions=4096,
        exact=False,
        immediate=False,
    )

    def __init__(self, cluster: Cluster, settings: CouchbaseSettings, options: Options) -> None:
        self.cluster = cluster
        self._options = options
        self._bucket, self._scope = settings.bucket_name, settings.scope_name
        self.place = f"couchbase://{cluster.address.shown()}/{self._bucket}/{self._scope}"
        self._loading: set[str] = set()
        self._alone: dict[str, bool] = {}
        self._lock = threading.Lock()

    @classmethod
    def open(cls, settings: VectorSettings, options: Options) -> Self:
        assert isinstance(settings, CouchbaseSettings)  # noqa: S101 — the registry pairs them
        password = revealed(settings.password)
        given = {
            "COUCHBASE_CONNECTION_STRING": settings.host or settings.connection_string,
            "COUCHBASE_USER": settings.user,
            "COUCHBASE_PASSWORD": password,
            "COUCHBASE_BUCKET_NAME": settings.bucket_name,
            "COUCHBASE_SCOPE_NAME": settings.scope_name,
        }
        absent = [name for name, value in given.items() if not value]
        if absent:
            raise InvalidInput(f"not set: {', '.join(absent)}", where=absent[0])
        headers = basic(f"{settings.user}:{password}")
        return cls(Cluster(settings.address(), options, headers, settings.ca_file), settings, options)

    # ── collections

    def create(self, collection: Collection) -> None:
        name = collection.name
        made = self._make(layout.stored(name))
        if not made and not self._left_unfinished(name):
            raise PreconditionFailed(f"there is a collection {name} already", where=self.place)
        self._write_note(collection)
        self._patiently(lambda: self.count(collection, None))
        if made:  # an index that outlived the collection it was of
            with suppress(NotFound):
                self._index(name, "DELETE")
        wanted = layout.definition(self._bucket, self._scope, name, collection.dimension, collection.metric)
        self._patiently(lambda: self._index(name, "PUT", wanted))
        with suppress(BackendError):  # without the Index service the server reads the collection whole
            self._query(f"CREATE PRIMARY INDEX IF NOT EXISTS ON {self._keyspace(name)}", {}, fresh=False)
        self._patiently(lambda: self._hits(name, {"match_none": {}}, 0))

    def _make(self, stored: str) -> bool:
        """Make a collection of documents; False: there is one."""
        try:
            self.cluster.form(f"{self._scope_path()}/collections", {"name": stored})
        except PreconditionFailed:
            return False
        return True

    def _left_unfinished(self, name: str) -> bool:
        """Whether a collection is only what a `create` that was interrupted left: empty and without index."""
        with suppress(NotFound):
            self._index(name, "GET")
            return False
        return not self.count(Collection(name, 1), None)

    def describe(self, name: str) -> Collection:
        found = self._layout(name)
        made = Collection(name, found.dimension, found.metric)
        return made.noted(self._note(name, self._documents()[layout.stored(name)]))

    def _layout(self, name: str) -> layout.Found:
        """What the search index says. Raises NotFound where documents, index or its vectors are missing."""
        stored = layout.stored(name)
        found = None
        if stored in self._documents():
            answer = self._index(name, "GET")
            found = layout.read((answer or {}).get("indexDef"), self._scope, stored)
        if found is None:
            raise NotFound(f"there is no collection {name} with a search index of vectors", where=self.place)
        self._alone[name] = found.alone
        return found

    def collections(self) -> tuple[str, ...]:
        answer = self.cluster.call("fts", "GET", index_path(self._bucket, self._scope)) or {}
        indexes = (answer.get("indexDefs") or {}).get("indexDefs") or {}
        documents = self._documents()
        names = ((layout.collection_of_index(full), index) for full, index in indexes.items())
        return tuple(
            sorted(
                layout.shown(stored)
                for stored, index in names
                if stored in documents and layout.read(index, self._scope, stored)
            )
        )

    def drop(self, name: str) -> None:
        self._layout(name)
        path = f"{self._scope_path()}/collections/{quoted(layout.stored(name))}"
        self.cluster.call("mgmt", "DELETE", path)
        self._alone.pop(name, None)
        with suppress(NotFound):  # the server removes the index of a collection that is gone, after a while
            self._index(name, "DELETE")
        with suppress(NotFound):
            self._query(f"DELETE FROM {self._keyspace()} AS d USE KEYS $keys", {"keys": [name]})

    # ── records

    def upsert(self, collection: Collection, records: Sequence[Record]) -> None:
        name = collection.name
        statement = (
            f"UPSERT INTO {self._keyspace(name)} (KEY `k`, VALUE `v`) "
            "SELECT r.`k` AS `k`, r.`v` AS `v` FROM $rows AS r"
        )
        for rows in _batches(records):
            self._query(statement, {"rows": rows}, fresh=False)
        if name not in self._loading:
            self._until_shown(name, {"ids": [layout.key_of(one.id) for one in records]}, len(records))

    def get(self, collection: Collection, ids: Sequence[str], *, vectors: bool) -> list[Record]:
        return list(self._records(collection.name, [layout.key_of(id) for id in ids], vectors).values())

    def delete(self, collection: Collection, ids: Sequence[str]) -> int:
        statement = f"DELETE FROM {self._keyspace(collection.name)} AS d USE KEYS $keys"
        return self._query(statement, {"keys": [layout.key_of(id) for id in ids]}, fresh=False).changed

    def delete_where(self, collection: Collection, filter: Filter) -> int:
        condition, values = _condition(filter)
        statement = f"DELETE FROM {self._keyspace(collection.name)} AS d WHERE {condition}"
        return self._query(statement, values).changed

    def count(self, collection: Collection, filter: Filter | None) -> int:
        condition, values = _condition(filter)
        statement = f"SELECT RAW COUNT(*) FROM {self._keyspace(collection.name)} AS d WHERE {condition}"
        return int(self._query(statement, values).rows[0])

    def scan(
        self, collection: Collection, *, filter: Filter | None, after: str | None, limit: int, vectors: bool
    ) -> Page:
        condition, values = _condition(filter)
        if after is not None:
            condition, values = f"META(d).id > $after AND {condition}", {**values, "after": after}
        rows = self._query(
            f"SELECT {_columns(vectors)} FROM {self._keyspace(collection.name)} AS d WHERE {condition} "
            "ORDER BY META(d).id LIMIT $most",
            {**values, "most": limit},
        ).rows
        records = tuple(layout.record(row, vectors=vectors) for row in rows)
        return Page(records, str(rows[-1]["id"]) if len(rows) == limit else None)

    def begin_bulk(self, collection: Collection) -> None:
        self._loading.add(collection.name)

    def end_bulk(self, collection: Collection) -> None:
        self._loading.discard(collection.name)
        self._until_shown(collection.name, {"match_all": {}}, self.count(collection, None))

    # ── searches

    def search_dense(self, collection: Collection, query: DenseQuery) -> list[Hit]:
        name = collection.name
        keys = self._keys(name, query.filter)
        if keys is not None and len(keys) <= max(_COMPARED, query.k):
            found = self._records(name, keys, True).values()
        else:
            found = self._records(name, self._neighbours(name, query, keys), True).values()
        kept = (one for one in found if one.vector is not None and matches(query.filter, one.metadata))
        return nearest(kept, collection.metric, query.vector, query.k)

    def _neighbours(self, name: str, query: DenseQuery, keys: list[str] | None) -> list[str]:
        """Keys of the k nearest by the index, or more of them where a filter was not given to it."""
        within = keys is not None and self._is_alone(name)
        wider = query.effort is not Effort.NORMAL or (query.filter is not None and not within)
        wanted = min(_MOST, max(400, 4 * query.k) if wider else query.k)
        near: dict[str, Any] = {"field": "embedding", "vector": query.vector.tolist(), "k": wanted}
        if within:
            near["filter"] = {"ids": keys}
        return [str(hit["id"]) for hit in self._hits(name, {"match_none": {}}, wanted, near)["hits"] or ()]

    def search_text(self, collection: Collection, query: TextQuery) -> list[Hit]:
        """Any of the words. Those that a filter leaves out are asked for beyond k, until there are enough."""
        name = collection.name
        words: dict[str, Any] = {"match": query.text, "field": "text", "operator": "or"}
        keys = self._keys(name, query.filter)
        if keys is not None and self._is_alone(name):
            # What is only a condition adds nothing to the relevance.
            words = {"conjuncts": [words, {"ids": keys, "boost": 0}]}
        wanted = query.k
        while True:
            found = self._hits(name, words, wanted)["hits"] or ()
            scores = {str(one["id"]): float(one["score"]) for one in found}
            records = self._records(name, list(scores), False)
            kept = [
                Hit(records[key], max(0.0, score), source="text")
                for key, score in scores.items()
                if key in records and matches(query.filter, records[key].metadata)
            ]
            if len(kept) >= query.k or len(found) < wanted or wanted == _MOST:
                return kept[: query.k]
            wanted = min(_MOST, 4 * wanted)

    def health(self) -> Health:
        version = str((self.cluster.call("mgmt", "GET", "/pools") or {}).get("implementationVersion") or "")
        self._query("SELECT RAW 1", {}, fresh=False)
        self.cluster.call("fts", "GET", index_path(self._bucket, self._scope))
        counted = {"Query": "n1ql", "Search": "fts"}
        nodes = {name: str(len(self.cluster.nodes()[service])) for name, service in counted.items()}
        return Health(version or "REST", nodes)

    def close(self) -> None:
        self.cluster.close()

    # ── inside

    def _keyspace(self, name: str = "") -> str:
        """The collection as it stands in statements; without a name that of our notes. Settings have no `."""
        return f"`{self._bucket}`.`{self._scope}`.`{layout.stored(name) if name else _NOTES}`"

    def _scope_path(self) -> str:
        return f"/pools/default/buckets/{quoted(self._bucket)}/scopes/{quoted(self._scope)}"

    def _query(self, statement: str, values: Mapping[str, Any], *, fresh: bool = True) -> Answer:
        return self.cluster.query(statement, values, fresh=fresh)

    def _index(self, name: str, method: str, body: Any = None) -> Any:
        path = index_path(self._bucket, self._scope, layout.index_name(name))
        return self.cluster.call("fts", method, path, body)

    def _hits(self, name: str, query: Any, size: int, near: Any = None) -> Mapping[str, Any]:
        body: dict[str, Any] = {
            "query": query,
            "size": size,
            "from": 0,
            "collections": [layout.stored(name)],
            "showrequest": False,
            "ctl": {"timeout": int(self._options.timeout * 1000)},
        }
        if near is not None:
            body["knn"] = [near]
        return self.cluster.search(index_path(self._bucket, self._scope, layout.index_name(name)), body)

    def _documents(self) -> dict[str, str]:
        """The scope's collections with their uid, which a collection that is made anew has not."""
        found = (
            self.cluster.call("mgmt", "GET", f"/pools/default/buckets/{quoted(self._bucket)}/scopes") or {}
        )
        for scope in found.get("scopes") or ():
            if scope["name"] == self._scope:
                return {str(one["name"]): str(one["uid"]) for one in scope.get("collections") or ()}
        raise NotFound(f"the bucket {self._bucket} has no scope {self._scope}", where=self.place)

    def _records(self, name: str, keys: Sequence[str], vectors: bool) -> dict[str, Record]:
        """Documents by key, those that are there."""
        statement = f"SELECT {_columns(vectors)} FROM {self._keyspace(name)} AS d USE KEYS $keys"
        found: dict[str, Record] = {}
        for start in range(0, len(keys), _IDS):
            rows = self._query(statement, {"keys": list(keys[start : start + _IDS])}, fresh=False).rows
            found.update((str(row["id"]), layout.record(row, vectors=vectors)) for row in rows)
        return found

    def _keys(self, name: str, filter: Filter | None) -> list[str] | None:
        """Keys of what a filter matches; None: of all, or of more than go with a search."""
        if filter is None:
            return None
        condition, values = _condition(filter)
        statement = (
            f"SELECT RAW META(d).id FROM {self._keyspace(name)} AS d WHERE {condition} LIMIT {_LISTED + 1}"
        )
        rows = self._query(statement, values).rows
        return [str(row) for row in rows] if len(rows) <= _LISTED else None

    def _is_alone(self, name: str) -> bool:
        """Whether the index knows documents by their keys; over several collections they have prefixes."""
        if name not in self._alone:
            self._layout(name)
        return self._alone[name]

    def _write_note(self, collection: Collection) -> None:
        statement = (
            f"UPSERT INTO {self._keyspace()} (KEY `k`, VALUE `v`) "
            "SELECT r.`k` AS `k`, r.`v` AS `v` FROM $rows AS r"
        )
        made = self._documents()[layout.stored(collection.name)]
        rows = [{"k": collection.name, "v": {"note": collection.note(), "uid": made}}]
        try:
            self._query(statement, {"rows": rows}, fresh=False)
        except NotFound:
            self._make(_NOTES)
            self._patiently(lambda: self._query(statement, {"rows": rows}, fresh=False))

    def _note(self, name: str, uid: str) -> str | None:
        """The note of a collection; one of an earlier collection of this name does not count."""
        statement = f"SELECT d.`note` AS `note`, d.`uid` AS `uid` FROM {self._keyspace()} AS d USE KEYS $keys"
        try:
            rows = self._query(statement, {"keys": [name]}, fresh=False).rows
        except NotFound:
            return None
        return str(rows[0].get("note") or "") if rows and rows[0].get("uid") == uid else None

    def _until_shown(self, name: str, query: Any, number: int) -> None:
        """Wait for the index to show what was written. Not an error when it does not: it is written."""
        with suppress(BackendError):
            for _ in _attempts(min(_CATCHING_UP, self._options.timeout)):
                if int(self._hits(name, query, 0).get("total_hits") or 0) >= number:
                    return

    def _patiently(self, call: Callable[[], Any]) -> None:
        """Call until nodes have heard of what was made just before."""
        failed: BackendError | None = None
        for _ in _attempts(min(_CATCHING_UP, self._options.timeout)):
            try:
                call()
            except (NotFound, Unavailable) as error:
                failed = error
                continue
            return
        if failed is not None:
            raise failed


def _attempts(seconds: float) -> Iterator[None]:
    """One at once, then with growing pauses; the last when the time is over."""
    ends, pause = time.monotonic() + seconds, 0.02
    yield
    while time.monotonic() < ends:
        time.sleep(min(pause, max(0.0, ends - time.monotonic())))
        pause = min(1.0, pause * 1.5)
        yield


def _columns(vectors: bool) -> str:
    columns = "META(d).id AS `id`, d.`text` AS `text`, d.`metadata` AS `metadata`"
    return f"{columns}, d.`embedding` AS `embedding`" if vectors else columns


def _condition(filter: Filter | None) -> tuple[str, dict[str, Any]]:
    if filter is None:
        return "TRUE", {}
    conditions = layout.SqlConditions()
    return conditions.render(filter), conditions.values


def _batches(records: Sequence[Record]) -> Iterator[list[dict[str, Any]]]:
    """Rows of one request each."""
    rows: list[dict[str, Any]] = []
    size = 0
    for one in records:
        row = {"k": layout.key_of(one.id), "v": layout.document(one)}
        length = len(json.dumps(row))
        if rows and size + length > _BYTES:
            yield rows
            rows, size = [], 0
        rows.append(row)
        size += length
    if rows:
        yield rows
