"""Lines that filters are tried on: of every kind that services write, and of some that they should not."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

START = datetime(2026, 11, 26, 10, 0, 0, tzinfo=UTC)
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


def json_line(**fields: object) -> str:
    return json.dumps(fields, ensure_ascii=False)


# (seconds after START, service, line)
LINES: tuple[tuple[float, str, str], ...] = (
    (0, "api", json_line(severity="INFO", message="started", status=200, app_id="7", ratio=0.5)),
    (1, "api", json_line(severity="ERROR", message="Time Out of the model", status=500, trace_id=TRACE)),
    (2, "worker", json_line(level="error", msg="job failed", job={"kind": "index", "tries": 3}, done=False)),
    (3, "worker", json_line(levelname="WARNING", message='said "no" \\ and left', **{"odd-name": "x*y"})),
    (4, "router", json_line(ts="2026-11-26T10:00:04Z", path="/v1/chat", status=504, seconds=61.2)),
    (
        5,
        "router",
        json_line(path="/v1/chat", status=200, seconds=0.25, trace=f"Root=1-{TRACE[:8]}-{TRACE[8:]}"),
    ),
    (6, "api", "2026-11-26 10:00:06 plain text, no JSON, time out"),
    (7, "api", '{"severity":"ERROR","message":"cut in the mid'),
    (8, "plugin_daemon", json_line(level="FATAL", msg="plugin died", plugin="语言/模型", done=True)),
    (9, "api", json_line(severity="CRITICAL", message="last", app_id=7, **{"a.b": "dotted"})),
    # A field may be an empty text, null, or a text that reads as a number.
    (
        10,
        "api",
        json_line(severity="INFO", msg="empty", status="", path=None, app_id="007", ratio="0.50"),
    ),
)


def moment(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)
