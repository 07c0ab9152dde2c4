"""A double of Baidu BOS: its protocol, its limits, its words; bce-auth-v1 signatures are recomputed.

What it holds clients to is Baidu's documentation and what bce-python-sdk sends and reads. Where that is
silent (the word for a session token that is too old) the double says something a user would understand.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import zlib
from calendar import timegm
from collections.abc import Mapping, Sequence
from time import strptime
from typing import Any, ClassVar
from urllib.parse import quote, unquote

from doubles.json_dialect import JsonDouble
from doubles.server import Request, Response, unquoted
from doubles.store import Bucket, Refusal, Stored, StoredPart, User

HOST = re.compile(r"^(?:(?P<bucket>[a-z0-9-]+)\.)?(?P<region>[a-z]+)\.bcebos\.com$")
SKEW = 15 * 60
# What is signed when the list of signed headers is empty.
DEFAULT_SIGNED = {"host", "content-length", "content-type", "content-md5"}


class BosDouble(JsonDouble):
    """BOS. Buckets are in the path at an address, and in the name of the host at ``….bcebos.com``."""

    prefix = "x-bce-"
    classes = frozenset({"STANDARD", "STANDARD_IA", "COLD", "ARCHIVE"})
    replace = "replace"
    codes: ClassVar[Mapping[str, tuple[str, int]]] = {
        "BucketAlreadyOwnedByYou": ("BucketAlreadyExists", 409),
        "InvalidToken": ("InvalidSessionToken", 403),
        "ExpiredToken": ("InvalidSessionToken", 403),
        "SignatureDoesNotMatch": ("SignatureDoesNotMatch", 403),
    }

    def locate(self, request: Request) -> tuple[str, str | None, str]:
        named = HOST.match(request.host)
        if named is not None and named["bucket"]:
            return named["bucket"], unquoted(request.raw_path[1:]) or None, named["region"]
        region = named["region"] if named else self.region
        bucket, _, key = request.raw_path[1:].partition("/")
        return unquoted(bucket), unquoted(key) or None, region

    def check_key(self, key: str) -> None:
        if any(segment in {".", ".."} for segment in key.split("/")) or key.startswith("/"):
            raise Refusal("InvalidURI", 400, "Could not parse the specified URI.")

    # -- who asks --------------------------------------------------------------------------------------------

    def authenticate(self, request: Request, region: str) -> User:
        query = request.query
        in_query = "authorization" in query
        given = query.get("authorization") or request.header("authorization")
        if not given:
            raise Refusal("AccessDenied", 403, "Access Denied")
        pieces = given.split("/")
        if len(pieces) != 6 or pieces[0] != "bce-auth-v1" or not pieces[3].lstrip("-").isdigit():
            raise Refusal("InvalidHTTPAuthHeader", 400, "The HTTP authorization header is invalid.")
        _, access_key, stamp, seconds, names, signature = pieces
        self._check_time(request, stamp, int(seconds), in_query)
        token = query.get("x-bce-security-token") or request.header("x-bce-security-token") or None
        user = self._user(access_key, token)
        secret = _hex(user.secret_key, f"bce-auth-v1/{access_key}/{stamp}/{seconds}")
        expected = _hex(secret, self._canonical(request, names))
        if not hmac.compare_digest(expected, signature):
            raise Refusal(
                "SignatureDoesNotMatch", 403,
                "The request signature we calculated does not match the signature you provided.",
            )  # fmt: skip
        return user

    def _user(self, access_key: str, token: str | None) -> User:
        try:
            return self.store.user(access_key, token)
        except Refusal as refusal:
            if refusal.code == "ExpiredToken":
                refusal.message = "The session token has expired."
            raise

    def _check_time(self, request: Request, stamp: str, seconds: int, in_query: bool) -> None:
        try:
            signed = timegm(strptime(stamp, "%Y-%m-%dT%H:%M:%SZ"))
        except ValueError as error:
            raise Refusal("InvalidHTTPAuthHeader", 400, "The timestamp is invalid.") from error
        now = self.store.clock()
        if seconds != -1 and signed + seconds < now:
            raise Refusal("RequestExpired", 400, f"Request has expired. Timestamp date is {stamp}.")
        if signed > now + SKEW:
            raise Refusal("RequestExpired", 400, f"The timestamp {stamp} is in the future.")
        date = request.header("x-bce-date")
        if not in_query and date and abs(timegm(strptime(date, "%Y-%m-%dT%H:%M:%SZ")) - now) > SKEW:
            raise Refusal("RequestExpired", 400, f"Request has expired. Timestamp date is {date}.")

    def _canonical(self, request: Request, names: str) -> str:
        signed = set(names.split(";")) if names else None
        if signed is not None and "host" not in signed:
            raise Refusal("InvalidHTTPAuthHeader", 400, "The header host has to be signed.")
        lines = []
        for name, value in request.headers.items():
            chosen = name in signed if signed else name in DEFAULT_SIGNED or name.startswith("x-bce-")
            # The server has the bytes: a value in UTF-8 is encoded byte by byte.
            if chosen and value.strip():
                lines.append(f"{quote(name, safe='')}:{quote(value.encode('latin-1'), safe='-_.~')}")
        pairs = sorted(
            f"{_normal(name)}={_normal(value or '')}"
            for name, value in request.raw_pairs if name.lower() != "authorization"
        )  # fmt: skip
        return "\n".join((request.method, request.raw_path, "&".join(pairs), "\n".join(sorted(lines))))

    # -- how it spells things --------------------------------------------------------------------------------

    def parameter(self, name: str) -> str:
        first, *rest = name.split("-")
        return first + "".join(word.title() for word in rest)

    def member(self, name: str) -> str:
        return name

    def vouched(self, item: Stored | StoredPart) -> dict[str, str]:
        headers = {"x-bce-content-crc32": str(zlib.crc32(item.data))}
        if isinstance(item, StoredPart) or not item.parts:
            headers["content-md5"] = base64.b64encode(hashlib.md5(item.data).digest()).decode()
        return headers

    def check_body(self, request: Request) -> None:
        crc32 = request.header("x-bce-content-crc32")
        if crc32 and request.method == "PUT" and crc32 != str(zlib.crc32(request.body)):
            raise Refusal("BadDigest", 400, "The x-bce-content-crc32 you specified did not match.")
        sha256 = request.header("x-bce-content-sha256")
        if sha256 and sha256.lower() != hashlib.sha256(request.body).hexdigest():
            raise Refusal("BadDigest", 400, "The x-bce-content-sha256 you specified did not match.")

    def conditions(self, request: Request, *, finish: bool) -> tuple[bool, str | None]:
        unless = request.header("if-none-match")
        if unless and unless != "*":
            raise Refusal("InvalidArgument", 400, "If-None-Match of a put can only be *.")
        return unless == "*", request.header("if-match") or None

    def delete_missing(self, key: str) -> None:
        raise Refusal("NoSuchKey", 404, "The specified key does not exist.")

    def deleted(self, keys: Sequence[str], asked: Mapping[str, Any]) -> Response:
        return Response(200)

    def listed(self, request: Request, bucket: Bucket) -> dict[str, Any]:
        query = request.query
        limit = self.limit(request, "max-keys")
        prefix, delimiter, marker = (query.get(name, "") for name in ("prefix", "delimiter", "marker"))
        page = self.store.list(bucket, prefix, delimiter, marker, limit)
        body: dict[str, Any] = {
            "name": bucket.name, "prefix": prefix, "delimiter": delimiter, "marker": marker,
            "maxKeys": limit, "isTruncated": page.truncated,
            "contents": [
                {**self.entry(stored), "eTag": stored.etag,
                 "owner": {"id": bucket.owner, "displayName": bucket.owner}}
                for stored in page.objects
            ],
        }  # fmt: skip
        if page.truncated:
            body["nextMarker"] = page.last
        if delimiter:
            body["commonPrefixes"] = [{"prefix": folded} for folded in page.prefixes]
        return body

    def facts(self, bucket: Bucket, name: str) -> dict[str, Any]:
        if name == "location":
            return {"locationConstraint": bucket.region}
        if name == "versioning":
            return {"status": bucket.settings.get("versioning", "")}
        if name == "acl":
            grants = [{"grantee": [{"id": bucket.owner}], "permission": ["FULL_CONTROL"]}]
            if bucket.settings.get("acl", "").startswith("public"):
                grants.append({"grantee": [{"id": "*"}], "permission": ["READ", "LIST"]})
            return {"owner": {"id": bucket.owner}, "accessControlList": grants}
        if name == "encryption" and "encryption" in bucket.settings:
            return {"encryptionAlgorithm": bucket.settings["encryption"]}
        raise Refusal(f"NoSuch{name.title()}", 404, f"The bucket has no {name}.")


def _normal(text: str) -> str:
    """As the server writes what it has decoded, whatever the client left unencoded."""
    return quote(unquote(text, errors="surrogateescape"), safe="-_.~", errors="surrogateescape")


def _hex(key: str, text: str) -> str:
    return hmac.new(key.encode(), text.encode("utf-8", "surrogateescape"), hashlib.sha256).hexdigest()
