"""The fourteen exceptions of OpenDAL → errors of ours.

Only the first line of what OpenDAL says is passed on: what follows are addresses, headers and a backtrace.
"""

from __future__ import annotations

import errno
import re

from cloudberth.errors import (
    BackendError,
    BucketNotFound,
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
from cloudberth.storage.http.failures import MESSAGE_LENGTH, Meaning, invalid, unexpected
from cloudberth.storage.local_failures import failure as failure_of_system

_HEAD = re.compile(
    r"^(?P<kind>\w+) \((?P<lasting>temporary|permanent|persistent)\) at \w+"
    r"[^\n]*?(?:=> ?(?P<said>[^\n]*))?(?=\n|$)"
)
_STATUS = re.compile(r"\bstatus: (\d{3})\b")
_RETRY_AFTER = re.compile(r'"retry-after": "(\d{1,5})"')
_NETWORK = frozenset(
    (
        errno.ECONNREFUSED, errno.ECONNRESET, errno.ECONNABORTED, errno.EPIPE, errno.ENETUNREACH,
        errno.EHOSTUNREACH,
    )
)  # fmt: skip
_CODE = re.compile(r'code: "(\w+)"')
_ERRNO = re.compile(r"\(os error (\d+)\)")
_FOLDER_IN_THE_WAY = 21
_FILE_IN_THE_WAY = (17, 20)

_CONFLICT = PreconditionFailed
MEANINGS: dict[str, Meaning] = {
    "NotFound": NotFound,
    "NotADirectory": NotFound,
    "IsADirectory": NotFound,
    "PermissionDenied": PermissionDenied,
    "AlreadyExists": _CONFLICT,
    "ConditionNotMatch": _CONFLICT,
    "Conflict": _CONFLICT,
    "RateLimited": Throttled,
    "RangeNotSatisfied": InvalidRange,
    "Unsupported": Unsupported,
    "ConfigInvalid": invalid,
    "IsSameFile": invalid,
}
# What the services behind OpenDAL say, where it is more than OpenDAL makes of it.
CODES: dict[str, Meaning] = {
    "NoSuchBucket": BucketNotFound,
    "ContainerNotFound": BucketNotFound,
    "ExpiredToken": ExpiredCredentials,
    "InvalidAccessKeyId": PermissionDenied,
    "SignatureDoesNotMatch": PermissionDenied,
    "AuthenticationFailed": PermissionDenied,
    "AuthorizationHeaderMalformed": WrongRegion,
    "PermanentRedirect": WrongRegion,
    "SlowDown": Throttled,
}


def is_of_opendal(error: Exception) -> bool:
    """Whether it is one of OpenDAL's, of any release; its files raise OSError with the same text."""
    if type(error).__module__.partition(".")[0] == "opendal":
        return True
    return isinstance(error, OSError) and _HEAD.match(str(error)) is not None


def failure(error: Exception, where: str, *, writing: bool = False) -> BackendError:
    """What an exception of OpenDAL is. writing: a name in the way is then no missing object."""
    text = str(error)
    head = _HEAD.match(text)
    line = (head["said"] or head["kind"]) if head else text.partition("\n")[0]
    said = " ".join(line.split())[:MESSAGE_LENGTH]
    kind = head["kind"] if head else type(error).__name__
    number = _ERRNO.search(text)
    if number is not None and kind != "NotFound" and int(number[1]) not in _NETWORK:
        return _of_system(int(number[1]), said, where, writing)
    code = (_CODE.search(text) or ["", ""])[1]
    meaning = CODES.get(code) or MEANINGS.get(kind) or _by_status(text, said)
    if meaning is None:
        passing = head is not None and head["lasting"] in ("temporary", "persistent")
        meaning = (TimedOut if "timeout" in said else Unavailable) if passing else unexpected
    found = meaning(said or kind, where=where)
    found.code = code or kind
    if isinstance(found, Unavailable):
        found.hint = "is the address right, and does the server answer from here?"
    seconds = _RETRY_AFTER.search(text)
    if found.retryable and seconds is not None:
        found.retry_after = float(seconds[1])
    return found


def _by_status(text: str, said: str) -> Meaning | None:
    """What a status of HTTP says that OpenDAL made nothing of."""
    status = _STATUS.search(text)
    if (status is not None and status[1] in ("401", "403")) or said.startswith(("401 ", "403 ")):
        return PermissionDenied
    return None


def _of_system(number: int, said: str, where: str, writing: bool) -> BackendError:
    if number == _FOLDER_IN_THE_WAY or number in _FILE_IN_THE_WAY:
        if not writing:
            return NotFound("there is no such object", where=where)
        taken = "a folder" if number == _FOLDER_IN_THE_WAY else "an object"
        return BackendError(
            f"{taken} of that name is in the way",
            kind=Kind.CONFLICT,
            where=where,
            hint="this scheme of OpenDAL has paths, where a name is either a folder or an object",
        )
    return failure_of_system(OSError(number, said), where)
