"""What OSS, COS and OBS share beyond the dialect of S3: keys from a provider, MD5s, `forbid-overwrite`.

None of the three signs a body, so what goes up carries its Content-MD5. None knows If-None-Match for a put;
each has a header ``x-…-forbid-overwrite`` instead, which a bucket with versioning ignores. As that would
break the one promise of a condition, the bucket is asked once, and with versioning such a put is refused.
"""

from __future__ import annotations

import base64
import hashlib
import time
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal, Protocol

from cloudberth.errors import (
    BackendError,
    ExpiredCredentials,
    NotFound,
    PermissionDenied,
    PreconditionFailed,
    Throttled,
    Unsupported,
)
from cloudberth.storage import xml_text
from cloudberth.storage._s3 import S3Like
from cloudberth.storage._s3_dialect import MEANINGS
from cloudberth.storage.body import EMPTY, Body, BytesBody
from cloudberth.storage.checksums import etag_of_parts
from cloudberth.storage.contract import (
    Attributes,
    BucketFacts,
    Checksum,
    Condition,
    Part,
    SignedRequest,
    Written,
)
from cloudberth.storage.credentials import Credentials, Provider
from cloudberth.storage.http.backend import Flow, flow
from cloudberth.storage.http.client import Client
from cloudberth.storage.http.failures import HINTS, Meaning
from cloudberth.storage.http.headers import md5_header
from cloudberth.storage.http.message import Origin, Request, Response
from cloudberth.storage.keys import InvalidKey
from cloudberth.storage.opening import OpenableBackend

VENDOR_MEANINGS: Mapping[str, Meaning] = {
    **MEANINGS,
    "FileAlreadyExists": PreconditionFailed,
    "InvalidSecurityToken": PermissionDenied,
    "ObjectAlreadyExists": PreconditionFailed,
    "QpsLimitExceeded": Throttled,
    "RequestIsExpired": ExpiredCredentials,
    "SecurityTokenExpired": ExpiredCredentials,
}


class Signer(Protocol):
    """A scheme of signatures; each is a module of signing/."""

    def sign(self, request: Request, credentials: Credentials, now: float) -> None: ...

    def presign(self, request: Request, credentials: Credentials, now: float, seconds: int) -> None: ...


class S3Vendor(S3Like, OpenableBackend):
    """A bucket of such a vendor."""

    meanings = VENDOR_MEANINGS
    longest_key: ClassVar[int] = 1024
    """Bytes of a key as UTF-8."""
    looks_before_finishing: ClassVar[bool] = False
    """Whether nothing says that the vendor minds a condition where a multipart upload ends."""
    everybody: ClassVar[tuple[str, ...]]
    """What stands in an access control list that lets anybody read."""

    def __init__(
        self,
        client: Client,
        origin: Origin,
        bucket: str,
        provider: Provider,
        signer: Signer,
        *,
        path_style: bool,
    ) -> None:
        super().__init__(client, origin, bucket, path_style=path_style)
        self.provider = provider
        self.signer = signer
        self._unversioned = False

    # -- requests --------------------------------------------------------------------------------------------

    def authorize(self, request: Request) -> None:
        view = request.body.view
        if request.method == "PUT" and view is not None and view.nbytes:
            digest = hashlib.md5(view, usedforsecurity=False).digest()
            request.headers.setdefault("content-md5", base64.b64encode(digest).decode())
        self.signer.sign(request, self.provider(), time.time())

    def request(
        self, method: str, key: str = "", query: tuple[tuple[str, str], ...] = (),
        headers: dict[str, str] | None = None, body: Body = EMPTY, *, stream: bool = False,
        idempotent: bool = True,
    ) -> Request:  # fmt: skip
        if key:
            self.check_key(key)
        return super().request(method, key, query, headers, body, stream=stream, idempotent=idempotent)

    def check_key(self, key: str) -> None:
        """Refuse a key that the vendor does not take, before it changes it. Raises InvalidKey."""
        size = len(key) if key.isascii() else len(key.encode())
        if size > self.longest_key:
            raise InvalidKey(
                f"the key {key[:40]}… has {size} bytes",
                where=self.place,
                hint=f"{self.id} takes at most {self.longest_key}",
            )

    def batch_delete_request(self, keys: Sequence[str]) -> Request:
        for key in keys:
            self.check_key(key)
        return super().batch_delete_request(keys)

    def failure(self, request: Request, response: Response) -> BackendError:
        error = super().failure(request, self.spoken(response))
        if type(error) is PermissionDenied and "expired" in error.what.lower():
            said = ExpiredCredentials(error.what, where=error.where, hint=HINTS[ExpiredCredentials])
            said.code = error.code
            return said
        return error

    def spoken(self, response: Response) -> Response:
        """The answer, with the body that a vendor puts into headers where there can be none (HEAD)."""
        return response

    def presign(
        self, method: Literal["GET", "PUT"], key: str, seconds: int, attributes: Attributes = Attributes()
    ) -> SignedRequest:
        headers = {"content-type": attributes.content_type} if attributes.content_type else {}
        request = self.request(method, key, (), dict(headers))
        self.signer.presign(request, self.provider(), time.time(), seconds)
        return SignedRequest(method, request.url, headers)

    def checksums_of(self, headers: Mapping[str, str]) -> dict[Checksum, str]:
        found = super().checksums_of(headers)
        crc = headers.get(f"{self.dialect.header}hash-crc64ecma", "")
        if crc.isascii() and crc.isdecimal() and len(crc) <= 20:
            found["crc64ecma"] = f"{int(crc):016x}"
        return found

    # -- conditions ------------------------------------------------------------------------------------------

    def conditions(self, condition: Condition) -> Flow[dict[str, str]]:
        if condition.match:
            raise self.unsupported("put over a certain version only")
        if not condition.absent:
            return {}
        if "absent" not in self.capabilities.conditional:
            raise self.unsupported("put only where nothing is")
        if not self._unversioned:
            yield from self._check_unversioned()
        return {f"{self.dialect.header}forbid-overwrite": "true"}

    def _check_unversioned(self) -> Flow[None]:
        try:
            response = yield self.request("GET", "", (("versioning", ""),))
        except ExpiredCredentials:
            raise
        except PermissionDenied as error:
            raise PermissionDenied(
                f"a put only where nothing is has to know whether the bucket has versioning: {error.what}",
                where=self.place,
                hint="let these keys read the bucket's versioning (GetBucketVersioning)",
            ) from None
        if xml_text.text_of(xml_text.parse(response.body), "Status"):
            raise Unsupported(
                f"a bucket of {self.id} with versioning overwrites whatever a put says",
                where=self.place,
                hint="use a bucket without versioning for what must not be overwritten",
            )
        self._unversioned = True

    @flow
    def finish_upload(
        self, key: str, upload: str, parts: Sequence[Part], attributes: Attributes = Attributes(),
        condition: Condition = Condition(),
    ) -> Flow[Written]:  # fmt: skip
        """When the answer to a first try got lost, a condition fails on the object of these very parts."""
        finish = S3Like.finish_upload.flow  # type: ignore[attr-defined]
        rest: Flow[Written] = finish(self, key, upload, parts, attributes, condition)
        try:
            if condition.absent and self.looks_before_finishing:
                yield from self._nothing_there(key)
            return (yield from rest)
        except PreconditionFailed:
            etag = yield from self._finished_before(key, upload, parts)
            if etag is None:
                raise
            return Written(etag)

    def _nothing_there(self, key: str) -> Flow[None]:
        try:
            yield self.request("HEAD", key)
        except NotFound:
            return
        raise PreconditionFailed("there is an object with this key")

    def _finished_before(self, key: str, upload: str, parts: Sequence[Part]) -> Flow[str | None]:
        """The etag of the object, when it was made of these parts and the upload is gone."""
        try:
            yield self.request("GET", key, (("max-parts", "1"), ("uploadId", upload)))
        except NotFound:
            found = yield self.request("HEAD", key)
            etag = found.header("etag").strip('"')
            return etag if etag.lower() == etag_of_parts(parts) else None
        return None

    # -- the bucket ------------------------------------------------------------------------------------------

    def bucket_to_create(self) -> tuple[dict[str, str], bytes]:
        """Headers and body of the request that makes the bucket."""
        return {f"{self.dialect.header}acl": "private"}, b""

    @flow
    def create_bucket(self) -> Flow[None]:
        """Private, in the region of the endpoint."""
        headers, body = self.bucket_to_create()
        if body:
            headers |= {"content-type": "application/xml", "content-md5": md5_header(body)}
        try:
            yield self.request("PUT", "", (), headers, BytesBody(body))
        except BackendError as error:
            if error.code not in {"BucketAlreadyExists", "BucketAlreadyOwnedByYou"}:
                raise
            yield from self._ours()

    def _ours(self) -> Flow[None]:
        """A name that is taken is no failure when it is us who have it."""
        try:
            yield self.request("GET", "", (("max-keys", "1"),))
        except (NotFound, PermissionDenied):
            raise PermissionDenied(
                f"the bucket {self.bucket} belongs to another account", hint="choose another name"
            ) from None

    def facts(self) -> BucketFacts:
        unreadable: dict[str, str] = {}

        def ask(name: str) -> Any:
            try:
                return self._subresource(name)
            except NotFound:
                return ""
            except BackendError as error:
                unreadable[name] = error.what
                return None

        location, versioning, encryption = ask("location"), ask("versioning"), ask("encryption")
        lifecycle, cors, acl = ask("lifecycle"), ask("cors"), ask("acl")
        return BucketFacts(
            region=self.region_named(_all_text(location)) if location else None,
            public=None if acl is None else any(word in acl for word in self.everybody),
            versioning=None if versioning is None else _text(versioning, "Status") == "Enabled",
            encryption=None if encryption is None else _text(encryption, ".//SSEAlgorithm") or "none",
            lifecycle=None if lifecycle is None else _rules(lifecycle, "Rule"),
            cors=None if cors is None else _rules(cors, "CORSRule"),
            unreadable=unreadable,
        )

    def region_named(self, text: str) -> str:
        """The region as settings name it, of the text that the vendor calls a location."""
        return text

    @flow
    def _subresource(self, name: str) -> Flow[str]:
        response = yield self.request("GET", "", ((name, ""),))
        return response.body.decode("utf-8", "replace")

    @abstractmethod
    def copy_source(self, bucket: str, key: str) -> str: ...


def _text(document: str, path: str) -> str:
    return xml_text.text_of(xml_text.parse(document.encode()), path) if document else ""


def _all_text(document: str) -> str:
    return "".join(xml_text.parse(document.encode()).itertext()).strip()


def _rules(document: str, tag: str) -> str:
    count = document.count(f"<{tag}>")
    return f"{count} rule{'s' * (count != 1)}"
