"""Errors of Cloud Storage → errors of ours: "HTTP status and error codes" for JSON, and for XML."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from xml.sax.saxutils import unescape

from cloudberth.errors import (
    BackendError,
    BucketNotFound,
    ExpiredCredentials,
    InvalidRange,
    NotFound,
    PermissionDenied,
    PreconditionFailed,
    Throttled,
    Unavailable,
)
from cloudberth.storage.http.failures import Meaning, error_of, invalid
from cloudberth.storage.http.message import Response

MEANINGS: Mapping[str, Meaning] = {
    # of the XML API, by which contents are read
    "AccessDenied": PermissionDenied,
    "ExpiredToken": ExpiredCredentials,
    "InternalError": Unavailable,
    "InvalidRange": InvalidRange,
    "NoSuchBucket": BucketNotFound,
    "NoSuchKey": NotFound,
    "PreconditionFailed": PreconditionFailed,
    "ServiceUnavailable": Unavailable,
    "SlowDown": Throttled,
    "UserProjectMissing": invalid,
    # of the JSON API
    "accountDisabled": PermissionDenied,
    "authError": ExpiredCredentials,
    "backendError": Unavailable,
    "conditionNotMet": PreconditionFailed,
    "conflict": PreconditionFailed,
    "customerEncryptionKeyIsIncorrect": PermissionDenied,
    "forbidden": PermissionDenied,
    "insufficientPermissions": PermissionDenied,
    "internalError": Unavailable,
    "invalid": invalid,
    "notFound": NotFound,
    "quotaExceeded": Throttled,
    "rateLimitExceeded": Throttled,
    "required": PermissionDenied,
    "requestedRangeNotSatisfiable": InvalidRange,
    "retentionPolicyNotMet": PermissionDenied,
    "uploadBrokenConnection": Unavailable,
    "userProjectMissing": invalid,
    "userRateLimitExceeded": Throttled,
}
_HINTS = {
    "accountDisabled": "the billing account of the project is closed",
    "forbidden": "give the account roles/storage.objectUser on the bucket",
    "insufficientPermissions": "the machine's access scopes do not include storage",
    "retentionPolicyNotMet": "the bucket's retention policy keeps this object",
    "userProjectMissing": "the bucket lets its readers pay; that is not supported",
}
# 410: a session of an upload that the service has lost. It is made again by the next attempt.
_LOST = 410
_CODE = re.compile(r"<Code>(\w{1,80})</Code>")
_MESSAGE = re.compile(r"<Message>([^<]{1,500})</Message>")


def failure_of(response: Response, *, where: str, on_bucket: bool, with_token: bool = False) -> BackendError:
    """The error of an answer. on_bucket: the request was about the bucket as a whole.

    with_token: it had a token. One that the service does not know is one that it knows no more.
    """
    code, message = _words(response)
    if response.status == 401 and with_token:
        code = "authError"
    meanings = MEANINGS
    if response.status == 404 and (on_bucket or "bucket does not exist" in message.lower()):
        meanings, code = {"notFound": BucketNotFound}, "notFound"
    if response.status == _LOST:
        meanings, code = {"gone": Unavailable}, "gone"
    return error_of(
        response, code=code, message=message, where=where, meanings=meanings, hint=_HINTS.get(code, "")
    )


def says_which(error: BackendError) -> bool:
    """Whether a 404 tells an object that is not there from a bucket that is not: emulators do not."""
    return error.code == "NoSuchKey" or "No such object" in error.what


def _words(response: Response) -> tuple[str, str]:
    """Reason and message. Contents come with errors of plain text, IAM with a status instead of a reason."""
    text = response.body.decode("utf-8", "replace")
    try:
        error = json.loads(text)["error"]
        reasons = error.get("errors") or [{}]
        return str(reasons[0].get("reason") or error.get("status") or ""), str(error.get("message") or "")
    except (ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError):
        if not text.lstrip().startswith("<"):
            return "", text
        code, said = _CODE.search(text), _MESSAGE.search(text)
        return code[1] if code else "", unescape(said[1]) if said else ""
