"""Answers that say no → errors of ours. One table of statuses; each vendor adds the codes that say more."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from email.utils import parsedate_to_datetime
from time import time

from cloudberth.errors import (
    BackendError,
    ExpiredCredentials,
    InvalidRange,
    Kind,
    NotFound,
    PermissionDenied,
    PreconditionFailed,
    Throttled,
    TimedOut,
    Unavailable,
    Unsupported,
    WrongRegion,
)
from cloudberth.storage.http.message import Response

Meaning = Callable[..., BackendError]
MESSAGE_LENGTH = 300

BY_STATUS: Mapping[int, Meaning] = {
    301: WrongRegion,
    307: WrongRegion,
    308: WrongRegion,
    401: PermissionDenied,
    403: PermissionDenied,
    404: NotFound,
    408: TimedOut,
    409: PreconditionFailed,
    412: PreconditionFailed,
    416: InvalidRange,
    429: Throttled,
    501: Unsupported,
}
HINTS: Mapping[Meaning, str] = {
    PermissionDenied: "check the keys, and what they are allowed to do: berth storage doctor",
    ExpiredCredentials: "get new credentials; or the clock of this machine is wrong",
    WrongRegion: "set the region that the bucket is in",
}


def error_of(
    response: Response,
    *,
    code: str,
    message: str,
    where: str,
    meanings: Mapping[str, Meaning],
    hint: str = "",
) -> BackendError:
    """The error of an answer. code: the vendor's word, looked up in `meanings` before the status is.

    where: place and key, for people. message: the vendor's sentence; it is cut, and must hold no secret.
    """
    meaning = meanings.get(code) or BY_STATUS.get(response.status) or _by_hundred(response.status)
    text = " ".join(message.split())[:MESSAGE_LENGTH]
    what = f"{code}: {text}" if code and text else code or text or f"HTTP {response.status}"
    error = meaning(what, where=where, hint=hint or HINTS.get(meaning, ""))
    error.code = code or str(response.status)
    if error.retryable:
        error.retry_after = retry_after(response)
    return error


def _by_hundred(status: int) -> Meaning:
    return Unavailable if status >= 500 else invalid


def invalid(what: str, *, where: str = "", hint: str = "") -> BackendError:
    """The request makes no sense to the server."""
    return BackendError(what, kind=Kind.INVALID, where=where, hint=hint)


def unexpected(what: str, *, where: str = "", hint: str = "") -> BackendError:
    """The server says something that no documentation knows."""
    return BackendError(what, kind=Kind.UNEXPECTED, where=where, hint=hint)


def retry_after(response: Response) -> float | None:
    """Seconds of a Retry-After header, which is a number or a date; None when there is none to read."""
    value = response.header("retry-after").strip()
    if not value:
        return None
    try:
        seconds = float(value)
    except ValueError:
        try:
            seconds = parsedate_to_datetime(value).timestamp() - time()
        except (ValueError, TypeError, OverflowError):
            return None
    return min(max(seconds, 0.0), 3600.0) if seconds == seconds else None
