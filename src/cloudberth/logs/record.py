"""One line of a log as a value, and how a line is read: JSON objects, and text that is none.

Nothing is ever lost: a line that is broken JSON, or cut in the middle, becomes a record with the line as its
message.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from cloudberth.logs.severity import KEYS, WORDS, Severity, severity_of

MESSAGE_KEYS = ("message", "msg", "event")
TIME_KEYS = ("timestamp", "time", "ts", "@timestamp")
TRACE_KEYS = ("trace_id", "traceId", "traceID", "trace", "operation_Id")
SPAN_KEYS = ("span_id", "spanId", "spanID", "operation_ParentId")

# `2026-11-26 10:00:00,123`, `2026/11/26 10:00:00` (nginx, Go), `2026-11-26T10:00:00.123456789Z`, +0100.
_TIME = re.compile(
    r"[\[\s]{0,2}(\d{4})[-/](\d\d)[-/](\d\d)[T ](\d\d):(\d\d):(\d\d)(?:[.,](\d{1,9}))?\s?(Z|[+-]\d\d:?\d\d)?"
)
_WORD = re.compile(rf"(?<![A-Za-z])({'|'.join(sorted(WORDS, key=len, reverse=True))})(?![A-Za-z])", re.I)
_HEAD = 100
_DEEPEST_TEXT = 1 << 20


@dataclass(frozen=True, slots=True)
class Record:
    """One record. time: aware, UTC. severity: None when the line does not say. raw: the line as it was kept.

    fields: the members of a JSON line, empty for other text. trace: 32 hexadecimal digits where it is one.
    id: of the store, the same whenever the same record is read again.
    """

    time: datetime
    message: str
    raw: str
    service: str = ""
    severity: Severity | None = None
    trace: str = ""
    span: str = ""
    fields: Mapping[str, Any] = field(default_factory=dict)
    id: str = ""

    def document(self) -> dict[str, Any]:
        """As `--json` prints it."""
        found: dict[str, Any] = {"time": time_text(self.time)}
        found["severity"] = self.severity.name if self.severity else None
        found["service"] = self.service
        found["message"] = self.message
        if self.trace:
            found["trace_id"] = self.trace
        if self.span:
            found["span_id"] = self.span
        found["fields"] = dict(self.fields)
        return found


def time_text(moment: datetime) -> str:
    """RFC 3339 in UTC to the microsecond: ``2026-11-26T10:00:00.123456Z``."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def record_of(
    raw: str,
    *,
    time: datetime | None = None,
    service: str = "",
    severity: Severity | None = None,
    id: str = "",
    fallback: datetime | None = None,
) -> Record:
    """The record of a line. time, service, severity: what the store says, which stands above the line's own.

    fallback: the time of a line that has none.
    """
    fields = object_in(raw)
    if not fields:
        moment = time or time_in(raw) or fallback or datetime.fromtimestamp(0, UTC)
        return Record(moment, raw, raw, service, severity or _word_in(raw), trace_in(raw), "", {}, id)
    moment = time or _first_time(fields) or fallback or datetime.fromtimestamp(0, UTC)
    said = next((severity_of(fields[key]) for key in KEYS if key in fields), None)
    trace = next((fields[key] for key in TRACE_KEYS if isinstance(fields.get(key), str)), "")
    span = next((fields[key] for key in SPAN_KEYS if isinstance(fields.get(key), str)), "")
    return Record(
        moment,
        message_of(fields, raw),
        raw,
        service or _text(fields.get("service")),
        severity or said,
        plain_trace(trace) or trace,
        span,
        fields,
        id,
    )


def object_in(raw: str) -> dict[str, Any]:
    """The JSON object that a line is; empty for everything else, however broken or deep."""
    text = raw.strip()
    if not (text.startswith("{") and text.endswith("}")) or len(text) > _DEEPEST_TEXT:
        return {}
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def message_of(fields: Mapping[str, Any], raw: str) -> str:
    """What the line says: its message, else the whole line."""
    for key in MESSAGE_KEYS:
        value = fields.get(key)
        if isinstance(value, str) and value:
            return value
    return raw.strip()


def value_at(fields: Mapping[str, Any], path: str) -> Any:
    """The member at ``a.b.c``, also where a name itself has dots; None when there is none."""
    if path in fields:
        return fields[path]
    head, dot, rest = path.partition(".")
    while dot:
        inner = fields.get(head)
        if isinstance(inner, Mapping):
            found = value_at(inner, rest)
            if found is not None:
                return found
        more, dot, rest = rest.partition(".")
        head = f"{head}.{more}"
    return None


def time_in(text: str) -> datetime | None:
    """The time at the start of a line; without a zone it counts as UTC, as containers write it."""
    found = _TIME.match(text)
    if found is None:
        return None
    year, month, day, hour, minute, second = (int(part) for part in found.groups()[:6])
    micro = int((found[7] or "0")[:6].ljust(6, "0"))
    try:
        moment = datetime(year, month, day, hour, minute, second, micro, UTC)
        if found[8] and found[8] != "Z":
            ahead = timedelta(hours=int(found[8][1:3]), minutes=int(found[8][-2:]))
            moment = moment - ahead if found[8][0] == "+" else moment + ahead
    except (ValueError, OverflowError):
        return None
    return moment


def moment_of(value: object) -> datetime | None:
    """A time as services write it: text, or seconds (or milli-, micro-, nanoseconds) since 1970."""
    if isinstance(value, str):
        return time_in(value)
    if isinstance(value, bool) or not isinstance(value, int | float) or value <= 0:
        return None
    for most, scale in ((1e11, 1), (1e14, 1e3), (1e17, 1e6), (1e20, 1e9)):
        if value < most:
            return datetime.fromtimestamp(value / scale, UTC)
    return None


def plain_trace(text: str) -> str:
    """The 32 hexadecimal digits of a trace id in any of its spellings; empty when it is none.

    ``4bf9…``, ``1-4bf92f35-77b3…`` (X-Ray), ``00-4bf9…-…-01`` (traceparent), ``projects/P/traces/4bf9…``.
    """
    found = _TRACE.search(text)
    return "".join(part for part in found.groups() if part).lower() if found else ""


_TRACE = re.compile(
    r"(?<![0-9A-Fa-f-])(?:1-([0-9A-Fa-f]{8})-([0-9A-Fa-f]{24})|(?:00-)?([0-9A-Fa-f]{32}))(?![0-9A-Fa-f])"
)


def trace_in(text: str) -> str:
    """The trace id that a line of text mentions after a word for it."""
    found = _MENTION.search(text)
    return plain_trace(found[1]) if found else ""


_MENTION = re.compile(r"trace[_-]?(?:id)?[\"']?\s*[=:]\s*[\"']?(?:Root=)?([0-9A-Za-z-]+)", re.I)


def _first_time(fields: Mapping[str, Any]) -> datetime | None:
    return next((moment for key in TIME_KEYS if (moment := moment_of(fields.get(key)))), None)


def _word_in(text: str) -> Severity | None:
    """The level in the head of a line of text (``… [ERROR] …``, ``… WARNING …``)."""
    found = _WORD.search(text[:_HEAD])
    # A lower-case word is more often part of a sentence, unless it stands in brackets.
    if found is None or not (found[1].isupper() or text[found.end() : found.end() + 1] in ("]", ":")):
        return None
    return severity_of(found[1])


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
