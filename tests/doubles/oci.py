"""A double of Oracle Cloud's S3 endpoint: its protocol, its limits, its words; SigV4 is recomputed.

What it holds clients to is Oracle's list of what its "Amazon S3 Compatibility API" knows, and what boto3
sends and reads: path style only, no chunked signatures, no sub-resources of a bucket but its location.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from calendar import timegm
from collections.abc import Mapping
from time import strptime
from urllib.parse import quote

from doubles.s3_dialect import SKEW
from doubles.s3_multipart import MultipartDouble
from doubles.server import Request, Response, unquoted
from doubles.store import Bucket, Refusal, User

HOST = re.compile(
    r"^(?P<namespace>[a-z0-9]+)\.compat\.objectstorage\.(?P<region>[a-z0-9-]+)\.oraclecloud\.com$"
)
HEADER = re.compile(
    r"^AWS4-HMAC-SHA256 Credential=(?P<credential>[^,]+),\s*SignedHeaders=(?P<names>[^,]+),\s*"
    r"Signature=(?P<signature>[0-9a-f]{64})$"
)
UNSIGNED = "UNSIGNED-PAYLOAD"
UNKNOWN = ("acl", "cors", "encryption", "lifecycle", "policy", "policyStatus", "website", "logging")


class OciDouble(MultipartDouble):
    """Oracle's Object Storage as S3. Buckets are in the path, at an address and at the true host names."""

    prefix = "x-amz-"
    part_min = 5 * 1024 * 1024
    list_version = 2
    exists = "IfNoneMatchFailed"
    classes = frozenset({"STANDARD"})

    def locate(self, request: Request) -> tuple[str, str | None, str]:
        named = HOST.match(request.host)
        bucket, _, key = request.raw_path[1:].partition("/")
        return unquoted(bucket), unquoted(key) or None, named["region"] if named else self.region

    def check_key(self, key: str) -> None:
        """Object names are any text of up to 1,024 bytes."""

    def limit(self, query: Mapping[str, str], name: str) -> int:
        return super().limit({name: "1000", **query}, name)

    def check_overwrite(self, request: Request, bucket: Bucket, key: str) -> None:
        unless = request.header("if-none-match")
        if unless not in {"", "*"} or request.header("if-match"):
            raise Refusal("NotImplemented", 501, "A header you provided implies something not implemented.")
        if unless and key in bucket.objects:
            raise Refusal("IfNoneMatchFailed", 412, "The If-None-Match header is '*' but the object exists.")

    def on_bucket(self, request: Request, bucket: Bucket) -> Response:
        if set(UNKNOWN) & set(request.query):
            raise Refusal("NotImplemented", 501, "S3 does not implement this request on this endpoint.")
        return super().on_bucket(request, bucket)

    # -- who asks --------------------------------------------------------------------------------------------

    def authenticate(self, request: Request, bucket: str, key: str | None, region: str) -> User:
        payload = request.header("x-amz-content-sha256") or UNSIGNED
        if payload.startswith("STREAMING-") or "aws-chunked" in request.header("content-encoding"):
            raise Refusal("NotImplemented", 501, f"{payload} is not supported.")
        if "X-Amz-Signature" in request.query:
            return self._signed_url(request, region)
        given = HEADER.match(request.header("authorization"))
        if given is None:
            raise Refusal("AccessDenied", 403, "Anonymous users cannot do this.")
        stamp = request.header("x-amz-date")
        if abs(self._moment(stamp) - self.store.clock()) > SKEW:
            raise Refusal(
                "RequestTimeTooSkewed", 403, "The difference between the request time is too large."
            )
        if payload != UNSIGNED and payload != hashlib.sha256(request.body).hexdigest():
            raise Refusal(
                "XAmzContentSHA256Mismatch", 400, "The provided 'x-amz-content-sha256' does not match."
            )
        names = given["names"].split(";")
        user = self._user(given["credential"], stamp, region)
        self._compare(request, stamp, names, payload, region, user, given["signature"])
        return user

    def _signed_url(self, request: Request, region: str) -> User:
        query = request.query
        stamp, expires = query.get("X-Amz-Date", ""), query.get("X-Amz-Expires", "")
        if not expires.isdigit() or not 0 < int(expires) <= 604800:
            raise Refusal("AuthorizationQueryParametersError", 400, "X-Amz-Expires is not valid.")
        if self._moment(stamp) + int(expires) < self.store.clock():
            raise Refusal("AccessDenied", 403, "Request has expired")
        names = query.get("X-Amz-SignedHeaders", "").split(";")
        user = self._user(query.get("X-Amz-Credential", ""), stamp, region)
        self._compare(request, stamp, names, UNSIGNED, region, user, query["X-Amz-Signature"])
        return user

    def _moment(self, stamp: str) -> float:
        try:
            return timegm(strptime(stamp, "%Y%m%dT%H%M%SZ"))
        except ValueError as error:
            raise Refusal("AccessDenied", 403, "A valid date is required.") from error

    def _user(self, credential: str, stamp: str, region: str) -> User:
        access_key, date, scope, product, end = (credential.split("/") + [""] * 5)[:5]
        if scope != region or access_key not in self.store.users:
            raise Refusal(
                "SignatureDoesNotMatch", 403,
                "The secret key required to complete authentication could not be found. The region must be "
                "specified if this is not the home region for the tenancy.",
            )  # fmt: skip
        if (date, product, end) != (stamp[:8], "s3", "aws4_request"):
            raise Refusal("AuthorizationHeaderMalformed", 400, "The credential scope is not valid.")
        return self.store.user(access_key, None)

    def _compare(
        self, request: Request, stamp: str, names: list[str], payload: str, region: str, user: User,
        signature: str,
    ) -> None:  # fmt: skip
        missing = [
            name for name in request.headers
            if (name.startswith("x-amz-") and name not in names) or "host" not in names
        ]  # fmt: skip
        if missing:
            raise Refusal("AccessDenied", 403, f"There were headers that were not signed: {missing}")
        pairs = sorted(
            (quote(name, safe="-_.~"), quote(value, safe="-_.~", errors="surrogateescape"))
            for name, value in request.pairs if name != "X-Amz-Signature"
        )  # fmt: skip
        query = "&".join(f"{name}={value}" for name, value in pairs)
        path = quote(request.path, safe="/-_.~", errors="surrogateescape")
        lines = "".join(f"{name}:{' '.join(request.header(name).split())}\n" for name in sorted(names))
        canonical = "\n".join((request.method, path, query, lines, ";".join(sorted(names)), payload))
        digest = hashlib.sha256(canonical.encode("latin-1")).hexdigest()
        text = f"AWS4-HMAC-SHA256\n{stamp}\n{stamp[:8]}/{region}/s3/aws4_request\n{digest}"
        secret = f"AWS4{user.secret_key}".encode()
        for step in (stamp[:8], region, "s3", "aws4_request"):
            secret = hmac.digest(secret, step.encode(), "sha256")
        if not hmac.compare_digest(hmac.new(secret, text.encode(), hashlib.sha256).hexdigest(), signature):
            raise Refusal(
                "SignatureDoesNotMatch", 403,
                "The request signature we calculated does not match the signature you provided.",
            )  # fmt: skip
