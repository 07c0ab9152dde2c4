"""The counters of `/metrics` as one line of JSON each minute: for clouds that read logs and know no
Prometheus.
"""

from __future__ import annotations

import asyncio
import json
import sys
from datetime import UTC, datetime
from typing import TextIO

from cloudberth.server.metrics import ServerMetrics

SECONDS = 60.0


def counters_line(metrics: ServerMetrics, now: datetime) -> str:
    """One line, without its end. Values that are whole are written as integers."""
    values = {
        name: int(value) if float(value).is_integer() else round(value, 6)
        for name, value in metrics.values().items()
        if value == value and abs(value) != float("inf")
    }
    line = {
        "timestamp": now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z",
        "severity": "INFO",
        "level": "info",
        "message": "server counters",
        "logger": "cloudberth.server.counters",
        "service": "berth-server",
        "counters": values,
    }
    return json.dumps(line, ensure_ascii=False, separators=(",", ":"))


async def write_counters(
    metrics: ServerMetrics, stream: TextIO | None = None, seconds: float = SECONDS
) -> None:
    """Write a line each minute until cancelled."""
    while True:
        await asyncio.sleep(seconds)
        line = await asyncio.to_thread(counters_line, metrics, datetime.now(UTC))
        print(line, file=stream or sys.stdout, flush=True)
