"""A double of Huawei Cloud OBS: its protocol, its limits, its words; ``OBS`` signatures, checked.

What is held against clients is Huawei's documentation and what `esdk-obs-python` sends and reads. As OBS
does, the double also takes S3's version 2 (``AWS key:signature``, ``x-amz-`` headers) and answers in kind:
that SDK asks for ``/?apiversion`` before it speaks OBS's own protocol, and never does with the bucket in the
path.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import replace
from email.utils import parsedate_to_datetime
from typing import ClassVar, NoReturn
from xml.etree.ElementTree import Element

from doubles.s3_dialect import SKEW, leaf, parsed, xml
from doubles.s3_multipart import MultipartDouble
from doubles.server import Request, Response, unquoted
from doubles.store import Bucket, Refusal, Stored, User

HOST = re.compile(r"^(?:(?P<bucket>[a-z0-9.-]+)\.)?obs\.(?P<region>[a-z0-9-]+)\.myhuaweicloud\.com$")
SUB_RESOURCES = frozenset({
    "acl", "cors", "delete", "encryption", "lifecycle", "location", "logging", "metadata", "notification",
    "partNumber", "policy", "quota", "restore", "storageClass", "storageinfo", "tagging", "uploadId",
    "uploads", "versionId", "versioning", "versions", "website", "response-cache-control",
    "response-content-disposition", "response-content-encoding", "response-content-language",
    "response-content-type", "response-expires",
})  # fmt: skip

# What OBS calls its classes to those who speak S3.
S3_CLASSES = {"WARM": "STANDARD_IA", "COLD": "GLACIER"}


class ObsDouble(MultipartDouble):
    """OBS. Buckets are in the path or in the name of the host."""

    prefix = "x-obs-"
    default_type = "binary/octet-stream"
    part_min = 100 * 1024
    exists = "ObjectAlreadyExists"
    classes = frozenset({"STANDARD", "WARM", "COLD", "DEEP_ARCHIVE"})
    codes: ClassVar[Mapping[str, tuple[str, int]]] = {
        "ExpiredToken": ("ExpiredToken", 400),
        "InvalidObjectName": ("KeyTooLong", 400),
    }
    documents: ClassVar[Mapping[str, tuple[str, str]]] = {
        "acl": ("private", ""),
        "versioning": ("<VersioningConfiguration></VersioningConfiguration>", ""),
        "encryption": ("", "NoSuchEncryptionConfiguration"),
        "lifecycle": ("", "NoSuchLifecycleConfiguration"),
        "cors": ("", "NoSuchCORSConfiguration"),
    }

    # -- where it goes ---------------------------------------------------------------------------------------

    def locate(self, request: Request) -> tuple[str, str | None, str]:
        named = HOST.match(request.host)
        region = named["region"] if named else self.region
        if named and named["bucket"]:
            return named["bucket"], unquoted(request.raw_path[1:]) or None, region
        bucket, _, key = request.raw_path[1:].partition("/")
        return bucket, unquoted(key) or None, region

    def elsewhere(self, bucket: Bucket, region: str) -> NoReturn:
        raise Refusal(
            "PermanentRedirect", 301,
            "The requested bucket can be accessed only through the specified address. "
            "Send subsequent requests to the address.",
            Endpoint=f"obs.{bucket.region}.myhuaweicloud.com", Bucket=bucket.name,
        )  # fmt: skip

    def dispatch(self, request: Request) -> Response:
        if request.method == "HEAD" and request.raw_query == "apiversion":
            return Response(200, {"x-obs-api": "3.0", "content-length": "0"})
        return super().dispatch(request)

    def check_key(self, key: str) -> None:
        if len(key.encode("utf-8", "surrogateescape")) > 1024:
            raise Refusal("KeyTooLong", 400, "The provided key is too long.")

    # -- who asks --------------------------------------------------------------------------------------------

    def handle(self, request: Request) -> Response:
        response = super().handle(request)
        if _speaks_s3(request):
            response.headers = {
                name.replace("x-obs-", "x-amz-", 1): value for name, value in response.headers.items()
            }
            chosen = response.headers.get("x-amz-storage-class", "")
            if chosen in S3_CLASSES:
                response.headers["x-amz-storage-class"] = S3_CLASSES[chosen]
            if request.method == "GET" and b"<ListBucketResult>" in bytes(response.body[:200]):
                for own, other in S3_CLASSES.items():
                    tag, spoken = f"<StorageClass>{own}<".encode(), f"<StorageClass>{other}<".encode()
                    response.body = bytes(response.body).replace(tag, spoken)
        return response

    def understood(self, request: Request) -> Request:
        if not _speaks_s3(request):
            return request
        headers = {name.replace("x-amz-", "x-obs-", 1): value for name, value in request.headers.items()}
        for own, other in S3_CLASSES.items():
            if headers.get("x-obs-storage-class") == other:
                headers["x-obs-storage-class"] = own
        return replace(request, headers=headers)

    def authenticate(self, request: Request, bucket: str, key: str | None, region: str) -> User:
        query = request.query
        prefix = "x-amz-" if _speaks_s3(request) else "x-obs-"
        if "Signature" in query:
            access_key = query.get("AWSAccessKeyId") or query.get("AccessKeyId", "")
            signature, date = query["Signature"], query.get("Expires", "")
            user = self.store.user(access_key, query.get(f"{prefix}security-token"))
            if not date.isdigit() or int(date) < self.store.clock():
                raise Refusal("AccessDenied", 403, "Request has expired")
        else:
            kind, _, rest = request.header("authorization").partition(" ")
            access_key, _, signature = rest.rpartition(":")
            if kind not in {"OBS", "AWS"} or not access_key:
                raise Refusal("AccessDenied", 403, "Access Denied")
            user = self.store.user(access_key, request.headers.get(f"{prefix}security-token"))
            date = self._date(request, prefix)
        text = self._text(request, bucket, date, prefix)
        expected = base64.b64encode(hmac.new(user.secret_key.encode(), text, hashlib.sha1).digest()).decode()
        if not hmac.compare_digest(expected, signature):
            raise Refusal(
                "SignatureDoesNotMatch", 403,
                "The request signature we calculated does not match the signature you provided.",
                StringToSign=text.decode("latin-1"),
            )  # fmt: skip
        return user

    def _date(self, request: Request, prefix: str) -> str:
        """The Date to be signed: none when x-obs-date stands in for it."""
        stated = request.header(f"{prefix}date") or request.header("date")
        try:
            moment = parsedate_to_datetime(stated).timestamp()
        except (TypeError, ValueError) as error:
            raise Refusal("AccessDenied", 403, "A valid Date or x-obs-date header is required.") from error
        if abs(moment - self.store.clock()) > SKEW:
            raise Refusal("RequestTimeTooSkewed", 403, "The difference between the times is too large.")
        return "" if f"{prefix}date" in request.headers else stated

    def _text(self, request: Request, bucket: str, date: str, prefix: str) -> bytes:
        lines = [request.method, request.header("content-md5"), request.header("content-type"), date]
        lines += [
            f"{name}:{value}" for name, value in sorted(request.headers.items()) if name.startswith(prefix)
        ]
        named = HOST.match(request.host)
        in_host = named is not None and named["bucket"]
        resource = f"/{bucket}{request.raw_path}" if in_host else request.raw_path
        signed = sorted(
            (name, value) for name, value in request.pairs if name in SUB_RESOURCES or name.startswith(prefix)
        )
        if signed:
            resource += "?" + "&".join(f"{name}={value}" if value else name for name, value in signed)
        return "\n".join((*lines, resource)).encode("latin-1")

    # -- what it answers -------------------------------------------------------------------------------------

    def extra_headers(self, stored: Stored) -> dict[str, str]:
        # OBS does not say the class of a standard object.
        chosen = stored.storage_class
        return {} if chosen == "STANDARD" else {"x-obs-storage-class": chosen}

    def head_error(self, body: bytes, refusal: Refusal) -> dict[str, str]:
        return {"x-obs-error-code": refusal.code, "x-obs-error-message": refusal.message}

    def bucket_headers(self, bucket: Bucket) -> dict[str, str]:
        return {"x-obs-bucket-location": bucket.region, "x-obs-storage-class": "STANDARD"}

    def location(self, bucket: Bucket) -> Response:
        return Response(
            200, {"content-type": "application/xml"},
            f"<?xml version='1.0'?><Location>{bucket.region}</Location>".encode(),
        )  # fmt: skip

    def create_bucket(self, request: Request, name: str, region: str, user: User) -> Response:
        body = parsed(request.body) if request.body else None
        wanted = region if body is None else body.findtext("Location") or body.findtext("LocationConstraint")
        if wanted != region:
            raise Refusal("InvalidLocationConstraint", 400, "The specified location constraint is not valid.")
        return super().create_bucket(request, name, region, user)

    def document_of(self, bucket: Bucket, name: str, text: str) -> str:
        if name != "acl":
            return text
        owner = xml("Grantee", leaf("ID", bucket.owner))
        grants = [xml("Grant", owner, leaf("Permission", "FULL_CONTROL"))]
        if bucket.settings.get("acl", text).startswith("public"):
            everybody = xml("Grantee", leaf("Canned", "Everyone"))
            grants.append(xml("Grant", everybody, leaf("Permission", "READ")))
        return xml(
            "AccessControlPolicy", xml("Owner", leaf("ID", bucket.owner)), xml("AccessControlList", *grants)
        )

    def deletes_encoded(self, request: Request, root: Element) -> bool:
        return root.findtext("EncodingType") == "url"


def _speaks_s3(request: Request) -> bool:
    return request.header("authorization").startswith("AWS ") or "AWSAccessKeyId" in request.query
