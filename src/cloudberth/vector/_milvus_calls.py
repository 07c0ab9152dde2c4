"""Milvus through its own library: opened late, errors mapped, one process for a file."""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from cloudberth.errors import (
    BackendError,
    Kind,
    Mismatch,
    NotFound,
    PermissionDenied,
    PreconditionFailed,
    Throttled,
    TimedOut,
    Unavailable,
)
from cloudberth.extras import late_import
from cloudberth.vector._own_folder import OwnFolder

T = TypeVar("T")
# Of the library's log: it writes a trace of every error that it also raises, with what was asked.
_SILENT = logging.CRITICAL + 1
_NEW = (2, 5)


class Milvus:
    """A connection of `MilvusClient`, made at the first call. file: of Milvus Lite; None for a server."""

    def __init__(self, settings: dict[str, Any], file: Path | None, timeout: float) -> None:
        self._settings = settings
        self._timeout = timeout
        self._folder = OwnFolder(file, "milvus") if file else None
        self._client: Any = None
        self._lock = threading.Lock()
        self._version = ""

    @property
    def is_file(self) -> bool:
        return self._folder is not None

    @property
    def is_lite(self) -> bool:
        """Milvus Lite, which also runs as a server; it has fewer indexes and expressions."""
        return self.is_file or "lite" in self.version

    @property
    def library(self) -> Any:
        return late_import("pymilvus", extra="milvus", needed_for="Milvus")

    def call(self, name: str, *given: Any, **named: Any) -> Any:
        """A method of the client, by name; its timeout, and errors of ours."""
        return self.run(lambda client: getattr(client, name)(*given, timeout=self._timeout, **named))

    def run(self, work: Callable[[Any], T]) -> T:
        client = self._connected()
        library = self.library
        try:
            return work(client)
        except library.MilvusException as error:
            found = meant(error)
            if isinstance(found, Unavailable) and not self.is_file:
                self._forget(client)
            raise found from None
        except BackendError:
            raise
        except Exception as error:
            raise _unexpected(error) from None

    @property
    def version(self) -> str:
        if not self._version:
            self._version = str(self.call("get_server_version"))
        return self._version

    @property
    def is_new(self) -> bool:
        """Whether it has BM25 and fields that may be null: 2.5. Milvus Lite and Zilliz Cloud do."""
        found = re.search(r"(\d+)\.(\d+)", self.version)
        return "lite" in self.version or not found or (int(found[1]), int(found[2])) >= _NEW

    def close(self) -> None:
        with self._lock:
            client, self._client = self._client, None
        if client is not None:
            client.close()
        if self._folder:
            self._folder.give_back()

    def _connected(self) -> Any:
        with self._lock:
            if self._client is None:
                library = self.library
                logging.getLogger("pymilvus").setLevel(_SILENT)
                if self._folder:
                    late_import("milvus_lite", extra="milvus", needed_for="Milvus in a file")
                    self._folder.take()
                try:
                    self._client = library.MilvusClient(timeout=self._timeout, **self._settings)
                except library.MilvusException as error:
                    raise meant(error) from None
                except Exception as error:
                    raise _unexpected(error) from None
            return self._client

    def _forget(self, client: Any) -> None:
        """A connection that broke is made anew by the next call."""
        with self._lock:
            if self._client is client:
                self._client = None
        try:
            client.close()
        except Exception:
            logging.getLogger(__name__).debug("a broken connection could not be closed")


def meant(error: Any) -> BackendError:
    """Codes of Milvus 2.3 and newer (milvus/pkg/util/merr); the sentence where a code says too little."""
    said = " ".join(str(getattr(error, "message", "") or error).split())[:300]
    lower = said.lower()
    code = getattr(error, "code", None)
    if "already exist" in lower:
        return PreconditionFailed(said)
    if code == 100 or "can't find collection" in lower or "collection not found" in lower:
        return NotFound(said)
    if "dim" in lower and ("expected" in lower or "not equal" in lower or "should divide" in lower):
        return Mismatch(said)
    if code in {1400, 1401, 1402, 65536} or "auth check failure" in lower or "unauthenticated" in lower:
        return PermissionDenied(said, hint="check MILVUS_TOKEN, or MILVUS_USER and MILVUS_PASSWORD")
    if code in {8, 9} or "rate limit" in lower:
        return Throttled(said)
    if "deadline" in lower or "timeout" in lower:
        return TimedOut(said)
    if "inconsistent with defined schema" in lower:
        # Of the library, before it asks: whole numbers beyond 64 bits, for one.
        return BackendError(said, kind=Kind.INVALID)
    if code in {1, 2, 3, 4} or "unavailable" in lower or "connect" in lower:
        return Unavailable(said)
    return BackendError(said, kind=Kind.INVALID if code in {6, 1100} else Kind.UNEXPECTED)


def _unexpected(error: Exception) -> BackendError:
    name = type(error).__name__
    said = " ".join(str(error).split())[:300]
    if "Rpc" in name or "UNAVAILABLE" in said or isinstance(error, ConnectionError | OSError):
        return TimedOut(said) if "DEADLINE" in said else Unavailable(said)
    return BackendError(f"{name}: {said}", kind=Kind.UNEXPECTED)
