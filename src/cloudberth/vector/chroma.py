"""Chroma (`chroma`): a server, Chroma Cloud, or a folder of this machine."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

from pydantic import Field, SecretStr

from cloudberth.errors import InvalidInput, NotFound
from cloudberth.vector import _chroma_rows as rows
from cloudberth.vector._chroma_calls import ChromaCalls, ChromaFolder, ChromaServer, of_server
from cloudberth.vector._comparing_metadata import split, without_not
from cloudberth.vector._rest import Rest, basic, bearer, key_header
from cloudberth.vector._snapshots import Snapshots
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
    VectorBackend,
)
from cloudberth.vector.filters import Filter, matches
from cloudberth.vector.opening import OpenableVectorBackend
from cloudberth.vector.options import Options
from cloudberth.vector.settings import VectorSettings, revealed

_NOTE = "cloudberth"
_SPACES = {"cosine": Metric.COSINE, "l2": Metric.L2, "ip": Metric.INNER}
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,119}")
# Of a collection name that Chroma would not take (shorter than 3 characters, or _ at an end).
_WRAPPED = ("berth.", ".z")
_PAGE = 1000


class ChromaSettings(VectorSettings):
    """Dify's variables, and beyond them TLS and `path`, a folder, which is used instead of a server.

    auth_provider: ``token`` (a bearer token), ``basic`` (user:password), ``x-chroma-token`` (Chroma Cloud,
    and the default for api.trychroma.com), or one of chromadb's class names, as in Dify.
    """

    parts: ClassVar[Mapping[str, str]] = {"host": "host", "port": "port", "path": "path"}
    host: str = Field("", alias="CHROMA_HOST")
    port: int = Field(8000, alias="CHROMA_PORT", ge=1, le=65535)
    tenant: str = Field("default_tenant", alias="CHROMA_TENANT")
    database: str = Field("default_database", alias="CHROMA_DATABASE")
    auth_provider: str = Field("", alias="CHROMA_AUTH_PROVIDER")
    auth_credentials: SecretStr | None = Field(None, alias="CHROMA_AUTH_CREDENTIALS")
    path: str = Field("", alias="CHROMA_PATH")
    ssl: bool = Field(False, alias="CHROMA_SSL")
    ca_file: str = Field("", alias="CHROMA_CA_FILE")


class Chroma(OpenableVectorBackend):
    """Chroma, by its REST API (version 2: servers 0.5.16 and newer), or in this process by the library.

    Layout as Dify's: ids are doc_id, documents, embeddings, flat metadata. Lists and objects of the metadata
    stand as JSON under one more key. Records are replaced whole (Chroma alone keeps old keys). Chroma has no
    search by words that ranks, so there is none here. What its filters lack (order of texts, exists, the
    opposite of an order) is compared here, at the cost of one pass over the metadata. Its index is
    approximate only: exact searches are compared here. A folder is for one process: another gets
    Unavailable.

    Tested against the real engine, 1.5.9, as a server and in process. Not proved: Chroma Cloud, and servers
    before 1.0.
    """

    id: ClassVar[str] = "chroma"
    settings: ClassVar[type[VectorSettings]] = ChromaSettings
    capabilities = Capabilities(
        metrics=frozenset(Metric), lower=True, batch=500, dimensions=65_535, exact=False, processes=True
    )

    def __init__(self, calls: ChromaCalls, place: str, *, processes: bool) -> None:
        self.calls = calls
        self.place = place
        self.capabilities = Chroma.capabilities if processes else _of_folder(Chroma.capabilities)
        self._ids: dict[str, str] = {}
        self._spaces: dict[str, Metric] = {}
        self._snapshots = Snapshots()

    @classmethod
    def open(cls, settings: VectorSettings, options: Options) -> Self:
        assert isinstance(settings, ChromaSettings)  # noqa: S101 — the registry pairs them
        if settings.path.rstrip("/"):
            if settings.host:
                raise InvalidInput("it is either a host or a path", where="CHROMA_HOST, CHROMA_PATH")
            path = Path(settings.path).expanduser()
            return cls(ChromaFolder(path), f"chroma://{path.absolute()}", processes=False)
        if not settings.host:
            raise InvalidInput(
                "neither a server nor a folder is named", where="CHROMA_HOST", hint="or set CHROMA_PATH"
            )
        return cls(_server(settings, options), f"chroma://{settings.host}:{settings.port}", processes=True)

    # ── collections

    def create(self, collection: Collection) -> None:
        space = next(word for word, metric in _SPACES.items() if metric is collection.metric)
        graph = {
            "space": space,
            "max_neighbors": collection.index.links,
            "ef_construction": collection.index.construction,
            "ef_search": collection.index.search,
        }
        body = self.calls.create(_stored(collection.name), {"hnsw": graph}, {_NOTE: collection.note()})
        self._ids[collection.name] = str(body["id"])

    def describe(self, name: str) -> Collection:
        body = self.calls.collection(_stored(name))
        self._ids[name] = str(body["id"])
        metadata = body.get("metadata") or {}
        graph = (body.get("configuration_json") or {}).get("hnsw") or {}
        space = metadata.get("hnsw:space") or graph.get("space") or "l2"
        note = metadata.get(_NOTE)
        found = Collection(
            name,
            int(body.get("dimension") or _noted_dimension(note)),
            _SPACES.get(str(space), Metric.L2),
            index=Index(search=int(graph.get("ef_search") or 100)),
        )
        return found.noted(note if isinstance(note, str) else None)

    def collections(self) -> tuple[str, ...]:
        names = (_ours(name) for name in self.calls.names())
        return tuple(sorted(name for name in names if _NAME.fullmatch(name)))

    def drop(self, name: str) -> None:
        self._ids.pop(name, None)
        self._snapshots.forget(name)
        self.calls.drop(_stored(name))

    # ── records

    def upsert(self, collection: Collection, records: Sequence[Record]) -> None:
        ids = [record.id for record in records]
        # Chroma keeps what the metadata of a record had before, so what is gone has to be told.
        there = self._call(collection.name, "get", {"ids": ids, "include": []})["ids"]
        before = self._metadata(collection.name, there) if there else {}
        body = {
            "ids": ids,
            # Lists also in this process: the engine reads an array number by number, in twice the time.
            "embeddings": [record.vector.tolist() for record in records if record.vector is not None],
            "documents": [record.text for record in records],
            "metadatas": [rows.flat(record.metadata, before.get(record.id)) for record in records],
        }
        # Where another writes one of them between, `add` leaves that one: as if it had come after us.
        self._call(collection.name, "upsert" if there else "add", body)
        self._snapshots.forget(collection.name)

    def get(self, collection: Collection, ids: Sequence[str], *, vectors: bool) -> list[Record]:
        return self._records(collection.name, list(ids), vectors=vectors) if ids else []

    def delete(self, collection: Collection, ids: Sequence[str]) -> int:
        if not ids:
            return 0
        there = self._call(collection.name, "get", {"ids": list(ids), "include": []})["ids"]
        if there:
            self._call(collection.name, "delete", {"ids": there})
        return len(there)

    def delete_where(self, collection: Collection, filter: Filter) -> int:
        total = 0
        for batch in _batches(self._matching(collection.name, filter), self.capabilities.batch):
            total += self.delete(collection, batch)
        return total

    def count(self, collection: Collection, filter: Filter | None) -> int:
        if filter is None:
            return int(self._by_id(collection.name, self.calls.count))
        return len(self._matching(collection.name, filter))

    def scan(
        self, collection: Collection, *, filter: Filter | None, after: str | None, limit: int, vectors: bool
    ) -> Page:
        ids, following = self._snapshots.page(
            (collection.name, filter), after, limit, lambda: self._matching(collection.name, filter)
        )
        found: dict[str, Record] = {}
        for batch in _batches(ids, self.capabilities.batch):
            found.update((one.id, one) for one in self._records(collection.name, batch, vectors=vectors))
        return Page(tuple(found[id] for id in ids if id in found), following)

    # ── search

    def search_dense(self, collection: Collection, query: DenseQuery) -> list[Hit]:
        body: dict[str, Any] = {
            "query_embeddings": [query.vector.tolist()],
            # The index looks at as many candidates as there are results, if these are more than `ef_search`.
            "n_results": query.k if query.effort is Effort.NORMAL else min(10_000, max(400, 4 * query.k)),
            "include": ["documents", "metadatas", "distances"],
        }
        if query.filter is not None:
            condition, is_all = _condition(query.filter)
            if not is_all:
                body["ids"] = self._matching(collection.name, query.filter)
                if not body["ids"]:
                    return []
            elif condition is False:
                return []
            elif isinstance(condition, dict):
                body["where"] = condition
        found = self._call(collection.name, "query", body)
        columns = (found["ids"][0], found["documents"][0], found["metadatas"][0], found["distances"][0])
        hits = [
            Hit(Record(id, None, text or "", rows.whole(metadata)), _measured(collection.metric, distance))
            for id, text, metadata, distance in zip(*columns, strict=True)
        ]
        return hits[: query.k]

    def health(self) -> Health:
        return Health(self.calls.version())

    def close(self) -> None:
        self.calls.close()

    # ── inside

    def _matching(self, name: str, filter: Filter | None) -> list[str]:
        """Ids of all records that a filter matches, sorted."""
        if filter is None:
            return sorted(self._all(name, None, []))
        condition, is_all = _condition(filter)
        if condition is False:
            return []
        where = condition if isinstance(condition, dict) else None
        if is_all:
            return sorted(self._all(name, where, []))
        found = self._all(name, where, ["metadatas"])
        return sorted(id for id, metadata in found.items() if matches(filter, rows.whole(metadata)))

    def _all(self, name: str, where: dict[str, Any] | None, include: list[str]) -> dict[str, Any]:
        """Metadata by id. Without it in one call, which no writing can disturb; with it in pages."""
        if not include:
            body: dict[str, Any] = {"include": [], **({"where": where} if where else {})}
            return dict.fromkeys(self._call(name, "get", body)["ids"])
        found: dict[str, Any] = {}
        for batch in _batches(sorted(self._all(name, where, [])), self.capabilities.batch):
            found.update(self._metadata(name, batch))
        return found

    def _metadata(self, name: str, ids: list[str]) -> dict[str, Any]:
        """Metadata as Chroma has it, by id."""
        page = self._call(name, "get", {"ids": ids, "include": ["metadatas"]})
        return dict(zip(page["ids"], page["metadatas"], strict=True))

    def _records(self, name: str, ids: list[str], *, vectors: bool) -> list[Record]:
        include = ["documents", "metadatas", *(["embeddings"] if vectors else [])]
        found = self._call(name, "get", {"ids": ids, "include": include})
        made = found["embeddings"] if vectors else [None] * len(found["ids"])
        return [
            Record(id, None if vector is None else _vector(vector), text or "", rows.whole(metadata))
            for id, text, metadata, vector in zip(
                found["ids"], found["documents"], found["metadatas"], made, strict=True
            )
        ]

    def _call(self, name: str, what: str, body: dict[str, Any]) -> Any:
        return self._by_id(name, lambda id: self.calls.records(id, what, body))

    def _by_id(self, name: str, call: Any) -> Any:
        """A call by Chroma's id of a collection; one that somebody dropped and made again has another."""
        known = self._ids.get(name)
        if known is not None:
            try:
                return call(known)
            except NotFound:
                self._ids.pop(name, None)
        self._ids[name] = str(self.calls.collection(_stored(name))["id"])
        return call(self._ids[name])


def _of_folder(capabilities: Capabilities) -> Capabilities:
    """For one process; without requests, whose size a server limits, more are written at once."""
    from dataclasses import replace

    return replace(capabilities, processes=False, batch=1000)


def _server(settings: ChromaSettings, options: Options) -> ChromaServer:
    cloud = settings.host.endswith("trychroma.com")
    scheme = "https" if settings.ssl or cloud else "http"
    rest = Rest(
        f"{scheme}://{settings.host}:{settings.port}/api/v2",
        options,
        headers=_authorization(settings, cloud=cloud),
        ca_file=settings.ca_file,
        meaning=of_server,
    )
    return ChromaServer(rest, settings.tenant, settings.database)


def _authorization(settings: ChromaSettings, *, cloud: bool) -> dict[str, str]:
    secret = revealed(settings.auth_credentials)
    provider = settings.auth_provider.rpartition(".")[2].lower()
    if not secret:
        return {}
    if provider in {"basic", "basicauthclientprovider"}:
        return basic(secret)
    if provider == "x-chroma-token" or (cloud and not provider):
        return key_header("x-chroma-token", secret)
    if provider in {"", "token", "tokenauthclientprovider"}:
        return bearer(secret)
    raise InvalidInput(
        f"there is no way {settings.auth_provider!r} to log in",
        where="CHROMA_AUTH_PROVIDER",
        hint="token, basic, or x-chroma-token",
    )


def _condition(filter: Filter) -> tuple[dict[str, Any] | bool, bool]:
    """What Chroma evaluates of a filter, and whether that is all."""
    simple = without_not(filter)
    if rows.has_negated_order(simple):
        return True, False
    part, is_all = split(simple, rows.known)
    return (True if part is None else rows.where(part)), is_all


def _measured(metric: Metric, distance: float) -> float:
    """Chroma's distances: 1 - cosine, the square of Euclid's, 1 - inner product."""
    return math.sqrt(max(0.0, distance)) if metric is Metric.L2 else 1.0 - distance


def _vector(found: Any) -> Any:
    import numpy

    return numpy.asarray(found, dtype=numpy.float32)


def _noted_dimension(note: object) -> int:
    """Chroma tells no dimension before the first record."""
    found = re.search(r'"dimension":(\d+)', note) if isinstance(note, str) else None
    return int(found[1]) if found else 0


def _stored(name: str) -> str:
    fits = len(name) >= 3 and name[0] != "_" and name[-1] != "_"
    return name if fits else name.join(_WRAPPED)


def _ours(name: str) -> str:
    start, end = _WRAPPED
    return name[len(start) : -len(end)] if name.startswith(start) and name.endswith(end) else name


def _batches(ids: list[str], size: int) -> Iterator[list[str]]:
    for start in range(0, len(ids), size):
        yield ids[start : start + size]


_: type[VectorBackend] = Chroma
