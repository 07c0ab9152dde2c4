"""`berth compare`: the same file on several clouds."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click
from rich.markup import escape
from rich.table import Table

from cloudberth import pipeline
from cloudberth.cli.console import deployment_argument, json_option, out, print_json
from cloudberth.cli.progress import StepProgress
from cloudberth.comparison import Comparison, Row, Side
from cloudberth.comparison import compare as compare_sides
from cloudberth.cost.chart import Bar, stacked_bars
from cloudberth.deployment.elsewhere import Elsewhere, on_cloud
from cloudberth.deployment.facts import clouds
from cloudberth.errors import InvalidInput
from cloudberth.findings.model import Severity
from cloudberth.infra.workspace import write_file


@click.command()
@deployment_argument
@click.option("--clouds", "names", default="", help="Comma-separated (default: all).")
@click.option(
    "--region",
    "regions",
    multiple=True,
    metavar="CLOUD=REGION",
    help="Region on a cloud (default: the nearest to the file's own).",
)
@click.option(
    "--chart",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Where to write (default: <name>-clouds.svg here).",
)
@click.option("--no-chart", is_flag=True, help="Write no chart.")
@json_option
def compare(
    file: Path, names: str, regions: tuple[str, ...], chart: Path | None, no_chart: bool, as_json: bool
) -> None:
    """Show what FILE would be on each cloud: resources, monthly cost by component, findings, what is unknown.

    Machine types and other names of one cloud give way to the defaults of the file's size on the others.
    Everything is rehearsed offline.
    """
    known = clouds()
    wanted = [name.strip() for name in names.split(",") if name.strip()] or list(known)
    for name in wanted:
        if name not in known:
            raise InvalidInput(
                f"there is no cloud {name!r}", where="--clouds", hint=f"one of {', '.join(known)}"
            )
    places = _regions(regions, known)
    sides = tuple(_side(on_cloud(file, name, places.get(name), os.environ), as_json) for name in wanted)
    comparison = compare_sides(sides)
    title = sides[0].plan.name or file.stem
    picture = None if no_chart else _chart(comparison, title, chart)
    if as_json:
        print_json(_document(comparison, picture))
        return
    _show(comparison, title)
    if picture:
        out.print(f"\n[bold]Chart[/bold]  {picture}", soft_wrap=True)


def _regions(given: tuple[str, ...], known: tuple[str, ...]) -> dict[str, str]:
    places = {}
    for pair in given:
        cloud, separator, region = pair.partition("=")
        if not separator or cloud not in known:
            raise InvalidInput(
                f"{pair!r} is not CLOUD=REGION", where="--region", hint=f"clouds: {', '.join(known)}"
            )
        places[cloud] = region
    return places


def _side(there: Elsewhere, quiet: bool) -> Side:
    deployment = there.deployment
    with StepProgress(f"Rehearsing on {deployment.cloud}", quiet=quiet) as progress:
        plan = pipeline.rehearse_plan(deployment, None, progress.event)
    return Side(
        cloud=deployment.cloud,
        region=deployment.region,
        plan=plan,
        estimate=pipeline.price(plan, deployment),
        findings=pipeline.review(plan, deployment),
        replaced=there.replaced,
    )


def _chart(comparison: Comparison, title: str, path: Path | None) -> Path:
    path = path or Path(f"{title}-clouds.svg")
    bars = [
        Bar(
            f"{side.cloud} {side.region}",
            [(row.title, row.cells[index].monthly) for row in comparison.rows],
            len(side.estimate.unknown),
        )
        for index, side in enumerate(comparison.sides)
    ]
    try:
        write_file(path, stacked_bars(f"{title} on {len(bars)} clouds", bars))
    except OSError as error:
        raise InvalidInput(f"the chart cannot be written: {error.strerror}", where=str(path)) from None
    return path


def _show(comparison: Comparison, title: str) -> None:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column(escape(title))
    for side in comparison.sides:
        table.add_column(f"{side.cloud}\n[dim]{side.region}[/dim]", justify="right")
    table.add_row("resources", *(str(side.resources) for side in comparison.sides))
    for row in comparison.rows:
        table.add_row(escape(row.title), *_cells(row))
    table.add_row(
        "[bold]US$ a month[/bold]",
        *(f"[bold]{side.estimate.monthly:,.2f}[/bold]" for side in comparison.sides),
    )
    table.add_row("  of it fixed", *(f"{side.estimate.fixed_monthly:,.2f}" for side in comparison.sides))
    table.add_row("prices unknown", *(str(len(side.estimate.unknown)) for side in comparison.sides))
    for severity in Severity:
        if any(side.severities[severity] for side in comparison.sides):
            counts = (str(side.severities[severity]) for side in comparison.sides)
            table.add_row(f"findings, {severity.value}", *counts)
    out.print(table)
    _show_reasons(comparison)


def _cells(row: Row) -> list[str]:
    cheapest = min((row.cells[index].monthly for index in row.certain), default=None)
    shown = []
    for cell in row.cells:
        text = f"{cell.monthly:,.2f}" + (f" [yellow]+{cell.unknown}?[/yellow]" if cell.unknown else "")
        best = cell.monthly == cheapest and not cell.unknown and row.spread > 0
        shown.append(f"[green]{text}[/green]" if best else text)
    return shown


def _show_reasons(comparison: Comparison) -> None:
    if comparison.reasons:
        out.print("\n[bold]Largest differences[/bold]")
    for reason in comparison.reasons:
        more = f"${reason.spread:,.2f} more on {reason.dearest} than on {reason.cheapest}"
        out.print(f"  {escape(reason.title)}: {more}")
        for cloud, lines in (
            (reason.dearest, reason.dearest_lines),
            (reason.cheapest, reason.cheapest_lines),
        ):
            out.print(f"    [dim]{cloud}:[/dim] {escape(' · '.join(lines) or 'nothing')}")
    for side in comparison.sides:
        if side.replaced:
            out.print(f"[dim]{side.cloud}: defaults of the size instead of {', '.join(side.replaced)}[/dim]")


def _document(comparison: Comparison, picture: Path | None) -> dict[str, Any]:
    return {
        "format": 1,
        "clouds": [
            {
                "cloud": side.cloud,
                "region": side.region,
                "resources": side.resources,
                "monthly": f"{side.estimate.monthly:.2f}",
                "fixed_monthly": f"{side.estimate.fixed_monthly:.2f}",
                "unknown": len(side.estimate.unknown),
                "components": {
                    row.component: {"monthly": f"{row.cells[i].monthly:.2f}", "unknown": row.cells[i].unknown}
                    for row in comparison.rows
                },
                "findings": {severity.value: count for severity, count in sorted(side.severities.items())},
                "replaced": list(side.replaced),
            }
            for i, side in enumerate(comparison.sides)
        ],
        "reasons": [
            {
                "component": reason.title,
                "spread": f"{reason.spread:.2f}",
                "dearest": {"cloud": reason.dearest, "lines": list(reason.dearest_lines)},
                "cheapest": {"cloud": reason.cheapest, "lines": list(reason.cheapest_lines)},
            }
            for reason in comparison.reasons
        ],
        "chart": str(picture) if picture else None,
    }
