"""REST calls to a cloud: time limits, repeats, and failures as errors of ours. Azure and Google Cloud alike.

Redirects are not followed, so that a token goes to the vendor and nobody else.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.util.retry import Retry

from cloudberth.errors import BackendError, Kind, NotFound, PermissionDenied, Unavailable

_TIMEOUT_SECONDS = (10, 30)  # to connect, to read
_MESSAGE_LENGTH = 400
# A POST is not repeated: it may have been carried out although no answer came.
_REPEATS = Retry(
    total=3,
    connect=1,
    redirect=0,
    status_forcelist=(429, 500, 502, 503, 504),
    backoff_factor=0.3,
    raise_on_status=False,
    respect_retry_after_header=False,
)


@dataclass(frozen=True, slots=True)
class Hints:
    """What the user can do. credentials: when the vendor says no. conflict: when a name is taken."""

    credentials: str
    conflict: str


def prepared(session: requests.Session) -> requests.Session:
    """The session, which repeats what is safe to repeat when the vendor is busy."""
    for scheme in ("http://", "https://"):
        session.mount(scheme, HTTPAdapter(max_retries=_REPEATS))
    return session


def ask(
    session: requests.Session,
    method: str,
    address: str,
    *,
    where: str,
    hints: Hints,
    query: Mapping[str, str] | None = None,
    headers: Mapping[str, str] | None = None,
    body: Mapping[str, Any] | None = None,
    bearer: str | None = None,
) -> requests.Response:
    """One call. where: the thing it is about, for people; bearer: the token, when the session brings none.

    Raises NotFound, PermissionDenied, Unavailable, or BackendError with the kind of failure.
    """
    try:
        response = session.request(
            method,
            address,
            params=dict(query or {}),
            headers=dict(headers or {}),
            json=None if body is None else dict(body),
            auth=None if bearer is None else _Bearer(bearer),
            timeout=_TIMEOUT_SECONDS,
            allow_redirects=False,
        )
    except requests.RequestException as error:
        raise Unavailable(
            f"no answer from {address.split('/')[2]}: {_reason(error)}",
            where=where,
            hint="check the network and the names, then try again",
        ) from None
    if response.status_code >= 300:
        raise _failure(response, where, hints)
    return response


def document(response: requests.Response, where: str) -> dict[str, Any]:
    """The JSON object of an answer; an empty one for an empty answer."""
    if not response.content:
        return {}
    try:
        found = response.json()
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise BackendError("the answer is not a JSON object", kind=Kind.UNEXPECTED, where=where)
    return found


class _Bearer(requests.auth.AuthBase):
    """The token of a call. Set in this way, the user's .netrc cannot take its place."""

    def __init__(self, token: str) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self._token}"
        return request


def _reason(error: requests.RequestException) -> str:
    # The text of these errors repeats the whole address; the class says what happened.
    return {
        "ConnectTimeout": "timed out while connecting",
        "ReadTimeout": "timed out while reading",
        "SSLError": "its certificate is not trusted",
        "ProxyError": "the proxy refused",
    }.get(type(error).__name__, "the connection failed")


def _failure(response: requests.Response, where: str, hints: Hints) -> BackendError:
    status, text = response.status_code, _message(response)
    if status == 404:
        return NotFound(text, where=where)
    if status in (401, 403):
        return PermissionDenied(text, where=where, hint=hints.credentials)
    if status == 409:
        return BackendError(text, kind=Kind.CONFLICT, where=where, hint=hints.conflict)
    if status == 429:
        return BackendError(text, kind=Kind.RATE_LIMITED, retryable=True, where=where)
    if status >= 500:
        return Unavailable(text, where=where, hint="try again in a minute")
    kind = Kind.INVALID if status in (400, 422) else Kind.UNEXPECTED
    return BackendError(text, kind=kind, where=where)


def _message(response: requests.Response) -> str:
    """Code and message of the vendor, one line: request identifiers stand on those that follow."""
    status = f"HTTP {response.status_code}"
    try:
        error = response.json()["error"]
        code, text = str(error.get("status") or error.get("code") or status), str(error.get("message") or "")
    except (ValueError, KeyError, TypeError, AttributeError):
        return f"{status} {response.headers.get('x-ms-error-code') or response.reason or ''}".strip()
    line = next(iter(text.strip().splitlines()), "")[:_MESSAGE_LENGTH]
    return f"{code}: {line}" if line else code
