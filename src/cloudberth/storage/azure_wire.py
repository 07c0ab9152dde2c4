"""Attributes, conditions and answers of Azure Blob Storage as headers; many requests as one (Blob Batch)."""

from __future__ import annotations

import base64
import hashlib
import secrets
from dataclasses import dataclass, field, replace

from cloudberth.storage import azure_metadata, azure_xml
from cloudberth.storage.body import BytesBody
from cloudberth.storage.contract import Attributes, Condition, ObjectInfo, Written
from cloudberth.storage.http.headers import attributes_of_headers, encode_value, http_date, whole_size
from cloudberth.storage.http.message import Request, Response

CONTENT = {
    "content_type": "x-ms-blob-content-type",
    "cache_control": "x-ms-blob-cache-control",
    "content_disposition": "x-ms-blob-content-disposition",
    "content_encoding": "x-ms-blob-content-encoding",
    "content_language": "x-ms-blob-content-language",
}
# Of a signed URL: what its answer says instead of what is stored.
ANSWER = {
    "cache_control": "rscc",
    "content_disposition": "rscd",
    "content_encoding": "rsce",
    "content_language": "rscl",
    "content_type": "rsct",
}


@dataclass(slots=True)
class Batch(Request):
    """Requests that travel as one. They are signed one by one, again for every attempt."""

    parts: tuple[Request, ...] = ()
    boundary: str = field(default_factory=lambda: f"batch_{secrets.token_hex(16)}")

    def assemble(self) -> None:
        """Make the body of the parts as they are now."""
        lines: list[str] = []
        for number, part in enumerate(self.parts):
            headers = "".join(f"{name}: {value}\r\n" for name, value in part.headers.items())
            lines += (
                f"--{self.boundary}\r\nContent-Type: application/http\r\n",
                f"Content-Transfer-Encoding: binary\r\nContent-ID: {number}\r\n\r\n",
                f"{part.method} {part.target} HTTP/1.1\r\n{headers}Content-Length: 0\r\n\r\n",
            )
        lines.append(f"--{self.boundary}--\r\n")
        self.headers["content-type"] = f"multipart/mixed; boundary={self.boundary}"
        self.body = BytesBody("".join(lines).encode())


def headers_of(attributes: Attributes) -> dict[str, str]:
    """Attributes as headers of a put."""
    headers = {
        header: encode_value(value)
        for name, header in CONTENT.items()
        if (value := getattr(attributes, name)) is not None
    }
    if attributes.storage_class:
        headers["x-ms-access-tier"] = attributes.storage_class
    return headers | azure_metadata.to_headers(attributes.metadata)


def headers_if(condition: Condition) -> dict[str, str]:
    """A condition as headers."""
    headers = {"if-none-match": "*"} if condition.absent else {}
    return headers | ({"if-match": f'"{condition.match}"'} if condition.match is not None else {})


def info_of(key: str, response: Response) -> ObjectInfo:
    """What the headers of an object say."""
    whole = response.header("x-ms-blob-content-md5") if response.status == 206 else ""
    attributes = attributes_of_headers(response.headers, azure_metadata.PREFIX, "x-ms-access-tier")
    return ObjectInfo(
        key,
        size=whole_size(response.headers),
        modified=http_date(response.header("last-modified")),
        etag=response.header("etag").strip('"') or None,
        checksums=azure_xml.md5(whole or (response.header("content-md5") if response.status == 200 else "")),
        attributes=replace(attributes, metadata=azure_metadata.from_headers(response.headers)),
    )


def written(response: Response) -> Written:
    """What the answer to a write says."""
    return Written(response.header("etag").strip('"') or None, azure_xml.md5(response.header("content-md5")))


def md5_of(view: memoryview) -> str:
    """A Content-MD5."""
    return base64.b64encode(hashlib.md5(view, usedforsecurity=False).digest()).decode()
