"""`berth traces status`, `list` and `show`: what is stored, and how its delivery fares."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import click

from cloudberth.cli.storage.units import DURATION
from cloudberth.cli.traces.arguments import json_option, opened, store_option, table, tenant_option
from cloudberth.errors import NotFound

if TYPE_CHECKING:
    from cloudberth.tracing.reading import StoredSpan, Trace, TraceSummary


@click.command()
@store_option
@json_option
def status(store: str | None, as_json: bool) -> None:
    """How many spans there are, what was lost, and how each destination fares."""
    from cloudberth.tracing.destinations import Destinations
    from cloudberth.tracing.health import LOSSES, read_health

    with opened(store) as found:
        health = read_health(found.database)
        names = {each.id: each for each in Destinations(found.database).list()}
    if as_json:
        click.echo(json.dumps({"format": 1, **health.shown()}, indent=2))
        return
    alive = "running" if health.exporter_alive else "NOT RUNNING (berth traces export)"
    click.echo(f"spans     {health.spans:,} recorded, {health.stored:,} kept, {health.bytes / 1e6:,.1f} MB")
    click.echo(f"exporter  {alive}")
    for name, count in health.losses.items():
        if count:
            click.echo(f"lost      {count:,}: {LOSSES[name]}")
    rows = []
    for name, each in health.destinations.items():
        made = names.get(name)
        state = each.state if made is None or made.enabled else "off"
        rows.append(
            (
                name, made.name if made else "", state, f"{each.sent:,}", f"{each.failed:,}",
                f"{each.lost:,}",
                f"{each.queued:,}", f"{each.lag_ns / 1e9:.0f} s", each.last_error[:60],
            )
        )  # fmt: skip
    if rows:
        head = ("destination", "name", "state", "sent", "failed", "lost", "queued", "lag", "last error")
        click.echo("\n" + table(head, rows))


@click.command("list")
@store_option
@tenant_option
@click.option("--app", default=None, help="Only this app.")
@click.option("--session", default=None, help="Only this conversation.")
@click.option("--user", default=None, help="Only this user.")
@click.option("--model", default=None, help="Only traces in which this model answered.")
@click.option("--status", type=click.Choice(["ok", "error"]), default=None, help="Only good or failed ones.")
@click.option("--text", default=None, help="Only with this text in name, input or output.")
@click.option("--since", type=DURATION, default=None, help="Only of the last 15m, 2h, 7d.")
@click.option("--limit", type=click.IntRange(1, 500), default=20, show_default=True, help="How many.")
@json_option
def list_command(
    store: str | None, since: timedelta | None, as_json: bool, **wanted: Any
) -> None:  # fmt: skip
    """Traces, the newest first."""
    from cloudberth.tracing.reading import TraceFilter, list_traces

    since_ns = None
    if since is not None:
        since_ns = int((datetime.now(UTC) - since).timestamp() * 1e9)
    with opened(store) as found:
        page = list_traces(found.database, TraceFilter(since_ns=since_ns, **wanted))
    if as_json:
        traces = [line._asdict() for line in page.traces]
        click.echo(
            json.dumps({"format": 1, "traces": traces, "next": page.next}, indent=2, ensure_ascii=False)
        )
        return
    if not page.traces:
        click.echo("no traces" + (" in the newest ones; narrow the time down" if page.next else ""))
        return
    head = ("trace", "time", "name", "took", "spans", "tokens", "cost", "status", "input")
    click.echo(table(head, [_line(line) for line in page.traces]))


@click.command()
@click.argument("trace")
@store_option
@tenant_option
@click.option("--content", is_flag=True, help="Also what went in and came out.")
@json_option
def show(trace: str, store: str | None, tenant: str | None, content: bool, as_json: bool) -> None:
    """One trace as a tree of its spans."""
    from cloudberth.tracing.reading import read_trace

    with opened(store) as found:
        seen = read_trace(found.database, trace, tenant)
    if seen is None:
        raise NotFound("there is no such trace", where=trace)
    if as_json:
        click.echo(json.dumps(_document(seen), indent=2, ensure_ascii=False, default=str))
        return
    for span in seen.walk():
        click.echo(_span_line(span, seen.start_ns))
        if content:
            for name in ("input.value", "output.value"):
                if name in span.attributes:
                    click.echo(f"{'  ' * span.depth}    {name[:-6]}: {span.attributes[name]}")
    for told in seen.feedback:
        click.echo(
            f"feedback  {told.name} {told.label if told.score is None else told.score} {told.comment or ''}"
        )


def _line(line: TraceSummary) -> tuple[str, ...]:
    moment = datetime.fromtimestamp(line.start_ns / 1e9, UTC)
    return (
        line.trace_id, f"{moment:%m-%d %H:%M:%S}", line.name[:30], f"{line.duration_ns / 1e9:.2f} s",
        str(line.spans), f"{line.input_tokens}+{line.output_tokens}", f"{line.cost:.4f}" if line.cost else "",
        line.status, " ".join(line.input.split())[:50],
    )  # fmt: skip


def _span_line(span: StoredSpan, start_ns: int) -> str:
    tokens = ""
    if span.input_tokens is not None or span.output_tokens is not None:
        tokens = f"  {span.input_tokens or 0}+{span.output_tokens or 0} tokens"
    cost = f"  ${span.cost:.4f}" if span.cost else ""
    failed = f"  FAILED {span.status_message}" if span.status == "error" else ""
    at = f"+{(span.start_ns - start_ns) / 1e9:.3f} s"
    name = f"{'  ' * span.depth}{span.kind or 'SPAN'} {span.name}"
    took = f"{span.duration_ns / 1e9:>8.3f} s"
    return f"{name:<50}  {at:>10}  {took}  {span.model or ''}{tokens}{cost}{failed}".rstrip()


def _document(trace: Trace) -> dict[str, Any]:
    from dataclasses import asdict

    spans = [
        {name: value for name, value in asdict(span).items() if name != "children"} for span in trace.walk()
    ]
    feedback = [asdict(each) for each in trace.feedback]
    return {
        "format": 1,
        "trace_id": trace.trace_id,
        "tenant": trace.tenant,
        "spans": spans,
        "feedback": feedback,
    }
