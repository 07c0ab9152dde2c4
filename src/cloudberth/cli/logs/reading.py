"""`berth logs query` and `berth logs tail`."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import click

from cloudberth.cli.logs.arguments import (
    Source,
    Wanted,
    filter_options,
    open_source,
    source_options,
    span_options,
)
from cloudberth.errors import InvalidInput

if TYPE_CHECKING:
    from cloudberth.logs.contract import LogReader


@click.command()
@span_options("1h")
@filter_options
@source_options
@click.option(
    "--limit", "-n", type=click.IntRange(1, 1_000_000), default=100, show_default=True, help="The newest."
)
@click.option("--follow", "-f", is_flag=True, help="Go on with what comes; stop with Ctrl-C.")
@click.option(
    "--raw", metavar="QUERY", help="Run a query in the store's own language in place of the filter."
)
@click.option("--explain", is_flag=True, help="Print the query in the store's own language, and run nothing.")
@click.option("--fail-on-match", is_flag=True, help="Exit code 4 when there is a line.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
def query(
    wanted: Wanted,
    source: Source,
    limit: int,
    follow: bool,
    raw: str | None,
    explain: bool,
    fail_on_match: bool,
    as_json: bool,
) -> int:
    """Print log lines, oldest first.

    FIELD=VALUE compares a field of JSON lines (FIELD!=VALUE, FIELD>=NUMBER; a.b for nested ones).

    \b
    berth logs query --since 2h --level error --service api
    berth logs query --trace 4bf92f3577b34da6a3ce929d0e0e4736
    berth logs query --from 'logs/*.log' --text timeout 'status>=500' --json
    """
    from cloudberth.cli.logs.showing import show_record, show_rows

    now = datetime.now(UTC)
    filter = wanted.filter(now)
    if follow and (raw or explain or fail_on_match):
        raise click.UsageError("--follow goes with none of --raw, --explain and --fail-on-match")
    with open_source(source, quiet=as_json) as reader:
        if explain:
            click.echo(reader.compiled(filter, limit))
            return 0
        if raw is not None:
            rows = reader.raw(raw, filter.since, filter.until, limit)
            show_rows(rows, as_json=as_json)
            return 4 if rows and fail_on_match else 0
        if follow:
            return _follow(reader, wanted, now, as_json=as_json)
        records = reader.query(filter, limit)
        for record in records:
            show_record(record, wanted.zone, as_json=as_json)
        if len(records) == limit:
            reader.remark(f"these are the newest {limit:,}; --limit shows more")
        return 4 if records and fail_on_match else 0


@click.command()
@span_options("5m")
@filter_options
@source_options
@click.option("--for", "duration", type=float, metavar="SECONDS", help="Stop after this time.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
def tail(wanted: Wanted, source: Source, duration: float | None, as_json: bool) -> int:
    """Print log lines as they come (and those since --since); stop with Ctrl-C.

    Clouds show lines late, AWS by seconds, Azure by minutes; lines are printed once, when they are there.
    """
    with open_source(source, quiet=as_json) as reader:
        return _follow(reader, wanted, datetime.now(UTC), as_json=as_json, duration=duration)


def _follow(
    reader: LogReader, wanted: Wanted, now: datetime, *, as_json: bool, duration: float | None = None
) -> int:
    from dataclasses import replace

    from cloudberth.cli.logs.showing import show_record

    if wanted.until != "now":
        raise InvalidInput("following has no end", hint="leave --until out")
    # The end plays no part; it has to be behind the beginning.
    filter = replace(wanted, until="now").filter(now + timedelta(microseconds=1))
    ends = None if duration is None else time.monotonic() + duration
    if ends is not None:
        _stop_at(ends)
    try:
        for record in reader.follow(filter):
            show_record(record, wanted.zone, as_json=as_json)
    except KeyboardInterrupt:
        return 130 if ends is None else 0
    return 0


def _stop_at(moment: float) -> None:
    """An interrupt of our own: it also ends a follower that waits."""
    import _thread
    import threading

    timer = threading.Timer(max(moment - time.monotonic(), 0), _thread.interrupt_main)
    timer.daemon = True
    timer.start()
