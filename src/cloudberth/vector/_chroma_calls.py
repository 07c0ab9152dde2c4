"""The few calls of Chroma that are needed, over its REST API and in this process: the same dictionaries."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cloudberth.errors import (
    BackendError,
    Kind,
    Mismatch,
    NotFound,
    PermissionDenied,
    PreconditionFailed,
    Throttled,
)
from cloudberth.extras import late_import
from cloudberth.vector._own_folder import OwnFolder
from cloudberth.vector._rest import Rest, quoted

Body = dict[str, Any]


class ChromaCalls(ABC):
    """Collections are dictionaries as REST answers them; `id` is Chroma's own, which changes with each."""

    @abstractmethod
    def create(self, name: str, configuration: Body, metadata: Body) -> Body: ...

    @abstractmethod
    def collection(self, name: str) -> Body: ...

    @abstractmethod
    def names(self) -> list[str]: ...

    @abstractmethod
    def drop(self, name: str) -> None: ...

    @abstractmethod
    def records(self, id: str, what: str, body: Body) -> Any:
        """what: ``add``, ``upsert``, ``get``, ``query``, ``delete``."""

    @abstractmethod
    def count(self, id: str) -> int: ...

    @abstractmethod
    def version(self) -> str: ...

    @abstractmethod
    def close(self) -> None: ...


class ChromaServer(ChromaCalls):
    """REST, version 2, of a server. rest: with the base path ``/api/v2``."""

    def __init__(self, rest: Rest, tenant: str, database: str) -> None:
        self.rest = rest
        self._at = f"/tenants/{quoted(tenant)}/databases/{quoted(database)}/collections"

    def create(self, name: str, configuration: Body, metadata: Body) -> Body:
        body = {"name": name, "configuration": configuration, "metadata": metadata, "get_or_create": False}
        found: Body = self.rest.call("POST", self._at, body)
        return found

    def collection(self, name: str) -> Body:
        found: Body = self.rest.call("GET", f"{self._at}/{quoted(name)}")
        return found

    def names(self) -> list[str]:
        found: list[str] = []
        while True:
            page = self.rest.call("GET", self._at, query=(("limit", "1000"), ("offset", str(len(found)))))
            found += [str(one["name"]) for one in page]
            if len(page) < 1000:
                return found

    def drop(self, name: str) -> None:
        self.rest.call("DELETE", f"{self._at}/{quoted(name)}")

    def records(self, id: str, what: str, body: Body) -> Any:
        return self.rest.call("POST", f"{self._at}/{quoted(id)}/{what}", body)

    def count(self, id: str) -> int:
        return int(self.rest.call("GET", f"{self._at}/{quoted(id)}/count"))

    def version(self) -> str:
        self.rest.call("GET", "/heartbeat")
        return str(self.rest.call("GET", "/version"))

    def close(self) -> None:
        self.rest.close()


class ChromaFolder(ChromaCalls):
    """The library chromadb over a folder, which no other process may have open. Opened at the first call."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._folder = OwnFolder(path, "chroma")
        self._opened: Any = None

    @property
    def _client(self) -> Any:
        if self._opened is None:
            chromadb = late_import("chromadb", extra="chroma", needed_for="Chroma in this process")
            self._folder.take()
            settings = chromadb.Settings(anonymized_telemetry=False)
            self._opened = chromadb.PersistentClient(str(self.path), settings=settings)
        return self._opened

    def create(self, name: str, configuration: Body, metadata: Body) -> Body:
        return self._body(
            self._do("create_collection", name, configuration=configuration, metadata=metadata,
                     embedding_function=None)
        )  # fmt: skip

    def collection(self, name: str) -> Body:
        return self._body(self._do("get_collection", name, embedding_function=None))

    def names(self) -> list[str]:
        found: list[str] = []
        while True:
            page = self._do("list_collections", limit=1000, offset=len(found))
            found += [str(one.name) for one in page]
            if len(page) < 1000:
                return found

    def drop(self, name: str) -> None:
        self._do("delete_collection", name)

    def records(self, id: str, what: str, body: Body) -> Any:
        from uuid import UUID

        return self._do_internal(f"_{what}", collection_id=UUID(id), **body)

    def count(self, id: str) -> int:
        from uuid import UUID

        return int(self._do_internal("_count", collection_id=UUID(id)))

    def version(self) -> str:
        return str(self._do("get_version"))

    def close(self) -> None:
        if self._opened is not None:
            self._opened.close()
        self._opened = None
        self._folder.give_back()

    def _body(self, collection: Any) -> Body:
        return {
            "id": str(collection.id),
            "metadata": collection.metadata,
            "configuration_json": collection.configuration_json,
            "dimension": collection._model.dimension,
        }

    def _do(self, name: str, *given: Any, **named: Any) -> Any:
        client = self._client
        try:
            return getattr(client, name)(*given, **named)
        except Exception as error:
            raise _of_library(error) from None

    def _do_internal(self, name: str, **named: Any) -> Any:
        """A call by the id of a collection: what REST has, and chromadb's own Collection does."""
        client = self._client
        try:
            return getattr(client._server, name)(tenant=client.tenant, database=client.database, **named)
        except Exception as error:
            raise _of_library(error) from None


def of_server(status: int, body: Any) -> BackendError | None:
    """What a server's answer means where its status alone does not say it."""
    if not isinstance(body, Mapping):
        return None
    return _meant(str(body.get("error", "")), str(body.get("message", "")), status)


def _of_library(error: Exception) -> BackendError:
    if isinstance(error, BackendError):
        return error
    found = _meant(type(error).__name__, str(error), 0)
    return found or BackendError(f"{type(error).__name__}: {str(error)[:300]}", kind=Kind.UNEXPECTED)


def _meant(word: str, said: str, status: int) -> BackendError | None:
    said = " ".join(said.split())[:300]
    if "already exists" in said:
        return PreconditionFailed(said)
    if "dimension" in said and "expecting" in said:
        return Mismatch(said)
    if word == "NotFoundError" or status == 404:
        return NotFound(said or "there is no such collection")
    if word in {"ChromaAuthError", "AuthorizationError"}:
        return PermissionDenied(said)
    if word == "RateLimitError":
        return Throttled(said)
    if word in {"InvalidArgumentError", "ValueError", "BatchSizeExceededError", "QuotaError"}:
        return BackendError(said, kind=Kind.INVALID)
    return None
