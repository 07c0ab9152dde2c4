"""Asking the metadata service of a cloud's server, and its token services: small requests with short times.

The metadata service is asked directly, never through a proxy: it only exists next to the machine itself.
"""

from __future__ import annotations

import http.client
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from cloudberth.errors import BackendError, Kind, PermissionDenied, Unavailable
from cloudberth.storage.http.message import Origin

TIMEOUT = 5.0
LARGEST = 64 * 1024


def ask(
    service: Origin, method: str, path: str, headers: Mapping[str, str] | None = None
) -> tuple[int, bytes]:
    """Status and body. Raises Unavailable when nobody answers within five seconds."""
    connection = http.client.HTTPConnection(service.host, service.port, timeout=TIMEOUT)
    try:
        connection.request(method, path, headers=dict(headers or {}))
        response = connection.getresponse()
        return response.status, response.read(LARGEST)
    except (OSError, http.client.HTTPException) as error:
        raise Unavailable(
            f"the metadata service does not answer: {error}",
            where=str(service),
            hint="roles of a server only work on a server of that cloud; elsewhere set the keys",
        ) from None
    finally:
        connection.close()


def members(body: bytes, where: str) -> dict[str, Any]:
    """A JSON object; anything else is an error without its content, which may be a secret."""
    try:
        found = json.loads(body)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise BackendError("the answer is no JSON object", kind=Kind.UNEXPECTED, where=where, retryable=True)
    return found


def required(answer: Mapping[str, Any], name: str, where: str) -> str:
    """A text that keys cannot be without."""
    value = answer.get(name)
    if not isinstance(value, str) or not value:
        raise PermissionDenied(f"the answer has no {name}", where=where, hint="give the server a role")
    return value


def moment(text: str, where: str) -> float:
    """``2026-11-26T20:00:00Z``, with or without a fraction, as seconds since 1970."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise BackendError(f"{text[:40]!r} is no time", kind=Kind.UNEXPECTED, where=where) from None
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
