"""From a span that somebody else encoded to a row: what the columns need, found in any of the known
vocabularies.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from cloudberth.tracing import attributes as names
from cloudberth.tracing import wire
from cloudberth.tracing.decoding import DecodedSpan, Malformed
from cloudberth.tracing.rewriting import DROP, rewrite
from cloudberth.tracing.store import SpanRow

_MOST_TEXT = 300  # characters of a name, id or model in a column
_LATEST = 1 << 62  # ns; the year 2116


def clean(value: str) -> str:
    """A text that both databases take: no NUL, no lone surrogates, not endless."""
    if value.isascii() and "\0" not in value:
        return value[:_MOST_TEXT]
    return value[:_MOST_TEXT].replace("\0", "").encode("utf-8", "replace").decode()


def first_text(found: dict[str, Any], wanted: Iterable[str]) -> str | None:
    for name in wanted:
        value = found.get(name)
        if isinstance(value, str) and value:
            return clean(value)
        if isinstance(value, int) and not isinstance(value, bool):
            return str(value)
    return None


def first_count(found: dict[str, Any], wanted: Iterable[str]) -> int | None:
    value = first_number(found, wanted)
    return None if value is None else int(min(value, 1 << 53))


def first_number(found: dict[str, Any], wanted: Iterable[str]) -> float | None:
    """The first that is a number and not negative; texts of numbers count (some senders write them)."""
    for name in wanted:
        value = found.get(name)
        if isinstance(value, str):
            try:
                value = float(value)
            except ValueError:
                continue
        if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < float("inf"):
            return float(value)
    return None


def kind_of(found: dict[str, Any]) -> str:
    """The kind that the attributes speak of, or empty."""
    for name in names.READ_KIND:
        value = found.get(name)
        if isinstance(value, str) and value.lower() in names.KIND_WORDS:
            return names.KIND_WORDS[value.lower()].value
    return names.Kind.LLM.value if first_text(found, names.READ_MODEL) else ""


def row_of(
    span: DecodedSpan, data: bytes, *, tenant: str, app: str, service: str, resource: bytes
) -> SpanRow:
    """A row. Raises Malformed for a span that no provider would take (ids, times)."""
    _check(span)
    found = span.attributes
    kind = kind_of(found)
    session = first_text(found, names.READ_SESSION)
    user = first_text(found, names.READ_USER)
    first_token = first_number(found, (names.FIRST_TOKEN, "gen_ai.server.time_to_first_token"))
    return SpanRow(
        tenant=tenant,
        app=app,
        service=clean(service),
        trace_id=span.trace_id,
        span_id=span.span_id,
        parent_id=span.parent_id or None,
        name=clean(span.name),
        kind=kind,
        start_ns=span.start_ns,
        duration_ns=max(0, span.end_ns - span.start_ns),
        status=span.status,
        session=session,
        user=user,
        model=first_text(found, names.READ_MODEL),
        provider=first_text(found, names.READ_PROVIDER),
        input_tokens=first_count(found, names.READ_INPUT_TOKENS),
        output_tokens=first_count(found, names.READ_OUTPUT_TOKENS),
        cached_tokens=first_count(found, names.READ_CACHED),
        reasoning_tokens=first_count(found, names.READ_REASONING),
        cost=first_number(found, names.READ_COST),
        first_token_ns=None if first_token is None else int(min(first_token, 1e6) * 1e9),
        resource=resource,
        data=_completed(found, data, kind, session, user),
    )


def _check(span: DecodedSpan) -> None:
    if len(span.trace_id) != 16 or not any(span.trace_id):
        raise Malformed("a trace id is not 16 bytes, or all zero")
    if len(span.span_id) != 8 or not any(span.span_id):
        raise Malformed("a span id is not 8 bytes, or all zero")
    if span.parent_id and len(span.parent_id) != 8:
        raise Malformed("a parent's id is not 8 bytes")
    if not 0 < span.start_ns < _LATEST or not span.end_ns < _LATEST:
        raise Malformed("a time is missing or behind the year 2115")
    if span.status not in (0, 1, 2):
        raise Malformed("a status is not 0, 1 or 2")


def _completed(found: dict[str, Any], data: bytes, kind: str, session: str | None, user: str | None) -> bytes:
    """The span with the canonical names of what stood under others, and nothing that only we may say."""
    if names.TENANT in found or names.APP in found:
        data = rewrite(data, lambda name, value: DROP if name in (names.TENANT, names.APP) else value)
    wanted = {names.OI_KIND: kind or None, names.OI_SESSION: session, names.OI_USER: user}
    missing = {name: value for name, value in wanted.items() if value and name not in found}
    return data + wire.attributes(wire.SPAN_ATTRIBUTE, missing) if missing else data
