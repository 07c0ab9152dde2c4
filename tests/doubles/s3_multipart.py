"""Multipart uploads of the XML protocol that OSS, COS and OBS share with S3."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import quote

from doubles.s3_dialect import XmlDouble, iso, leaf, parsed, xml
from doubles.server import Request, Response
from doubles.store import Bucket, Refusal, cut_range


class MultipartDouble(XmlDouble):
    """A vendor with multipart uploads."""

    def on_upload(self, request: Request, bucket: Bucket, key: str) -> Response:
        query = request.query
        if request.method == "POST" and "uploads" in query:
            return self.start(request, bucket, key)
        upload = query.get("uploadId", "")
        if request.method == "PUT":
            return self.part(request, bucket, key, upload)
        if request.method == "POST":
            return self.finish(request, bucket, key, upload)
        if request.method == "DELETE":
            self.store.abort_upload(bucket, key, upload)
            return Response(204)
        if request.method == "GET":
            return self.list_parts(request, bucket, key, upload)
        raise Refusal("MethodNotAllowed", 405)

    def start(self, request: Request, bucket: Bucket, key: str) -> Response:
        attributes, metadata, chosen = self.described(request)
        self.check_overwrite_at_start(request, bucket, key)
        upload = self.store.start_upload(bucket, key, attributes, metadata, chosen)
        return self.answer(
            "InitiateMultipartUploadResult", leaf("Bucket", bucket.name), self.key(request, key),
            leaf("UploadId", upload.id),
        )  # fmt: skip

    def check_overwrite_at_start(self, request: Request, bucket: Bucket, key: str) -> None:
        """OSS refuses when the upload starts already; the others when it ends."""

    def key(self, request: Request, key: str) -> str:
        encoded = request.query.get("encoding-type") == "url"
        return leaf("Key", quote(key, safe="", errors="surrogateescape") if encoded else key)

    def part(self, request: Request, bucket: Bucket, key: str, upload: str) -> Response:
        text = request.query.get("partNumber", "")
        if not text.isdigit():
            raise Refusal("InvalidArgument", 400, "The part number is not valid.")
        if not self.copy_source(request):
            part = self.store.put_part(bucket, key, upload, int(text), request.body)
            return Response(200, {"etag": self.etag(part.etag), **self.vouched(part)})
        source = self.source(request, bucket)
        span = request.header(f"{self.prefix}copy-source-range")
        first, last = (cut_range(span, len(source.data)) if span else None) or (0, len(source.data) - 1)
        part = self.store.put_part(bucket, key, upload, int(text), source.data[first : last + 1])
        return self.answer(
            "CopyPartResult", leaf("ETag", self.etag(part.etag)), leaf("LastModified", iso(part.modified))
        )

    def finish(self, request: Request, bucket: Bucket, key: str, upload: str) -> Response:
        parts = []
        for element in parsed(request.body).iter("Part"):
            number = element.findtext("PartNumber") or ""
            if not number.isdigit():
                raise Refusal("MalformedXML", 400, "The XML you provided was not well-formed.")
            parts.append((int(number), element.findtext("ETag") or ""))
        with self.store.lock:
            self.check_overwrite(request, bucket, key)
            stored = self.store.finish_upload(bucket, key, upload, parts)
        return self.answer(
            "CompleteMultipartUploadResult", leaf("Location", f"http://{request.authority}{request.raw_path}"),
            leaf("Bucket", bucket.name), self.key(request, key), leaf("ETag", self.etag(stored.etag)),
            headers=self.vouched(stored),
        )  # fmt: skip

    def list_parts(self, request: Request, bucket: Bucket, key: str, upload: str) -> Response:
        query = request.query
        limit = self.page_size(query, "max-parts")
        after = int(query.get("part-number-marker") or "0")
        parts, more = self.store.list_parts(self.store.upload(bucket, key, upload), after, limit)
        fields = [
            leaf("Bucket", bucket.name), self.key(request, key), leaf("UploadId", upload),
            leaf("MaxParts", limit), leaf("PartNumberMarker", after), leaf("IsTruncated", str(more).lower()),
            leaf("NextPartNumberMarker", parts[-1].number if parts else after),
        ]  # fmt: skip
        fields += [
            xml("Part", leaf("PartNumber", part.number), leaf("LastModified", iso(part.modified)),
                leaf("ETag", self.etag(part.etag)), leaf("Size", len(part.data)))
            for part in parts
        ]  # fmt: skip
        return self.answer("ListPartsResult", *fields)

    def list_uploads(self, request: Request, bucket: Bucket) -> Response:
        query = request.query
        limit = self.page_size(query, "max-uploads")
        mark = (query.get("key-marker", ""), query.get("upload-id-marker", ""))
        uploads, more = self.store.list_uploads(bucket, query.get("prefix", ""), mark, limit)
        fields = [
            leaf("Bucket", bucket.name), leaf("KeyMarker", self.text_of(query)(mark[0])),
            leaf("UploadIdMarker", mark[1]), leaf("MaxUploads", limit),
            leaf("IsTruncated", str(more).lower()),
        ]  # fmt: skip
        if query.get("encoding-type") == "url":
            fields.append(leaf("EncodingType", "url"))
        if more:
            fields += [leaf("NextKeyMarker", self.text_of(query)(uploads[-1].key)),
                       leaf("NextUploadIdMarker", uploads[-1].id)]  # fmt: skip
        fields += [
            xml("Upload", leaf("Key", self.text_of(query)(upload.key)), leaf("UploadId", upload.id),
                leaf("Initiated", iso(upload.started)))
            for upload in uploads
        ]  # fmt: skip
        return self.answer("ListMultipartUploadsResult", *fields)

    def page_size(self, query: Mapping[str, str], name: str) -> int:
        text = query.get(name, "")
        if text and (not text.isdigit() or int(text) > 1000):
            raise Refusal("InvalidArgument", 400, f"The argument {name} is not valid.")
        return int(text) if text else 1000
