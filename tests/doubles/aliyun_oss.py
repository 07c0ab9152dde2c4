"""A double of Alibaba Cloud OSS: its protocol, its limits, its words; version 4 signatures, checked for real.

What it holds clients to is Alibaba's documentation and what `alibabacloud-oss-v2` sends and reads. Where that
is silent (the words for a version 1 signature) the double says something an OSS user would understand.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from calendar import timegm
from collections.abc import Mapping
from time import strptime
from typing import ClassVar, NoReturn
from urllib.parse import quote

from doubles.s3_dialect import SKEW, leaf, xml
from doubles.s3_multipart import MultipartDouble
from doubles.server import Request, Response, unquoted
from doubles.store import Bucket, Refusal, Stored, StoredPart, User

HOST = re.compile(r"^(?:(?P<bucket>[a-z0-9-]+)\.)?oss-(?P<region>[a-z0-9-]+?)(?:-internal)?\.aliyuncs\.com$")
HEADER = re.compile(
    r"^OSS4-HMAC-SHA256 Credential=(?P<credential>[^,]+),\s*"
    r"(?:AdditionalHeaders=(?P<more>[^,]*),\s*)?Signature=(?P<signature>[0-9a-f]{64})$"
)


class OssDouble(MultipartDouble):
    """OSS. Buckets are in the path at an address, and in the name of the host at ``….aliyuncs.com``."""

    prefix = "x-oss-"
    part_min = 100 * 1024
    list_version = 2
    exists = "FileAlreadyExists"
    digest_code = "InvalidDigest"
    default_class = "Standard"
    classes = frozenset({"Standard", "IA", "Archive", "ColdArchive", "DeepColdArchive"})
    codes: ClassVar[Mapping[str, tuple[str, int]]] = {
        "InvalidToken": ("InvalidSecurityToken", 403),
        "ExpiredToken": ("SecurityTokenExpired", 403),
        "BucketAlreadyOwnedByYou": ("BucketAlreadyExists", 409),
        "InvalidRequest": ("MissingArgument", 400),
        "InvalidStorageClass": ("InvalidArgument", 400),
    }
    documents: ClassVar[Mapping[str, tuple[str, str]]] = {
        "acl": ("private", ""),
        "versioning": ("<VersioningConfiguration></VersioningConfiguration>", ""),
        "encryption": ("", "NoSuchServerSideEncryptionRule"),
        "lifecycle": ("", "NoSuchLifecycle"),
        "cors": ("", "NoSuchCORSConfiguration"),
    }

    # -- where it goes ---------------------------------------------------------------------------------------

    def locate(self, request: Request) -> tuple[str, str | None, str]:
        named = HOST.match(request.host)
        if named is None:
            bucket, _, key = request.raw_path[1:].partition("/")
            return bucket, unquoted(key) or None, self.region
        region = named["region"]
        if named["bucket"]:
            return named["bucket"], unquoted(request.raw_path[1:]) or None, region
        if request.raw_path != "/":
            raise Refusal("SecondLevelDomainForbidden", 403, "Please use virtual hosted style to access.")
        return "", None, region

    def elsewhere(self, bucket: Bucket, region: str) -> NoReturn:
        raise Refusal(
            "AccessDenied", 403,
            "The bucket you are attempting to access must be addressed using the specified endpoint. "
            "Please send all future requests to this endpoint.",
            Bucket=bucket.name, Endpoint=f"oss-{bucket.region}.aliyuncs.com",
        )  # fmt: skip

    def check_key(self, key: str) -> None:
        if key.startswith(("/", "\\")) or len(key.encode("utf-8", "surrogateescape")) > 1023:
            raise Refusal("InvalidObjectName", 400, "The specified object is not valid.", ObjectName=key)

    # -- who asks --------------------------------------------------------------------------------------------

    def authenticate(self, request: Request, bucket: str, key: str | None, region: str) -> User:
        authorization = request.header("authorization")
        if "x-oss-signature" in request.query:
            return self._signed_url(request, bucket, key, region)
        if authorization.startswith("OSS ") or "Signature" in request.query:
            raise Refusal("InvalidArgument", 400, "Signature version 1 is not supported. Use version 4.")
        if not authorization:
            raise Refusal(
                "AccessDenied", 403, "You have no right to access this object because of bucket acl."
            )
        given = HEADER.match(authorization)
        if given is None:
            raise Refusal("InvalidArgument", 400, "Invalid signature in Authorization header.")
        stamp = request.header("x-oss-date")
        if abs(self._moment(stamp) - self.store.clock()) > SKEW:
            raise Refusal(
                "RequestTimeTooSkewed", 403, "The difference between the request time is too large."
            )
        if request.header("x-oss-content-sha256") != "UNSIGNED-PAYLOAD":
            raise Refusal("InvalidArgument", 400, "Invalid x-oss-content-sha256.")
        more = (given["more"] or "").split(";") if given["more"] else []
        user = self._user(given["credential"], request.headers.get("x-oss-security-token"), stamp, region)
        self._compare(request, bucket, key, stamp, given["credential"], more, user, given["signature"])
        return user

    def _signed_url(self, request: Request, bucket: str, key: str | None, region: str) -> User:
        query = request.query
        if query.get("x-oss-signature-version") != "OSS4-HMAC-SHA256":
            raise Refusal("InvalidArgument", 400, "Invalid x-oss-signature-version.")
        stamp, expires = query.get("x-oss-date", ""), query.get("x-oss-expires", "")
        if not expires.isdigit() or not 0 < int(expires) <= 604800:
            raise Refusal("InvalidArgument", 400, "Invalid x-oss-expires.")
        if self._moment(stamp) + int(expires) < self.store.clock():
            raise Refusal("AccessDenied", 403, "Request has expired.")
        credential = query.get("x-oss-credential", "")
        user = self._user(credential, query.get("x-oss-security-token"), stamp, region)
        more = [name for name in query.get("x-oss-additional-headers", "").split(";") if name]
        self._compare(request, bucket, key, stamp, credential, more, user, query["x-oss-signature"])
        return user

    def _moment(self, stamp: str) -> float:
        try:
            return timegm(strptime(stamp, "%Y%m%dT%H%M%SZ"))
        except ValueError as error:
            raise Refusal("InvalidArgument", 400, "Invalid x-oss-date.") from error

    def _user(self, credential: str, token: str | None, stamp: str, region: str) -> User:
        access_key, date, scope, product, end = (credential.split("/") + [""] * 5)[:5]
        if scope != region:
            raise Refusal("InvalidArgument", 400, "Invalid signing region in Authorization header.")
        if date != stamp[:8] or product != "oss" or end != "aliyun_v4_request":
            raise Refusal("InvalidArgument", 400, "Invalid Credential in Authorization header.")
        return self.store.user(access_key, token)

    def _compare(
        self, request: Request, bucket: str, key: str | None, stamp: str, credential: str, more: list[str],
        user: User, signature: str,
    ) -> None:  # fmt: skip
        scope = credential.partition("/")[2]
        resource = "/" if not bucket else f"/{bucket}/{quote(key or '', safe='/', errors='surrogateescape')}"
        pairs = sorted((name, value or "") for name, value in request.raw_pairs if name != "x-oss-signature")
        query = "&".join(f"{name}={value}" if value else name for name, value in pairs)
        lines = "".join(
            f"{name}:{value}\n" for name, value in sorted(request.headers.items())
            if name.startswith("x-oss-") or name in {"content-type", "content-md5", *more}
        )  # fmt: skip
        canonical = "\n".join((
            request.method, resource, query, lines, ";".join(sorted(more)), "UNSIGNED-PAYLOAD"
        ))  # fmt: skip
        text = "\n".join((
            "OSS4-HMAC-SHA256", stamp, scope, hashlib.sha256(canonical.encode("latin-1")).hexdigest()
        ))  # fmt: skip
        secret = b"aliyun_v4" + user.secret_key.encode()
        for step in scope.split("/"):
            secret = hmac.new(secret, step.encode(), hashlib.sha256).digest()
        if not hmac.compare_digest(hmac.new(secret, text.encode(), hashlib.sha256).hexdigest(), signature):
            raise Refusal(
                "SignatureDoesNotMatch", 403,
                "The request signature we calculated does not match the signature you provided.",
                CanonicalRequest=canonical,
            )  # fmt: skip

    # -- what it answers -------------------------------------------------------------------------------------

    def etag(self, tag: str) -> str:
        return f'"{tag.upper()}"'

    def vouched(self, item: Stored | StoredPart) -> dict[str, str]:
        return {"x-oss-hash-crc64ecma": item.crc64}

    def extra_headers(self, stored: Stored) -> dict[str, str]:
        headers = {"x-oss-object-type": "Multipart" if stored.parts else "Normal",
                   "x-oss-storage-class": stored.storage_class}  # fmt: skip
        if not stored.parts:
            headers["content-md5"] = base64.b64encode(stored.md5).decode()
        return headers

    def head_error(self, body: bytes, refusal: Refusal) -> dict[str, str]:
        return {"x-oss-err": base64.b64encode(body).decode()}

    def listed_more(self, stored: Stored) -> str:
        return leaf("Type", "Multipart" if stored.parts else "Normal")

    def location(self, bucket: Bucket) -> Response:
        return self.answer("LocationConstraint", f"oss-{bucket.region}")

    def document_of(self, bucket: Bucket, name: str, text: str) -> str:
        if name != "acl":
            return text
        owner = xml("Owner", leaf("ID", bucket.owner), leaf("DisplayName", bucket.owner))
        granted = xml("AccessControlList", leaf("Grant", bucket.settings.get("acl", text)))
        return xml("AccessControlPolicy", owner, granted)

    def check_overwrite_at_start(self, request: Request, bucket: Bucket, key: str) -> None:
        self.check_overwrite(request, bucket, key)

    def parse_source(self, text: str) -> tuple[str, str]:
        if not text.startswith("/"):
            raise Refusal("InvalidArgument", 400, "Copy Source must mention the source bucket and key.")
        return super().parse_source(text)
