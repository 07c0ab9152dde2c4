"""What the operating system says no with → errors of ours."""

from __future__ import annotations

import errno
from collections.abc import Mapping

from cloudberth.errors import (
    BackendError,
    Kind,
    NotFound,
    PermissionDenied,
    TimedOut,
    Unavailable,
    Unsupported,
)

_FULL = frozenset((errno.ENOSPC, errno.EDQUOT))
_DENIED: Mapping[int, str] = {
    errno.EACCES: "give this user the right to read and write the folder",
    errno.EPERM: "give this user the right to read and write the folder",
    errno.EROFS: "the file system is mounted for reading only",
}
_INVALID = frozenset((errno.ENAMETOOLONG, errno.EFBIG, errno.EINVAL, errno.EILSEQ))
_PASSING = frozenset(
    (errno.EIO, errno.ESTALE, errno.EMFILE, errno.ENFILE, errno.EAGAIN, errno.ENOMEM, errno.EBUSY)
)


def failure(error: OSError, where: str) -> BackendError:
    """The typed error of an errno. An error of ours, or one without errno, is not to be given in."""
    number = error.errno or 0
    said = error.strerror or str(error)
    found = _meaning(number, said, where)
    found.code = errno.errorcode.get(number, "")
    return found


def _meaning(number: int, said: str, where: str) -> BackendError:
    if number in (errno.ENOENT, errno.ENOTDIR):
        return NotFound("there is no such object", where=where)
    if number in _DENIED:
        return PermissionDenied(said, where=where, hint=_DENIED[number])
    if number in _FULL:
        hint = "free space, or raise the quota; nothing was written"
        return BackendError(said, kind=Kind.UNAVAILABLE, where=where, hint=hint)
    if number in _INVALID:
        return BackendError(said, kind=Kind.INVALID, where=where)
    if number == errno.ETIMEDOUT:
        return TimedOut(said, where=where)
    if number in _PASSING:
        return Unavailable(said, where=where)
    if number in (errno.ENOTSUP, errno.ENOSYS):
        return Unsupported(said, where=where)
    return BackendError(said, kind=Kind.UNEXPECTED, where=where)
