"""From a recorded span to a row: the canonical attributes, written once, for every provider and for the
viewer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from cloudberth.tracing import attributes as names
from cloudberth.tracing import wire
from cloudberth.tracing.attributes import Kind
from cloudberth.tracing.rows import clean
from cloudberth.tracing.span import Span
from cloudberth.tracing.store import SpanRow

MOST_TEXT = 1_000_000  # characters of one value; longer ones are cut and say so
_MOST_DOCUMENTS = 200
_MOST_MESSAGES = 500
_PLAIN = {str, int, float, bool}
_MODEL_NAMES = {Kind.EMBEDDING: names.OI_EMBEDDING_MODEL, Kind.RERANKER: names.OI_RERANKER_MODEL}


def row_of(span: Span, service: str, resource: bytes, tenant: str, app: str) -> SpanRow:
    """The row of a span that ended. tenant and app: for spans that name none."""
    tokens = span.tokens or {}
    values = canonical(span)
    events = [wire.event(at, name, _values(given)) for at, name, given in span.events or ()]
    events += [wire.link(*link) for link in span.links or ()]
    data = wire.span(
        span.trace_id, span.span_id, span.parent_id, _cut(str(span.name)), span.start_ns, span.end_ns, values,
        span.status, _cut(span.status_message), events, span.trace_state, 3 if span.kind is Kind.LLM else 1,
    )  # fmt: skip
    return SpanRow(
        clean(span.tenant if span.tenant is not None else tenant),
        clean(span.app if span.app is not None else app),
        service, span.trace_id, span.span_id, span.parent_id, clean(str(span.name)), span.kind.value,
        span.start_ns, max(0, span.end_ns - span.start_ns), span.status, _column(span.session_id),
        _column(span.user_id), _column(span.model_name), _column(span.provider_name), tokens.get("input"),
        tokens.get("output"), tokens.get("cached"), tokens.get("reasoning"), span.cost_usd,
        span.first_token_ns, resource, data,
    )  # fmt: skip


def canonical(span: Span) -> dict[str, Any]:
    """The attributes of a span in both vocabularies."""
    kind = span.kind
    found: dict[str, Any] = {names.OI_KIND: kind.value}
    operation = names.OPERATIONS.get(kind)
    if operation:
        found[names.OPERATION] = operation
    if span.session_id:
        found[names.OI_SESSION] = found[names.CONVERSATION] = span.session_id
    if span.user_id:
        found[names.OI_USER] = span.user_id
    if span.model_name:
        found[names.REQUEST_MODEL] = span.model_name
        found[_MODEL_NAMES.get(kind, names.OI_MODEL)] = span.model_name
    if span.provider_name:
        found[names.PROVIDER] = found[names.OI_PROVIDER] = span.provider_name
    if kind is Kind.TOOL:
        found[names.TOOL_NAME] = found[names.OI_TOOL] = span.name
    elif kind is Kind.AGENT:
        found[names.AGENT_NAME] = span.name
    if span.input_value is not None:
        found[names.OI_INPUT], found[names.OI_INPUT_TYPE] = _content(span.input_value)
        if kind is Kind.RERANKER and isinstance(span.input_value, str):
            found[names.OI_RERANKER_QUERY] = found[names.OI_INPUT]
    if span.output_value is not None:
        found[names.OI_OUTPUT], found[names.OI_OUTPUT_TYPE] = _content(span.output_value)
    if span.tokens:
        _add_tokens(found, span.tokens)
    if span.cost_usd is not None:
        found[names.COST] = found[names.OI_COST] = float(span.cost_usd)
    if span.first_token_ns is not None:
        found[names.FIRST_TOKEN] = span.first_token_ns / 1e9
    _add_lists(found, span)
    if span.extra:
        found.update(_values(span.extra))
    return found


def _add_tokens(found: dict[str, Any], tokens: Mapping[str, int]) -> None:
    given, made = tokens.get("input"), tokens.get("output")
    if given is not None:
        found[names.INPUT_TOKENS] = found[names.OI_PROMPT_TOKENS] = given
    if made is not None:
        found[names.OUTPUT_TOKENS] = found[names.OI_COMPLETION_TOKENS] = made
    if given is not None or made is not None:
        found[names.OI_TOTAL_TOKENS] = (given or 0) + (made or 0)
    for name, both in (
        ("cached", (names.CACHE_READ_TOKENS, names.OI_CACHE_READ)),
        ("cache_write", (names.CACHE_WRITE_TOKENS, names.OI_CACHE_WRITE)),
        ("reasoning", (names.REASONING_TOKENS, names.OI_REASONING)),
    ):
        if name in tokens:
            found[both[0]] = found[both[1]] = tokens[name]


def _add_lists(found: dict[str, Any], span: Span) -> None:
    if span.messages_in:
        _add_messages(found, names.OI_INPUT_MESSAGES, span.messages_in)
    if span.messages_out:
        _add_messages(found, names.OI_OUTPUT_MESSAGES, span.messages_out)
    if span.documents_given:
        prefix = names.OI_RERANKED if span.kind is Kind.RERANKER else names.OI_DOCUMENTS
        _add_documents(found, prefix, span.documents_given)
    if span.tags_given:
        found[names.OI_TAGS] = [str(tag) for tag in span.tags_given]
    if span.metadata_given:
        found[names.OI_METADATA] = _cut(wire.as_json(span.metadata_given))


def _add_messages(found: dict[str, Any], prefix: str, messages: Sequence[Mapping[str, Any]]) -> None:
    for number, message in enumerate(messages[:_MOST_MESSAGES]):
        place = f"{prefix}.{number}.message"
        found[f"{place}.role"] = str(message.get("role"))
        content = message.get("content")
        if content is not None:
            found[f"{place}.content"] = _content(content)[0]


def _add_documents(found: dict[str, Any], prefix: str, documents: Sequence[Any]) -> None:
    for number, document in enumerate(documents[:_MOST_DOCUMENTS]):
        place = f"{prefix}.{number}.document"
        if not isinstance(document, Mapping):
            found[f"{place}.content"] = _content(document)[0]
            continue
        for name in ("id", "content", "score", "metadata"):
            value = document.get(name)
            if value is None:
                continue
            if name == "score":
                found[f"{place}.score"] = _score(value)
            else:
                found[f"{place}.{name}"] = _content(value)[0]


def _score(value: Any) -> Any:
    try:
        return float(value)  # NumPy's numbers, mostly
    except (TypeError, ValueError):
        return str(value)


def _content(value: Any) -> tuple[str, str]:
    """A value as text, and its type."""
    if isinstance(value, str):
        return _cut(value), names.TEXT_TYPE
    return _cut(wire.as_json(value)), names.JSON_TYPE


def _values(given: Mapping[str, Any]) -> dict[str, Any]:
    """Attributes as OTLP has them: texts, numbers, truth values, lists of these; the rest as JSON."""
    found: dict[str, Any] = {}
    for name, value in given.items():
        if type(value) is str:
            found[name] = _cut(value)
        elif type(value) in _PLAIN or value is None:
            found[name] = value
        elif isinstance(value, list | tuple) and all(type(each) in _PLAIN for each in value):
            found[name] = list(value[:10_000])
        else:
            found[name] = _cut(wire.as_json(value))
    return found


def _cut(text: str) -> str:
    if len(text) <= MOST_TEXT:
        return text
    return f"{text[:MOST_TEXT]}… [{len(text) - MOST_TEXT} characters cut]"


def _column(value: str | None) -> str | None:
    return None if value is None else clean(str(value))
