"""Labels on lines: each on a free stretch of its own line, over nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from cloudberth.infra.diagram import text
from cloudberth.infra.diagram.geometry import Ink, Point, Rect, Route, Text

SIZE = 11
_PAD = 5
_HEIGHT = 16
_MOST = 190.0
"""Widest label in pixels."""


def place_labels(
    routes: Sequence[Route],
    cards: Iterable[Rect],
    texts: Iterable[Rect],
    frames: Sequence[Rect],
    page: Rect,
) -> list[Route]:
    """The routes with their labels where there is a place for them (the tooltip has the text in any case)."""
    solid = [rect.grown(2) for rect in cards] + [rect.grown(2) for rect in texts]
    done: list[Route] = []
    labels: list[Rect] = []
    for index, route in enumerate(routes):
        words = text.clean(route.edges[0].label)
        if not words:
            done.append(route)
            continue
        shown = text.fit(words, SIZE, _MOST)
        others = [one for number, other in enumerate(routes) if number != index for one in _segments(other)]
        best = _best(route, text.width(shown, SIZE) + 2 * _PAD, solid + labels, others, frames, page)
        if best is None:
            done.append(route)
            continue
        labels.append(best.grown(3))
        inner = Rect(best.x + _PAD, best.y + 2, best.w - 2 * _PAD, best.h - 4)
        label = Text(inner, shown, SIZE, Ink.PLAIN, False, words if shown != words else "")
        done.append(replace(route, label=label))
    return done


def label_box(label: Text) -> Rect:
    """The patch behind a label."""
    return Rect(label.rect.x - _PAD, label.rect.y - 2, label.rect.w + 2 * _PAD, label.rect.h + 4)


def _segments(route: Route) -> list[tuple[Point, Point]]:
    return [segment for leg in route.legs for segment in leg.segments]


def _best(
    route: Route,
    width: float,
    solid: Sequence[Rect],
    others: Sequence[tuple[Point, Point]],
    frames: Sequence[Rect],
    page: Rect,
) -> Rect | None:
    own = _segments(route)
    found: tuple[float, Rect] | None = None
    for segment in own:
        for rect, drift in _candidates(segment, width):
            if (
                not page.holds(rect)
                or any(rect.overlaps(one) for one in solid)
                or any(crosses(one, rect.grown(2)) for one in others)
            ):
                continue
            hidden = sum(1 for one in own if one is not segment and crosses(one, rect.grown(2)))
            borders = sum(1 for frame in frames if frame.overlaps(rect) and not frame.holds(rect))
            score = 30 * hidden + 25 * borders + drift - 0.05 * _length(segment)
            if found is None or score < found[0] - 1e-9:
                found = (score, rect)
    return None if found is None else found[1]


def _candidates(segment: tuple[Point, Point], width: float) -> Iterator[tuple[Rect, float]]:
    """Places on a stretch, and how far from its middle; some line stays visible on both sides."""
    (x1, y1), (x2, y2) = segment
    across = y1 == y2
    room = _length(segment) - (width if across else _HEIGHT) - 20
    if room < 0:
        return
    middle_x, middle_y = (x1 + x2) / 2, (y1 + y2) / 2
    shifts = sorted({0.0, *(float(step) for step in range(-int(room // 2), int(room // 2) + 1, 6))}, key=abs)
    for shift in shifts:
        x = middle_x + (shift if across else 0)
        y = middle_y + (0 if across else shift)
        yield Rect(x - width / 2, y - _HEIGHT / 2, width, _HEIGHT), abs(shift) / 6


def _length(segment: tuple[Point, Point]) -> float:
    (x1, y1), (x2, y2) = segment
    return abs(x1 - x2) + abs(y1 - y2)


def crosses(segment: tuple[Point, Point], rect: Rect) -> bool:
    """Whether a horizontal or vertical stretch runs through a rectangle (touching does not count)."""
    (x1, y1), (x2, y2) = segment
    across = min(x1, x2) < rect.right and rect.x < max(x1, x2)
    down = min(y1, y2) < rect.bottom and rect.y < max(y1, y2)
    if y1 == y2:
        return across and rect.y < y1 < rect.bottom
    return down and rect.x < x1 < rect.right
