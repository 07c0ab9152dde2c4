"""A JSON line that is short enough, and still JSON.

What clouds take at once: CloudWatch 1 MiB an event, but Docker's awslogs driver cuts at 262,118 bytes
(https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutLogEvents.html); Google 256 KiB
an entry (https://cloud.google.com/logging/quotas); Azure Monitor 64 KB a field
(https://learn.microsoft.com/azure/azure-monitor/service-limits); SLS searches 512 KB of a field
(https://www.alibabacloud.com/help/en/sls/user-guide/why-are-field-values-truncated-when-i-query-and-analyze-logs).
Docker's other drivers hand on pieces of 16 KiB, so that a longer line arrives as two broken ones: where lines
go that way, as on our machines on Azure and Google Cloud, that is the limit.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

LIMITS = {"aws": 262_118, "azure": 16_000, "google": 16_000, "aliyun": 500_000}
"""Bytes of a line with its end, by cloud."""
DEFAULT_LIMIT = 16_000
SMALLEST_LIMIT = 512
KEPT = ("timestamp", "severity", "level", "logger", "service", "trace_id", "span_id")
"""What is kept when even the shortened fields do not fit."""
_MARK = "…[cut]"
_SHORTEST = 64


def encoded(fields: Mapping[str, Any], limit: int) -> str:
    """One line of JSON, at most `limit` bytes in UTF-8 with its line end. What was cut is marked.

    The longest texts are cut first, wherever they are; `cut_bytes` says by how much the line was too long.
    """
    room = max(limit, SMALLEST_LIMIT) - 1
    line = dumped(fields)
    over = size(line) - room
    if over <= 0:
        return line
    shortened: dict[str, Any] = {**fields, "cut_bytes": over}
    most = room
    while most >= _SHORTEST:
        most //= 2
        line = dumped(_cut({**shortened}, most))
        if size(line) <= room:
            return _grown(shortened, most, room, line)
    few: dict[str, Any] = {key: _cut(fields[key], _SHORTEST // 2) for key in KEPT if key in fields}
    few["message"] = _cut(str(fields.get("message", "")), _SHORTEST // 2)
    few["cut_bytes"] = over
    line = dumped(few)
    return line if size(line) <= room else dumped({"severity": "ERROR", "message": _MARK, "cut_bytes": over})


def _grown(fields: Mapping[str, Any], low: int, room: int, line: str) -> str:
    """The longest texts that still fit, between `low` and twice as many signs."""
    high = low * 2
    while high - low > 32:
        middle = (low + high) // 2
        tried = dumped(_cut(fields, middle))
        if size(tried) <= room:
            low, line = middle, tried
        else:
            high = middle
    return line


def _cut(value: Any, most: int) -> Any:
    if isinstance(value, str):
        return value if len(value) <= most else value[: max(most - len(_MARK), 0)] + _MARK
    if isinstance(value, Mapping):
        return {key: _cut(inner, most) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        # A list of many small things is long, too.
        kept = [_cut(inner, most) for inner in value[: max(most // 8, 4)]]
        return [*kept, _MARK] if len(kept) < len(value) else kept
    return value


def dumped(value: Any) -> str:
    """Compact JSON; a lone surrogate is written as an escape, so that the line is UTF-8."""
    line = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    try:
        line.encode()
    except UnicodeEncodeError:
        return json.dumps(value, separators=(",", ":"), allow_nan=False)
    return line


def size(line: str) -> int:
    """Bytes in UTF-8."""
    return len(line) if line.isascii() else len(line.encode())
