"""A server that answers nonsense: broken HTTP, broken XML and JSON, wrong lengths, and sometimes the truth.

Everything is drawn from one seeded generator, so a failing run can be had again.
"""

from __future__ import annotations

import random
import socket
import threading
from contextlib import suppress
from types import TracebackType
from typing import Self

BODIES = (
    b"",
    b"<",
    b"<?xml version='1.0'?><Error><Code>NoSuchKey</Code><Message>gone</Message></Error>",
    b"<Error><Code>SlowDown</Code></Error>",
    b"<Error><Code>\xff\xfe</Code></Error>",
    b"<!DOCTYPE a [<!ENTITY b 'c'>]><ListBucketResult>&b;</ListBucketResult>",
    b"<ListBucketResult><IsTruncated>true</IsTruncated></ListBucketResult>",
    b"<ListBucketResult><Contents><Key>a</Key><Size>-1</Size></Contents></ListBucketResult>",
    b"<ListBucketResult><Contents><Key>a%ZZ</Key><Size>9e9</Size></Contents>",
    b"<ListBucketResult><EncodingType>url</EncodingType><Contents><Size>1</Size></Contents></ListBucketResult>",
    b"<EnumerationResults><Blobs><Blob><Name>a</Name></Blob></Blobs><NextMarker>x</NextMarker></EnumerationResults>",
    b"<InitiateMultipartUploadResult></InitiateMultipartUploadResult>",
    b"<DeleteResult><Error><Code>AccessDenied</Code></Error></DeleteResult>",
    b"{",
    b"[]",
    b"null",
    b'{"error": null}',
    b'{"items": [{"name": 5, "size": "x"}], "nextPageToken": ["a"]}',
    b'{"contents": [{"key": null}], "isTruncated": true}',
    b'{"Contents": [{"Key": "a", "Size": {}}], "IsTruncated": "yes"}',
    b'{"code": "NoSuchBucket", "message": {"a": 1}}',
    b'{"resultSet": {"data": {"data": [["not json"]]}}, "status": {"state": "SUCCEED"}}',
    b'{"a":' * 2000,
    b"<a>" * 3000,
    b"\x00\xff" * 300,
)
HEADERS = (
    b"Content-Type: text/xml",
    b"Content-Type: application/json; charset=utf-999",
    b'ETag: "d41d8cd98f00b204e9800998ecf8427e"',
    b"ETag: \xff\xfe",
    b"Last-Modified: yesterday",
    b"Last-Modified: Mon, 99 Foo 20266 99:99:99 GMT",
    b"Content-Range: bytes 0-1/*",
    b"Content-Range: bytes x-y/99999999999999999999999",
    b"Retry-After: 0",
    b"Retry-After: nan",
    b"Retry-After: soon",
    b"x-amz-checksum-crc32: not base64!",
    b"x-goog-hash: crc32c=,md5=AA",
    b"x-amz-meta-a: =?UTF-8?B?////?=",
    b"x-ms-meta-a: \xc3\x28",
    b"x-amz-bucket-region: nowhere",
    b"Transfer-Encoding: gzip",
    b"Transfer-Encoding: chunked",
    b"Connection: close",
    b"no colon here",
    b": no name",
    b"Content-Encoding: gzip",
)
STATUSES = (
    200,
    200,
    200,
    201,
    204,
    206,
    206,
    301,
    304,
    307,
    400,
    401,
    403,
    404,
    409,
    412,
    416,
    429,
    500,
    503,
    599,
    999,
)


class FuzzServer:
    """Listens on loopback as long as it is used. answers: how many it has given."""

    def __init__(self, seed: int) -> None:
        self.answers = 0
        self._random = random.Random(seed)
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.address: tuple[str, int] = self._listener.getsockname()[:2]
        self._thread = threading.Thread(target=self._accept, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(5)

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, suppress(OSError):
            connection.settimeout(5)
            while data := connection.recv(1 << 20):
                if b"\r\n\r\n" not in data and not data.startswith((b"GET", b"HEAD", b"DELETE")):
                    continue
                with self._lock:
                    answer, close = self.answer()
                    self.answers += 1
                connection.sendall(answer)
                if close:
                    return

    def answer(self) -> tuple[bytes, bool]:
        """The next answer, and whether the connection is closed after it."""
        draw = self._random
        body = draw.choice(BODIES)
        if draw.random() < 0.15:
            body = draw.randbytes(draw.randrange(400))
        lines = [b"HTTP/1.1 %d Whatever" % draw.choice(STATUSES), *draw.sample(HEADERS, draw.randrange(5))]
        length = len(body)
        if draw.random() < 0.1:
            length = draw.choice((0, length + 7, 10**12))
        if draw.random() < 0.9:
            lines.append(b"Content-Length: %d" % length)
        elif draw.random() < 0.3:
            lines.append(b"Content-Length: " + draw.choice((b"-1", b"many", b"1, 2", b"")))
        raw = b"\r\n".join([*lines, b"", body])
        if draw.random() < 0.15:
            raw = _damaged(draw, raw)
        return raw, draw.random() < 0.6


def _damaged(draw: random.Random, raw: bytes) -> bytes:
    """A few bytes changed, or the end cut off."""
    if draw.random() < 0.4:
        return raw[: draw.randrange(len(raw) + 1)]
    data = bytearray(raw)
    for _ in range(draw.randrange(1, 6)):
        data[draw.randrange(len(data))] = draw.randrange(256)
    return bytes(data)
