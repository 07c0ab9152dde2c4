"""Milvus (`milvus`): a server, Zilliz Cloud, or a file of Milvus Lite."""

from __future__ import annotations

import json
import math
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Self

from pydantic import Field, SecretStr

from cloudberth.errors import InvalidInput, Mismatch, NotFound, PreconditionFailed, Unsupported
from cloudberth.vector import _milvus_rows as rows
from cloudberth.vector._comparing_metadata import split
from cloudberth.vector._milvus_calls import Milvus as Calls
from cloudberth.vector._milvus_columns import literal
from cloudberth.vector._milvus_loads import Loads
from cloudberth.vector._milvus_schema import indexes, schema
from cloudberth.vector.contract import (
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
from cloudberth.vector.filters import Filter, matches
from cloudberth.vector.opening import OpenableVectorBackend
from cloudberth.vector.options import Options
from cloudberth.vector.settings import VectorSettings, revealed

_METRICS = {"COSINE": Metric.COSINE, "L2": Metric.L2, "IP": Metric.INNER}
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,119}")
_NOTE = "cloudberth.note"
_OUTPUT = [rows.CONTENT, rows.METADATA]
_PAGE = 500
# Seconds that it is remembered whether a collection has rows without our fields.
_REMEMBERED = 30.0
# Ids of a bulk load that are kept in memory.
_MOST_KNOWN = 1_000_000
CAPABILITIES = Capabilities(
    metrics=frozenset(Metric), full_text=FullText.CJK, dimensions=32_768, batch=500, exact=False
)


class MilvusSettings(VectorSettings):
    """Dify's variables, and beyond them `path`, a file of Milvus Lite (which MILVUS_URI may be too).

    uri: ``http(s)://host:port``, or a file ending in .db. token: of Zilliz Cloud, or ``user:password``.
    enable_hybrid_search: with a search by words. analyzer_params: JSON; left out, one that knows Chinese.
    """

    parts: ClassVar[Mapping[str, str]] = {"host": "host", "port": "port", "user": "user", "path": "path"}
    uri: str = Field("http://127.0.0.1:19530", alias="MILVUS_URI")
    token: SecretStr | None = Field(None, alias="MILVUS_TOKEN")
    user: str = Field("", alias="MILVUS_USER")
    password: SecretStr | None = Field(None, alias="MILVUS_PASSWORD")
    database: str = Field("default", alias="MILVUS_DATABASE")
    enable_hybrid_search: bool = Field(True, alias="MILVUS_ENABLE_HYBRID_SEARCH")
    analyzer_params: str = Field("", alias="MILVUS_ANALYZER_PARAMS")
    secure: bool = Field(False, alias="MILVUS_SECURE")
    server_pem_path: str = Field("", alias="MILVUS_SERVER_PEM_PATH")
    server_name: str = Field("", alias="MILVUS_SERVER_NAME")
    host: str = ""
    port: int = Field(19530, ge=1, le=65535)
    path: str = ""

    @property
    def file(self) -> str:
        """The file of Milvus Lite; empty for a server."""
        if self.host:
            return ""
        return self.path or (self.uri if self.uri.endswith(".db") and "://" not in self.uri else "")

    @property
    def address(self) -> str:
        if self.host:
            return f"{'https' if self.secure else 'http'}://{self.host}:{self.port}"
        return self.uri


class Milvus(OpenableVectorBackend):
    """Milvus through its own library (gRPC), or Milvus Lite in a file.

    Layout as Dify's: an `id` that Milvus gives, ``page_content, metadata, vector, sparse_vector``, where the
    last is BM25 by Milvus (2.5 and newer). Its analyser is jieba, which knows Chinese; Dify's default does
    not. Beyond it some fields, null in Dify's rows: the record's id, what filters compare, and a column for
    each declared field (the first 40), which is compared fastest. Of collections with rows of Dify, equal
    texts are found by Milvus and every filter is compared here. A record is replaced by writing the new row
    before the old ones are removed; a bulk load into an empty collection looks for none, and makes sure at
    its end. Milvus has no exact search beside an index: that is compared here. Texts have at most 65,535
    bytes; longer ones are refused. A file is for one process: another gets Unavailable.

    Tested against the real Milvus Lite (3.2), in a file and as a server. Not proved: Milvus itself, Zilliz
    Cloud, TLS.
    """

    id: ClassVar[str] = "milvus"
    settings: ClassVar[type[VectorSettings]] = MilvusSettings
    capabilities = CAPABILITIES

    def __init__(self, calls: Calls, place: str, settings: MilvusSettings) -> None:
        self.calls = calls
        self.place = place
        self.capabilities = replace(
            CAPABILITIES,
            processes=not calls.is_file,
            full_text=FullText.CJK if settings.enable_hybrid_search else FullText.NONE,
        )
        self._analyzer = _analyzer(settings.analyzer_params)
        self._fields: dict[str, frozenset[str]] = {}
        self._mixed: dict[str, tuple[float, bool]] = {}
        self._loads = Loads()

    @classmethod
    def open(cls, settings: VectorSettings, options: Options) -> Self:
        assert isinstance(settings, MilvusSettings)  # noqa: S101 — the registry pairs them
        if settings.file:
            file = Path(settings.file).expanduser().absolute()
            if file.suffix != ".db":
                raise InvalidInput("a file of Milvus Lite ends in .db", where=str(file))
            return cls(Calls({"uri": str(file)}, file, options.timeout), f"milvus://{file}", settings)
        given = _connection(settings)
        place = f"milvus://{settings.address.rpartition('://')[2].rpartition('@')[2]}"
        return cls(Calls(given, None, options.timeout), f"{place}/{settings.database}", settings)

    # ── collections

    def create(self, collection: Collection) -> None:
        if self.calls.call("has_collection", collection.name):
            raise PreconditionFailed(f"there is a collection {collection.name} already")
        new = self.calls.is_new
        words = new and self.capabilities.full_text is not FullText.NONE
        metric = next(word for word, metric in _METRICS.items() if metric is collection.metric)
        library, lite = self.calls.library, self.calls.is_lite
        self.calls.call(
            "create_collection",
            collection.name,
            schema=schema(library, collection, words=words, nullable=new, lite=lite, analyzer=self._analyzer),
            consistency_level="Strong",
            properties={_NOTE: collection.note()},
        )
        # Given to create_collection, each would be waited for half a second, however empty it is.
        made = indexes(library, collection, metric, words=words, nullable=new, lite=lite)
        try:
            self.calls.call("create_index", collection.name, made, sync=False)
            self.calls.call("load_collection", collection.name)
        except Exception:
            # A repeat would take the collection for made, and it had no index.
            with suppress(Exception):
                self.calls.call("drop_collection", collection.name)
            raise
        self._loads.drop(collection.name)
        self._fields.pop(collection.name, None)
        self._mixed[collection.name] = (time.monotonic(), False)

    def describe(self, name: str) -> Collection:
        found = self.calls.call("describe_collection", name)
        fields = {field["name"]: field for field in found["fields"]}
        vector = fields.get(rows.VECTOR)
        if vector is None or rows.CONTENT not in fields:
            raise Mismatch("the collection has other fields than Dify's", where=f"{self.place} {name}")
        self._fields[name] = frozenset(fields)
        index = self.calls.call("describe_index", name, rows.VECTOR) or {}
        metric = _METRICS.get(str(index.get("metric_type", "IP")).upper(), Metric.INNER)
        made = Collection(name, int(vector["params"]["dim"]), metric, index=Index("hnsw", 8, 64, 64))
        note = (found.get("properties") or {}).get(_NOTE) or found.get("description")
        return made.noted(note if isinstance(note, str) else None)

    def collections(self) -> tuple[str, ...]:
        return tuple(sorted(name for name in self.calls.call("list_collections") if _NAME.fullmatch(name)))

    def drop(self, name: str) -> None:
        if not self.calls.call("has_collection", name):
            raise NotFound(f"there is no collection {name}")
        self.calls.call("drop_collection", name)
        self._loads.drop(name)
        self._fields.pop(name, None)
        self._mixed.pop(name, None)

    # ── records

    def upsert(self, collection: Collection, records: Sequence[Record]) -> None:
        fields = self._fields_of(collection.name)
        made = [rows.row(record, fields) for record in records]
        maybe = self._loads.to_look_for(collection.name, [record.id for record in records])
        old = self._keys(collection.name, maybe) if maybe else {}
        self.calls.call("insert", collection.name, made)
        self._remove(collection.name, [key for keys in old.values() for key in keys])
        if self._loads.size(collection.name) > _MOST_KNOWN:
            self._end_load(collection.name)

    def get(self, collection: Collection, ids: Sequence[str], *, vectors: bool) -> list[Record]:
        if not ids:
            return []
        output = [*_OUTPUT, *([rows.VECTOR] if vectors else [])]
        found: dict[str, Record] = {}
        for one in self._query(collection.name, self._of_ids(collection.name, ids), output):
            record = _record(one)
            found.setdefault(record.id, record)
        return list(found.values())

    def delete(self, collection: Collection, ids: Sequence[str]) -> int:
        if not ids:
            return 0
        keys = self._keys(collection.name, ids)
        self._remove(collection.name, [key for same in keys.values() for key in same])
        self._loads.removed(collection.name, ids)
        return len(keys)

    def delete_where(self, collection: Collection, filter: Filter) -> int:
        keys = list(self._matching(collection.name, filter))
        self._remove(collection.name, keys)
        return len(keys)

    def count(self, collection: Collection, filter: Filter | None) -> int:
        expression = self._expression(collection.name, filter)
        found = self.calls.call("query", collection.name, filter=expression, output_fields=["count(*)"])
        return int(found[0]["count(*)"])

    def scan(
        self, collection: Collection, *, filter: Filter | None, after: str | None, limit: int, vectors: bool
    ) -> Page:
        """after: the primary key of the last row before."""
        output = [*_OUTPUT, *([rows.VECTOR] if vectors else [])]
        expression = self._expression(collection.name, filter)
        found = self._page(collection.name, expression, after, limit, output)
        following = str(found[-1][rows.PRIMARY]) if len(found) == limit else None
        return Page(tuple(_record(one) for one in found), following)

    def begin_bulk(self, collection: Collection) -> None:
        """Into an empty collection, records are written without a look for those that they replace."""
        if self.count(collection, None) == 0:
            self._loads.begin(collection.name)

    def end_bulk(self, collection: Collection) -> None:
        self.calls.call("flush", collection.name)
        self._end_load(collection.name)

    # ── search

    def search_dense(self, collection: Collection, query: DenseQuery) -> list[Hit]:
        search = max(collection.index.search, query.k)
        if query.effort is not Effort.NORMAL:
            search = max(1000, 4 * search)
        # As a list: the library takes the numbers of an array one by one, which is slower.
        asked, params = query.vector.tolist(), {"ef": min(32_768, search)}
        found = self._search(collection.name, asked, rows.VECTOR, query.k, query.filter, params)
        if collection.metric is Metric.L2:
            return [replace(hit, raw=math.sqrt(max(0.0, hit.raw))) for hit in found]
        return found

    def search_text(self, collection: Collection, query: TextQuery) -> list[Hit]:
        if rows.SPARSE not in self._fields_of(collection.name):
            raise Unsupported(
                "the collection was made without a search by words",
                where=f"{self.place} {collection.name}",
                hint="copy it into one made with MILVUS_ENABLE_HYBRID_SEARCH=true, on Milvus 2.5 or newer",
            )
        found = self._search(collection.name, query.text, rows.SPARSE, query.k, query.filter, {})
        # Milvus Lite gives BM25 as a distance, below zero.
        return [replace(hit, raw=abs(hit.raw)) for hit in found if hit.raw]

    def health(self) -> Health:
        self.calls.call("list_collections")
        return Health(self.calls.version)

    def close(self) -> None:
        self.calls.close()

    # ── inside

    def _search(
        self, name: str, asked: Any, field: str, k: int, filter: Filter | None, params: dict[str, Any]
    ) -> list[Hit]:
        found = self.calls.call(
            "search",
            name,
            data=[asked],
            anns_field=field,
            limit=k,
            filter=self._expression(name, filter),
            output_fields=_OUTPUT,
            search_params={"params": params},
            consistency_level="Strong",
        )
        return [Hit(rows.record_of(one["entity"]), float(one["distance"])) for one in found[0]]

    def _expression(self, name: str, filter: Filter | None) -> str:
        if filter is None:
            return ""
        if not self._has_foreign_rows(name):
            return rows.expression(filter, self._fields_of(name))
        keys = list(self._matching(name, filter))
        return f"{rows.PRIMARY} in {keys}" if keys else rows.NOTHING

    def _matching(self, name: str, filter: Filter) -> Iterator[int]:
        """Primary keys of the rows that a filter matches."""
        if not self._has_foreign_rows(name):
            for one in self._all(name, rows.expression(filter, self._fields_of(name)), [rows.PRIMARY]):
                yield int(one[rows.PRIMARY])
            return
        part, _ = split(filter, rows.known_of_dify)
        narrow = "" if part is None or not _is_positive(part) else rows.expression_of_dify(part)
        for one in self._all(name, narrow, [rows.METADATA]):
            if matches(filter, rows.record_of(one).metadata):
                yield int(one[rows.PRIMARY])

    def _has_foreign_rows(self, name: str) -> bool:
        """Whether rows of Dify are in it, which have none of our fields."""
        if rows.RECORD_ID not in self._fields_of(name):
            return True
        since, known = self._mixed.get(name, (0.0, True))
        if time.monotonic() - since > _REMEMBERED:
            known = False
            if self.calls.is_new:
                expression = f"{rows.RECORD_ID} is null"
                known = bool(self._query(name, expression, [rows.PRIMARY], limit=1))
            self._mixed[name] = (time.monotonic(), known)
        return known

    def _fields_of(self, name: str) -> frozenset[str]:
        if name not in self._fields:
            self.describe(name)
        return self._fields[name]

    def _end_load(self, name: str) -> None:
        """Make sure of a bulk load: where others wrote too, an id may be there twice."""
        ids = self._loads.end(name)
        if ids is not None:
            found = self.calls.call("query", name, filter="", output_fields=["count(*)"])
            if int(found[0]["count(*)"]) != len(ids):
                self._remove_repeated(name, ids)
            self._loads.forget(name)

    def _remove_repeated(self, name: str, ids: list[str]) -> None:
        for start in range(0, len(ids), _PAGE):
            keys = self._keys(name, ids[start : start + _PAGE])
            self._remove(name, [key for same in keys.values() for key in sorted(same)[:-1]])

    def _keys(self, name: str, ids: Sequence[str]) -> dict[str, list[int]]:
        """Primary keys by record id."""
        found: dict[str, list[int]] = {}
        for one in self._query(name, self._of_ids(name, ids), [rows.METADATA]):
            found.setdefault(rows.record_of(one).id, []).append(int(one[rows.PRIMARY]))
        return found

    def _of_ids(self, name: str, ids: Sequence[str]) -> str:
        literals = ", ".join(literal(id) for id in ids)
        parts = []
        if rows.RECORD_ID in self._fields_of(name):
            parts.append(f"{rows.RECORD_ID} in [{literals}]")
        if self._has_foreign_rows(name):
            in_list = f'{rows.METADATA}["doc_id"] in [{literals}]'
            parts.append(rows.is_one_of("doc_id", list(ids)) if self.calls.is_lite else in_list)
        return " or ".join(parts)

    def _query(self, name: str, expression: str, output: list[str], limit: int = 0) -> list[dict[str, Any]]:
        named: dict[str, Any] = {"limit": limit} if limit else {}
        return list(
            self.calls.call(
                "query", name, filter=expression, output_fields=output, consistency_level="Strong", **named
            )
        )

    def _page(
        self, name: str, expression: str, after: str | None, limit: int, output: list[str]
    ) -> list[dict[str, Any]]:
        """Rows in the order of their keys, which only Milvus' iterator promises."""
        start = f"{rows.PRIMARY} > {int(after) if after is not None else -1}"
        both = f"{start} and {expression}" if expression else start

        def read(client: Any) -> list[dict[str, Any]]:
            iterator = client.query_iterator(
                name, batch_size=limit, limit=limit, filter=both, output_fields=[rows.PRIMARY, *output],
                consistency_level="Strong",
            )  # fmt: skip
            try:
                return list(iterator.next())
            finally:
                iterator.close()

        return self.calls.run(read)

    def _all(self, name: str, expression: str, output: list[str]) -> Iterator[dict[str, Any]]:
        after: str | None = None
        while True:
            page = self._page(name, expression, after, _PAGE, output)
            yield from page
            if len(page) < _PAGE:
                return
            after = str(page[-1][rows.PRIMARY])

    def _remove(self, name: str, keys: list[int]) -> None:
        for start in range(0, len(keys), _PAGE):
            self.calls.call("delete", name, ids=keys[start : start + _PAGE])


def _record(found: Mapping[str, Any]) -> Record:
    import numpy

    vector = found.get(rows.VECTOR)
    return rows.record_of(found, None if vector is None else numpy.asarray(vector, dtype=numpy.float32))


def _is_positive(filter: Filter) -> bool:
    from cloudberth.vector.filters import And, Compare, Or

    match filter:
        case And(parts) | Or(parts):
            return all(_is_positive(part) for part in parts)
    return isinstance(filter, Compare)


def _analyzer(given: str) -> dict[str, Any]:
    if not given.strip():
        return {"tokenizer": "jieba", "filter": ["lowercase", "cnalphanumonly"]}
    try:
        found = json.loads(given)
    except ValueError as error:
        raise InvalidInput(f"it is no JSON: {error}", where="MILVUS_ANALYZER_PARAMS") from None
    if not isinstance(found, dict):
        raise InvalidInput("it is no JSON object", where="MILVUS_ANALYZER_PARAMS")
    return found


def _connection(settings: MilvusSettings) -> dict[str, Any]:
    address = settings.address
    if not re.match(r"(https?|tcp|unix)://", address):
        raise InvalidInput(f"{address[:60]!r} is no address", where="MILVUS_URI", hint="http://host:19530")
    given: dict[str, Any] = {"uri": address, "db_name": settings.database}
    if token := revealed(settings.token):
        given["token"] = token
    else:
        given |= {"user": settings.user, "password": revealed(settings.password)}
    if settings.secure or address.startswith("https://"):
        given["secure"] = True
    if settings.server_pem_path:
        given["server_pem_path"] = settings.server_pem_path
    if settings.server_name:
        given["server_name"] = settings.server_name
    return given
