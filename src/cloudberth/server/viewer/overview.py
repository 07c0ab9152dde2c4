"""The first page: how much, how fast, how often wrong, how many tokens, at what cost."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime, tzinfo
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response

from cloudberth.server import formats
from cloudberth.server.pages import reader_zone
from cloudberth.server.services import Here
from cloudberth.server.viewer.drawing import Chart, Series, bars, lines
from cloudberth.server.wording import Words
from cloudberth.tracing.charts import HOURLY, Overview, Point, read_choices, read_overview

router = APIRouter()
# What the sums are kept for is whole hours, so nothing shorter than a day is worth a chart.
RANGES = {"24h": 24, "7d": 24 * 7, "30d": 24 * 30, "90d": 24 * 90}
DEFAULT_RANGE = "24h"
POINTS = 48


@router.get("/")
def overview(request: Request, here: Here) -> Response:
    """Charts over a time range, for everything or one app."""
    query = request.query_params
    chosen = query.get("range", DEFAULT_RANGE)
    chosen = chosen if chosen in RANGES else DEFAULT_RANGE
    now = time.time_ns()
    tenant, app = query.get("tenant") or None, query.get("app") or None
    database = here.store.database
    # The hour (or day) that runs is the last one, and the first is taken whole: so it is one less.
    step = 24 if RANGES[chosen] > HOURLY else 1
    since = now - (RANGES[chosen] - step) * 3600 * formats.SECOND
    found = read_overview(database, since, now + 1, tenant=tenant, app=app, points=POINTS)
    words = here.pages.words(request)
    return here.pages.page(
        request,
        "viewer/overview.html",
        total=found.total,
        models=found.models,
        charts=charts(found, words, reader_zone(request), long=RANGES[chosen] > 48),
        ranges=tuple(RANGES),
        chosen_range=chosen,
        query=dict(query),
        choices=read_choices(database),
    )


def charts(found: Overview, t: Words, zone: tzinfo, *, long: bool) -> list[dict[str, Any]]:
    """The charts of the page: title, picture, legend."""
    labels = [_label(point, zone, long) for point in found.points]

    def one(
        title: str, draw: Callable[[Chart], Any], shown: Callable[[float], str], *series: Series
    ) -> dict[str, Any]:
        chart = Chart(t(title), labels, series, shown)
        return {"title": chart.title, "picture": draw(chart), "series": series}

    def values(read: Callable[[Point], float | None]) -> list[float | None]:
        return [read(point) for point in found.points]

    return [
        one(
            "Traces",
            bars,
            formats.short_number,
            Series(t("without error"), "s1", values(lambda point: point.traces - point.errors)),
            Series(t("with error"), "bad", values(lambda point: point.errors)),
        ),
        one(
            "Latency of traces",
            lines,
            formats.duration,
            Series("p50", "s1", values(lambda point: point.p50_ns)),
            Series("p95", "s2", values(lambda point: point.p95_ns)),
            Series("p99", "s5", values(lambda point: point.p99_ns)),
        ),
        one(
            "Tokens",
            bars,
            formats.short_number,
            Series(t("input"), "s1", values(lambda point: point.input_tokens)),
            Series(t("output"), "s3", values(lambda point: point.output_tokens)),
        ),
        one(
            "Cost", bars, formats.short_money, Series(t("US dollars"), "s4", values(lambda point: point.cost))
        ),
    ]


def _label(point: Point, zone: tzinfo, long: bool) -> str:
    moment = datetime.fromtimestamp(point.start_ns / formats.SECOND, zone)
    return moment.strftime("%m-%d" if long else "%H:%M")
