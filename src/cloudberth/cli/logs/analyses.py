"""`berth logs saved`: the saved analyses, which `berth up` also made as named queries in the cloud."""

from __future__ import annotations

from datetime import UTC, datetime

import click
from click.shell_completion import CompletionItem

from cloudberth.cli.logs.arguments import Source, open_source, source_options, span_options, zone_of


class AnalysisType(click.ParamType):  # type: ignore[type-arg]
    """The name of a saved analysis."""

    name = "analysis"

    def shell_complete(
        self,
        ctx: click.Context,  # noqa: ARG002
        param: click.Parameter,  # noqa: ARG002
        incomplete: str,
    ) -> list[CompletionItem]:
        from cloudberth.logs.analysis import SAVED

        return [
            CompletionItem(each.name, help=each.title) for each in SAVED if each.name.startswith(incomplete)
        ]


@click.group()
def saved() -> None:
    """Saved analyses: errors by service, slowest requests, token cost by app, plugin failures."""


@saved.command("list")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
def list_saved(as_json: bool) -> None:
    """Say which there are."""
    from cloudberth.cli.logs.showing import show_rows
    from cloudberth.logs.analysis import SAVED

    rows = [{"name": each.name, "title": each.title, "description": each.description} for each in SAVED]
    show_rows(rows, as_json=as_json)


@saved.command("run")
@click.argument("name", type=AnalysisType())
@source_options
@span_options("24h")
@click.option("--explain", is_flag=True, help="Print the query in the store's own language, and run nothing.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
def run_saved(
    name: str, source: Source, since: str, until: str, time_zone: str, explain: bool, as_json: bool
) -> None:
    """Run the analysis NAME over the lines since a day ago.

    \b
    berth logs saved run errors-by-service --since 7d
    berth logs saved run slowest-requests --from 'logs/*.log'
    """
    from cloudberth.cli.logs.showing import show_rows
    from cloudberth.logs.analysis import saved as named
    from cloudberth.logs.filter import Filter
    from cloudberth.logs.moments import moment

    analysis = named(name)
    now, zone = datetime.now(UTC), zone_of(time_zone)
    span = Filter(moment(since, now, zone), moment(until, now, zone))
    with open_source(source, quiet=as_json) as reader:
        if explain:
            click.echo(reader.compiled_analysis(analysis))
            return
        rows = reader.analyse(analysis, span.since, span.until)
        show_rows(rows, as_json=as_json)
        if not rows:
            reader.remark("no line belongs to it in this time span")
