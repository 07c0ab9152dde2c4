"""A double of Tencent Cloud COS: its protocol, its limits, its words; ``q-sign`` signatures, checked.

Buckets are in the host name only (``bucket-appid.cos.region.myqcloud.com``), or the host is a domain of the
user's that stands for one bucket. What is held against clients is Tencent's documentation and what
`cos-python-sdk-v5` sends and reads.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import ClassVar
from urllib.parse import quote

from doubles.s3_dialect import iso, leaf, xml
from doubles.s3_multipart import MultipartDouble
from doubles.server import Request, Response, unquoted
from doubles.store import Bucket, Refusal, Store, Stored, StoredPart, User

HOST = re.compile(
    r"^(?:(?P<bucket>[a-z0-9-]+-\d+)\.)?cos\.(?P<region>[a-z0-9-]+)\.(?:myqcloud\.com|tencentcos\.cn)$"
)
SERVICE = re.compile(r"^service\.cos\.(?:myqcloud\.com|tencentcos\.cn)$")


class CosDouble(MultipartDouble):
    """COS. domains: hosts of the user's that stand for a bucket, also one that does not exist."""

    prefix = "x-cos-"
    part_min = 1024 * 1024
    exists = "FileAlreadyExists"
    classes = frozenset({"STANDARD", "STANDARD_IA", "INTELLIGENT_TIERING", "ARCHIVE", "DEEP_ARCHIVE"})
    codes: ClassVar[Mapping[str, tuple[str, int]]] = {
        "ExpiredToken": ("ExpiredToken", 400),
        "InvalidToken": ("InvalidToken", 400),
        "InvalidObjectName": ("InvalidURI", 400),
        "InvalidRequest": ("MissingContentMD5", 400),
    }
    documents: ClassVar[Mapping[str, tuple[str, str]]] = {
        "acl": ("private", ""),
        "versioning": ("<VersioningConfiguration></VersioningConfiguration>", ""),
        "encryption": ("", "NoSuchEncryptionConfiguration"),
        "lifecycle": ("", "NoSuchLifecycleConfiguration"),
        "cors": ("", "NoSuchCORSConfiguration"),
    }

    def __init__(self, store: Store | None = None, region: str = "ap-guangzhou") -> None:
        super().__init__(store, region)
        self.domains: dict[str, str] = {}

    def handle(self, request: Request) -> Response:
        # A plus in a query is a blank to COS; Tencent's SDK writes it so.
        return super().handle(replace(request, raw_query=request.raw_query.replace("+", "%20")))

    # -- where it goes ---------------------------------------------------------------------------------------

    def locate(self, request: Request) -> tuple[str, str | None, str]:
        key = unquoted(request.raw_path[1:]) or None
        if request.host in self.domains:
            return self.domains[request.host], key, self.region
        if SERVICE.match(request.host):
            return "", None, self.region
        named = HOST.match(request.host)
        if named is None or not named["bucket"]:
            raise Refusal("InvalidURI", 400, "The host names no bucket.")
        return named["bucket"], key, named["region"]

    def check_key(self, key: str) -> None:
        if key.startswith(("/", "\\")):
            raise Refusal("InvalidObjectName", 400, "An object key may not start with a slash.")
        if len(key.encode("utf-8", "surrogateescape")) > 850:
            raise Refusal("KeyTooLong", 400, "Your key is too long.")

    # -- who asks --------------------------------------------------------------------------------------------

    def authenticate(self, request: Request, bucket: str, key: str | None, region: str) -> User:
        authorization = request.header("authorization")
        fields = dict(piece.partition("=")[::2] for piece in authorization.split("&"))
        token = request.headers.get("x-cos-security-token")
        if "q-signature" in request.query:
            fields, token = request.query, request.query.get("x-cos-security-token")
        elif not authorization:
            raise Refusal("AccessDenied", 403, "Access Denied.")
        if fields.get("q-sign-algorithm") != "sha1" or not {"q-ak", "q-signature"} <= fields.keys():
            raise Refusal("InvalidArgument", 400, "The authorization is not valid.")
        user = self.store.user(fields["q-ak"], token)
        self._check_time(fields.get("q-sign-time", ""))
        self._check_time(fields.get("q-key-time", ""))
        key_of_time = hmac.new(
            user.secret_key.encode(), fields["q-key-time"].encode(), hashlib.sha1
        ).hexdigest()
        text = f"sha1\n{fields['q-sign-time']}\n{self._hashed(request, fields)}\n"
        signature = hmac.new(key_of_time.encode(), text.encode(), hashlib.sha1).hexdigest()
        if not hmac.compare_digest(signature, fields["q-signature"]):
            raise Refusal(
                "SignatureDoesNotMatch", 403,
                "The Signature you specified is invalid.", StringToSign=text,
            )  # fmt: skip
        return user

    def _check_time(self, period: str) -> None:
        start, _, end = period.partition(";")
        if not start.isdigit() or not end.isdigit() or int(end) <= int(start):
            raise Refusal("InvalidArgument", 400, "The time of the signature is not valid.")
        if int(start) > self.store.clock() + 60:
            raise Refusal("RequestTimeTooSkewed", 403, "The signature is not valid yet.")
        if int(end) < self.store.clock():
            raise Refusal("AccessDenied", 403, "Request has expired")

    def _hashed(self, request: Request, fields: Mapping[str, str]) -> str:
        def of(names: str, values: Mapping[str, str]) -> str:
            wanted = names.split(";") if names else []
            if wanted != sorted(wanted) or not set(wanted) <= values.keys():
                raise Refusal("SignatureDoesNotMatch", 403, "The signed names are not those of the request.")
            return "&".join(f"{name}={values[name]}" for name in wanted)

        def encoded(text: str) -> str:
            return quote(text.encode("latin-1"), safe="-_.~")

        headers = {encoded(name).lower(): encoded(value) for name, value in request.headers.items()}
        parameters = {
            quote(name, safe="-_.~").lower(): quote(value, safe="-_.~", errors="surrogateescape")
            for name, value in request.pairs
        }
        text = "\n".join((
            request.method.lower(), request.path, of(fields.get("q-url-param-list", ""), parameters),
            of(fields.get("q-header-list", ""), headers), "",
        ))  # fmt: skip
        return hashlib.sha1(text.encode("utf-8", "surrogateescape")).hexdigest()

    # -- what it answers -------------------------------------------------------------------------------------

    def vouched(self, item: Stored | StoredPart) -> dict[str, str]:
        return {"x-cos-hash-crc64ecma": item.crc64}

    def extra_headers(self, stored: Stored) -> dict[str, str]:
        # COS does not say the class of a standard object.
        chosen = stored.storage_class
        return {} if chosen == "STANDARD" else {"x-cos-storage-class": chosen}

    def document_of(self, bucket: Bucket, name: str, text: str) -> str:
        if name != "acl":
            return text
        everybody = xml("Grantee", leaf("URI", "http://cam.qcloud.com/groups/global/AllUsers"))
        owner = xml("Grantee", leaf("ID", bucket.owner))
        grants = [xml("Grant", owner, leaf("Permission", "FULL_CONTROL"))]
        if bucket.settings.get("acl", text).startswith("public"):
            grants.append(xml("Grant", everybody, leaf("Permission", "READ")))
        return xml(
            "AccessControlPolicy", xml("Owner", leaf("ID", bucket.owner)), xml("AccessControlList", *grants)
        )

    def parse_source(self, text: str) -> tuple[str, str]:
        host, _, key = text.partition("/")
        named = HOST.match(host)
        if named is None or not named["bucket"]:
            raise Refusal("InvalidArgument", 400, "The copy source is not valid.")
        return named["bucket"], key.partition("?versionId=")[0]

    def copy(self, request: Request, bucket: Bucket, key: str) -> Response:
        response = super().copy(request, bucket, key)
        stored = self.store.find(bucket, key)
        return self.answer(
            "CopyObjectResult", leaf("ETag", self.etag(stored.etag)), leaf("CRC64", stored.crc64),
            leaf("LastModified", iso(stored.modified)), headers=response.headers,
        )  # fmt: skip
