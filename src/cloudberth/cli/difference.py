"""`berth plan NEW --diff OLD`: two plans in resources and money."""

from __future__ import annotations

from dataclasses import asdict
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from rich.markup import escape
from rich.table import Table

from cloudberth.cli import views
from cloudberth.cli.console import out, print_json
from cloudberth.cost.difference import Difference, compare
from cloudberth.cost.report import TITLES
from cloudberth.infra.difference import PlanDifference, compare_plans

if TYPE_CHECKING:
    from cloudberth.cli.plan import Subject

_SHOWN_ATTRIBUTES = 6


def show_difference(old: Subject, new: Subject, *, as_json: bool) -> int:
    """Print the difference; exit code 0 whether or not there is one."""
    resources = compare_plans(old.plan, new.plan)
    money = compare(old.estimate, new.estimate)
    if as_json:
        print_json(_document(old, new, resources, money))
    else:
        out.print(f"[bold]{escape(old.name)} → {escape(new.name)}[/bold]")
        _show_resources(resources)
        _show_money(old, new, money)
    return 0


def _show_resources(difference: PlanDifference) -> None:
    if difference.empty:
        out.print("The same resources.")
    for address in difference.added:
        out.print(f"[green]+[/green] {escape(address)}")
    for address in difference.removed:
        out.print(f"[red]-[/red] {escape(address)}")
    for resource in difference.changed:
        out.print(f"[yellow]~[/yellow] {escape(resource.address)}")
        for change in resource.attributes[:_SHOWN_ATTRIBUTES]:
            values = f"{_short(change.before)} → {_short(change.after)}"
            out.print(f"    [dim]{escape(change.path)}:[/dim] {escape(values)}")
        more = len(resource.attributes) - _SHOWN_ATTRIBUTES
        if more > 0:
            out.print(f"    [dim]and {more} more attributes[/dim]")


def _short(value: Any) -> str:
    text = "none" if value is None else str(value)
    return text if len(text) <= 48 else text[:45] + "…"


def _show_money(old: Subject, new: Subject, difference: Difference) -> None:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("Monthly cost", "before", "after", "change"):
        table.add_column(title, justify="left" if title == "Monthly cost" else "right")
    for row in difference.components:
        table.add_row(
            escape(TITLES.get(row.component, row.component)),
            f"{row.before:,.2f}",
            f"{row.after:,.2f}",
            _signed(row.delta),
        )
    before, after = old.estimate.monthly, new.estimate.monthly
    table.add_row(
        "[bold]Total[/bold]", f"{before:,.2f}", f"{after:,.2f}", f"[bold]{_signed(after - before)}[/bold]"
    )
    out.print()
    out.print(table)
    unknown = len(new.estimate.unknown)
    if unknown:
        out.print(f"[yellow]{unknown} prices are unknown and in neither sum[/yellow]")


def _signed(amount: Decimal) -> str:
    colour = "red" if amount > 0 else "green" if amount < 0 else "dim"
    return f"[{colour}]{amount:+,.2f}[/{colour}]"


def _document(old: Subject, new: Subject, resources: PlanDifference, money: Difference) -> dict[str, Any]:
    return {
        "format": 1,
        "before": old.name,
        "after": new.name,
        "resources": asdict(resources),
        "monthly_before": f"{old.estimate.monthly:.2f}",
        "monthly_after": f"{new.estimate.monthly:.2f}",
        "monthly_change": f"{new.estimate.monthly - old.estimate.monthly:.2f}",
        "components": [
            {
                "name": TITLES.get(row.component, row.component),
                "before": str(row.before),
                "after": str(row.after),
                "change": str(row.delta),
            }
            for row in money.components
        ],
        "summary": views.summary(new.plan),
    }
