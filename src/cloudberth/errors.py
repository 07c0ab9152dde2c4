"""Every error that Cloudberth raises on purpose.

::

    CloudberthError                what, where, hint
    ├── InvalidInput               the user's input is wrong: exit code 2, nothing was written
    │   └── InvalidDeployment      a deployment file: all its problems at once
    ├── Refused                    a safety rule says no (data would be lost, a file was edited): exit code 3
    ├── EngineError                Terraform could not be run
    │   ├── EngineMissing          no usable Terraform, or an extra is not installed
    │   └── Rejected               Terraform or a provider said no: all its diagnostics, with file and line
    └── BackendError               a runtime backend (storage, vector, cache, cloud API): kind and retry
        ├── NotFound               the thing asked for is not there; also a FileNotFoundError
        │   └── BucketNotFound     nor is the bucket (container, volume) it would be in
        ├── PermissionDenied       also a PermissionError
        │   └── ExpiredCredentials a token or signature is too old
        ├── PreconditionFailed     it exists already, or was changed meanwhile; also a FileExistsError
        ├── WrongRegion            the bucket is elsewhere
        ├── InvalidRange           the range starts behind the end
        ├── Mismatch               dimension, metric or model is not that of the collection; also a ValueError
        ├── Unsupported            this backend cannot do that; also a NotImplementedError
        ├── Throttled              too many requests; retrying can help
        ├── CorruptData            what arrived is not what was sent; retrying can help
        └── Unavailable            also a ConnectionError; retrying can help
            └── TimedOut           also a TimeoutError

The message of each is one line of *what*, prefixed by *where*; the *hint* says what to do.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class CloudberthError(Exception):
    """Base of the tree.

    what: what is wrong, one sentence without the place. where: the place, for people
    (``berth.yaml:14:7 storage.lifecycle[0]``, ``aws_vpc.main``). hint: what to do about it.
    """

    exit_code = 1

    def __init__(self, what: str, *, where: str = "", hint: str = "") -> None:
        self.what = what
        self.where = where
        self.hint = hint
        super().__init__(f"{where}: {what}" if where else what)

    def __reduce__(self) -> tuple[object, ...]:
        # Errors cross processes, and the way that exceptions take by default knows no keywords.
        return _again, (type(self), self.args), self.__dict__


def _again(kind: type[CloudberthError], arguments: tuple[object, ...]) -> CloudberthError:
    error = kind.__new__(kind)
    error.args = arguments
    return error


class InvalidInput(CloudberthError):
    """The user's input is wrong. Nothing was written."""

    exit_code = 2


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong in a file, with its place.

    line and column count from 1; 0 when the file has no such place. path: ``storage.lifecycle[0].tier``.
    """

    file: str
    line: int
    column: int
    path: str
    what: str
    hint: str = ""

    @property
    def where(self) -> str:
        place = f"{self.file}:{self.line}:{self.column}" if self.line else self.file
        return f"{place} {self.path}" if self.path else place

    def __str__(self) -> str:
        return f"{self.where}: {self.what}" + (f" ({self.hint})" if self.hint else "")


class InvalidDeployment(InvalidInput):
    """A deployment file with problems: all of them, in the order of the file."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        self.problems = problems
        super().__init__("\n".join(str(problem) for problem in problems))


class Refused(CloudberthError):
    """A safety rule says no; the hint names the flag or step that would allow it."""

    exit_code = 3


class EngineError(CloudberthError):
    """Terraform could not be run, or said no."""


class EngineMissing(EngineError):
    """No usable Terraform, or the extra that brings it is not installed."""


class Rejected(EngineError):
    """Terraform, or a provider, said no. problems: every error with file, line and resource (`path`)."""

    def __init__(self, problems: tuple[Problem, ...], *, hint: str = "") -> None:
        self.problems = problems
        first = problems[0]
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        super().__init__(first.what + more, where=first.where, hint=hint or first.hint)


class Kind(StrEnum):
    """What went wrong at a backend, the same on every vendor."""

    NOT_FOUND = "not_found"
    PERMISSION = "permission"
    CONFLICT = "conflict"
    RATE_LIMITED = "rate_limited"
    UNAVAILABLE = "unavailable"
    CORRUPT = "corrupt"
    UNSUPPORTED = "unsupported"
    INVALID = "invalid"
    UNEXPECTED = "unexpected"


class BackendError(CloudberthError):
    """A backend failed. retryable: whether the same call may succeed later.

    retry_after: seconds that the server asked us to wait. code: the vendor's own word (``NoSuchKey``).
    """

    retry_after: float | None = None
    code: str = ""

    def __init__(
        self, what: str, *, kind: Kind, retryable: bool = False, where: str = "", hint: str = ""
    ) -> None:
        super().__init__(what, where=where, hint=hint)
        self.kind = kind
        self.retryable = retryable


class NotFound(BackendError, FileNotFoundError):
    """The thing asked for does not exist."""

    def __init__(self, what: str, *, where: str = "", hint: str = "") -> None:
        BackendError.__init__(self, what, kind=Kind.NOT_FOUND, where=where, hint=hint)


class BucketNotFound(NotFound):
    """The bucket, container or volume does not exist."""


class PermissionDenied(BackendError, PermissionError):
    """The credentials do not allow this."""

    def __init__(self, what: str, *, where: str = "", hint: str = "") -> None:
        BackendError.__init__(self, what, kind=Kind.PERMISSION, where=where, hint=hint)


class ExpiredCredentials(PermissionDenied):
    """A token or signature is too old; new credentials help, the same ones never will."""


class PreconditionFailed(BackendError, FileExistsError):
    """The thing exists already, or is not the one that was expected."""

    def __init__(self, what: str, *, where: str = "", hint: str = "") -> None:
        BackendError.__init__(self, what, kind=Kind.CONFLICT, where=where, hint=hint)


class WrongRegion(BackendError):
    """The bucket is in another region; the hint names it when the vendor says so."""

    def __init__(self, what: str, *, where: str = "", hint: str = "") -> None:
        super().__init__(what, kind=Kind.INVALID, where=where, hint=hint)


class InvalidRange(BackendError, ValueError):
    """The range of bytes starts at or behind the end."""

    def __init__(self, what: str, *, where: str = "", hint: str = "") -> None:
        BackendError.__init__(self, what, kind=Kind.INVALID, where=where, hint=hint)


class Mismatch(BackendError, ValueError):
    """What is written or asked does not fit the collection: another dimension, metric or model."""

    def __init__(self, what: str, *, where: str = "", hint: str = "") -> None:
        BackendError.__init__(self, what, kind=Kind.INVALID, where=where, hint=hint)


class Unsupported(BackendError, NotImplementedError):
    """This backend has no such ability."""

    def __init__(self, what: str, *, where: str = "", hint: str = "") -> None:
        BackendError.__init__(self, what, kind=Kind.UNSUPPORTED, where=where, hint=hint)


class Throttled(BackendError):
    """Too many requests. retry_after: seconds that the server asked for."""

    def __init__(
        self, what: str, *, retry_after: float | None = None, where: str = "", hint: str = ""
    ) -> None:
        super().__init__(what, kind=Kind.RATE_LIMITED, retryable=True, where=where, hint=hint)
        self.retry_after = retry_after


class CorruptData(BackendError):
    """What arrived is not what was sent: too short, or with another checksum."""

    def __init__(self, what: str, *, where: str = "", hint: str = "") -> None:
        super().__init__(what, kind=Kind.CORRUPT, retryable=True, where=where, hint=hint)


class Unavailable(BackendError, ConnectionError):
    """The backend cannot be reached or does not answer; retrying can help."""

    def __init__(self, what: str, *, where: str = "", hint: str = "") -> None:
        BackendError.__init__(self, what, kind=Kind.UNAVAILABLE, retryable=True, where=where, hint=hint)


class TimedOut(Unavailable, TimeoutError):
    """No answer in time; retrying can help."""
