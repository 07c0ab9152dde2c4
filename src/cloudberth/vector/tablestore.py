"""Alibaba Cloud Tablestore (`tablestore`): a table and a search index a collection, over its own protocol."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any, ClassVar, Self

from pydantic import Field, SecretStr

from cloudberth.errors import BackendError, InvalidInput, NotFound, PreconditionFailed, Unavailable
from cloudberth.vector import _tablestore_layout as layout
from cloudberth.vector import _tablestore_queries as queries
from cloudberth.vector._tablestore_calls import NOT_READY, Calls, meant
from cloudberth.vector._tablestore_messages import Message, encode
from cloudberth.vector._tablestore_queries import FACTS
from cloudberth.vector._tablestore_rows import Bound, Row, read, row
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
from cloudberth.vector.text import tokens

# Where the notes stand; Dify sees that table in the list of tables only.
_NOTES = "berth_collections"
# Enumerations of the protocol.
_STRING_KEY, _PUT, _DELETE = 2, 1, 3
_DESCENDING, _NOTHING_BUT_KEYS, _INCREMENTAL = 1, 3, 2
# At most so many rows in one answer of a search, in one reading and in one writing; a request has 4 MB.
_MOST, _MOST_READ, _MOST_WRITTEN, _LARGEST = 1000, 100, 200, 3_500_000
_WAIT, _READY, _REMEMBERED = 0.2, 60.0, 60.0
_ANY_CASE = {"row_existence": 0}


class TablestoreSettings(VectorSettings):
    """Dify's variables. In a location: ``tablestore://host/instance`` (https, or ``?tls=false``).

    normalize_full_text_bm25_score: accepted as Dify's; scores of words are always between 0 and 1 here.
    """

    parts: ClassVar[Mapping[str, str]] = {
        "host": "host", "port": "port", "user": "access_key_id", "path": "instance_name"
    }  # fmt: skip
    endpoint: str = Field("", alias="TABLESTORE_ENDPOINT")
    instance_name: str = Field("", alias="TABLESTORE_INSTANCE_NAME")
    access_key_id: str = Field("", alias="TABLESTORE_ACCESS_KEY_ID")
    access_key_secret: SecretStr | None = Field(None, alias="TABLESTORE_ACCESS_KEY_SECRET")
    normalize_full_text_bm25_score: bool = Field(False, alias="TABLESTORE_NORMALIZE_FULLTEXT_BM25_SCORE")
    ca_file: str = Field("", alias="TABLESTORE_CA_FILE")
    host: str = ""
    port: int = Field(443, ge=1, le=65535)
    tls: bool = True

    @property
    def address(self) -> str:
        return f"{'https' if self.tls else 'http'}://{self.host}:{self.port}" if self.host else self.endpoint


class Tablestore(OpenableVectorBackend):
    """Tablestore over its own protocol, without its library, which needs an old protobuf.

    Layout as Dify's: a table with the key ``id`` (doc_id) and ``page_content``, ``vector``, ``metadata`` and
    ``metadata_tags`` as JSON, and a search index ``<table>_idx`` over them. Beyond it a list `cloudberth` of
    facts that filters look into, for at most 127 fields a record; the notes stand in a table
    ``berth_collections``. The index follows the table, within three seconds as the vendor says: searching,
    counting and removing by a filter do not see newer records; reading by id and scanning do. A search asks
    the index for keys, 1000 neighbours at most, and reads the rows: what it shows is current. Scores of
    vectors are computed here, because the vendor does not say how its own are made. Words are found by the
    vendor's analyser for Chinese, Dify's choice. Of what Dify wrote the index tells which records have a text
    in a field; the rest of a filter is compared here, at the cost of reading the metadata of what is left. A
    filtered scan reads everything. Exact searches are compared here.

    Tested against a double that the vendor's library (6.4.8) accepts. Not proved: the service; among that,
    what its index makes of metadata above 4 KB, its limit for keywords.
    """

    id: ClassVar[str] = "tablestore"
    settings: ClassVar[type[VectorSettings]] = TablestoreSettings
    capabilities = Capabilities(
        metrics=frozenset(Metric),
        full_text=FullText.CJK,
        dimensions=4096,
        batch=_MOST_WRITTEN,
        exact=False,
        immediate=False,
    )

    def __init__(self, calls: Calls, instance: str) -> None:
        self.calls = calls
        self.place = f"tablestore://{calls.origin.host}:{calls.origin.port}/{instance}"
        self._all_ours_since: dict[str, float] = {}

    @classmethod
    def open(cls, settings: VectorSettings, options: Options) -> Self:
        assert isinstance(settings, TablestoreSettings)  # noqa: S101 — the registry pairs them
        secret = revealed(settings.access_key_secret)
        given = {
            "TABLESTORE_ENDPOINT": settings.address,
            "TABLESTORE_INSTANCE_NAME": settings.instance_name,
            "TABLESTORE_ACCESS_KEY_ID": settings.access_key_id,
            "TABLESTORE_ACCESS_KEY_SECRET": secret,
        }
        absent = [name for name, value in given.items() if not value]
        if absent:
            raise InvalidInput(f"not set: {', '.join(absent)}", where=absent[0])
        for name in ("TABLESTORE_INSTANCE_NAME", "TABLESTORE_ACCESS_KEY_ID"):
            if not given[name].isascii() or not given[name].isprintable():
                raise InvalidInput("it has printable ASCII characters only", where=name)
        calls = Calls(
            settings.address,
            settings.instance_name,
            settings.access_key_id,
            secret,
            options,
            settings.ca_file,
        )
        return cls(calls, settings.instance_name)

    # ── collections

    def create(self, collection: Collection) -> None:
        name = collection.name
        if name == _NOTES:
            raise InvalidInput(f"{_NOTES} is where notes of collections stand", where=name)
        try:
            self._create_table(name)
        except PreconditionFailed:
            # A table without its index is what a creation that was cut off leaves behind, Dify's or ours.
            if self._has_index(name) or not self._has_our_key(name):
                raise
        self._write_note(name, collection.note())
        schema = {"field_schemas": layout.fields(collection), "index_setting": {"number_of_shards": 1}}
        asked = {"table_name": name, "index_name": _index(name), "schema": schema, "time_to_live": -1}
        self._when_ready(lambda: self.calls("CreateSearchIndex", asked))
        self._wait(name)

    def _create_table(self, name: str) -> None:
        key = {"name": layout.KEY, "type": _STRING_KEY}
        asked = {
            "table_meta": {"table_name": name, "primary_key": [key]},
            "reserved_throughput": {"capacity_unit": {"read": 0, "write": 0}},
            "table_options": {
                "time_to_live": -1,
                "max_versions": 1,
                "deviation_cell_version_in_sec": 86400,
            },
        }
        self.calls("CreateTable", asked)

    def _has_index(self, name: str) -> bool:
        found = self.calls("ListSearchIndex", {"table_name": name})["indices"]
        return any(one.get("index_name") == _index(name) for one in found)

    def _has_our_key(self, name: str) -> bool:
        found = self.calls("DescribeTable", {"table_name": name})["table_meta"]["primary_key"]
        return [(one["name"], one["type"]) for one in found] == [(layout.KEY, _STRING_KEY)]

    def _when_ready(self, act: Callable[[], Any]) -> Any:
        """What it answers, once a table that was just made takes requests."""
        ends = time.monotonic() + _READY
        while True:
            try:
                return act()
            except Unavailable as error:
                if error.code != NOT_READY or time.monotonic() > ends:
                    raise
                time.sleep(_WAIT)

    def _wait(self, name: str) -> None:
        """Until an index follows its table; for at most a minute, which the vendor says it takes."""
        ends = time.monotonic() + _READY
        while (self._described(name).get("sync_stat") or {}).get("sync_phase") != _INCREMENTAL:
            if time.monotonic() > ends:
                return
            time.sleep(_WAIT)

    def _described(self, name: str) -> Message:
        asked = {"table_name": name, "index_name": _index(name), "include_sync_stat": True}
        return self.calls("DescribeSearchIndex", asked)

    def describe(self, name: str) -> Collection:
        fields = self._described(name)["schema"]["field_schemas"]
        by_name = {one.get("field_name"): one for one in fields}
        options = (by_name.get(layout.VECTOR) or {}).get("vector_options")
        if options is None:
            raise NotFound(f"there is no collection {name}: the table of that name has no vectors")
        metric = next(
            (one for one, number in layout.METRICS.items() if number == options.get("metric_type")),
            Metric.COSINE,
        )
        made = Collection(name, int(options["dimension"]), metric)
        # Without our list it is Dify's, whatever a note says that an earlier one of that name left.
        return made.noted(self._note(name) if FACTS in by_name else None)

    def collections(self) -> tuple[str, ...]:
        found = self.calls("ListSearchIndex", {})["indices"]
        names = [str(one["table_name"]) for one in found if one["index_name"] == _index(one["table_name"])]
        return tuple(sorted(name for name in names if self._is_ours(name)))

    def _is_ours(self, name: str) -> bool:
        try:
            self.describe(name)
        except NotFound:
            return False
        return True

    def drop(self, name: str) -> None:
        self._all_ours_since.pop(name, None)
        # Other tables of the instance are not ours to remove.
        self.describe(name)
        for one in self.calls("ListSearchIndex", {"table_name": name})["indices"]:
            with suppress(NotFound):
                self.calls(
                    "DeleteSearchIndex", {"table_name": one["table_name"], "index_name": one["index_name"]}
                )
        self.calls("DeleteTable", {"table_name": name})
        with suppress(NotFound):
            self._write(_NOTES, [(_DELETE, row([(layout.KEY, name)], deleted=True))])

    def _write_note(self, name: str, note: str) -> None:
        with suppress(PreconditionFailed):
            self._create_table(_NOTES)
        written = row([(layout.KEY, name)], [("note", note)])
        self._when_ready(lambda: self._write(_NOTES, [(_PUT, written)]))

    def _note(self, name: str) -> str | None:
        try:
            found = self._rows(_NOTES, [name], ["note"])
        except NotFound:
            return None
        return str(found[0].columns.get("note") or "") if found else None

    # ── records

    def upsert(self, collection: Collection, records: Sequence[Record]) -> None:
        self._write(collection.name, [(_PUT, layout.row(record, collection)) for record in records])

    def _write(self, table: str, changes: Sequence[tuple[int, bytes]]) -> None:
        for some in _portions(changes):
            asked = [{"type": kind, "row_change": data, "condition": _ANY_CASE} for kind, data in some]
            found = self.calls("BatchWriteRow", {"tables": [{"table_name": table, "rows": asked}]})
            for one in found["tables"]:
                _raise_refusals(one["rows"])

    def get(self, collection: Collection, ids: Sequence[str], *, vectors: bool) -> list[Record]:
        size = _readable(collection) if vectors else _MOST_READ
        found = self._rows(collection.name, ids, layout.columns(vectors), size=size)
        return [layout.record(one) for one in found]

    def _rows(
        self, table: str, ids: Sequence[str], columns: Sequence[str], *, size: int = _MOST_READ
    ) -> list[Row]:
        found: list[Row] = []
        for start in range(0, len(ids), size):
            keys = [row([(layout.KEY, id)]) for id in ids[start : start + size]]
            asked = {
                "table_name": table,
                "primary_key": keys,
                "columns_to_get": columns,
                "max_versions": 1,
            }
            for one in self.calls("BatchGetRow", {"tables": [asked]})["tables"]:
                _raise_refusals(one["rows"])
                found += (each for part in one["rows"] for each in read(part.get("row") or b""))
        return found

    def delete(self, collection: Collection, ids: Sequence[str]) -> int:
        there = [str(one.key[layout.KEY]) for one in self._rows(collection.name, ids, [layout.METADATA])]
        self._write(collection.name, [(_DELETE, row([(layout.KEY, id)], deleted=True)) for id in there])
        return len(there)

    def delete_where(self, collection: Collection, filter: Filter) -> int:
        ids = list(self._matching(collection, filter))
        size = _MOST_WRITTEN
        return sum(self.delete(collection, ids[at : at + size]) for at in range(0, len(ids), size))

    def count(self, collection: Collection, filter: Filter | None) -> int:
        condition, is_all = self._condition(collection, filter)
        if is_all:
            return self._counted(collection.name, condition or queries.ALL)
        return sum(1 for _ in self._matching(collection, filter))

    def _counted(self, name: str, condition: Message) -> int:
        found = self._search(name, {"query": condition, "limit": 0, "get_total_count": True})
        return int(found.get("total_hits") or 0)

    def scan(
        self, collection: Collection, *, filter: Filter | None, after: str | None, limit: int, vectors: bool
    ) -> Page:
        """A page may hold fewer than there are: those of its stretch that a filter matches."""
        asked = {
            "table_name": collection.name,
            "direction": 0,
            "columns_to_get": layout.columns(vectors),
            "max_versions": 1,
            "limit": limit,
            "inclusive_start_primary_key": row([(layout.KEY, after if after else Bound.LEAST)]),
            "exclusive_end_primary_key": row([(layout.KEY, Bound.MOST)]),
        }
        found = self.calls("GetRange", asked)
        records = (layout.record(one) for one in read(found.get("rows") or b""))
        kept = tuple(one for one in records if matches(filter, one.metadata))
        following = read(found.get("next_start_primary_key") or b"")
        return Page(kept, str(following[0].key[layout.KEY]) if following else None)

    def _matching(self, collection: Collection, filter: Filter | None) -> Iterator[str]:
        """Ids of all records that the index has, and a filter matches."""
        condition, is_all = self._condition(collection, filter)
        sort = {"sorter": [{"pk_sort": {"order": 0}}]}
        for keys, _ in self._pages(collection.name, condition or queries.ALL, sort):
            if is_all:
                yield from keys
                continue
            for one in self._rows(collection.name, keys, [layout.METADATA]):
                if matches(filter, layout.metadata(one)):
                    yield str(one.key[layout.KEY])

    # ── search

    def search_dense(self, collection: Collection, query: DenseQuery) -> list[Hit]:
        condition, is_all = self._condition(collection, query.filter)
        k = query.k if is_all and query.effort is Effort.NORMAL else max(400, 4 * query.k)
        k = min(k, _MOST)
        asked = queries.nearest(layout.VECTOR, query.vector.tolist(), k, condition)
        found = self._search(collection.name, {"query": asked, "sort": _BY_SCORE, "limit": k})
        keys = [str(one.key[layout.KEY]) for data in found["rows"] for one in read(data)]
        records = self.get(collection, keys, vectors=True)
        # A record that has changed since is measured as it is now.
        kept = (one for one in records if one.vector is not None and matches(query.filter, one.metadata))
        return nearest(kept, collection.metric, query.vector, query.k)

    def search_text(self, collection: Collection, query: TextQuery) -> list[Hit]:
        if not tokens(query.text):
            return []
        condition, _ = self._condition(collection, query.filter)
        asked = queries.words(layout.TEXT, query.text, condition)
        hits: list[Hit] = []
        for keys, scores in self._pages(collection.name, asked, _BY_SCORE, size=max(query.k, 10)):
            rows = self._rows(collection.name, keys, layout.columns(False))
            by_id = {one.id: one for one in map(layout.record, rows) if matches(query.filter, one.metadata)}
            found = zip(keys, scores, strict=True)
            hits += (Hit(by_id[id], score) for id, score in found if id in by_id)
            if len(hits) >= query.k:
                break
        return hits[: query.k]

    def _pages(
        self, name: str, query: Message, sort: Message, *, size: int = _MOST
    ) -> Iterator[tuple[list[str], list[float]]]:
        """Keys and scores, page by page, in the order that is asked for."""
        asked: Message = {"query": query, "sort": sort, "limit": min(size, _MOST)}
        while True:
            found = self._search(name, asked)
            keys = [str(one.key[layout.KEY]) for data in found["rows"] for one in read(data)]
            scores = [float(one.get("score") or 0.0) for one in found["search_hits"]]
            # Where it does not score, the order alone is left.
            yield keys, scores if len(scores) == len(keys) else [1.0 / (at + 1) for at in range(len(keys))]
            token = found.get("next_token")
            if not token or not keys:
                return
            # A token holds the order too; both together are refused.
            asked = {"query": query, "limit": asked["limit"], "token": token}

    def _search(self, name: str, query: Message) -> Message:
        asked = {
            "table_name": name,
            "index_name": _index(name),
            "columns_to_get": {"return_type": _NOTHING_BUT_KEYS},
            "search_query": encode("SearchQuery", query),
        }
        found = self.calls("Search", asked)
        if not found.get("is_all_succeed", 1):
            raise Unavailable(f"a part of the index of {name} did not answer")
        return found

    def _condition(self, collection: Collection, filter: Filter | None) -> tuple[Message | None, bool]:
        if filter is None:
            return None, True
        mixed = not collection.dify and not self._all_ours(collection.name)
        return queries.condition_of(filter, dify=collection.dify, mixed=mixed)

    def _all_ours(self, name: str) -> bool:
        """Whether every record has facts. Remembered for a minute."""
        since = self._all_ours_since.get(name)
        if since is not None and time.monotonic() - since < _REMEMBERED:
            return True
        if self._counted(name, queries.UNMARKED):
            return False
        self._all_ours_since[name] = time.monotonic()
        return True

    def health(self) -> Health:
        found = self.calls("ListTable", {})["table_names"]
        return Health("2015-12-31", {"tables": str(len(found))})

    def close(self) -> None:
        self.calls.close()


_BY_SCORE: Message = {"sorter": [{"score_sort": {"order": _DESCENDING}}]}


def _index(name: str) -> str:
    return f"{name}_idx"


def _readable(collection: Collection) -> int:
    """How many records with their vectors are read at once: answers stay as small as requests have to be."""
    return max(1, min(_MOST_READ, _LARGEST // (16 * collection.dimension + 4000)))


def _portions(changes: Sequence[tuple[int, bytes]]) -> Iterator[list[tuple[int, bytes]]]:
    """As many rows as one request takes."""
    some: list[tuple[int, bytes]] = []
    size = 0
    for change in changes:
        if some and (len(some) == _MOST_WRITTEN or size + len(change[1]) > _LARGEST):
            yield some
            some, size = [], 0
        some.append(change)
        size += len(change[1])
    if some:
        yield some


def _raise_refusals(rows: Sequence[Message]) -> None:
    """Raise what became of the first row that was refused."""
    for one in rows:
        if not one.get("is_ok"):
            error = one.get("error") or {}
            found: BackendError = meant(str(error.get("code") or ""), str(error.get("message") or ""))
            raise found
