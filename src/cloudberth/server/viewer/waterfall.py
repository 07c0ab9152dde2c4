"""From the tree of a trace to the lines of its waterfall."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from cloudberth.tracing.reading import StoredSpan, Trace

# A bar is never thinner than this share of the whole, or nobody would see it.
THINNEST = 0.003
KINDS = {"workflow", "llm", "retriever", "embedding", "reranker", "tool", "agent", "guardrail"}
# What the standards call them → what the colours are called.
SYNONYMS = {"chain": "workflow"}
DEEPEST_INDENT = 8


@dataclass(frozen=True, slots=True)
class Line:
    """A span of the waterfall. left, width, first_token: shares of the whole time; kind: a colour's name.

    opens: it has children, which follow. closes: how many levels end after it.
    """

    span: StoredSpan
    kind: str
    indent: int
    left: float
    width: float
    first_token: float | None
    opens: bool
    closes: int


@dataclass(frozen=True, slots=True)
class Waterfall:
    """lines: parents before children. ticks: (share, nanoseconds since the start). hidden: lines left out."""

    lines: tuple[Line, ...]
    ticks: tuple[tuple[float, int], ...]
    hidden: int


def waterfall(trace: Trace, most: int) -> Waterfall:
    """The first `most` lines of a trace."""
    whole = max(trace.end_ns - trace.start_ns, 1)
    spans = list(trace.walk())
    shown = spans[:most]
    lines = []
    for number, span in enumerate(shown):
        deeper = shown[number + 1].depth if number + 1 < len(shown) else 0
        opens = bool(span.children) and deeper > span.depth
        lines.append(_line(span, trace.start_ns, whole, opens, 0 if opens else span.depth - deeper))
    return Waterfall(tuple(lines), tuple(_ticks(whole)), len(spans) - len(shown))


def colour(kind: str) -> str:
    """The name of a kind's colour."""
    name = kind.lower()
    name = SYNONYMS.get(name, name)
    return name if name in KINDS else "other"


def _line(span: StoredSpan, start: int, whole: int, opens: bool, closes: int) -> Line:
    left = min(max((span.start_ns - start) / whole, 0.0), 1.0)
    width = max(min(span.duration_ns / whole, 1.0), THINNEST)
    first = None
    if span.first_token_ns is not None and span.duration_ns:
        first = left + min(span.first_token_ns / whole, width)
    return Line(
        span=span,
        kind=colour(span.kind),
        indent=min(span.depth, DEEPEST_INDENT),
        left=min(left, 1 - width),
        width=width,
        first_token=first,
        opens=opens,
        closes=closes,
    )


def _ticks(whole: int) -> Iterable[tuple[float, int]]:
    for quarter in range(5):
        yield quarter / 4, whole * quarter // 4
