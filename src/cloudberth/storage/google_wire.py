"""Bodies in several pieces: metadata and contents in one request, and many requests in one."""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from cloudberth.storage.body import Body, Buffer, BytesBody
from cloudberth.storage.google_json import Json
from cloudberth.storage.http.failures import unexpected
from cloudberth.storage.http.message import Request, Response


class RelatedBody(Body):
    """multipart/related: metadata as JSON, then the contents, which are not copied."""

    def __init__(self, metadata: Json, contents: Body) -> None:
        content_type = metadata.get("contentType") or "application/octet-stream"
        self.boundary = f"cb{secrets.token_hex(16)}"
        self._contents = contents
        self._head = (
            f"--{self.boundary}\r\nContent-Type: application/json; charset=UTF-8\r\n\r\n"
            f"{json.dumps(metadata)}\r\n--{self.boundary}\r\nContent-Type: {content_type}\r\n\r\n"
        ).encode()
        self._tail = f"\r\n--{self.boundary}--\r\n".encode()
        self.size = len(self._head) + contents.size + len(self._tail)

    @property
    def content_type(self) -> str:
        return f"multipart/related; boundary={self.boundary}"

    def chunks(self) -> Iterator[Buffer]:
        yield self._head
        yield from self._contents.chunks()
        yield self._tail


@dataclass(slots=True)
class Batch(Request):
    """Up to 100 requests in one; the credentials of the whole count for each."""

    parts: tuple[Request, ...] = ()
    boundary: str = field(default_factory=lambda: f"cb{secrets.token_hex(16)}")

    def __post_init__(self) -> None:
        lines: list[str] = []
        for number, part in enumerate(self.parts):
            lines += (
                f"--{self.boundary}\r\nContent-Type: application/http\r\n",
                f"Content-ID: <cloudberth+{number}>\r\n\r\n{part.method} {part.target} HTTP/1.1\r\n\r\n\r\n",
            )
        lines.append(f"--{self.boundary}--\r\n")
        self.headers["content-type"] = f"multipart/mixed; boundary={self.boundary}"
        self.body = BytesBody("".join(lines).encode())


def batch_answers(response: Response, count: int) -> Sequence[Response | None]:
    """The answers of a batch in the order of its requests; None where there is none.

    Raises BackendError (unexpected) when the body is no multipart/mixed.
    """
    boundary = re.search(r'boundary="?([^";]+)', response.header("content-type"))
    if not boundary:
        raise unexpected("the server answered a batch with something else")
    answers: list[Response | None] = [None] * count
    for piece in response.body.split(b"--" + boundary[1].encode())[1:]:
        outer, _, rest = piece.replace(b"\r\n", b"\n").lstrip(b"\n").partition(b"\n\n")
        number = re.search(rb"(?i)content-id:\s*<?response-cloudberth\+(\d+)", outer)
        head, _, body = rest.lstrip(b"\n").partition(b"\n\n")
        status = re.match(rb"HTTP/1\.\d (\d{3})", head)
        if number and status and int(number[1]) < count:
            pairs = (line.partition(":") for line in head.decode("latin-1").split("\n")[1:])
            headers = {name.strip().lower(): value.strip() for name, _, value in pairs}
            answers[int(number[1])] = Response(int(status[1]), headers, body.rstrip(b"\n"))
    return answers
