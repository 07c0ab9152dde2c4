"""An answer that arrives in pieces, for those who cannot wait: bytes in, a Response when it is whole."""

from __future__ import annotations

from cloudberth.storage.body import BytesReader
from cloudberth.storage.http import wire
from cloudberth.storage.http.message import Response


class Incoming:
    """One answer on its way. `feed` it until it gives the Response; `open_afterwards` then says the rest."""

    __slots__ = ("_at", "_chunks", "_data", "_head", "_how", "_method", "open_afterwards")

    def __init__(self, method: str) -> None:
        self._method = method
        self._data = b""
        self._at = 0  # where the body begins, or how far its chunks have been read
        self._head: tuple[int, dict[str, str]] | None = None
        self._how = wire.Framing()
        self._chunks: list[bytes] = []
        self.open_afterwards = False

    @property
    def begun(self) -> bool:
        """Whether anything has arrived."""
        return bool(self._data) or self._head is not None

    def feed(self, data: bytes) -> Response | None:
        """Take bytes; empty ones mean that the server has closed. Raises NotHttp, ConnectionResetError."""
        if not data:
            return self._closed()
        self._data = self._data + data if self._data else data
        while self._head is None:
            if not self._read_head():
                return None
        if len(self._data) - self._at > wire.MAX_BODY:
            raise wire.NotHttp("an answer that does not end")
        if self._how.chunked:
            return self._read_chunks()
        length = self._how.length
        if length is None or len(self._data) - self._at < length:
            return None
        body = self._data[self._at : self._at + length]
        if len(self._data) > self._at + length:
            self.open_afterwards = False
        return self._response(body)

    def _read_head(self) -> bool:
        at = self._data.find(b"\r\n\r\n")
        if at < 0:
            if len(self._data) > wire.MAX_HEAD:
                raise wire.NotHttp("the headers do not end")
            return False
        status, headers = wire.parse_head(self._data[:at])
        if status < 200:
            self._data = self._data[at + 4 :]
            return bool(self._data)
        self._at = at + 4
        self._head = (status, headers)
        self._how = wire.framing(self._method, status, headers)
        self.open_afterwards = wire.stays_open(headers, self._how)
        if (self._how.length or 0) > wire.MAX_BODY:
            raise wire.NotHttp(f"an answer of {self._how.length} bytes")
        return True

    def _read_chunks(self) -> Response | None:
        while True:
            end = self._data.find(b"\r\n", self._at)
            if end < 0:
                return None
            size = wire.chunk_size(self._data[self._at : end])
            if not size:
                return self._read_trailers(end + 2)
            after = end + 2 + size
            if len(self._data) < after + 2:
                return None
            if self._data[after : after + 2] != b"\r\n":
                raise wire.NotHttp("a chunk is longer than it says")
            self._chunks.append(self._data[end + 2 : after])
            self._at = after + 2

    def _read_trailers(self, at: int) -> Response | None:
        while True:
            end = self._data.find(b"\r\n", at)
            if end < 0:
                return None
            if end == at:
                return self._response(b"".join(self._chunks))
            at = end + 2

    def _closed(self) -> Response | None:
        if self._head is not None and self._how.length is None and not self._how.chunked:
            return self._response(self._data[self._at :])
        raise ConnectionResetError("closed before the end of an answer" if self.begun else "closed")

    def _response(self, body: bytes) -> Response:
        assert self._head is not None
        return Response(*self._head, body, BytesReader(body))
