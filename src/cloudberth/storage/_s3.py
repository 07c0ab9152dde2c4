"""The dialect of S3: XML, multipart, batch delete. S3 itself, and every vendor that copied it, builds on it.

A vendor overrides the names of headers, the signer, the table of error codes, and what it does otherwise.
https://docs.aws.amazon.com/AmazonS3/latest/API/API_Operations_Amazon_Simple_Storage_Service.html
"""

from __future__ import annotations

import re
from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

from cloudberth.errors import (
    BackendError,
    BucketNotFound,
    CorruptData,
    NotFound,
    PermissionDenied,
    Unsupported,
    WrongRegion,
)
from cloudberth.storage import xml_text
from cloudberth.storage._s3_dialect import MEANINGS, Dialect
from cloudberth.storage._s3_listing import decoded, page_of
from cloudberth.storage.body import EMPTY, Body, BytesBody
from cloudberth.storage.checksums import etag_of_parts
from cloudberth.storage.contract import (
    Attributes,
    Backend,
    Checksum,
    Condition,
    DeleteFailure,
    ObjectInfo,
    Opened,
    Page,
    Part,
    PendingUpload,
    SignedRequest,
    Span,
    Written,
)
from cloudberth.storage.http.backend import Flow, HttpBackend, flow
from cloudberth.storage.http.client import Client
from cloudberth.storage.http.failures import Meaning, error_of
from cloudberth.storage.http.headers import (
    attributes_of_headers,
    attributes_to_headers,
    condition_headers,
    hex_of_base64,
    http_date,
    iso_date,
    md5_header,
    range_header,
    whole_size,
)
from cloudberth.storage.http.message import Origin, Request, Response, encode_key

_CHECKSUMS: Mapping[str, Checksum] = {
    "crc32": "crc32",
    "crc32c": "crc32c",
    "crc64nvme": "crc64nvme",
    "sha1": "sha1",
    "sha256": "sha256",
}


class S3Like(HttpBackend):
    """A bucket of a store that speaks as S3 does.

    origin: the server, the bucket's own host in virtual-hosted style. base: path of the bucket on it, in path
    style ``/bucket``, else empty.
    """

    dialect: Dialect = Dialect()
    meanings: Mapping[str, Meaning] = MEANINGS

    def __init__(self, client: Client, origin: Origin, bucket: str, *, path_style: bool) -> None:
        super().__init__(client)
        self.bucket = bucket
        self.service = origin
        self.origin = origin if path_style else origin.with_host(f"{bucket}.{origin.host}")
        self.base = f"/{bucket}" if path_style else ""
        self._bucket_is_there = False

    # -- what a vendor may see differently -------------------------------------------------------------------

    @abstractmethod
    def authorize(self, request: Request) -> None: ...

    def copy_source(self, bucket: str, key: str) -> str:
        """The value of the header that names the source of a copy."""
        return f"/{bucket}/{encode_key(key)}"

    def conditions(self, condition: Condition) -> Flow[dict[str, str]]:
        """Headers of a condition. A vendor may ask the bucket first whether it keeps the promise."""
        yield from ()
        return condition_headers(condition)

    def checksums_of(self, headers: Mapping[str, str]) -> dict[Checksum, str]:
        """The checksums of a whole object that an answer vouches for."""
        found: dict[Checksum, str] = {}
        if headers.get(f"{self.dialect.header}checksum-type", "FULL_OBJECT") == "FULL_OBJECT":
            for name, algorithm in _CHECKSUMS.items():
                value = headers.get(f"{self.dialect.header}checksum-{name}", "")
                if value and "-" not in value and (digest := hex_of_base64(value)):
                    found[algorithm] = digest
        md5 = self.md5_of(headers)
        if md5:
            found["md5"] = md5
        return found

    def md5_of(self, headers: Mapping[str, str]) -> str | None:
        """The MD5 that an ETag is, when it is one: not of multipart uploads, nor under KMS or other keys."""
        etag = headers.get("etag", "").strip('"')
        encryption = headers.get(f"{self.dialect.header}server-side-encryption", "")
        customer = f"{self.dialect.header}server-side-encryption-customer-algorithm" in headers
        if len(etag) != 32 or "kms" in encryption.lower() or customer:
            return None
        return etag.lower() if re.fullmatch(r"[0-9a-fA-F]{32}", etag) else None

    # -- requests and answers --------------------------------------------------------------------------------

    def request(
        self,
        method: str,
        key: str = "",
        query: tuple[tuple[str, str], ...] = (),
        headers: dict[str, str] | None = None,
        body: Body = EMPTY,
        *,
        stream: bool = False,
        idempotent: bool = True,
    ) -> Request:
        """A request about an object, or about the bucket when there is no key."""
        path = f"{self.base}/{encode_key(key)}" if key else self.base or "/"
        return Request(
            method, self.origin, path, query, headers or {}, body, stream=stream, idempotent=idempotent
        )

    def failure(self, request: Request, response: Response) -> BackendError:
        code, message, root = xml_text.error_texts(response.body)
        region = response.header(f"{self.dialect.header}bucket-region")
        if root is not None and not region:
            region = xml_text.text_of(root, "Region")
        error = error_of(response, code=code, message=message, where="", meanings=self.meanings)
        if isinstance(error, WrongRegion) and region:
            error.hint = f"the bucket is in {region}: set that region"
        return error

    def refuse(self, response: Response) -> BackendError:
        """The error inside of an answer that says 200."""
        code, message, _ = xml_text.error_texts(response.body)
        said = Response(500, response.headers, response.body)
        return error_of(said, code=code, message=message, where="", meanings=self.meanings)

    def info_of(self, key: str, response: Response) -> ObjectInfo:
        headers = response.headers
        size = whole_size(headers)
        if size < 0:
            raise CorruptData("the answer does not say how large the object is")
        dialect = self.dialect
        return ObjectInfo(
            key,
            size,
            http_date(headers.get("last-modified", "")),
            headers.get("etag", "").strip('"') or None,
            self.checksums_of(headers),
            attributes_of_headers(headers, dialect.metadata, dialect.storage_class, dialect.default_class),
        )

    def write_headers(self, attributes: Attributes) -> dict[str, str]:
        """Headers that carry the attributes of a write."""
        return attributes_to_headers(attributes, self.dialect.metadata, self.dialect.storage_class)

    # -- objects ---------------------------------------------------------------------------------------------

    @flow
    def put(
        self, key: str, body: Body, attributes: Attributes = Attributes(), condition: Condition = Condition()
    ) -> Flow[Written]:
        headers = {**self.write_headers(attributes), **(yield from self.conditions(condition))}
        response = yield self.request("PUT", key, (), headers, body)
        self._bucket_is_there = True
        return Written(response.header("etag").strip('"') or None, self.checksums_of(response.headers))

    @flow
    def get(self, key: str, span: Span | None = None, match: str | None = None) -> Flow[Opened]:
        headers = {"range": range_header(span)} if span else {}
        if match:
            headers["if-match"] = f'"{match}"'
        response = yield self.request("GET", key, (), headers, stream=True)
        if span and response.status != 206 and (span.start or span.length is not None):
            response.reader.close()
            raise Unsupported("the server ignores ranges")
        self._bucket_is_there = True
        return Opened(self.info_of(key, response), response.reader)

    @flow
    def head(self, key: str) -> Flow[ObjectInfo]:
        """An answer to HEAD has no body, so what it says no with is asked for again where it is not clear."""
        try:
            response = yield self.request("HEAD", key)
        except NotFound:
            if not self._bucket_is_there:
                yield from self._find_bucket()
            raise
        except BackendError as error:
            if error.code in {"400", "403"}:
                answer = yield self.request("GET", key, (), {"range": "bytes=0-0"}, stream=True)
                answer.reader.close()
            raise
        self._bucket_is_there = True
        return self.info_of(key, response)

    def _find_bucket(self) -> Flow[None]:
        try:
            yield self.request("HEAD")
        except NotFound:
            raise BucketNotFound(f"there is no bucket {self.bucket}") from None
        except PermissionDenied:
            pass  # it is there, and not ours to ask about
        self._bucket_is_there = True

    @flow
    def list(
        self, prefix: str = "", *, delimiter: str = "", after: str = "", cursor: str | None = None,
        limit: int = 1000,
    ) -> Flow[Page]:  # fmt: skip
        query = [("encoding-type", "url"), ("max-keys", str(limit)), ("prefix", prefix)]
        if delimiter:
            query.append(("delimiter", delimiter))
        if self.dialect.list_version == 2:
            query.append(("list-type", "2"))
            if cursor:
                query.append(("continuation-token", cursor))
            elif after:
                query.append(("start-after", after))
        elif cursor or after:
            query.append(("marker", cursor or after))
        response = yield self.request("GET", "", tuple(query))
        self._bucket_is_there = True
        return page_of(response.body, self.dialect)

    @flow
    def delete(self, keys: Sequence[str]) -> Flow[Sequence[DeleteFailure]]:
        failures: list[DeleteFailure] = []
        together = [key for key in keys if xml_text.fits(key)] if len(keys) > 1 else []
        if together:
            response = yield self.batch_delete_request(together)
            failures += self.batch_delete_failures(response)
        for key in set(keys).difference(together) if together else keys:
            try:
                yield self.request("DELETE", key)
            except BucketNotFound:
                raise
            except NotFound:
                pass
            except BackendError as error:
                if len(keys) == 1 or error.retryable:
                    raise
                failures.append(DeleteFailure(key, error))
        return failures

    def batch_delete_request(self, keys: Sequence[str]) -> Request:
        """One request for up to 1,000 keys. Content-MD5, because most vendors take no other checksum."""
        entries = "".join(f"<Object><Key>{xml_text.escape(key)}</Key></Object>" for key in keys)
        text = f'<?xml version="1.0" encoding="UTF-8"?>\n<Delete><Quiet>true</Quiet>{entries}</Delete>'
        body = text.encode()
        headers = {"content-md5": md5_header(body), "content-type": "application/xml"}
        return self.request("POST", "", (("delete", ""),), headers, BytesBody(body))

    def batch_delete_failures(self, response: Response) -> Sequence[DeleteFailure]:
        root = xml_text.parse(response.body) if response.body.strip() else None
        if root is None:
            return []
        if root.tag == "Error":
            raise self.refuse(response)
        failures = []
        for entry in root.iterfind("Error"):
            code, message = xml_text.text_of(entry, "Code"), xml_text.text_of(entry, "Message")
            error = error_of(Response(400, {}), code=code, message=message, where="", meanings=self.meanings)
            if type(error) is not NotFound:
                failures.append(DeleteFailure(xml_text.text_of(entry, "Key"), error))
        if failures and all(
            isinstance(failure.error, BackendError) and failure.error.retryable for failure in failures
        ):
            raise failures[0].error  # the whole batch is asked for again
        return failures

    # -- copies ----------------------------------------------------------------------------------------------

    @flow
    def copy(self, source: str, key: str, attributes: Attributes | None = None) -> Flow[Written]:
        return (yield from self._copy(self.bucket, source, key, attributes))

    @flow
    def copy_from(
        self, other: Backend, source: str, key: str, attributes: Attributes | None = None
    ) -> Flow[Written]:
        return (yield from self._copy(self._peer(other).bucket, source, key, attributes))

    def _peer(self, other: Backend) -> S3Like:
        if isinstance(other, S3Like) and other.id == self.id and other.service == self.service:
            return other
        raise self.unsupported(f"copy on the server from {other.place}")

    def _copy(self, bucket: str, source: str, key: str, attributes: Attributes | None) -> Flow[Written]:
        name = self.dialect.header
        headers = {f"{name}copy-source": self.copy_source(bucket, source)}
        if attributes is not None:
            headers |= {f"{name}metadata-directive": self.dialect.replace, **self.write_headers(attributes)}
        response = yield self.request("PUT", key, (), headers)
        root = xml_text.parse(response.body)
        if root.tag == "Error":
            raise self.refuse(response)
        return Written(xml_text.text_of(root, "ETag").strip('"') or None)

    # -- multipart -------------------------------------------------------------------------------------------

    @flow
    def start_upload(self, key: str, attributes: Attributes = Attributes()) -> Flow[str]:
        headers = self.write_headers(attributes)
        response = yield self.request("POST", key, (("uploads", ""),), headers, idempotent=False)
        upload = xml_text.text_of(xml_text.parse(response.body), "UploadId")
        if not upload:
            raise CorruptData("the answer names no upload")
        return upload

    @flow
    def put_part(self, key: str, upload: str, number: int, body: Body) -> Flow[Part]:
        query = (("partNumber", str(number)), ("uploadId", upload))
        response = yield self.request("PUT", key, query, {}, body)
        return Part(number, response.header("etag").strip('"'), body.size)

    @flow
    def copy_part(
        self, key: str, upload: str, number: int, source: str, span: Span, other: Backend | None = None
    ) -> Flow[Part]:
        bucket = self._peer(other).bucket if other else self.bucket
        name = self.dialect.header
        headers = {
            f"{name}copy-source": self.copy_source(bucket, source),
            f"{name}copy-source-range": range_header(span),
        }
        query = (("partNumber", str(number)), ("uploadId", upload))
        response = yield self.request("PUT", key, query, headers)
        root = xml_text.parse(response.body)
        if root.tag == "Error":
            raise self.refuse(response)
        return Part(number, xml_text.text_of(root, "ETag").strip('"'), span.length or 0)

    @flow
    def finish_upload(
        self, key: str, upload: str, parts: Sequence[Part], attributes: Attributes = Attributes(),
        condition: Condition = Condition(),
    ) -> Flow[Written]:  # fmt: skip
        """The answer to the first try may have been lost: an object with just these parts is success."""
        entries = "".join(
            f'<Part><PartNumber>{part.number}</PartNumber><ETag>"{part.etag}"</ETag></Part>' for part in parts
        )
        body = f"<CompleteMultipartUpload>{entries}</CompleteMultipartUpload>".encode()
        headers = {"content-type": "application/xml", **(yield from self.conditions(condition))}
        try:
            response = yield self.request(
                "POST", key, (("uploadId", upload),), headers, BytesBody(body), idempotent=False
            )
        except BucketNotFound:
            raise
        except NotFound:
            expected = etag_of_parts(parts)
            found = yield self.request("HEAD", key)
            etag = found.header("etag").strip('"')
            if expected is None or etag.lower() != expected:
                raise
            return Written(etag)
        root = xml_text.parse(response.body)
        if root.tag == "Error":
            raise self.refuse(response)
        return Written(xml_text.text_of(root, "ETag").strip('"') or None)

    @flow
    def abort_upload(self, key: str, upload: str) -> Flow[None]:
        try:
            yield self.request("DELETE", key, (("uploadId", upload),))
        except BucketNotFound:
            raise
        except NotFound:
            pass

    def list_parts(self, key: str, upload: str) -> Iterator[Part]:
        marker = ""
        while True:
            page, marker = self._page_of_parts(key, upload, marker)
            yield from page
            if not marker:
                return

    @flow
    def _page_of_parts(self, key: str, upload: str, marker: str) -> Flow[tuple[Sequence[Part], str]]:
        query = [("max-parts", "1000"), ("uploadId", upload)]
        if marker:
            query.append(("part-number-marker", marker))
        response = yield self.request("GET", key, tuple(query))
        root = xml_text.parse(response.body)
        parts = [
            Part(
                xml_text.number_of(entry, "PartNumber"),
                xml_text.text_of(entry, "ETag").strip('"'),
                xml_text.number_of(entry, "Size"),
            )
            for entry in root.iterfind("Part")
        ]
        more = xml_text.text_of(root, "IsTruncated") == "true" and parts
        return parts, xml_text.text_of(root, "NextPartNumberMarker") or str(parts[-1].number) if more else ""

    def list_uploads(self, prefix: str = "") -> Iterator[PendingUpload]:
        markers = ("", "")
        while True:
            page, markers = self._page_of_uploads(prefix, *markers)
            yield from page
            if not markers[0]:
                return

    @flow
    def _page_of_uploads(
        self, prefix: str, key_marker: str, upload_marker: str
    ) -> Flow[tuple[Sequence[PendingUpload], tuple[str, str]]]:
        query = [("prefix", prefix), ("uploads", "")]
        if key_marker:
            query += [("key-marker", key_marker), ("upload-id-marker", upload_marker)]
        response = yield self.request("GET", "", tuple(query))
        try:
            root = xml_text.parse(response.body)
        except CorruptData:
            # A key that XML cannot hold. Else encoding is not asked for: Ceph does it and does not say so.
            response = yield self.request("GET", "", (("encoding-type", "url"), *query))
            root = xml_text.parse(response.body)
        encoded = xml_text.text_of(root, "EncodingType") == "url"
        found = [
            PendingUpload(
                decoded(xml_text.text_of(entry, "Key"), encoded),
                xml_text.text_of(entry, "UploadId"),
                iso_date(xml_text.text_of(entry, "Initiated")),
            )
            for entry in root.iterfind("Upload")
        ]
        if xml_text.text_of(root, "IsTruncated") != "true" or not found:
            return found, ("", "")
        next_key = decoded(xml_text.text_of(root, "NextKeyMarker"), encoded)
        return found, (next_key, xml_text.text_of(root, "NextUploadIdMarker"))

    # -- the bucket ------------------------------------------------------------------------------------------

    @flow
    def check_bucket(self) -> Flow[None]:
        """By a list of one key, whose refusals have a body that says why."""
        query = [("max-keys", "1")] + [("list-type", "2")] * (self.dialect.list_version == 2)
        yield self.request("GET", "", tuple(query))
        self._bucket_is_there = True

    @abstractmethod
    def presign(
        self, method: Literal["GET", "PUT"], key: str, seconds: int, attributes: Attributes = Attributes()
    ) -> SignedRequest: ...
