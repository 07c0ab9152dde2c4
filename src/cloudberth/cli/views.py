"""Values → text for people: the resource tree, the cost table, the findings. Nothing here decides anything."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from decimal import Decimal

from rich.console import Group, RenderableType
from rich.markup import escape
from rich.padding import Padding
from rich.table import Table
from rich.text import Text
from rich.tree import Tree

from cloudberth.cost.model import Estimate, Line
from cloudberth.findings.model import Finding, Severity
from cloudberth.infra.plan import Action, Plan, Resource

_MARKS = {
    Action.CREATE: "[green]+[/green]",
    Action.UPDATE: "[yellow]~[/yellow]",
    Action.REPLACE: "[red]±[/red]",
    Action.DELETE: "[red]-[/red]",
    Action.READ: " ",
    Action.NONE: " ",
}
_VERBS = {
    Action.CREATE: "to create",
    Action.UPDATE: "to change",
    Action.REPLACE: "to replace",
    Action.DELETE: "to delete",
    Action.NONE: "unchanged",
}
_COLOURS = {
    Severity.CRITICAL: "bold red",
    Severity.HIGH: "red",
    Severity.MEDIUM: "yellow",
    Severity.LOW: "cyan",
    Severity.INFO: "dim",
}


def money(amount: Decimal) -> str:
    return f"${amount:,.2f}"


def resource_tree(plan: Plan, *, every_address: bool) -> RenderableType:
    """Modules with their resources: by type with counts, or every address."""
    by_module: dict[str, list[Resource]] = defaultdict(list)
    for resource in plan.resources:
        if not resource.data:
            by_module[resource.module or "root"].append(resource)
    tree = Tree(f"[bold]Resources[/bold]  {summary(plan)}")
    for module, resources in by_module.items():
        branch = tree.add(f"[bold]{escape(module)}[/bold]  [dim]{len(resources)}[/dim]")
        for line in _addresses(resources) if every_address else _types(resources):
            branch.add(line)
    return tree


def summary(plan: Plan) -> str:
    """``138 to create · 2 to change``."""
    counts = Counter(resource.action for resource in plan.resources if not resource.data)
    return (
        " · ".join(f"{counts[action]} {verb}" for action, verb in _VERBS.items() if counts[action]) or "none"
    )


def _addresses(resources: Iterable[Resource]) -> Iterator[str]:
    for resource in resources:
        yield f"{_MARKS[resource.action]} {escape(resource.address)}"


def _types(resources: Iterable[Resource]) -> Iterator[str]:
    counts = Counter((resource.type, resource.action) for resource in resources)
    for (kind, action), count in counts.items():
        times = f" [dim]× {count}[/dim]" if count > 1 else ""
        yield f"{_MARKS[action]} {escape(kind)}{times}"


def cost_table(estimate: Estimate) -> RenderableType:
    """One row a line, grouped by component; unknown prices say so and are counted."""
    table = Table(box=None, pad_edge=False, header_style="bold", expand=False)
    table.add_column("Monthly cost")
    table.add_column("Quantity", justify="right")
    table.add_column("Unit")
    table.add_column("Price", justify="right")
    table.add_column("US$ / month", justify="right")
    groups: dict[str, list[Line]] = defaultdict(list)
    for line in estimate.lines:
        groups[line.quantity.component].append(line)
    for component, lines in groups.items():
        known = sum((line.monthly for line in lines if line.monthly is not None), Decimal(0))
        table.add_row(f"[bold]{escape(component)}[/bold]", "", "", "", f"[bold]{known:,.2f}[/bold]")
        for line in lines:
            table.add_row(*_cost_row(line))
    return Group(table, Text(), *_cost_footer(estimate))


def _cost_row(line: Line) -> tuple[str, str, str, str, str]:
    quantity = line.quantity
    label = f"  {escape(quantity.label)}" + ("" if quantity.fixed else " [dim]*[/dim]")
    amount = f"{quantity.amount.normalize():,f}" if quantity.amount else "0"
    if "." in amount:
        amount = f"{quantity.amount:,.2f}"
    price = " / ".join(f"{price.usd.normalize():f}" for price in line.prices)
    total = "[yellow]unknown[/yellow]" if line.monthly is None else f"{line.monthly:,.2f}"
    return label, amount, escape(quantity.price.unit), price, total


def _cost_footer(estimate: Estimate) -> Iterator[RenderableType]:
    usage = estimate.monthly - estimate.fixed_monthly
    yield Text.from_markup(
        f"[bold]Total {money(estimate.monthly)} a month[/bold]  "
        f"({money(estimate.fixed_monthly)} fixed, {money(usage)} by usage *)"
    )
    assumed = [a for a in estimate.assumptions if not a.given]
    if assumed:
        yield Text.from_markup(
            f"[dim]* rests on {len(assumed)} assumed usage figures; see --assumptions, set your own under `usage:`[/dim]"
        )
    for line in estimate.unknown:
        yield Text.from_markup(
            f"[yellow]price unknown:[/yellow] {escape(line.quantity.label)} "
            f"[dim]({escape(line.quantity.resource)}: {escape(line.reason)})[/dim]"
        )
    if estimate.unpriced_types:
        yield Text.from_markup(f"[yellow]not priced:[/yellow] {escape(', '.join(estimate.unpriced_types))}")
    dates = [price.as_of for line in estimate.lines for price in line.prices]
    if dates:
        yield Text.from_markup(
            f"[dim]prices dated {min(dates)} to {max(dates)}, without tax and discounts[/dim]"
        )


def assumption_table(estimate: Estimate) -> RenderableType:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("Usage assumption", "Value", "Unit", "", "Meaning"):
        table.add_column(title, justify="right" if title == "Value" else "left")
    for item in estimate.assumptions:
        origin = "given" if item.given else "[dim]assumed[/dim]"
        table.add_row(
            escape(item.key), f"{item.value:,f}", escape(item.unit), origin, escape(item.description)
        )
    return table


def finding_list(findings: Iterable[Finding]) -> RenderableType:
    """Findings by severity, each with its remedy; suppressed ones are only counted."""
    shown = [finding for finding in findings if finding.suppressed is None]
    hidden = [finding for finding in findings if finding.suppressed is not None]
    counts = Counter(finding.severity for finding in shown)
    head = ", ".join(f"{counts[severity]} {severity.value}" for severity in Severity if counts[severity])
    parts: list[RenderableType] = [Text.from_markup(f"[bold]Findings[/bold]  {head or 'none'}")]
    for severity in Severity:
        for same in _grouped(finding for finding in shown if finding.severity is severity):
            parts.append(Padding(_finding(same), (0, 0, 0, 2)))
    if hidden:
        parts.append(Text.from_markup(f"  [dim]{len(hidden)} suppressed with a reason in the file[/dim]"))
    return Group(*parts)


def _grouped(findings: Iterable[Finding]) -> Iterator[list[Finding]]:
    """The same remark about several resources is printed once."""
    groups: dict[tuple[str, str, str], list[Finding]] = defaultdict(list)
    for finding in findings:
        groups[finding.id, finding.title, finding.remedy].append(finding)
    yield from groups.values()


def _finding(same: list[Finding]) -> RenderableType:
    first = same[0]
    where = ", ".join(finding.resource for finding in same if finding.resource)
    colour = _COLOURS[first.severity]
    lines = [
        f"[{colour}]{first.severity.value:<8}[/{colour}] {escape(first.title)}  [dim]{escape(first.id)}[/dim]"
    ]
    if where:
        lines.append(f"         [dim]{escape(where)}[/dim]")
    if first.detail:
        lines.append(f"         {escape(first.detail)}")
    if first.remedy:
        lines.append(f"         [cyan]→ {escape(first.remedy)}[/cyan]")
    return Text.from_markup("\n".join(lines))
