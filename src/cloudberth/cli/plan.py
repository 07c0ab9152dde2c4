"""`berth plan` and `berth diagram`: see everything before anything exists."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import click
from rich.markup import escape
from rich.padding import Padding

from cloudberth import pipeline
from cloudberth.cli import views
from cloudberth.cli.console import deployment_argument, err, json_option, out, print_json, workspace_option
from cloudberth.cli.difference import show_difference
from cloudberth.cli.live import live_plan
from cloudberth.cli.progress import StepProgress
from cloudberth.cost.estimate import estimate
from cloudberth.cost.model import Estimate
from cloudberth.deployment.model import Deployment
from cloudberth.errors import InvalidInput
from cloudberth.findings.model import Finding, Severity
from cloudberth.findings.review import review
from cloudberth.infra.plan import Plan
from cloudberth.infra.plan_json import read_plan
from cloudberth.infra.workspace import write_file
from cloudberth.report import Report, missing, report
from cloudberth.report import as_json as report_document

_LOCALLY = "a platform on this machine, without any cloud: berth up --local"


@dataclass(frozen=True, slots=True)
class Subject:
    """A plan with what belongs to it. deployment is None for a plan JSON that somebody brought."""

    name: str
    deployment: Deployment | None
    plan: Plan
    estimate: Estimate
    findings: tuple[Finding, ...]

    def report(self, diagram: Path | None) -> Report:
        deployment = self.deployment
        return report(
            self.plan,
            self.estimate,
            self.findings,
            name=self.name,
            app=deployment.app if deployment else "",
            version=pipeline.application(deployment).version if deployment else "",
            cloud=deployment.cloud if deployment else "",
            size=deployment.size if deployment else "",
            diagram=str(diagram) if diagram else None,
        )


def subject_of(file: Path, *, live: bool = False, workspace: Path | None = None) -> Subject:
    """Read FILE, a deployment file or a `terraform show -json` document, and look at it from all sides."""
    if file.suffix == ".json":
        plan = read_plan(file)
        usage = estimate(plan)
        return Subject(file.stem, None, plan, usage, review(plan))
    deployment = pipeline.read(file)
    if live:
        plan = live_plan(deployment, file, workspace)
    else:
        with StepProgress("Rehearsing the plan") as progress:
            plan = pipeline.rehearse_plan(deployment, progress.step_done, progress.event)
    return Subject(
        deployment.name, deployment, plan, pipeline.price(plan, deployment), pipeline.review(plan, deployment)
    )


@click.command()
@deployment_argument
@click.option("--live", is_flag=True, help="Plan with the real providers and your credentials.")
@workspace_option
@click.option(
    "--diff",
    "old",
    type=click.Path(path_type=Path),
    help="Compare with an older deployment file or plan JSON.",
)
@click.option(
    "--diagram",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Where to write the picture (default: <name>.svg here).",
)
@click.option("--no-diagram", is_flag=True, help="Write no picture.")
@click.option("--full", is_flag=True, help="List every resource by address.")
@click.option("--assumptions", is_flag=True, help="Show the usage figures behind the costs.")
@click.option(
    "--fail-on",
    type=click.Choice([severity.value for severity in Severity]),
    help="Exit with 4 if a finding is at least this severe.",
)
@json_option
def plan(
    file: Path,
    live: bool,
    workspace: Path | None,
    old: Path | None,
    diagram: Path | None,
    no_diagram: bool,
    full: bool,
    assumptions: bool,
    fail_on: str | None,
    as_json: bool,
) -> int:
    """Show what FILE would create, what it costs a month and what is risky about it.

    FILE is a deployment file (default berth.yaml) or the output of `terraform show -json`. Nothing is
    created, and without --live nothing leaves this machine: Terraform runs against simulated providers.
    """
    subject = subject_of(file, live=live, workspace=workspace)
    picture = None if no_diagram else _draw(subject, diagram)
    if old is not None:
        return show_difference(subject_of(old), subject, as_json=as_json)
    if as_json:
        print_json(report_document(subject.report(picture)))
    else:
        _show(subject, full=full, assumptions=assumptions)
        if picture:
            out.print(f"[bold]Picture[/bold]  {picture}", soft_wrap=True)
        err.print(f"[dim]{_LOCALLY}[/dim]")
    return _exit_code(subject.findings, fail_on)


@click.command()
@deployment_argument
@click.option(
    "--output",
    "-o",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Where to write (default: <name>.svg here; - for standard output).",
)
def diagram(file: Path, output: Path | None) -> None:
    """Draw FILE, a deployment file or a `terraform show -json` document, as an SVG."""
    subject = subject_of(file)
    if output == Path("-"):
        click.echo(pipeline.draw(subject.plan))
        return
    out.print(str(_draw(subject, output)), soft_wrap=True)


def _draw(subject: Subject, path: Path | None) -> Path:
    path = path or Path(f"{subject.name}.svg")
    try:
        write_file(path, pipeline.draw(subject.plan))
    except OSError as error:
        raise InvalidInput(
            f"the picture cannot be written: {error.strerror}",
            where=str(path),
            hint="choose a path with --diagram",
        ) from None
    return path


def _show(subject: Subject, *, full: bool, assumptions: bool) -> None:
    plan = subject.plan
    providers = ", ".join(
        f"{source.rsplit('/', 1)[-1]} {version}" for source, version in plan.providers.items()
    )
    kind = "rehearsal with simulated providers" if plan.rehearsal else "plan"
    title = f"[bold]{subject.name}[/bold]"
    if subject.deployment:
        app = pipeline.application(subject.deployment)
        chosen = subject.deployment
        title += f"  {app.name} {app.version} on {chosen.cloud} {chosen.region}, {chosen.size}"
    out.print(title)
    for remark in pipeline.remarks(subject.deployment) if subject.deployment else ():
        out.print(f"[yellow]note:[/yellow] {escape(remark)}", soft_wrap=True)
    out.print(
        f"[dim]{kind} · schema {providers or '?'} · Terraform {plan.terraform_version}[/dim]\n",
        soft_wrap=True,
    )
    out.print(views.resource_tree(plan, every_address=full))
    out.print()
    out.print(views.cost_table(subject.estimate))
    out.print()
    if assumptions:
        out.print(views.assumption_table(subject.estimate))
        out.print()
    out.print(views.finding_list(subject.findings))
    out.print()
    remarks = missing(plan)
    if remarks:
        out.print("[bold]Before people rely on it[/bold]")
        for remark in remarks:
            out.print(Padding(f"· {escape(remark)}", (0, 0, 0, 2), expand=False))
        out.print()


def _exit_code(findings: tuple[Finding, ...], fail_on: str | None) -> int:
    if fail_on is None:
        return 0
    order = list(Severity)
    worst = order.index(Severity(fail_on))
    severe = [f for f in findings if f.suppressed is None and order.index(f.severity) <= worst]
    if severe:
        err.print(f"{len(severe)} findings are {fail_on} or worse")
    return 4 if severe else 0
