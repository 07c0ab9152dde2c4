"""Charts as SVG, drawn on the server: bars and lines over time. Colours are classes of the style sheet."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

WIDTH, HEIGHT = 640, 190
LEFT, RIGHT, TOP, BOTTOM = 52, 8, 8, 22
INSIDE_WIDTH, INSIDE_HEIGHT = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM
GRID_LINES = 4
TIME_LABELS = 6


@dataclass(frozen=True, slots=True)
class Series:
    """values: one for each interval, None where there is nothing. colour: a class of the style sheet."""

    name: str
    colour: str
    values: Sequence[float | None]


@dataclass(frozen=True, slots=True)
class Chart:
    """title: said by screen readers. labels: of each interval. shown: how a value is written."""

    title: str
    labels: Sequence[str]
    series: Sequence[Series]
    shown: Callable[[float], str]


def bars(chart: Chart) -> Markup:
    """Stacked bars."""
    totals = [sum(one.values[at] or 0 for one in chart.series) for at in range(len(chart.labels))]
    top = _nice(max(totals, default=0))
    slot = INSIDE_WIDTH / max(len(chart.labels), 1)
    width = max(slot - min(2.0, slot * 0.25), 0.5)
    pieces = []
    for at, label in enumerate(chart.labels):
        below = 0.0
        for one in chart.series:
            value = one.values[at] or 0
            if value <= 0:
                continue
            height = value / top * INSIDE_HEIGHT
            below += height
            said = escape(f"{label} · {one.name}: {chart.shown(value)}")
            x, y = LEFT + at * slot, TOP + INSIDE_HEIGHT - below
            pieces.append(
                f'<rect class="{one.colour}" x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" '
                f'height="{height:.1f}"><title>{said}</title></rect>'
            )
    return _framed(chart, top, "".join(pieces))


def lines(chart: Chart) -> Markup:
    """A line for each series; a gap where there is no value, a dot for a value that stands alone."""
    known = [value for one in chart.series for value in one.values if value is not None]
    top = _nice(max(known, default=0))
    slot = INSIDE_WIDTH / max(len(chart.labels), 1)
    pieces = []
    for one in chart.series:
        for run in _runs(one.values):
            points = [
                (LEFT + (at + 0.5) * slot, TOP + INSIDE_HEIGHT * (1 - value / top), at, value)
                for at, value in run
            ]
            if len(points) > 1:
                path = " ".join(f"{x:.1f},{y:.1f}" for x, y, _, _ in points)
                pieces.append(f'<polyline class="{one.colour}" points="{path}"/>')
            for x, y, at, value in points:
                said = escape(f"{chart.labels[at]} · {one.name}: {chart.shown(value)}")
                pieces.append(
                    f'<circle class="{one.colour}" cx="{x:.1f}" cy="{y:.1f}" r="2.2">'
                    f"<title>{said}</title></circle>"
                )
    return _framed(chart, top, "".join(pieces))


def _runs(values: Sequence[float | None]) -> list[list[tuple[int, float]]]:
    """The stretches without a gap."""
    found: list[list[tuple[int, float]]] = [[]]
    for at, value in enumerate(values):
        if value is None:
            found.append([])
        else:
            found[-1].append((at, value))
    return [run for run in found if run]


def _nice(value: float) -> float:
    """The next of 1, 2, 2.5, 5 times a power of ten; 1 for nothing at all."""
    if value <= 0 or not math.isfinite(value):
        return 1.0
    power = 10.0 ** math.floor(math.log10(value))
    return next((step * power for step in (1, 2, 2.5, 5, 10) if value <= step * power * 1.000001), 10 * power)


def _framed(chart: Chart, top: float, inside: str) -> Markup:
    grid = []
    for line in range(GRID_LINES + 1):
        y = TOP + INSIDE_HEIGHT * (1 - line / GRID_LINES)
        grid.append(f'<line class="gridline" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        said = escape(chart.shown(top * line / GRID_LINES))
        grid.append(f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{said}</text>')
    slot = INSIDE_WIDTH / max(len(chart.labels), 1)
    every = max(1, math.ceil(len(chart.labels) / TIME_LABELS))
    for at in range(0, len(chart.labels), every):
        x = LEFT + at * slot
        grid.append(f'<text x="{x:.1f}" y="{HEIGHT - 5}">{escape(chart.labels[at])}</text>')
    return Markup(  # noqa: S704 (every text in it went through escape)
        f'<svg class="chart" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(chart.title)}">'
        f"{''.join(grid)}{inside}</svg>"
    )
