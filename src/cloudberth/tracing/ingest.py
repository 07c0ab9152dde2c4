"""OTLP over HTTP, the part behind the server: from a request's body to rows of the table.

protobuf and JSON, plain or gzip or deflate. A body that cannot be read is refused whole, with a status for
the sender; spans in it that no provider could take are left out one by one, counted, and named in the
answer (OTLP's partial success). Nothing a sender does is kept in memory between requests. Tenant and app
are those of the key that the sender showed, whatever the spans say.
"""

from __future__ import annotations

import json
import zlib
from dataclasses import dataclass

from cloudberth.errors import InvalidInput
from cloudberth.tracing import attributes as names
from cloudberth.tracing import otlp_json, wire
from cloudberth.tracing.decoding import Malformed, fields, read_attributes, read_span, read_text
from cloudberth.tracing.redaction import Redaction
from cloudberth.tracing.rows import row_of
from cloudberth.tracing.store import SpanRow, TraceStore

PROTOBUF = "application/x-protobuf"
JSON = "application/json"


class IngestRefused(InvalidInput):
    """A request that is not taken, whole. status: what to answer over HTTP."""

    status = 400


class UnreadableBody(IngestRefused):
    """Not OTLP, cut short, or not compressed as it says."""


class BodyTooLarge(IngestRefused):
    """Larger than allowed, as sent or unpacked."""

    status = 413


class UnsupportedBody(IngestRefused):
    """A content type or encoding that OTLP does not have."""

    status = 415


@dataclass(frozen=True, slots=True)
class IngestLimits:
    """body: bytes as sent; unpacked: bytes after gzip; spans: in one request; span: bytes of one span."""

    body: int = 16 << 20
    unpacked: int = 32 << 20
    spans: int = 20_000
    span: int = 8 << 20


@dataclass(frozen=True, slots=True)
class Accepted:
    """What became of a request. rejected: spans that were left out, and why (the first reason)."""

    spans: int
    rejected: int = 0
    reason: str = ""

    def answer(self, content_type: str) -> tuple[bytes, str]:
        """The body and content type of the 200: an ExportTraceServiceResponse in the form of the request."""
        if media_type(content_type) == JSON:
            partial = {"rejectedSpans": str(self.rejected), "errorMessage": self.reason}
            return json.dumps({"partialSuccess": partial} if self.rejected else {}).encode(), JSON
        if not self.rejected:
            return b"", PROTOBUF
        said = b"\x08" + wire.varint(self.rejected) + wire.block(b"\x12", wire.text(self.reason))
        return wire.block(b"\x0a", said), PROTOBUF


class Ingest:
    """Takes requests into a store. Thread-safe."""

    def __init__(
        self, store: TraceStore, *, limits: IngestLimits | None = None, redaction: Redaction | None = None
    ) -> None:
        self.limits = limits or IngestLimits()
        self._store = store
        self._redaction = redaction or Redaction.standard()

    def ingest(
        self, body: bytes, content_type: str, content_encoding: str = "", *, tenant: str, app: str
    ) -> Accepted:
        """Store what a request brings; when this returns, it is on disk.

        Raises IngestRefused (status 400, 413, 415) and Unavailable (the database; answer 503, the sender
        repeats).
        """
        media = media_type(content_type)
        if media not in (PROTOBUF, JSON):
            raise UnsupportedBody(
                f"traces of the type {media[:60]!r} are not taken", hint=f"{PROTOBUF} or {JSON}"
            )
        if len(body) > self.limits.body:
            raise BodyTooLarge(f"the request is larger than {self.limits.body} bytes")
        plain = unpack(body, content_encoding, self.limits.unpacked)
        try:
            message = otlp_json.to_protobuf(plain) if media == JSON else plain
            return self._take(message, tenant, app)
        except Malformed as error:
            raise UnreadableBody(f"this is no OTLP request: {error}") from None

    def _take(self, message: bytes, tenant: str, app: str) -> Accepted:
        rows: list[SpanRow] = []
        reasons: list[str] = []
        for resource, service, scope, data in _spans(message):
            if len(rows) + len(reasons) >= self.limits.spans:
                raise BodyTooLarge(f"the request holds more than {self.limits.spans} spans")
            try:
                rows.append(self._row(data, resource, service, scope, tenant, app))
            except Malformed as error:
                reasons.append(str(error))
        fresh = self._unknown(rows)
        self._store.append(fresh)
        if reasons:
            self._store.count("lost.ingest_malformed", len(reasons))
        return Accepted(len(rows), len(reasons), reasons[0] if reasons else "")

    def _row(self, data: bytes, resource: bytes, service: str, scope: str, tenant: str, app: str) -> SpanRow:
        if len(data) > self.limits.span:
            raise Malformed(f"a span is larger than {self.limits.span} bytes")
        span = read_span(data)
        clean = self._redaction.span(data)
        if clean is not data:
            span = read_span(clean)
        if scope and names.SCOPE not in span.attributes:
            clean += wire.attributes(wire.SPAN_ATTRIBUTE, {names.SCOPE: scope})
        return row_of(span, clean, tenant=tenant, app=app, service=service, resource=resource)

    def _unknown(self, rows: list[SpanRow]) -> list[SpanRow]:
        """Those that are not stored yet: a sender that missed our answer sends everything again."""
        traces = list({row.trace_id for row in rows})
        known: set[tuple[str, bytes, bytes]] = set()
        with self._store.database.connection() as connection:
            for start in range(0, len(traces), 500):
                part = traces[start : start + 500]
                marks = ",".join("?" * len(part))
                known.update(
                    connection.rows(
                        f"SELECT tenant, trace_id, span_id FROM trace_spans WHERE trace_id IN ({marks})",
                        part,
                    )
                )
        fresh = []
        for row in rows:
            key = (row.tenant, row.trace_id, row.span_id)
            if key not in known:
                known.add(key)
                fresh.append(row)
        return fresh


def media_type(content_type: str) -> str:
    """``application/json`` of ``application/json; charset=utf-8``; protobuf also under its newer name."""
    media = content_type.partition(";")[0].strip().lower()
    return PROTOBUF if media == "application/protobuf" else media


def unpack(body: bytes, content_encoding: str, most: int) -> bytes:
    """The body without its compression, never more than `most` bytes in memory. Raises IngestRefused."""
    encoding = content_encoding.strip().lower()
    if encoding in ("", "identity"):
        if len(body) > most:
            raise BodyTooLarge(f"the request is larger than {most} bytes")
        return body
    if encoding not in ("gzip", "x-gzip", "deflate"):
        raise UnsupportedBody(f"the encoding {encoding[:40]!r} is not taken", hint="gzip, deflate or none")
    unpacker = zlib.decompressobj(31 if "gzip" in encoding else 15)
    try:
        plain = unpacker.decompress(body, most + 1)
    except zlib.error:
        raise UnreadableBody(f"the body is not {encoding}") from None
    if len(plain) > most:
        raise BodyTooLarge(f"the request unpacks to more than {most} bytes")
    if not unpacker.eof:
        raise UnreadableBody(f"the {encoding} body is cut short")
    return plain


def _spans(message: bytes) -> list[tuple[bytes, str, str, bytes]]:
    """(resource, service, scope, span) of a request, in order."""
    found = []
    for number, kind, start, stop in fields(message, 0, len(message)):
        if number != 1 or kind != 2:
            continue
        parts = list(fields(message, start, stop))
        resource = b"".join(message[a:b] for each, wired, a, b in parts if each == 1 and wired == 2)
        kept, service = _resource(resource)
        for each, wired, first, last in parts:
            if each == 2 and wired == 2:
                found += [(kept, service, scope, data) for scope, data in _scoped(message, first, last)]
    return found


def _resource(resource: bytes) -> tuple[bytes, str]:
    """The attributes of a resource, written again (so that equal ones are equal bytes), and its service."""
    found = read_attributes(resource)
    found.pop(names.OI_PROJECT, None)  # where it goes is the destination's to say
    return wire.attributes(wire.RESOURCE_ATTRIBUTE, found), str(found.get(names.SERVICE) or "")


def _scoped(message: bytes, start: int, stop: int) -> list[tuple[str, bytes]]:
    scope = ""
    spans = []
    for number, kind, first, last in fields(message, start, stop):
        if kind != 2:
            continue
        if number == 1:
            for each, wired, begin, end in fields(message, first, last):
                if each == 1 and wired == 2:
                    scope = read_text(message, begin, end)
        elif number == 2:
            spans.append(message[first:last])
    return [(scope, data) for data in spans]
