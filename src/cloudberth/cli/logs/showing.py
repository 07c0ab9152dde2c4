"""Records and rows → lines for people (with colours on a terminal) or for programs (JSON, one a line)."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import tzinfo
from typing import Any

import click

from cloudberth.logs.record import MESSAGE_KEYS, SPAN_KEYS, TIME_KEYS, TRACE_KEYS, Record
from cloudberth.logs.severity import KEYS, Severity

_COLOURS = {
    Severity.DEBUG: "bright_black",
    Severity.INFO: "green",
    Severity.NOTICE: "cyan",
    Severity.WARNING: "yellow",
    Severity.ERROR: "red",
    Severity.CRITICAL: "magenta",
}
# Shown elsewhere in the line, or the same again.
_SHOWN = {
    *KEYS, *MESSAGE_KEYS, *TIME_KEYS, *TRACE_KEYS, *SPAN_KEYS, "service", "trace_sampled", "trace_flags",
    "xray_trace_id", "exception",
}  # fmt: skip
_LONGEST_FIELD = 200


def show_record(record: Record, zone: tzinfo, *, as_json: bool) -> None:
    """One record on standard output. click takes the colours out where it is no terminal."""
    if as_json:
        click.echo(json.dumps(record.document(), ensure_ascii=False, default=str))
        return
    moment = record.time.astimezone(zone).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]
    level = record.severity
    parts = [
        click.style(moment, dim=True),
        click.style(f"{level.name if level else '':<8}", fg=_COLOURS.get(level) if level else None),
    ]
    if record.service:
        parts.append(click.style(record.service, fg="blue"))
    # A JSON line without a message: its fields say it all.
    if not (record.fields and record.message == record.raw.strip()):
        parts.append(safe(record.message))
    fields = " ".join(_fields(record))
    if fields:
        parts.append(click.style(fields, dim=True))
    if record.trace:
        parts.append(click.style(f"trace={safe(record.trace)}", dim=True))
    click.echo(" ".join(parts))
    exception = record.fields.get("exception")
    stack = exception.get("stacktrace") if isinstance(exception, Mapping) else exception
    for line in safe_lines(stack):
        click.echo(click.style(f"    {line}", dim=True))


def show_rows(rows: Sequence[Mapping[str, Any]], *, as_json: bool) -> None:
    """The rows of a native query or an analysis."""
    if as_json:
        for row in rows:
            click.echo(json.dumps(row, ensure_ascii=False, default=str))
        return
    columns = list(dict.fromkeys(name for row in rows for name in row))
    cells = [[cell(row.get(name)) for name in columns] for row in rows]
    widths = [max(len(name), *(len(line[i]) for line in cells)) for i, name in enumerate(columns)]
    if rows:
        head = "  ".join(name.ljust(width) for name, width in zip(columns, widths, strict=True))
        click.secho(head.rstrip(), bold=True)
    for row, line in zip(rows, cells, strict=True):
        shown = [
            text.rjust(width) if _is_number(row.get(name)) else text.ljust(width)
            for name, text, width in zip(columns, line, widths, strict=True)
        ]
        click.echo("  ".join(shown).rstrip())


def cell(value: Any) -> str:
    """A value of a table."""
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, dict | list):
        return safe(json.dumps(value, ensure_ascii=False, default=str))[:_LONGEST_FIELD]
    return safe(str(value))[:_LONGEST_FIELD]


def safe(text: str) -> str:
    """Control signs, with which a log line could rewrite the terminal, as escapes."""
    if text.isprintable():
        return text
    return "".join(
        sign if sign.isprintable() else sign.encode("unicode_escape", "backslashreplace").decode("ascii")
        for sign in text
    )


def safe_lines(text: object) -> Iterable[str]:
    """The lines of a stack trace."""
    return [safe(line) for line in text.splitlines()] if isinstance(text, str) else ()


def _fields(record: Record) -> Iterable[str]:
    for name, value in record.fields.items():
        if name not in _SHOWN and not name.startswith("logging.googleapis.com/"):
            yield f"{safe(name)}={cell(value)}"


def _is_number(value: Any) -> bool:
    if isinstance(value, str):
        return value.replace(".", "", 1).isdigit()
    return isinstance(value, int | float) and not isinstance(value, bool)
