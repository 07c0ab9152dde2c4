"""The primitives of vendors with S3's model and JSON bodies, as flows: objects, and multipart uploads."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from hashlib import md5
from typing import Any

from cloudberth.errors import BackendError, BucketNotFound, NotFound, Unsupported
from cloudberth.storage._json_answers import Answer
from cloudberth.storage._json_bucket import ALWAYS, PLAIN, JsonBucket, Query, etag_of
from cloudberth.storage.body import Body, BytesBody
from cloudberth.storage.checksums import etag_of_parts
from cloudberth.storage.contract import (
    Attributes,
    Backend,
    Condition,
    DeleteFailure,
    ObjectInfo,
    Opened,
    Page,
    Part,
    PendingUpload,
    Prefix,
    Span,
    Written,
)
from cloudberth.storage.http.backend import Flow, flow
from cloudberth.storage.http.failures import error_of, unexpected
from cloudberth.storage.http.headers import range_header
from cloudberth.storage.http.message import Request, Response


class JsonObjects(JsonBucket):
    """Objects of a bucket. A vendor is a subclass with the hooks of JsonBucket."""

    # -- objects ---------------------------------------------------------------------------------------------

    @flow
    def put(
        self, key: str, body: Body, attributes: Attributes = PLAIN, condition: Condition = ALWAYS
    ) -> Flow[Written]:
        headers = self.attribute_headers(attributes)
        headers |= {**self.condition_headers(condition), **integrity(body)}
        response = yield self.object_request("PUT", key, (), headers, body)
        self._bucket_is_there = True
        return Written(etag_of(response), self.checksums(response.headers))

    @flow
    def get(self, key: str, span: Span | None = None, match: str | None = None) -> Flow[Opened]:
        headers = {"range": range_header(span)} if span is not None else {}
        if match is not None:
            headers["if-match"] = match
        response = yield self.object_request("GET", key, (), headers, stream=True)
        self._bucket_is_there = True
        if span is not None and response.status != 206 and (span.start or span.length is not None):
            response.reader.close()
            raise Unsupported("the server ignores ranges", where=f"{self.place}/{key}")
        return Opened(self.info(key, response), response.reader)

    @flow
    def head(self, key: str) -> Flow[ObjectInfo]:
        """An answer to HEAD has no body, so what it says no with is asked for again where it is not clear."""
        try:
            response = yield self.object_request("HEAD", key)
        except NotFound:
            if not self._bucket_is_there:
                yield from self._find_bucket()
            raise
        except BackendError as error:
            if error.code in {"400", "403"}:
                headers = {"range": "bytes=0-0"}
                answer = yield self.object_request("GET", key, (), headers, stream=True)
                answer.reader.close()
            raise
        self._bucket_is_there = True
        return self.info(key, response)

    @flow
    def list(
        self, prefix: str = "", *, delimiter: str = "", after: str = "", cursor: str | None = None,
        limit: int = 1000,
    ) -> Flow[Page]:  # fmt: skip
        query = self.list_query(prefix, delimiter, after, cursor, limit)
        response = yield self.bucket_request("GET", query)
        self._bucket_is_there = True
        answer = Answer.parse(response.body, self.place)
        objects = [self._listed(entry) for entry in answer.members("contents")]
        prefixes = [Prefix(entry.text("prefix")) for entry in answer.members("commonPrefixes")]
        entries: tuple[ObjectInfo | Prefix, ...] = (*objects, *prefixes)
        if objects and prefixes:
            entries = tuple(sorted(entries, key=lambda entry: entry.key.encode()))
        if not answer.flag("isTruncated"):
            return Page(entries)
        return Page(entries, self.next_cursor(answer, entries[-1].key if entries else ""))

    def _listed(self, entry: Answer) -> ObjectInfo:
        return ObjectInfo(
            entry.text("key"),
            entry.integer("size"),
            entry.moment("lastModified"),
            entry.text("eTag", "").strip('"') or None,
            self.entry_checksums(entry),
            Attributes(storage_class=entry.text("storageClass", "") or "STANDARD"),
        )

    @flow
    def delete(self, keys: Sequence[str]) -> Flow[Sequence[DeleteFailure]]:
        if len(keys) == 1:
            return (yield from self._delete_one(keys[0]))
        objects = [{self.member("key"): key} for key in keys]
        body = json_body({self.member("objects"): objects, **self.quiet()})
        headers = {"content-type": "application/json", **integrity(body)}
        response = yield self.bucket_request("POST", (("delete", ""),), headers, body)
        failures = tuple(self._delete_failures(Answer.parse(response.body, self.place)))
        errors = [failure.error for failure in failures]
        if errors and all(isinstance(error, BackendError) and error.retryable for error in errors):
            raise errors[0]  # the whole batch is asked for again
        return failures

    def quiet(self) -> dict[str, Any]:
        """The member that asks for failures only, for vendors that tell of successes otherwise."""
        return {}

    def _delete_one(self, key: str) -> Flow[Sequence[DeleteFailure]]:
        try:
            yield self.object_request("DELETE", key)
        except BucketNotFound:
            raise
        except NotFound:
            pass  # BOS says so, TOS does not
        return ()

    def _delete_failures(self, answer: Answer) -> Iterator[DeleteFailure]:
        for name in ("error", "errors"):
            for entry in answer.members(name):
                code, key = entry.text("code", ""), entry.text("key")
                error = error_of(
                    Response(400, {}), code=code, message=entry.text("message", ""),
                    where=f"{self.place}/{key}", meanings=self.meanings,
                )  # fmt: skip
                if type(error) is not NotFound:
                    yield DeleteFailure(key, error)

    # -- copies ----------------------------------------------------------------------------------------------

    @flow
    def copy(self, source: str, key: str, attributes: Attributes | None = None) -> Flow[Written]:
        return (yield from self._copy(self, source, key, attributes))

    @flow
    def copy_from(
        self, other: Backend, source: str, key: str, attributes: Attributes | None = None
    ) -> Flow[Written]:
        return (yield from self._copy(self._neighbour(other), source, key, attributes))

    def _neighbour(self, other: Backend) -> JsonObjects:
        """The other bucket, when it can be the source of a copy: the same vendor and region."""
        if isinstance(other, JsonObjects) and other.id == self.id and other.service == self.service:
            return other
        raise self.unsupported(f"copy on the server from {other.place}")

    @property
    def service(self) -> str:
        """The server without the bucket: copies stay within a region."""
        return str(self.origin.with_host(self.origin.host.removeprefix(f"{self.bucket}.")))

    def _copy(
        self, other: JsonObjects, source: str, key: str, attributes: Attributes | None
    ) -> Flow[Written]:
        headers = {f"{self.prefix}copy-source": self.copy_source(other.bucket, source)}
        if attributes is None:
            headers[f"{self.prefix}metadata-directive"] = self.copy_directive
        else:
            headers[f"{self.prefix}metadata-directive"] = self.replace_directive
            headers.update(self.attribute_headers(attributes))
        request = self.object_request("PUT", key, (), headers)
        response = yield request
        return self._written(request, response)

    def _written(self, request: Request, response: Response) -> Written:
        """What a copy or the end of an upload wrote; raises the error that a body with status 200 can be."""
        answer = Answer.parse(response.body, self.where(request))
        etag = answer.text("eTag", "").strip('"')
        if etag:
            return Written(etag, self.checksums(response.headers))
        if not answer.text("code", ""):
            raise unexpected("the answer names no etag", where=self.where(request))
        raise self.refusal(request, Response(500, response.headers), response.body)

    # -- multipart -------------------------------------------------------------------------------------------

    @flow
    def start_upload(self, key: str, attributes: Attributes = PLAIN) -> Flow[str]:
        headers = self.attribute_headers(attributes)
        response = yield self.object_request("POST", key, (("uploads", ""),), headers, idempotent=False)
        return Answer.parse(response.body, f"{self.place}/{key}").text("uploadId")

    @flow
    def put_part(self, key: str, upload: str, number: int, body: Body) -> Flow[Part]:
        request = self.object_request("PUT", key, part_query(upload, number), integrity(body), body)
        response = yield request
        etag = etag_of(response)
        if etag is None:
            raise unexpected("the answer names no etag", where=self.where(request))
        return Part(number, etag, body.size)

    @flow
    def copy_part(
        self, key: str, upload: str, number: int, source: str, span: Span, other: Backend | None = None
    ) -> Flow[Part]:
        if span.length is None:
            raise self.unsupported("copy of a part without an end")
        neighbour = self if other is None else self._neighbour(other)
        headers = {
            f"{self.prefix}copy-source": self.copy_source(neighbour.bucket, source),
            f"{self.prefix}copy-source-range": range_header(span),
        }
        request = self.object_request("PUT", key, part_query(upload, number), headers)
        response = yield request
        return Part(number, self._written(request, response).etag or "", span.length)

    @flow
    def finish_upload(
        self, key: str, upload: str, parts: Sequence[Part], attributes: Attributes = PLAIN,
        condition: Condition = ALWAYS,
    ) -> Flow[Written]:  # fmt: skip
        """The answer to the first try may have been lost: an object with just these parts is success."""
        del attributes  # the start had them
        number, etag = self.member("partNumber"), self.member("eTag")
        ordered = sorted(parts, key=lambda part: part.number)
        body = json_body({self.member("parts"): [{number: p.number, etag: p.etag} for p in ordered]})
        headers = {"content-type": "application/json", **self.condition_headers(condition, finish=True)}
        request = self.object_request("POST", key, (("uploadId", upload),), headers, body, idempotent=False)
        try:
            response = yield request
        except BucketNotFound:
            raise
        except NotFound:
            found = yield self.object_request("HEAD", key)
            written = etag_of(found)
            if not written or written.strip("-") != (etag_of_parts(ordered) or ""):
                raise
            return Written(written, self.checksums(found.headers))
        return self._written(request, response)

    @flow
    def abort_upload(self, key: str, upload: str) -> Flow[None]:
        try:
            yield self.object_request("DELETE", key, (("uploadId", upload),))
        except BucketNotFound:
            raise
        except NotFound:
            pass

    def list_parts(self, key: str, upload: str) -> Iterator[Part]:
        marker = 0
        while True:
            page, behind = self._page_of_parts(key, upload, marker)
            yield from page
            if not behind:
                return
            marker = self.onward(marker, behind)

    @flow
    def _page_of_parts(self, key: str, upload: str, marker: int) -> Flow[tuple[Sequence[Part], int]]:
        query: Query = (("uploadId", upload), (self.parameter("max-parts"), "1000"))
        if marker:
            query = (*query, (self.parameter("part-number-marker"), str(marker)))
        response = yield self.object_request("GET", key, query)
        answer = Answer.parse(response.body, f"{self.place}/{key}")
        parts = [
            Part(entry.integer("partNumber"), entry.text("eTag").strip('"'), entry.integer("size"))
            for entry in answer.members("parts")
        ]
        return parts, answer.integer("nextPartNumberMarker") if answer.flag("isTruncated") else 0

    def list_uploads(self, prefix: str = "") -> Iterator[PendingUpload]:
        markers = ("", "")
        while True:
            page, behind = self._page_of_uploads(prefix, *markers)
            yield from page
            if not behind[0]:
                return
            markers = self.onward(markers, behind)

    @flow
    def _page_of_uploads(
        self, prefix: str, key_marker: str, upload_marker: str
    ) -> Flow[tuple[Sequence[PendingUpload], tuple[str, str]]]:
        query = [("uploads", ""), (self.parameter("max-uploads"), "1000")]
        markers = {"prefix": prefix, "key-marker": key_marker, "upload-id-marker": upload_marker}
        query += [(self.parameter(name), value) for name, value in markers.items() if value]
        response = yield self.bucket_request("GET", tuple(query))
        answer = Answer.parse(response.body, self.place)
        uploads = [
            PendingUpload(entry.text("key"), entry.text("uploadId"), entry.moment("initiated"))
            for entry in answer.members("uploads")
        ]
        if not answer.flag("isTruncated"):
            return uploads, ("", "")
        return uploads, (answer.text("nextKeyMarker"), answer.text("nextUploadIdMarker", ""))

    def onward(self, seen: Any, marker: Any) -> Any:
        """The marker of the next page; a server that sends us round in circles is an error."""
        if seen == marker:
            raise unexpected(f"the list does not go on behind {marker!r}", where=self.place)
        return marker


def json_body(value: Mapping[str, Any]) -> BytesBody:
    return BytesBody(json.dumps(value).encode())


def integrity(body: Body) -> dict[str, str]:
    """Content-MD5 of a body in memory, which the server checks; nothing for a file: it is read once only."""
    view = body.view
    return (
        {} if view is None else {"content-md5": b64encode(md5(view, usedforsecurity=False).digest()).decode()}
    )


def part_query(upload: str, number: int) -> Query:
    return (("partNumber", str(number)), ("uploadId", upload))
