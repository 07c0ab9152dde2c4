"""The few calls of Qdrant that are needed, over its REST API and in this process: the same dictionaries."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cloudberth.errors import BackendError, InvalidInput, Kind, Mismatch, NotFound, PreconditionFailed
from cloudberth.extras import late_import
from cloudberth.vector._own_folder import OwnFolder
from cloudberth.vector._rest import Rest, quoted

if TYPE_CHECKING:
    from cloudberth.vector.contract import Vector

Body = dict[str, Any]


class QdrantCalls(ABC):
    """Bodies and results are those of the REST API (``result`` of each answer)."""

    @abstractmethod
    def create(self, name: str, body: Body) -> None: ...

    @abstractmethod
    def update(self, name: str, body: Body) -> None: ...

    @abstractmethod
    def index(self, name: str, field: str, schema: Any) -> None: ...

    @abstractmethod
    def collection(self, name: str) -> Body: ...

    @abstractmethod
    def names(self) -> list[str]: ...

    @abstractmethod
    def drop(self, name: str) -> None: ...

    @abstractmethod
    def upsert(self, name: str, points: list[Body]) -> None: ...

    @abstractmethod
    def remove(self, name: str, body: Body) -> None:
        """body: ``{"points": [ids]}`` or ``{"filter": …}``."""

    @abstractmethod
    def points(self, name: str, what: str, body: Body) -> Any:
        """what: ``get``, ``scroll``, ``query``, ``search`` or ``count``."""

    def vector(self, given: Vector) -> Any:
        """A vector to search with, as the body of a `query` or `search` has it."""
        return given.tolist()

    @abstractmethod
    def version(self) -> str: ...

    @abstractmethod
    def close(self) -> None: ...


class QdrantServer(QdrantCalls):
    """REST. known_version: of a server that does not tell its own."""

    def __init__(self, rest: Rest, known_version: str = "") -> None:
        self.rest = rest
        self._version = known_version

    def create(self, name: str, body: Body) -> None:
        self._call("PUT", name, "", body)

    def update(self, name: str, body: Body) -> None:
        self._call("PATCH", name, "", body)

    def index(self, name: str, field: str, schema: Any) -> None:
        body = {"field_name": field, "field_schema": schema}
        self._call("PUT", name, "/index", body, query=(("wait", "true"),))

    def collection(self, name: str) -> Body:
        found: Body = self._call("GET", name, "")
        return found

    def names(self) -> list[str]:
        found = self.rest.call("GET", "/collections")["result"]
        return [str(one["name"]) for one in found["collections"]]

    def drop(self, name: str) -> None:
        if self._call("DELETE", name, "") is False:
            raise NotFound(f"there is no collection {name}")

    def upsert(self, name: str, points: list[Body]) -> None:
        self._call("PUT", name, "/points", {"points": points}, query=(("wait", "true"),))

    def remove(self, name: str, body: Body) -> None:
        self._call("POST", name, "/points/delete", body, query=(("wait", "true"),))

    def points(self, name: str, what: str, body: Body) -> Any:
        return self._call("POST", name, "/points" if what == "get" else f"/points/{what}", body)

    def version(self) -> str:
        if not self._version:
            found = self.rest.call("GET", "/")
            self._version = str(found.get("version", "")) if isinstance(found, dict) else ""
        return self._version

    def close(self) -> None:
        self.rest.close()

    def _call(
        self, method: str, name: str, path: str, body: Any = None, *, query: tuple[tuple[str, str], ...] = ()
    ) -> Any:
        found = self.rest.call(method, f"/collections/{quoted(name)}{path}", body, query=query)
        return found.get("result") if isinstance(found, dict) else None


class QdrantFolder(QdrantCalls):
    """The local mode of the library qdrant-client: exact, in Python, for one process. One call at a time."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._folder = OwnFolder(path, "qdrant")
        self._opened: Any = None
        self._version = ""
        self._lock = threading.RLock()

    @property
    def _client(self) -> Any:
        if self._opened is None:
            library = late_import("qdrant_client", extra="qdrant", needed_for="Qdrant in this process")
            self._folder.take()
            self._opened = library.QdrantClient(path=str(self.path))
        return self._opened

    @property
    def _models(self) -> Any:
        return late_import("qdrant_client.models", extra="qdrant", needed_for="Qdrant in this process")

    def create(self, name: str, body: Body) -> None:
        with self._lock:
            if self._client.collection_exists(name):
                raise PreconditionFailed(f"there is a collection {name} already")
            made = self._models.CreateCollection.model_validate(body)
            self._client.create_collection(
                name,
                vectors_config=made.vectors,
                sparse_vectors_config=made.sparse_vectors,
                metadata=made.metadata,
            )

    def update(self, name: str, body: Body) -> None:
        """There is no index to put off."""

    def index(self, name: str, field: str, schema: Any) -> None:
        """It has no indexes over payloads."""

    def collection(self, name: str) -> Body:
        found: Body = self._known(name).get_collection(name).model_dump(mode="json", exclude_none=True)
        return found

    def names(self) -> list[str]:
        return [one.name for one in self._client.get_collections().collections]

    def drop(self, name: str) -> None:
        with self._lock:
            self._known(name).delete_collection(name)

    def upsert(self, name: str, points: list[Body]) -> None:
        made = [self._models.PointStruct.model_validate(point) for point in points]
        with self._lock:
            self._do(self._known(name).upsert, name, made)

    def remove(self, name: str, body: Body) -> None:
        kind = self._models.PointIdsList if "points" in body else self._models.FilterSelector
        with self._lock:
            self._do(self._known(name).delete, name, kind.model_validate(body))

    def points(self, name: str, what: str, body: Body) -> Any:
        with self._lock:
            return getattr(self, f"_{what}")(self._known(name), name, body)

    def vector(self, given: Vector) -> Any:
        # An array in the library's own form: a list it would check and copy number by number.
        return self._models.NearestQuery.model_construct(nearest=given)

    def version(self) -> str:
        # Kept: it is asked for with every search, and reading it from the disk takes longer than the search.
        if not self._version:
            from importlib.metadata import version

            self._version = f"{version('qdrant-client')} in this process"
        return self._version

    def close(self) -> None:
        with self._lock:
            if self._opened is not None:
                self._opened.close()
            self._opened = None
            self._folder.give_back()

    # ── what `points` does

    def _get(self, client: Any, name: str, body: Body) -> Any:
        found = self._do(
            client.retrieve, name, body["ids"], with_payload=body["with_payload"], with_vectors=_vectors(body)
        )
        return [_point(one) for one in found]

    def _scroll(self, client: Any, name: str, body: Body) -> Any:
        points, following = self._do(
            client.scroll,
            name,
            scroll_filter=self._filter(body),
            limit=body["limit"],
            offset=body.get("offset"),
            with_payload=body["with_payload"],
            with_vectors=_vectors(body),
        )
        return {"points": [_point(one) for one in points], "next_page_offset": following}

    def _query(self, client: Any, name: str, body: Body) -> Any:
        query = body["query"]
        if isinstance(query, dict):
            query = self._models.SparseVector.model_validate(query)
        found = self._do(
            client.query_points,
            name,
            query=query,
            using=body.get("using"),
            query_filter=self._filter(body),
            limit=body["limit"],
            with_payload=body["with_payload"],
        )
        return {"points": [{**_point(one), "score": one.score} for one in found.points]}

    def _count(self, client: Any, name: str, body: Body) -> Any:
        return {"count": self._do(client.count, name, count_filter=self._filter(body), exact=True).count}

    def _filter(self, body: Body) -> Any:
        given = body.get("filter")
        return None if given is None else self._models.Filter.model_validate(given)

    def _known(self, name: str) -> Any:
        client = self._client
        if not client.collection_exists(name):
            raise NotFound(f"there is no collection {name}")
        return client

    def _do(self, call: Any, *given: Any, **named: Any) -> Any:
        try:
            return call(*given, **named)
        except ValueError as error:
            raise meant(str(error)) or BackendError(str(error)[:300], kind=Kind.INVALID) from None
        except OSError as error:
            raise InvalidInput(f"the folder cannot be used: {error}", where=str(self.path)) from None


def of_server(status: int, body: Any) -> BackendError | None:
    """What a server's answer means where its status alone does not say it."""
    said = body.get("status") if isinstance(body, dict) else None
    said = said.get("error") if isinstance(said, dict) else said
    return meant(said, status) if isinstance(said, str) else None


def meant(said: str, status: int = 400) -> BackendError | None:
    said = " ".join(said.split())[:300]
    if "imension" in said and "expected" in said:
        return Mismatch(said)
    if "already exists" in said:
        return PreconditionFailed(said)
    if status == 404 or "doesn't exist" in said or "not found" in said:
        return NotFound(said)
    return None


def _vectors(body: Body) -> bool:
    return bool(body.get("with_vector", False))


def _point(found: Any) -> Body:
    vector = found.vector
    if isinstance(vector, dict):
        vector = {"": vector.get("")}
    return {"id": found.id, "payload": found.payload, "vector": vector}
