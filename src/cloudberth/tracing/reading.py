"""Questions to the table of spans: lists, one trace as a tree, sessions, sums for charts.

Everything takes `tenant`: with one, nothing of another tenant is seen; None is for who may see all. Times are
nanoseconds since 1970, ids are lower-case hexadecimal, cost is in US dollars.
"""

from __future__ import annotations

import binascii
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from cloudberth.errors import InvalidInput
from cloudberth.tracing import summaries
from cloudberth.tracing.database import Database, Row
from cloudberth.tracing.decoding import DecodedSpan, Event, Link, Malformed, read_attributes, read_span

MOST_ROWS = 500
# A text is looked for in so many traces per call; `Page.next` continues the search.
SEARCHED = 20_000
MOST_SPANS = 10_000  # of one trace, in one answer
_CATCH_UP = 20_000  # spans that a question counts before it answers, when no exporter does


@dataclass(frozen=True, slots=True)
class TraceFilter:
    """Which traces; None means any. until_ns is exclusive. text: in the name, the input or the output, no
    case.

    status: ``ok`` (no span failed) or ``error`` (one did). before: `Page.next` of the page before.
    """

    tenant: str | None = None
    app: str | None = None
    session: str | None = None
    user: str | None = None
    status: str | None = None
    model: str | None = None
    since_ns: int | None = None
    until_ns: int | None = None
    min_duration_ns: int | None = None
    max_duration_ns: int | None = None
    min_tokens: int | None = None
    min_cost: float | None = None
    text: str | None = None
    limit: int = 50
    before: str | None = None


class TraceSummary(NamedTuple):
    """A trace as a line of a list. input and output are the beginnings of its root span's."""

    trace_id: str
    tenant: str
    app: str
    service: str
    name: str
    kind: str
    start_ns: int
    duration_ns: int
    is_complete: bool  # the root span is here
    status: str
    errors: int
    spans: int
    session: str | None
    user: str | None
    models: str
    input_tokens: int
    output_tokens: int
    cost: float
    input: str
    output: str


@dataclass(frozen=True, slots=True)
class Page:
    """A part of a list, newest first. next: for `TraceFilter.before`; None at the end."""

    traces: tuple[TraceSummary, ...]
    next: str | None


@dataclass(slots=True)
class StoredSpan:
    """A span with all that is known of it, and its children in the order of their start. depth: 0 for a
    root.
    """

    seq: int
    tenant: str
    app: str
    service: str
    span_id: str
    parent_id: str | None
    name: str
    kind: str
    start_ns: int
    duration_ns: int
    status: str
    status_message: str
    session: str | None
    user: str | None
    model: str | None
    provider: str | None
    input_tokens: int | None
    output_tokens: int | None
    cached_tokens: int | None
    reasoning_tokens: int | None
    cost: float | None
    first_token_ns: int | None
    attributes: dict[str, Any]
    resource: dict[str, Any]
    events: list[Event]
    links: list[Link]
    children: list[StoredSpan] = field(default_factory=list)
    depth: int = 0


@dataclass(frozen=True, slots=True)
class StoredFeedback:
    """What somebody thought of a trace or a span."""

    span_id: str | None
    name: str
    score: float | None
    label: str | None
    comment: str | None
    source: str
    user: str | None
    created_ns: int


@dataclass(frozen=True, slots=True)
class Trace:
    """One trace. roots: spans whose parent is not here; is_cut: it has more than `MOST_SPANS` spans."""

    trace_id: str
    tenant: str
    start_ns: int
    end_ns: int
    roots: tuple[StoredSpan, ...]
    feedback: tuple[StoredFeedback, ...]
    is_cut: bool

    def walk(self) -> Iterator[StoredSpan]:
        """Every span, parents before children, in the order of a waterfall."""
        waiting = list(reversed(self.roots))
        while waiting:
            span = waiting.pop()
            yield span
            waiting.extend(reversed(span.children))


STATUSES = ("unset", "ok", "error")
_SUMMARY = (
    "s.id, s.trace_id, s.tenant, s.app, s.service, s.name, s.kind, s.start_ns, s.duration_ns, s.has_root,"
    " s.status, s.errors, s.spans, s.session, s.usr, s.models, s.input_tokens, s.output_tokens, s.cost"
)
_SPAN = (
    "seq, tenant, app, service, span_id, parent_id, name, kind, start_ns, duration_ns, status, session, usr,"
    " model, provider, input_tokens, output_tokens, cached_tokens, reasoning_tokens, cost, first_token_ns,"
    " resource, data"
)
_OUTLINE = _SPAN.removesuffix("data") + "NULL"


def refresh(database: Database) -> None:
    """Count what came since the last question, so that lists are right also when no exporter runs."""
    if summaries.is_behind(database):
        summaries.catch_up(database, _CATCH_UP)


def list_traces(database: Database, wanted: TraceFilter) -> Page:
    """Traces, newest first. Raises InvalidInput for a filter that cannot be."""
    refresh(database)
    limit = max(1, min(wanted.limit, MOST_ROWS))
    conditions, values = _conditions(wanted)
    if wanted.text:
        return _search(database, wanted, conditions, values, limit)
    statement = (
        f"SELECT {_SUMMARY}, t.input, t.output FROM (SELECT * FROM trace_summaries s {_where(conditions)} "
        "ORDER BY s.start_ns DESC, s.id DESC LIMIT ?) s LEFT JOIN trace_texts t ON t.summary = s.id "
        "ORDER BY s.start_ns DESC, s.id DESC"
    )
    with database.connection() as connection:
        rows = connection.rows(statement, (*values, limit + 1))
    return Page(tuple(map(_summary, rows[:limit])), _mark(rows[limit - 1]) if len(rows) > limit else None)


def _search(
    database: Database, wanted: TraceFilter, conditions: list[str], values: list[Any], limit: int
) -> Page:
    """The newest `SEARCHED` traces that fit otherwise, and of these the ones with the text."""
    newest = (
        f"SELECT * FROM trace_summaries s {_where(conditions)} ORDER BY s.start_ns DESC, s.id DESC LIMIT ?"
    )
    like = "ILIKE" if database.is_postgres else "LIKE"
    pattern = f"%{_literal(wanted.text or '')}%"
    said = " OR ".join(f"{name} {like} ? ESCAPE '!'" for name in ("s.name", "t.input", "t.output"))
    statement = (
        f"SELECT {_SUMMARY}, t.input, t.output FROM ({newest}) s LEFT JOIN trace_texts t ON t.summary = s.id "
        f"WHERE ({said}) ORDER BY s.start_ns DESC, s.id DESC LIMIT ?"
    )
    with database.connection() as connection:
        rows = connection.rows(statement, (*values, SEARCHED, pattern, pattern, pattern, limit + 1))
        if len(rows) > limit:
            return Page(tuple(map(_summary, rows[:limit])), _mark(rows[limit - 1]))
        last = connection.rows(
            f"SELECT s.id, s.start_ns FROM trace_summaries s {_where(conditions)} "
            "ORDER BY s.start_ns DESC, s.id DESC LIMIT 1 OFFSET ?",
            (*values, SEARCHED - 1),
        )
    return Page(tuple(map(_summary, rows)), f"{last[0][1]}-{last[0][0]}" if last else None)


def _conditions(wanted: TraceFilter) -> tuple[list[str], list[Any]]:
    conditions: list[str] = []
    values: list[Any] = []

    def add(condition: str, *given: Any) -> None:
        if None not in given:
            conditions.append(condition)
            values.extend(given)

    add("s.tenant = ?", wanted.tenant)
    add("s.app = ?", wanted.app)
    add("s.session = ?", wanted.session)
    add("s.usr = ?", wanted.user)
    add("s.start_ns >= ?", wanted.since_ns)
    add("s.start_ns < ?", wanted.until_ns)
    add("s.duration_ns >= ?", wanted.min_duration_ns)
    add("s.duration_ns <= ?", wanted.max_duration_ns)
    add("s.input_tokens + s.output_tokens >= ?", wanted.min_tokens)
    add("s.cost >= ?", wanted.min_cost)
    if wanted.model is not None:
        add("s.models LIKE ? ESCAPE '!'", f"%{_literal(wanted.model)}%")
    if wanted.status not in (None, "ok", "error"):
        raise InvalidInput(f"there is no status {wanted.status!r}", hint="ok or error")
    if wanted.status:
        conditions.append("s.errors > 0" if wanted.status == "error" else "s.errors = 0")
    if wanted.before is not None:
        start, _, number = wanted.before.partition("-")
        if not (start.isdecimal() and number.isdecimal() and len(start) < 20 and len(number) < 19):
            raise InvalidInput("this is no mark of a page", where="before", hint="it is the `next` of a page")
        add("(s.start_ns < ? OR (s.start_ns = ? AND s.id < ?))", int(start), int(start), int(number))
    return conditions, values


def _where(conditions: list[str]) -> str:
    return "WHERE " + " AND ".join(conditions) if conditions else ""


def _literal(text: str) -> str:
    return text.replace("!", "!!").replace("%", "!%").replace("_", "!_")


def _mark(row: Row) -> str:
    return f"{row[7]}-{row[0]}"


def _summary(row: Row) -> TraceSummary:
    return TraceSummary(
        row[1].hex(), row[2], row[3], row[4], row[5], row[6], row[7], row[8], bool(row[9]),
        "error" if row[11] else STATUSES[row[10]], row[11], row[12], row[13], row[14], row[15], row[16],
        row[17], row[18], row[19] or "", row[20] or "",
    )  # fmt: skip


def read_trace(
    database: Database, trace_id: str, tenant: str | None = None, *, content: bool = True
) -> Trace | None:
    """A trace by its id, or None when there is none (or it is another tenant's).

    When several tenants have a trace of this id and `tenant` is None, it is the one that came last. content:
    whether to read attributes and events; without, a trace of any size is read in little memory
    (`read_content` has those of one span).
    """
    raw = parse_id(trace_id, 16)
    only = "AND tenant = ? " if tenant is not None else ""
    values = (raw,) if tenant is None else (raw, tenant)
    with database.connection() as connection:
        rows = connection.rows(
            f"SELECT {_SPAN if content else _OUTLINE} FROM trace_spans "
            f"WHERE trace_id = ? {only}ORDER BY seq LIMIT ?",
            (*values, MOST_SPANS + 1),
        )
        if not rows:
            return None
        owner = rows[-1][1]
        resources = _resources(connection.rows, {row[21] for row in rows if row[21]})
        told = connection.rows(
            "SELECT span_id, name, score, label, comment, source, usr, created FROM trace_feedback "
            "WHERE trace_id = ? AND tenant = ? ORDER BY id LIMIT 1000",
            (raw, owner),
        )
    # Sent twice: the later one is what the sender wanted.
    spans = {row[4]: _stored(row, resources) for row in rows[:MOST_SPANS] if row[1] == owner}
    roots = _tree(list(spans.values()))
    return Trace(
        trace_id,
        owner,
        min(span.start_ns for span in spans.values()),
        max(span.start_ns + span.duration_ns for span in spans.values()),
        roots,
        tuple(StoredFeedback(row[0].hex() if row[0] else None, *row[1:]) for row in told),
        len(rows) > MOST_SPANS,
    )


def read_content(database: Database, trace: Trace, span_id: str) -> StoredSpan | None:
    """One span of a trace with all that is known of it, or None; without its children."""
    wanted = (parse_id(trace.trace_id, 16), trace.tenant, parse_id(span_id, 8))
    with database.connection() as connection:
        rows = connection.rows(
            f"SELECT {_SPAN} FROM trace_spans WHERE trace_id = ? AND tenant = ? AND span_id = ? "
            "ORDER BY seq DESC LIMIT 1",
            wanted,
        )
        resources = _resources(connection.rows, {row[21] for row in rows if row[21]})
    return _stored(rows[0], resources) if rows else None


def content_size(database: Database, trace: Trace) -> int:
    """Bytes that `read_trace` reads of this trace with its content."""
    with database.connection() as connection:
        rows = connection.rows(
            "SELECT SUM(size) FROM trace_spans WHERE trace_id = ? AND tenant = ?",
            (parse_id(trace.trace_id, 16), trace.tenant),
        )
    return int(rows[0][0] or 0)


def parse_id(given: str, size: int) -> bytes:
    """Bytes of a hexadecimal id of `size` bytes. Raises InvalidInput."""
    try:
        raw = binascii.unhexlify(given)
    except ValueError:
        raw = b""
    if len(raw) != size:
        raise InvalidInput(
            "this is no id of a trace or span", where=given[:40], hint=f"{size * 2} hex digits"
        )
    return raw


def _resources(rows: Any, digests: set[bytes]) -> dict[bytes, dict[str, Any]]:
    if not digests:
        return {}
    marks = ",".join("?" * len(digests))
    found = rows(f"SELECT digest, data FROM trace_resources WHERE digest IN ({marks})", tuple(digests))
    return {digest: read_attributes(data) for digest, data in found}


def _stored(row: Row, resources: dict[bytes, dict[str, Any]]) -> StoredSpan:
    try:
        decoded = read_span(row[22]) if row[22] else DecodedSpan()
    except Malformed:
        decoded = DecodedSpan()
    values = (
        *row[:4], row[4].hex(), row[5].hex() if row[5] else None, *row[6:10], STATUSES[row[10]],
        decoded.status_message, *row[11:21], decoded.attributes, resources.get(row[21], {}), decoded.events,
        decoded.links,
    )  # fmt: skip
    return StoredSpan(*values)


def _tree(spans: list[StoredSpan]) -> tuple[StoredSpan, ...]:
    """Children under their parents. A circle (only a liar sends one) is opened at its earliest span."""
    spans.sort(key=lambda span: (span.start_ns, span.seq))
    by_id = {span.span_id: span for span in spans}
    roots = []
    for span in spans:
        parent = by_id.get(span.parent_id or "")
        if parent is None or _is_above(span, parent, by_id):
            roots.append(span)
        else:
            parent.children.append(span)
    waiting = list(roots)
    while waiting:
        span = waiting.pop()
        for child in span.children:
            child.depth = span.depth + 1
        waiting.extend(span.children)
    return tuple(roots)


def _is_above(span: StoredSpan, parent: StoredSpan, by_id: dict[str, StoredSpan]) -> bool:
    """Whether a span is among the ancestors of its parent, and is the earliest of that circle."""
    above: StoredSpan | None = parent
    seen = {span.span_id}
    circle = [span]
    while above is not None and above.span_id not in seen:
        seen.add(above.span_id)
        circle.append(above)
        above = by_id.get(above.parent_id or "")
    return above is span and min(circle, key=lambda each: (each.start_ns, each.seq)) is span


def only_tenant(wanted: TraceFilter, tenant: str) -> TraceFilter:
    """The same filter for somebody who may see one tenant only."""
    return replace(wanted, tenant=tenant)
