"""Upstash Vector (`upstash`): an index of the service, over REST."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
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
    Unsupported,
)
from cloudberth.vector import _digested_facts as digested
from cloudberth.vector._rest import Rest, bearer
from cloudberth.vector.contract import (
    DOC_ID,
    Capabilities,
    Collection,
    DenseQuery,
    Effort,
    Health,
    Hit,
    Page,
    Record,
)
from cloudberth.vector.filters import Filter, equals, matches
from cloudberth.vector.opening import OpenableVectorBackend
from cloudberth.vector.options import Options
from cloudberth.vector.settings import VectorSettings, revealed

# Where it is written which collections there are: a namespace is there only while something is in it.
_REGISTRY = "cloudberth_collections"
_FACTS = "cloudberth"
_SYNTAX = digested.Syntax(
    f"{_FACTS} CONTAINS {{}}",
    f"{_FACTS} NOT CONTAINS {{}}",
    one=True,
    conjunction=" AND ",
    disjunction=" OR ",
    quote="'",
)
# The service answers with at most so many.
_MOST = 1000
_DIFY = re.compile(r"vector_index_([0-9a-f]{8}_[0-9a-f]{4}_[0-9a-f]{4}_[0-9a-f]{4}_[0-9a-f]{12})_node")


class UpstashSettings(VectorSettings):
    """Dify's variables. In a location: ``upstash://host`` (https), or with a port and ``?tls=false``."""

    parts: ClassVar[Mapping[str, str]] = {"host": "host", "port": "port"}
    url: str = Field("", alias="UPSTASH_VECTOR_URL")
    token: SecretStr | None = Field(None, alias="UPSTASH_VECTOR_TOKEN")
    host: str = ""
    port: int = Field(443, ge=1, le=65535)
    tls: bool = True

    @property
    def address(self) -> str:
        return f"{'https' if self.tls else 'http'}://{self.host}:{self.port}" if self.host else self.url


class Upstash(OpenableVectorBackend):
    """Upstash Vector over REST, without its library. The index has to measure cosines.

    A collection is a namespace; which there are, with their notes, stands in the namespace
    ``cloudberth_collections``. Records as Dify's: data is the text, metadata as it is. Dify keeps all data
    sets in the one namespace without a name: such a data set is a collection here, under Dify's name, of the
    records whose ``dataset_id`` is in that name; dropping it removes these only (Dify removes everything).
    Beyond Dify's metadata a list `cloudberth` of digests, one a field and value, is what filters look for:
    any name, any value, no quoting. Order is compared here, and so is all of what Dify wrote, at the cost of
    one pass over the metadata. No search by words: the service has none over dense indexes. The index is
    approximate; exact searches are compared here. Writes are seen after a moment.

    Tested against a double that the vendor's library (0.8) accepts. Not proved: the service.
    """

    id: ClassVar[str] = "upstash"
    settings: ClassVar[type[VectorSettings]] = UpstashSettings
    capabilities = Capabilities(lower=True, batch=_MOST, dimensions=5000, exact=False, immediate=False)

    def __init__(self, rest: Rest, place: str) -> None:
        self.rest = rest
        self.place = place
        self._of_dify: set[str] = set()

    @classmethod
    def open(cls, settings: VectorSettings, options: Options) -> Self:
        assert isinstance(settings, UpstashSettings)  # noqa: S101 — the registry pairs them
        if not settings.address:
            raise InvalidInput("the index is not named", where="UPSTASH_VECTOR_URL")
        if not revealed(settings.token):
            raise InvalidInput("there is no token", where="UPSTASH_VECTOR_TOKEN")
        rest = Rest(settings.address, options, headers=bearer(revealed(settings.token)), meaning=meaning)
        return cls(rest, f"upstash://{rest.origin.host}")

    # ── collections

    def create(self, collection: Collection) -> None:
        if collection.name == _REGISTRY:
            raise InvalidInput(f"{_REGISTRY} is where collections are written down", where=collection.name)
        dimension = self._dimension()
        if self._note(collection.name) is not None:
            raise PreconditionFailed(f"there is a collection {collection.name} already")
        if collection.dimension != dimension:
            raise Mismatch(f"the index has {dimension} dimensions, not {collection.dimension}")
        noted = {"id": collection.name, "vector": [1.0] * dimension, "data": collection.note()}
        self._call("upsert", _REGISTRY, [noted])
        self._of_dify.discard(collection.name)

    def describe(self, name: str) -> Collection:
        note = self._note(name)
        dimension = self._dimension()
        if note is None and not self._dify_wrote(name):
            raise NotFound(f"there is no collection {name}")
        return Collection(name, dimension).noted(note)

    def _note(self, name: str) -> str | None:
        (found,) = self._call("fetch", _REGISTRY, {"ids": [name], "includeData": True})
        return str(found.get("data") or "") if found else None

    def _dify_wrote(self, name: str) -> bool:
        """Whether the namespace without a name has records of the data set that a name of Dify's names."""
        if _DIFY.fullmatch(name) is None:
            return False
        self._of_dify.add(name)
        if any(True for _ in self._all(name, None, {"includeMetadata": True})):
            return True
        self._of_dify.discard(name)
        return False

    def _dimension(self) -> int:
        info = self.rest.call("POST", "/info")["result"]
        if info.get("similarityFunction") != "COSINE":
            raise Unsupported(
                f"the index measures {info.get('similarityFunction')}", hint="make an index with COSINE"
            )
        return int(info["dimension"])

    def collections(self) -> tuple[str, ...]:
        own = [str(one["id"]) for one in self._pages(_REGISTRY, {})]
        metadata = (one.get("metadata") or {} for one in self._pages("", {"includeMetadata": True}))
        sets = {str(one.get("dataset_id") or "") for one in metadata}
        named = (f"vector_index_{one.replace('-', '_')}_node" for one in sets)
        return tuple(sorted({*own, *(name for name in named if _DIFY.fullmatch(name))}))

    def drop(self, name: str) -> None:
        if self.describe(name).dify:
            self._remove(name, [str(one["id"]) for one in self._all(name, None, {"includeMetadata": True})])
            self._of_dify.discard(name)
            return
        try:
            self.rest.call("POST", f"/delete-namespace/{name}")
        except BackendError as error:  # one that nothing was ever written to is not there
            if error.kind not in {Kind.NOT_FOUND, Kind.INVALID}:
                raise
        self._call("delete", _REGISTRY, {"ids": [name]})

    # ── records

    def upsert(self, collection: Collection, records: Sequence[Record]) -> None:
        name = collection.name
        self._check_there(name)
        if name in self._of_dify:
            others = self._keys(name, [record.id for record in records])
            self._remove(name, others)
        rows = [self._row(name, record) for record in records]
        for start in range(0, len(rows), 500):
            self._call("upsert", self._space(name), rows[start : start + 500])

    def _row(self, name: str, record: Record) -> dict[str, Any]:
        assert record.vector is not None  # noqa: S101 — the facade sees to it
        metadata = dict(record.metadata)
        scope = _dataset_of(name) if name in self._of_dify else ""
        if scope:
            metadata.setdefault("dataset_id", scope)
        metadata[_FACTS] = digested.digests_of(record.metadata)
        vector = record.vector.tolist()
        return {"id": record.id, "vector": vector, "metadata": metadata, "data": record.text}

    def get(self, collection: Collection, ids: Sequence[str], *, vectors: bool) -> list[Record]:
        name = collection.name
        keys = self._keys(name, ids) if name in self._of_dify else list(ids)
        found: list[Record] = []
        for start in range(0, len(keys), _MOST):
            asked = {"ids": keys[start : start + _MOST], **_whole(vectors)}
            found += [_record(one) for one in self._call("fetch", self._space(name), asked) if one]
        if not found:
            self._check_there(name)
        return found

    def _keys(self, name: str, ids: Sequence[str]) -> list[str]:
        """Keys of records by their doc_id, where Dify gave them random ones."""
        wanted = set(ids)
        found = self._all(name, None, {"includeMetadata": True})
        return [str(one["id"]) for one in found if one["metadata"].get(DOC_ID) in wanted]

    def delete(self, collection: Collection, ids: Sequence[str]) -> int:
        name = collection.name
        return self._remove(name, self._keys(name, ids) if name in self._of_dify else list(ids))

    def delete_where(self, collection: Collection, filter: Filter) -> int:
        name = collection.name
        found = self._all(name, filter, {"includeMetadata": True})
        return self._remove(name, [str(one["id"]) for one in found])

    def _remove(self, name: str, keys: list[str]) -> int:
        return sum(
            int(self._call("delete", self._space(name), {"ids": keys[start : start + _MOST]})["deleted"])
            for start in range(0, len(keys), _MOST)
        )

    def count(self, collection: Collection, filter: Filter | None) -> int:
        name = collection.name
        if filter is None and name not in self._of_dify:
            spaces = self.rest.call("POST", "/info")["result"]["namespaces"]
            number = int((spaces.get(name) or {}).get("vectorCount") or 0)
        else:
            number = sum(1 for _ in self._all(name, filter, {"includeMetadata": True}))
        if not number:
            self._check_there(name)
        return number

    def scan(
        self, collection: Collection, *, filter: Filter | None, after: str | None, limit: int, vectors: bool
    ) -> Page:
        """A page may hold fewer than there are: those of its stretch that a filter matches."""
        name = collection.name
        asked = {"cursor": after or "0", "limit": min(limit, _MOST), **_whole(vectors)}
        page = self._call("range", self._space(name), asked)
        records = tuple(_record(one) for one in page["vectors"] if self._belongs(name, one, filter))
        if not page["vectors"]:
            self._check_there(name)
        return Page(records, str(page["nextCursor"]) or None)

    # ── search

    def search_dense(self, collection: Collection, query: DenseQuery) -> list[Hit]:
        name = collection.name
        compiled, is_all = (None, True) if query.filter is None else digested.compiled(query.filter, _SYNTAX)
        k = query.k if is_all and query.effort is Effort.NORMAL else max(400, 4 * query.k)
        asked: dict[str, Any] = {
            "vector": query.vector.tolist(),
            "topK": min(_MOST, k),
            "includeMetadata": True,
            "includeData": True,
        }
        if name in self._of_dify:
            asked["filter"] = f"dataset_id = '{_dataset_of(name)}'"
        elif compiled:
            asked["filter"] = compiled
        found = self._call("query", self._space(name), asked)
        if not found:
            self._check_there(name)
        kept = [one for one in found if self._belongs(name, one, query.filter)]
        return [Hit(_record(one), 2 * float(one["score"]) - 1) for one in kept[: query.k]]

    def health(self) -> Health:
        info = self.rest.call("POST", "/info")["result"]
        return Health("REST", {"dimension": str(info["dimension"]), "records": str(info["vectorCount"])})

    def close(self) -> None:
        self.rest.close()

    # ── inside

    def _check_there(self, name: str) -> None:
        """That a collection is there still: a namespace that is gone is only empty, and one is soon made."""
        if self._note(name) is None and not self._dify_wrote(name):
            raise NotFound(f"there is no collection {name}")

    def _space(self, name: str) -> str:
        return "" if name in self._of_dify else name

    def _belongs(self, name: str, found: Mapping[str, Any], filter: Filter | None) -> bool:
        metadata = found.get("metadata") or {}
        whole = {key: value for key, value in metadata.items() if key != _FACTS}
        if name in self._of_dify and not matches(equals("dataset_id", _dataset_of(name)), whole):
            return False
        return matches(filter, whole)

    def _all(self, name: str, filter: Filter | None, asked: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
        found = self._pages(self._space(name), asked)
        return (one for one in found if self._belongs(name, one, filter))

    def _pages(self, space: str, asked: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
        cursor = "0"
        while cursor:
            try:
                page = self._call("range", space, {"cursor": cursor, "limit": _MOST, **asked})
            except NotFound:
                return
            yield from page["vectors"]
            cursor = str(page["nextCursor"])

    def _call(self, what: str, space: str, body: Any) -> Any:
        return self.rest.call("POST", f"/{what}/{space}" if space else f"/{what}", body)["result"]


def _dataset_of(name: str) -> str:
    found = _DIFY.fullmatch(name)
    return found[1].replace("_", "-") if found else ""


def _whole(vectors: bool) -> dict[str, bool]:
    return {"includeMetadata": True, "includeData": True, "includeVectors": vectors}


def _record(found: Mapping[str, Any]) -> Record:
    metadata = {key: value for key, value in (found.get("metadata") or {}).items() if key != _FACTS}
    given = found.get("vector")
    vector = None
    if given is not None:
        import numpy

        vector = numpy.asarray(given, dtype=numpy.float32)
    return Record(str(metadata.get(DOC_ID) or found["id"]), vector, str(found.get("data") or ""), metadata)


def meaning(status: int, body: Any) -> BackendError | None:
    """What an answer means where its status alone does not say it."""
    said = " ".join(str(body.get("error") or "").split())[:300] if isinstance(body, Mapping) else ""
    if "dimension" in said:
        return Mismatch(said)
    if "amespace" in said and ("not found" in said or "does not exist" in said):
        return NotFound(said)
    if status in {401, 403} or "Unauthorized" in said:
        return PermissionDenied(said or "the token is refused", hint="check UPSTASH_VECTOR_TOKEN")
    if status == 429 or "xceeded" in said:
        return Throttled(said)
    return BackendError(said, kind=Kind.INVALID) if status in {400, 422} else None
