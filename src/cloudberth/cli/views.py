"""Values → text for people: the resource tree, the cost table, the findings. Nothing is decided here."""

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
from cloudberth.cost.report import by_component, known_sum, plain, total_in_words
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
    table.add_column("Quantity", justify="right", no_wrap=True)
    table.add_column("Unit", no_wrap=True)
    table.add_column("Price", justify="right", no_wrap=True)
    table.add_column("US$", justify="right", no_wrap=True)
    for group in by_component(estimate):
        table.add_row(f"[bold]{escape(group.title)}[/bold]", "", "", "", f"[bold]{group.monthly:,.2f}[/bold]")
        for row in _cost_rows(group.lines):
            table.add_row(*row)
    return Group(table, Text(), *_cost_footer(estimate))


def _cost_rows(lines: Iterable[Line]) -> Iterator[tuple[str, str, str, str, str]]:
    """The same thing at the same price is one row, however many resources it comes from."""
    same: dict[tuple[object, ...], list[Line]] = defaultdict(list)
    for line in lines:
        known = line.monthly is not None
        same[line.quantity.label, line.quantity.price, line.quantity.fixed, line.prices, known].append(line)
    for group in same.values():
        yield _cost_row(group)


def _cost_row(lines: list[Line]) -> tuple[str, str, str, str, str]:
    quantity = lines[0].quantity
    times = f" [dim]({len(lines)} ×)[/dim]" if len(lines) > 1 else ""
    label = f"  {escape(quantity.label)}{times}" + ("" if quantity.fixed else " [dim]*[/dim]")
    amount = sum((line.quantity.amount for line in lines), Decimal(0))
    price = " / ".join(plain(price.usd) for price in lines[0].prices)
    total = known_sum(lines)
    shown = "[yellow]unknown[/yellow]" if lines[0].monthly is None else f"{total:,.2f}"
    return label, _amount(amount), escape(quantity.price.unit), price, shown


def _amount(amount: Decimal) -> str:
    return f"{amount:,.0f}" if amount == amount.to_integral_value() else f"{amount:,.2f}"


def _cost_footer(estimate: Estimate) -> Iterator[RenderableType]:
    yield Text.from_markup(
        f"[bold]{escape(total_in_words(estimate))}[/bold]  "
        f"({money(estimate.fixed_monthly)} fixed, {money(estimate.usage_monthly)} by usage *)"
    )
    assumed = sum(1 for assumption in estimate.assumptions if not assumption.given)
    if assumed:
        yield Text.from_markup(
            f"[dim]* rests on {assumed} assumed usage figures: --assumptions lists them, "
            "`usage:` in the file sets them[/dim]"
        )
    for line in estimate.unknown:
        yield Text.from_markup(
            f"[yellow]price unknown:[/yellow] {escape(line.quantity.label)} "
            f"[dim]({escape(line.quantity.resource)}: {escape(line.reason)})[/dim]"
        )
    if estimate.unpriced_types:
        yield Text.from_markup(f"[yellow]not priced:[/yellow] {escape(', '.join(estimate.unpriced_types))}")
    for note in estimate.notes:
        yield Text.from_markup(f"[dim]{escape(note)}[/dim]")


def assumption_table(estimate: Estimate) -> RenderableType:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("Usage assumption", "Value", "Unit", "", "Meaning"):
        table.add_column(title, justify="right" if title == "Value" else "left")
    for item in estimate.assumptions:
        origin = "given" if item.given else "[dim]assumed[/dim]"
        table.add_row(
            escape(item.key), f"{plain(item.value)}", escape(item.unit), origin, escape(item.description)
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
            parts.append(Padding(_finding(same), (0, 0, 0, 2), expand=False))
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
