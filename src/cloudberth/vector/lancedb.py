"""LanceDB (`lancedb`): a folder of this machine, for several processes, larger than memory."""

from __future__ import annotations

import math
import re
import threading
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar, Self

from pydantic import Field

from cloudberth.errors import InvalidInput, Mismatch, NotFound, PreconditionFailed
from cloudberth.extras import late_import
from cloudberth.vector import _lance_rows as rows
from cloudberth.vector._lance_failures import mapped
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
from cloudberth.vector.filters import Filter
from cloudberth.vector.opening import OpenableVectorBackend
from cloudberth.vector.options import Options
from cloudberth.vector.settings import VectorSettings
from cloudberth.vector.text import tokenized

_METRICS = {Metric.COSINE: "cosine", Metric.L2: "l2", Metric.INNER: "dot"}
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,119}")
_NOTE = b"cloudberth"
# Rows from which on an index is worth its building; below, comparing them all is as fast.
_INDEXED_FROM = 20_000
# Versions that nobody reads any more are removed after so long.
_KEPT = timedelta(hours=1)
_MEASURED_AGAIN = 3  # candidates for each hit wanted
_RESULT = [rows.ID, rows.TEXT, rows.METADATA]


class LanceSettings(VectorSettings):
    """path: of the folder."""

    parts: ClassVar[Mapping[str, str]] = {"path": "path"}
    path: str = Field("lancedb", alias="LANCEDB_PATH")


class LanceDb(OpenableVectorBackend):
    """LanceDB in this process. It is not one of Dify's stores, and the layout is ours.

    One table a collection: id, text, our words of it (searched by words, also Chinese), vector, metadata as
    JSON, and beside it what filters compare. Small collections are compared exactly; `end_bulk` builds an
    index from 20,000 records on, and takes in what was written since. Several processes write safely; of two
    that change one table at once, one is repeated by LanceDB.

    Tested against the real engine, 0.40.
    """

    id: ClassVar[str] = "lancedb"
    settings: ClassVar[type[VectorSettings]] = LanceSettings
    capabilities = Capabilities(
        metrics=frozenset(Metric), full_text=FullText.CJK, dimensions=65_535, batch=1000
    )

    def __init__(self, path: Path) -> None:
        self.path = path.expanduser().absolute()
        self.place = f"lancedb://{self.path}"
        self._opened: Any = None
        self._tables: dict[str, Any] = {}
        self._lock = threading.Lock()

    @classmethod
    def open(cls, settings: VectorSettings, options: Options) -> Self:  # noqa: ARG003
        assert isinstance(settings, LanceSettings)  # noqa: S101 — the registry pairs them
        if "://" in settings.path:
            raise InvalidInput("it is a folder of this machine", where="LANCEDB_PATH")
        return cls(Path(settings.path))

    # ── collections

    def create(self, collection: Collection) -> None:
        schema = rows.schema(collection.dimension, {_NOTE: collection.note().encode()})
        with mapped(collection.name):
            database = self._database
            if collection.name in self._names():
                raise PreconditionFailed(f"there is a collection {collection.name} already")
            table = database.create_table(collection.name, schema=schema)
            index = late_import("lancedb.index", extra="lancedb", needed_for="LanceDB")
            table.create_index(
                rows.WORDS,
                config=index.FTS(
                    base_tokenizer="whitespace",
                    lower_case=False,
                    stem=False,
                    remove_stop_words=False,
                    ascii_folding=False,
                    max_token_length=None,
                ),
            )
            self._tables[collection.name] = table

    def describe(self, name: str) -> Collection:
        self._tables.pop(name, None)
        with mapped(name):
            schema = self._table(name).schema
        if rows.VECTOR not in schema.names or rows.WORDS not in schema.names:
            raise Mismatch("the table has other columns than ours", where=f"{self.place} {name}")
        note = (schema.metadata or {}).get(_NOTE, b"").decode()
        return Collection(name, schema.field(rows.VECTOR).type.list_size).noted(note)

    def collections(self) -> tuple[str, ...]:
        with mapped(""):
            return tuple(sorted(name for name in self._names() if _NAME.fullmatch(name)))

    def drop(self, name: str) -> None:
        with mapped(name):
            self._tables.pop(name, None)
            if name not in self._names():
                raise NotFound(f"there is no collection {name}")
            self._database.drop_table(name)

    # ── records

    def upsert(self, collection: Collection, records: Sequence[Record]) -> None:
        with mapped(collection.name):
            table = self._table(collection.name)
            merge = table.merge_insert(rows.ID).when_matched_update_all().when_not_matched_insert_all()
            merge.execute(rows.table(records, table.schema))

    def get(self, collection: Collection, ids: Sequence[str], *, vectors: bool) -> list[Record]:
        if not ids:
            return []
        with mapped(collection.name):
            query = self._table(collection.name).search().where(rows.is_one_of(rows.ID, ids))
            return rows.records(query.select(_columns(vectors)).limit(len(ids)).to_arrow())

    def delete(self, collection: Collection, ids: Sequence[str]) -> int:
        return self._delete(collection.name, rows.is_one_of(rows.ID, ids)) if ids else 0

    def delete_where(self, collection: Collection, filter: Filter) -> int:
        return self._delete(collection.name, rows.condition(filter))

    def count(self, collection: Collection, filter: Filter | None) -> int:
        with mapped(collection.name):
            table = self._table(collection.name)
            return int(table.count_rows(None if filter is None else rows.condition(filter)))

    def scan(
        self, collection: Collection, *, filter: Filter | None, after: str | None, limit: int, vectors: bool
    ) -> Page:
        parts = [] if filter is None else [rows.condition(filter)]
        if after is not None:
            parts.append(f"{rows.ID} > {rows.literal(after)}")
        library = late_import("lancedb.query", extra="lancedb", needed_for="LanceDB")
        order = [library.ColumnOrdering(column_name=rows.ID, ascending=True)]
        with mapped(collection.name):
            query = self._table(collection.name).search().select(_columns(vectors)).limit(limit)
            if parts:
                query = query.where(" AND ".join(parts))
            found = rows.records(query.order_by(order).to_arrow())
        return Page(tuple(found), found[-1].id if len(found) == limit else None)

    def end_bulk(self, collection: Collection) -> None:
        with mapped(collection.name):
            table = self._table(collection.name)
            wanted = collection.index.kind != "exact" and table.count_rows() >= _INDEXED_FROM
            if wanted and not _is_indexed(table):
                index = late_import("lancedb.index", extra="lancedb", needed_for="LanceDB")
                graph = {"m": collection.index.links, "ef_construction": collection.index.construction}
                kind = index.HnswSq(distance_type=_METRICS[collection.metric], **graph)
                table.create_index(rows.VECTOR, config=kind)
            table.optimize(cleanup_older_than=_KEPT)

    # ── search

    def search_dense(self, collection: Collection, query: DenseQuery) -> list[Hit]:
        with mapped(collection.name):
            search = self._table(collection.name).search(query.vector, vector_column_name=rows.VECTOR)
            search = search.distance_type(_METRICS[collection.metric]).limit(query.k)
            search = search.select([*_RESULT, "_distance"])
            if query.filter is not None:
                search = search.where(rows.condition(query.filter), prefilter=True)
            if query.effort is Effort.EXACT:
                search = search.bypass_vector_index()
            else:
                wide = query.effort is Effort.WIDE
                search = search.ef(max(collection.index.search, query.k) * (8 if wide else 1))
                search = search.nprobes(100 if wide else 20)
                # The index keeps a byte for a number: candidates are measured again by their whole vectors.
                search = search.refine_factor(_MEASURED_AGAIN)
            found = search.to_arrow()
        distances = found.column("_distance").to_pylist()
        return [
            Hit(record, _measured(collection.metric, distance))
            for record, distance in zip(rows.records(found), distances, strict=True)
        ]

    def search_text(self, collection: Collection, query: TextQuery) -> list[Hit]:
        words = tokenized(query.text)
        if not words:
            return []
        library = late_import("lancedb.query", extra="lancedb", needed_for="LanceDB")
        with mapped(collection.name):
            search = self._table(collection.name).search(library.MatchQuery(words, rows.WORDS))
            search = search.select([*_RESULT, "_score"]).limit(query.k)
            if query.filter is not None:
                search = search.where(rows.condition(query.filter), prefilter=True)
            found = search.to_arrow()
        scores = found.column("_score").to_pylist()
        return [Hit(record, float(score)) for record, score in zip(rows.records(found), scores, strict=True)]

    def health(self) -> Health:
        with mapped(""):
            number = len(self._names())
        from importlib.metadata import version

        return Health(version("lancedb"), {"collections": str(number)})

    def close(self) -> None:
        with self._lock:
            self._tables.clear()
            self._opened = None

    # ── inside

    @property
    def _database(self) -> Any:
        with self._lock:
            if self._opened is None:
                library = late_import("lancedb", extra="lancedb", needed_for="LanceDB")
                try:
                    self.path.mkdir(parents=True, exist_ok=True)
                except OSError as error:
                    raise InvalidInput(
                        f"the folder cannot be used: {error.strerror}", where=str(self.path)
                    ) from None
                # Every process sees at once what another wrote.
                self._opened = library.connect(str(self.path), read_consistency_interval=timedelta(0))
            return self._opened

    def _names(self) -> list[str]:
        names: list[str] = []
        token: str | None = None
        while True:
            page = self._database.list_tables(page_token=token, limit=1000)
            names += list(page.tables)
            token = page.page_token
            if not token:
                return names

    def _table(self, name: str) -> Any:
        """An open table. Opening costs milliseconds, so they are kept until `describe` asks anew."""
        found = self._tables.get(name)
        if found is None:
            found = self._tables[name] = self._database.open_table(name)
        return found

    def _delete(self, name: str, condition: str) -> int:
        with mapped(name):
            return int(self._table(name).delete(condition).num_deleted_rows)


def _columns(vectors: bool) -> list[str]:
    return [*_RESULT, *([rows.VECTOR] if vectors else [])]


def _is_indexed(table: Any) -> bool:
    return any(rows.VECTOR in index.columns for index in table.list_indices())


def _measured(metric: Metric, distance: float) -> float:
    """LanceDB's distances: 1 - cosine, the square of Euclid's, 1 - inner product."""
    return math.sqrt(max(0.0, distance)) if metric is Metric.L2 else 1.0 - distance
