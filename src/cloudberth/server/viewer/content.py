"""What a span says, for people: messages, documents, input and output, whichever attributes hold them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cloudberth.tracing import attributes as names
from cloudberth.tracing.reading import StoredSpan

# Longer texts are cut on the page (characters); the JSON has them whole.
LONGEST = 20_000
MOST_ITEMS = 200


@dataclass(frozen=True, slots=True)
class Message:
    """role: ``user``, ``assistant``, … cut: how many characters are not shown."""

    role: str
    text: str
    cut: int = 0


@dataclass(frozen=True, slots=True)
class Document:
    """A document that was retrieved, as the retriever told it."""

    id: str
    text: str
    score: float | None
    metadata: str
    cut: int = 0


@dataclass(frozen=True, slots=True)
class Content:
    """What was asked and answered. input and output are empty when the messages say the same."""

    input_messages: tuple[Message, ...]
    output_messages: tuple[Message, ...]
    documents: tuple[Document, ...]
    input: str
    output: str
    input_cut: int
    output_cut: int


def content(span: StoredSpan) -> Content:
    """The content of a span; empty parts where it has none."""
    given = span.attributes
    asked = _messages(given, names.OI_INPUT_MESSAGES, names.INPUT_MESSAGES)
    answered = _messages(given, names.OI_OUTPUT_MESSAGES, names.OUTPUT_MESSAGES)
    before, before_cut = _shortened("" if asked else _first(given, names.READ_INPUT))
    after, after_cut = _shortened("" if answered else _first(given, names.READ_OUTPUT))
    documents = _documents(given, names.OI_DOCUMENTS) + _documents(given, names.OI_RERANKED)
    return Content(asked, answered, documents, before, after, before_cut, after_cut)


def numbered(given: Mapping[str, Any], prefix: str) -> list[dict[str, Any]]:
    """``prefix.0.a``, ``prefix.1.a.b`` … as one dictionary a number: ``{"a": …}``, ``{"a.b": …}``."""
    found: dict[int, dict[str, Any]] = {}
    for name, value in given.items():
        if name.startswith(f"{prefix}."):
            number, _, rest = name[len(prefix) + 1 :].partition(".")
            if number.isdecimal() and len(number) < 7:
                found.setdefault(int(number), {})[rest] = value
    return [found[number] for number in sorted(found)][:MOST_ITEMS]


def _messages(given: Mapping[str, Any], flat: str, whole: str) -> tuple[Message, ...]:
    told = numbered(given, flat)
    if told:
        return tuple(_flat_message(one) for one in told)
    value = _unfolded(given.get(whole))
    if isinstance(value, list):
        return tuple(_whole_message(one) for one in value[:MOST_ITEMS])
    return ()


def _flat_message(one: Mapping[str, Any]) -> Message:
    parts = [str(one[name]) for name in ("message.content",) if one.get(name)]
    parts += [str(part["message_content.text"]) for part in _parts(one) if part.get("message_content.text")]
    for call in numbered(one, "message.tool_calls"):
        name = call.get("tool_call.function.name", "")
        parts.append(f"{name}({call.get('tool_call.function.arguments', '')})")
    text, cut = _shortened("\n".join(parts))
    return Message(str(one.get("message.role", "")), text, cut)


def _parts(one: Mapping[str, Any]) -> list[dict[str, Any]]:
    return numbered(one, "message.contents")


def _whole_message(one: Any) -> Message:
    """A message as OpenTelemetry writes it: a role and parts, or a role and content."""
    if not isinstance(one, dict):
        text, cut = _shortened(_as_text(one))
        return Message("", text, cut)
    parts = one.get("parts", one.get("content", ""))
    if isinstance(parts, list):
        said = [
            _as_text(part.get("content", part.get("text", part)))
            if isinstance(part, dict)
            else _as_text(part)
            for part in parts
        ]
        joined = "\n".join(said)
    else:
        joined = _as_text(parts)
    text, cut = _shortened(joined)
    return Message(str(one.get("role", "")), text, cut)


def _documents(given: Mapping[str, Any], prefix: str) -> tuple[Document, ...]:
    return tuple(_document(one) for one in numbered(given, prefix))


def _document(one: Mapping[str, Any]) -> Document:
    score = one.get("document.score")
    text, cut = _shortened(_as_text(one.get("document.content", "")))
    return Document(
        id=_as_text(one.get("document.id", "")),
        text=text,
        score=float(score) if isinstance(score, int | float) else None,
        metadata=_as_text(one.get("document.metadata", "")),
        cut=cut,
    )


def _first(given: Mapping[str, Any], wanted: tuple[str, ...]) -> str:
    return next((_as_text(given[name]) for name in wanted if given.get(name) not in (None, "")), "")


def _as_text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, indent=2, default=str)


def _unfolded(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return None


def _shortened(text: str) -> tuple[str, int]:
    return (text[:LONGEST], len(text) - LONGEST) if len(text) > LONGEST else (text, 0)
