"""A double of Volcengine TOS: its protocol, its limits, its words; TOS4-HMAC-SHA256 is recomputed.

What it holds clients to is Volcengine's documentation and what the SDK ``tos`` sends and reads. It is reached
as a proxy, under the true host names: TOS takes buckets in the name of the host only.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from calendar import timegm
from collections.abc import Mapping, Sequence
from time import strptime
from typing import Any, ClassVar, NoReturn
from urllib.parse import quote

from doubles.json_dialect import JsonDouble
from doubles.server import Request, Response, unquoted
from doubles.store import Bucket, Refusal, Stored, StoredPart, User, crc64

HOST = re.compile(r"^(?:(?P<bucket>[a-z0-9-]{3,63})\.)?tos-(?P<region>[a-z0-9-]+)\.volces\.com$")
HEADER = re.compile(
    r"^TOS4-HMAC-SHA256 Credential=(?P<credential>[^,]+), ?SignedHeaders=(?P<names>[^,]+), ?"
    r"Signature=(?P<signature>[0-9a-f]{64})$"
)
SKEW = 15 * 60
UNSIGNED = "UNSIGNED-PAYLOAD"
STAMP = re.compile(r"^\d{8}T\d{6}Z$")


class TosDouble(JsonDouble):
    """TOS."""

    prefix = "x-tos-"
    attributes = (*JsonDouble.attributes, "content-language")
    default_type = "binary/octet-stream"
    classes = frozenset(
        {
            "STANDARD",
            "IA",
            "INTELLIGENT_TIERING",
            "ARCHIVE_FR",
            "ARCHIVE",
            "COLD_ARCHIVE",
            "DEEP_COLD_ARCHIVE",
        }
    )
    replace = "REPLACE"
    codes: ClassVar[Mapping[str, tuple[str, int]]] = {
        "InvalidToken": ("InvalidSecurityToken", 403),
        "MalformedJSON": ("MalformedBody", 400),
    }

    def locate(self, request: Request) -> tuple[str, str | None, str]:
        named = HOST.match(request.host)
        if named is None:
            raise Refusal("InvalidBucketName", 400, f"{request.host} is no host of TOS.")
        if not named["bucket"]:
            if request.raw_path != "/":
                raise Refusal("InvalidPathAccess", 403, "Only virtual hosted style is supported.")
            return "", None, named["region"]
        return named["bucket"], unquoted(request.raw_path[1:]) or None, named["region"]

    def elsewhere(self, bucket: Bucket, region: str) -> NoReturn:
        raise Refusal(
            "PermanentRedirect", 301,
            "The bucket you are attempting to access must be addressed using the specified endpoint.",
            **{"location": f"http://{bucket.name}.tos-{bucket.region}.volces.com",
               "x-tos-bucket-region": bucket.region},
        )  # fmt: skip

    # -- who asks --------------------------------------------------------------------------------------------

    def authenticate(self, request: Request, region: str) -> User:
        if "X-Tos-Signature" in request.query:
            return self._signed_url(request, region)
        given = HEADER.match(request.header("authorization"))
        if given is None:
            word = "InvalidAuthorization" if request.header("authorization") else "AccessDenied"
            raise Refusal(word, 403, "There is no valid signature.")
        stamp = request.header("x-tos-date")
        if abs(self._moment(stamp) - self.store.clock()) > SKEW:
            raise Refusal(
                "RequestTimeTooSkewed", 403, "The difference between the request time is too large."
            )
        names = given["names"].split(";")
        unsigned = [name for name in request.headers if name.startswith("x-tos-") and name not in names]
        if "host" not in names or unsigned:
            raise Refusal("InvalidAuthorization", 403, f"These headers have to be signed: {unsigned}.")
        payload = request.header("x-tos-content-sha256") or UNSIGNED
        if payload != UNSIGNED and payload != hashlib.sha256(request.body).hexdigest():
            raise Refusal("BadDigest", 400, "The x-tos-content-sha256 you specified did not match.")
        token = request.headers.get("x-tos-security-token")
        user = self._user(given["credential"], token, stamp, region)
        self._compare(request, stamp, names, payload, region, user, given["signature"])
        return user

    def _signed_url(self, request: Request, region: str) -> User:
        query = request.query
        if query.get("X-Tos-Algorithm") != "TOS4-HMAC-SHA256":
            raise Refusal("InvalidArgument", 400, "Invalid X-Tos-Algorithm.")
        stamp, expires = query.get("X-Tos-Date", ""), query.get("X-Tos-Expires", "")
        if not expires.isdigit() or not 1 <= int(expires) <= 604800:
            raise Refusal("InvalidArgument", 400, "Invalid X-Tos-Expires.")
        if self._moment(stamp) + int(expires) < self.store.clock():
            raise Refusal("AccessDenied", 403, "Request has expired.")
        names = query.get("X-Tos-SignedHeaders", "").split(";")
        unsigned = [name for name in request.headers if name.startswith("x-tos-") and name not in names]
        if "host" not in names or unsigned:
            raise Refusal("InvalidAuthorization", 403, f"These headers have to be signed: {unsigned}.")
        token = query.get("X-Tos-Security-Token")
        user = self._user(query.get("X-Tos-Credential", ""), token, stamp, region)
        self._compare(request, stamp, names, UNSIGNED, region, user, query["X-Tos-Signature"])
        return user

    def _moment(self, stamp: str) -> float:
        if not STAMP.match(stamp):
            raise Refusal("InvalidArgument", 400, "Invalid X-Tos-Date.")
        return timegm(strptime(stamp, "%Y%m%dT%H%M%SZ"))

    def _user(self, credential: str, token: str | None, stamp: str, region: str) -> User:
        access_key, date, scope, product, end = (credential.split("/") + [""] * 5)[:5]
        if (date, scope, product, end) != (stamp[:8], region, "tos", "request"):
            raise Refusal("InvalidAuthorization", 403, "The scope of the credential is not valid.")
        return self.store.user(access_key, token)

    def _compare(
        self, request: Request, stamp: str, names: list[str], payload: str, region: str, user: User,
        signature: str,
    ) -> None:  # fmt: skip
        pairs = sorted(
            (quote(name, safe="-_.~"), quote(value, safe="-_.~", errors="surrogateescape"))
            for name, value in request.pairs if name != "X-Tos-Signature"
        )  # fmt: skip
        path = quote(request.path, safe="/-_.~", errors="surrogateescape")
        lines = "".join(f"{name}:{request.header(name).strip()}\n" for name in sorted(names))
        query = "&".join(f"{name}={value}" for name, value in pairs)
        canonical = "\n".join((request.method, path, query, lines, ";".join(sorted(names)), payload))
        digest = hashlib.sha256(canonical.encode("latin-1")).hexdigest()
        text = f"TOS4-HMAC-SHA256\n{stamp}\n{stamp[:8]}/{region}/tos/request\n{digest}"
        secret = user.secret_key.encode()
        for step in (stamp[:8], region, "tos", "request"):
            secret = hmac.digest(secret, step.encode(), "sha256")
        if not hmac.compare_digest(hmac.new(secret, text.encode(), hashlib.sha256).hexdigest(), signature):
            raise Refusal(
                "SignatureDoesNotMatch", 403,
                "The request signature we calculated does not match the signature you provided.",
            )  # fmt: skip

    # -- how it spells things --------------------------------------------------------------------------------

    def parameter(self, name: str) -> str:
        return name

    def member(self, name: str) -> str:
        return name[:1].upper() + name[1:]

    def instant(self, seconds: float) -> str:
        return super().instant(seconds).replace("Z", ".000Z")

    def vouched(self, item: Stored | StoredPart) -> dict[str, str]:
        return {"x-tos-hash-crc64ecma": str(crc64(item.data))}

    def conditions(self, request: Request, *, finish: bool) -> tuple[bool, str | None]:
        match = request.header("x-tos-if-match") or None
        if finish and match:
            raise Refusal("InvalidArgument", 400, "x-tos-if-match is not for the end of an upload.")
        return request.header("x-tos-forbid-overwrite").lower() == "true", match

    def check_body(self, request: Request) -> None:
        if request.method == "POST" and "delete" in request.query and not request.header("content-md5"):
            raise Refusal("MissingRequiredHeader", 400, "Missing required header: Content-MD5.")

    def deleted(self, keys: Sequence[str], asked: Mapping[str, Any]) -> Response:
        return self.answer({} if asked.get("Quiet") else {"deleted": [{"Key": key} for key in keys]})

    def listed(self, request: Request, bucket: Bucket) -> dict[str, Any]:
        query = request.query
        limit = self.limit(request, "max-keys")
        prefix, delimiter = query.get("prefix", ""), query.get("delimiter", "")
        second = query.get("list-type") == "2"
        after = self._after(query) if second else query.get("marker", "")
        page = self.store.list(bucket, prefix, delimiter, after, limit)
        body: dict[str, Any] = {
            "name": bucket.name, "prefix": prefix, "maxKeys": limit, "delimiter": delimiter,
            "isTruncated": page.truncated,
            "contents": [
                self.members({**self.entry(stored), "hashCrc64ecma": stored.crc64}) for stored in page.objects
            ],
            "commonPrefixes": [{"Prefix": folded} for folded in page.prefixes],
        }  # fmt: skip
        if second:
            body["keyCount"] = len(page.entries)
        if page.truncated and second:
            raw = page.last.encode("utf-8", "surrogateescape")
            body["nextContinuationToken"] = base64.b64encode(raw).decode()
        elif page.truncated:
            body["nextMarker"] = page.last
        return body

    def _after(self, query: Mapping[str, str]) -> str:
        token = query.get("continuation-token", "")
        if not token:
            return query.get("start-after", "")
        try:
            return base64.b64decode(token, validate=True).decode("utf-8", "surrogateescape")
        except binascii.Error as error:
            raise Refusal("InvalidArgument", 400, "The continuation token is not valid.") from error

    def bucket_headers(self, bucket: Bucket) -> dict[str, str]:
        return {"x-tos-bucket-region": bucket.region, "x-tos-storage-class": "STANDARD"}

    def facts(self, bucket: Bucket, name: str) -> dict[str, Any]:
        if name == "location":
            return {"region": bucket.region, "extranetEndpoint": f"tos-{bucket.region}.volces.com"}
        if name == "versioning":
            return {"status": bucket.settings.get("versioning", "")}
        if name == "acl":
            owner = {"ID": bucket.owner, "DisplayName": bucket.owner}
            grants = [
                {"Grantee": {"ID": bucket.owner, "Type": "CanonicalUser"}, "Permission": "FULL_CONTROL"}
            ]
            if bucket.settings.get("acl", "").startswith("public"):
                grants.append({"Grantee": {"Type": "Group", "Canned": "AllUsers"}, "Permission": "READ"})
            return {"owner": owner, "grants": grants}
        if name == "encryption" and "encryption" in bucket.settings:
            rule = {"SSEAlgorithm": bucket.settings["encryption"]}
            return {"rule": {"ApplyServerSideEncryptionByDefault": rule}}
        raise Refusal(f"NoSuch{name.title()}Configuration", 404, f"The bucket has no {name}.")
