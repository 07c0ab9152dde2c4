"""Weaviate through its own library (REST for classes, gRPC for objects): opened late, errors mapped."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from dataclasses import dataclass
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
from cloudberth.storage.http.message import Origin

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Address:
    """Where the server listens. grpc: for objects and searches, without which nothing works."""

    http: Origin
    grpc_host: str
    grpc_port: int
    grpc_secure: bool


class WeaviateCalls:
    """One connection, made at the first call and again after it broke."""

    def __init__(self, address: Address, key: str, timeout: float) -> None:
        self.address = address
        self._key = key
        self._timeout = timeout
        self._client: Any = None
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return f"WeaviateCalls({self.address.http})"

    @property
    def library(self) -> Any:
        return late_import("weaviate", extra="weaviate", needed_for="Weaviate")

    @property
    def classes(self) -> Any:
        return late_import("weaviate.classes", extra="weaviate", needed_for="Weaviate")

    def run(self, work: Callable[[Any], T]) -> T:
        """Work with the client; errors of ours."""
        library = self.library
        try:
            return work(self._connected())
        except library.exceptions.WeaviateBaseError as error:
            found = meant(library.exceptions, error)
            if isinstance(found, Unavailable) and not isinstance(found, TimedOut):
                self.close()
            raise found from None
        except BackendError:
            raise
        except OSError as error:
            self.close()
            raise Unavailable(str(error)[:300]) from None
        except Exception as error:
            if type(error).__module__.partition(".")[0] not in {"httpx", "httpcore", "grpc"}:
                raise
            self.close()
            kind = TimedOut if "imeout" in type(error).__name__ else Unavailable
            raise kind(str(error)[:300] or type(error).__name__) from None

    def close(self) -> None:
        with self._lock:
            client, self._client = self._client, None
        if client is not None:
            client.close()

    def _connected(self) -> Any:
        with self._lock:
            if self._client is None:
                library, init = self.library, self.classes.init
                seconds = max(1, round(self._timeout))
                self._client = library.connect_to_custom(
                    http_host=self.address.http.host,
                    http_port=self.address.http.port,
                    http_secure=self.address.http.scheme == "https",
                    grpc_host=self.address.grpc_host,
                    grpc_port=self.address.grpc_port,
                    grpc_secure=self.address.grpc_secure,
                    auth_credentials=init.Auth.api_key(self._key) if self._key else None,
                    additional_config=init.AdditionalConfig(
                        timeout=init.Timeout(init=seconds, query=seconds, insert=seconds)
                    ),
                    skip_init_checks=True,
                )
            return self._client


def meant(kinds: Any, error: Any) -> BackendError:
    """An error of the library as one of ours."""
    said = " ".join(str(getattr(error, "message", "") or error).split())[:300]
    status = getattr(error, "status_code", None)
    lower = said.lower()
    if isinstance(error, kinds.InsufficientPermissionsError | kinds.AuthenticationFailedError) or (
        status in {401, 403} or "unauthenticated" in lower or "permission_denied" in lower
    ):
        return PermissionDenied("the server does not accept the key", hint="check WEAVIATE_API_KEY")
    if isinstance(error, kinds.WeaviateTimeoutError) or "deadline" in lower:
        return TimedOut(said)
    if status == 404 or "could not find class" in lower or re.search(r"class .* not found", lower):
        return NotFound(said)
    if "already exists" in lower:
        return PreconditionFailed(said)
    if (
        "vector lengths don't match" in lower
        or "inconsistent vector lengths" in lower
        or "new node has a vector" in lower
    ):
        return Mismatch(said)
    if status == 429:
        return Throttled(said)
    down = (kinds.WeaviateConnectionError, kinds.WeaviateGRPCUnavailableError, kinds.WeaviateStartUpError)
    if isinstance(error, down) or (status or 0) >= 500 or "unavailable" in lower:
        return Unavailable(said)
    return BackendError(said, kind=Kind.UNEXPECTED)
