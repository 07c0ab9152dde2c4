"""What answers of VikingDB mean that say no: by the numbers of the vendor's SDK (viking_db/exception.py)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cloudberth.errors import (
    BackendError,
    Kind,
    Mismatch,
    NotFound,
    PermissionDenied,
    PreconditionFailed,
    Throttled,
    Unavailable,
)

_ABSENT, _THERE, _DENIED = {1000005, 1000008, 1000031}, {1000004, 1000007}, {1000001, 1000002, 1000015}
_UNPAID = {1000032, 1000033}
_LATER = {1000010, 1000013, 1000014, 1000020, 1000021, 1000022, 1000023, 1000028, 1000034}
NOT_ALLOWED = 1000006
_BAD_VECTOR, _QUOTA = 1000016, 1000029


def meaning(_status: int, body: Any) -> BackendError | None:
    """What an answer means: by the vendor's numbers."""
    if not isinstance(body, Mapping) or not isinstance(body.get("code"), int) or not body["code"]:
        return None
    return meant(body["code"], str(body.get("message") or body.get("msg") or ""))


def meant(code: int, said: str) -> BackendError:
    """The error of a number of the vendor's."""
    said = " ".join(said.split())[:300]
    error: BackendError
    if code in _ABSENT:
        error = NotFound(said)
    elif code in _THERE:
        error = PreconditionFailed(said)
    elif code in _DENIED:
        error = PermissionDenied(
            said,
            hint="check VIKINGDB_ACCESS_KEY, VIKINGDB_SECRET_KEY, VIKINGDB_REGION, and what the key may do",
        )
    elif code in _UNPAID:
        error = PermissionDenied(said, hint="the account has not ordered VikingDB, or owes for it")
    elif code == _QUOTA:
        error = Throttled(said)
    elif code in _LATER:
        error = Unavailable(said)
    elif code == _BAD_VECTOR or "dim" in said.lower():
        error = Mismatch(said)
    else:
        error = BackendError(said, kind=Kind.INVALID)
    error.code = str(code)
    return error
