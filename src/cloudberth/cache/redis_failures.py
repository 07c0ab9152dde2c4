"""What redis-py raises → the error tree, with the first line of what the server or the system said."""

from __future__ import annotations

import re

from cloudberth.errors import (
    BackendError,
    CloudberthError,
    ExpiredCredentials,
    Kind,
    PermissionDenied,
    Throttled,
    TimedOut,
    Unavailable,
)

NOT_SENT = "connect"
"""The code of an error before anything was sent: whatever was to be done can be done again."""
NOT_DONE = frozenset(
    {NOT_SENT, "READONLY", "LOADING", "MASTERDOWN", "CLUSTERDOWN", "TRYAGAIN", "BUSY", "OOM"}
)
"""Codes with which a server says that it did not do it."""

_WORD = re.compile(r"^-?([A-Z][A-Z0-9]{2,})\b")
_CODES_BY_NAME = {
    "OutOfMemoryError": "OOM",
    "ReadOnlyError": "READONLY",
    "BusyLoadingError": "LOADING",
    "NoPermissionError": "NOPERM",
    "ClusterDownError": "CLUSTERDOWN",
    "MasterDownError": "MASTERDOWN",
    "TryAgainError": "TRYAGAIN",
    "SlotNotCoveredError": "CLUSTERDOWN",
}
_PASSWORDS = (
    "WRONGPASS",
    "invalid username-password",
    "invalid password",
    "NOAUTH",
    "Authentication required",
)


def failure_of(error: Exception, place: str, *, expiring: bool = False) -> Exception:
    """The error for a failed call. expiring: the password is a token, so a refusal means that it is too old.

    What is no failure of the store (a defect of ours) is given back as it is.
    """
    if isinstance(error, CloudberthError):
        return error
    names = {kind.__name__ for kind in type(error).__mro__}
    text = str(error)
    code = _code(names, text)
    found = _kind_of(names, text, code, place, expiring)
    if found is None:
        return error
    found.code = code
    return found


def _code(names: set[str], text: str) -> str:
    for name, code in _CODES_BY_NAME.items():
        if name in names:
            return code
    if found := _WORD.match(text):
        return found[1]
    unknown = {"SlaveNotFoundError", "MasterNotFoundError", "MaxConnectionsError", "RedisClusterException"}
    return NOT_SENT if "connecting to" in text or names & unknown else ""


def _kind_of(names: set[str], text: str, code: str, place: str, expiring: bool) -> BackendError | None:
    if (
        "AuthenticationError" in names
        or code in {"WRONGPASS", "NOAUTH"}
        or any(w in text for w in _PASSWORDS)
    ):
        return _refused(place, expiring)
    if code == "NOPERM" or "AuthorizationError" in names:
        return PermissionDenied(
            _said(text, "NOPERM"), where=place, hint="the ACL user may not run this command or touch this key"
        )
    if code == "OOM":
        return Throttled(
            "the server is out of memory", where=place, hint="raise maxmemory, or set an eviction policy"
        )
    if "MaxConnectionsError" in names:
        return Throttled("all connections are in use", where=place, hint="raise REDIS_MAX_CONNECTIONS")
    if "TimeoutError" in names:
        return TimedOut("no answer in time", where=place)
    if code in NOT_DONE or names & {"ConnectionError", "RedisClusterException", "OSError", "ClusterError"}:
        return _unreachable(text, place)
    if "RedisError" not in names:
        return None
    kind = Kind.INVALID if "not an integer" in text or "overflow" in text else Kind.UNEXPECTED
    return BackendError(_said(text, ""), kind=kind, where=place)


def _refused(place: str, expiring: bool) -> PermissionDenied:
    if expiring:
        return ExpiredCredentials("the server refused the token", where=place)
    return PermissionDenied(
        "the server refused the user name or password",
        where=place,
        hint="check REDIS_USERNAME and REDIS_PASSWORD (and the ones of Sentinels and clusters)",
    )


def _unreachable(text: str, place: str) -> BackendError:
    lowered = text.lower()
    if "certificate" in lowered or "hostname mismatch" in lowered:
        return Unavailable(
            f"the server's certificate is not accepted: {_said(text, '')}",
            where=place,
            hint="REDIS_SSL_CA_CERTS names the file of the authority that signed it",
        )
    if "wrong_version_number" in lowered or "record layer failure" in lowered:
        return Unavailable("the server speaks no TLS on this port", where=place, hint="REDIS_USE_SSL=false?")
    return Unavailable(f"cannot be reached: {_said(text, 'no connection')}", where=place)


def _said(text: str, otherwise: str) -> str:
    """The first line, short."""
    line = text.strip().partition("\n")[0]
    return line[:200] if line else otherwise
