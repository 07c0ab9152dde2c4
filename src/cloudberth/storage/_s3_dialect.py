"""What vendors that speak S3 call things: the prefix of their headers, and what their error codes mean."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from cloudberth.errors import (
    BucketNotFound,
    CorruptData,
    ExpiredCredentials,
    InvalidRange,
    NotFound,
    PermissionDenied,
    PreconditionFailed,
    Throttled,
    TimedOut,
    Unavailable,
    Unsupported,
    WrongRegion,
)
from cloudberth.storage.http.failures import Meaning

MEANINGS: Mapping[str, Meaning] = {
    "AccessDenied": PermissionDenied,
    "AccountProblem": PermissionDenied,
    "AllAccessDisabled": PermissionDenied,
    "AuthorizationHeaderMalformed": WrongRegion,
    "BadDigest": CorruptData,
    "ConditionalRequestConflict": Unavailable,
    "ExpiredToken": ExpiredCredentials,
    "IllegalLocationConstraintException": WrongRegion,
    "IncompleteBody": CorruptData,
    "InternalError": Unavailable,
    "InvalidAccessKeyId": PermissionDenied,
    "InvalidRange": InvalidRange,
    "InvalidToken": PermissionDenied,
    "NoSuchBucket": BucketNotFound,
    "NoSuchKey": NotFound,
    "NoSuchUpload": NotFound,
    "NotImplemented": Unsupported,
    "OperationAborted": Unavailable,
    "PermanentRedirect": WrongRegion,
    "PreconditionFailed": PreconditionFailed,
    "RequestLimitExceeded": Throttled,
    "RequestTimeTooSkewed": ExpiredCredentials,
    "RequestTimeout": TimedOut,
    "ServiceUnavailable": Unavailable,
    "SignatureDoesNotMatch": PermissionDenied,
    "SlowDown": Throttled,
    "TemporaryRedirect": WrongRegion,
    "Throttling": Throttled,
    "TokenRefreshRequired": ExpiredCredentials,
    "TooManyRequests": Throttled,
    "XAmzContentChecksumMismatch": CorruptData,
    "XAmzContentSHA256Mismatch": CorruptData,
}


@dataclass(frozen=True, slots=True)
class Dialect:
    """How a vendor names what S3 has. header: prefix of its own headers. list_version: 1 (marker) or 2.

    default_class: of an object about which the server says nothing. replace: the directive for a copy
    with attributes of its own.
    """

    header: str = "x-amz-"
    list_version: Literal[1, 2] = 2
    default_class: str | None = "STANDARD"
    replace: str = "REPLACE"

    @property
    def metadata(self) -> str:
        return f"{self.header}meta-"

    @property
    def storage_class(self) -> str:
        return f"{self.header}storage-class"
