"""Error codes of Azure Blob Storage → errors of ours. Codes: "Blob service error codes" and "Common REST
API error codes" of the REST reference.
"""

from __future__ import annotations

from collections.abc import Mapping

from cloudberth.errors import (
    BackendError,
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
)
from cloudberth.storage.azure_xml import error_words
from cloudberth.storage.http.failures import Meaning, error_of, invalid
from cloudberth.storage.http.message import Response

MEANINGS: Mapping[str, Meaning] = {
    "AccountBeingCreated": Unavailable,
    "AccountIsDisabled": PermissionDenied,
    "AppendPositionConditionNotMet": PreconditionFailed,
    "AuthenticationFailed": PermissionDenied,
    "AuthorizationFailure": PermissionDenied,
    "AuthorizationPermissionMismatch": PermissionDenied,
    "BlobAlreadyExists": PreconditionFailed,
    "BlobArchived": invalid,
    "BlobBeingRehydrated": invalid,
    "BlobImmutableDueToPolicy": PermissionDenied,
    "BlobNotFound": NotFound,
    "BlockCountExceedsLimit": invalid,
    "ConditionNotMet": PreconditionFailed,
    "ContainerBeingDeleted": Unavailable,
    "ContainerDisabled": PermissionDenied,
    "ContainerNotFound": BucketNotFound,
    "FeatureVersionMismatch": Unsupported,
    "InsufficientAccountPermissions": PermissionDenied,
    "InternalError": Unavailable,
    "InvalidBlobOrBlock": invalid,
    "InvalidBlobType": invalid,
    "InvalidBlockId": invalid,
    "InvalidBlockList": NotFound,
    "InvalidRange": InvalidRange,
    "LeaseIdMissing": PreconditionFailed,
    "LeaseLost": PreconditionFailed,
    "Md5Mismatch": CorruptData,
    "NoPendingCopyOperation": invalid,
    "OperationTimedOut": TimedOut,
    "PendingCopyOperation": PreconditionFailed,
    "ResourceNotFound": NotFound,
    "ServerBusy": Throttled,
    "SnapshotsPresent": PreconditionFailed,
    "SourceConditionNotMet": PreconditionFailed,
    "TargetConditionNotMet": PreconditionFailed,
    "UnsupportedHeader": Unsupported,
}
_HINTS = {
    "AuthenticationFailed": "check the account key: it belongs to the account, and may have been rotated",
    "AuthorizationFailure": "the firewall of the account, or the rights of the SAS, do not let this through",
    "AuthorizationPermissionMismatch": "give the identity the role Storage Blob Data Contributor",
    "BlobArchived": "rehydrate it to an online tier first; that takes hours",
    "BlobBeingRehydrated": "wait until it is rehydrated; that takes hours",
    "ContainerBeingDeleted": "a container of that name was just deleted; the name is free after a while",
    "InvalidBlobOrBlock": "another program left blocks under this key; they go within a week, or with a put",
    "KeyBasedAuthenticationNotPermitted": "this account takes no keys: write managedidentity instead",
    "PublicAccessNotPermitted": "this account allows no public containers",
}
_TOO_OLD = ("time frame", "too old", "token is expired", "lifetime validation failed", "not yet valid")


def failure_of(response: Response, *, where: str, over: bool) -> BackendError:
    """The error of an answer. over: whether the credentials are known to have ended."""
    code, message = error_words(response)
    if code == "InvalidOperation" and "md5" in message.lower():
        code = "Md5Mismatch"  # as Azurite says it
    error = error_of(
        response, code=code, message=message, where=where, meanings=MEANINGS, hint=_HINTS.get(code, "")
    )
    if isinstance(error, PermissionDenied) and (over or any(word in message.lower() for word in _TOO_OLD)):
        text = (
            error.what
            if any(word in message.lower() for word in _TOO_OLD)
            else f"{error.what} (its time is over)"
        )
        late = ExpiredCredentials(
            text, where=where, hint="get a new SAS or token; or the clock of this machine is wrong"
        )
        late.code = error.code
        return late
    return error
