"""`berth rehearse`: the whole life of a deployment, offline."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from cloudberth import pipeline
from cloudberth.cli.console import deployment_argument, err, json_option, out, print_json
from cloudberth.cli.progress import StepProgress
from cloudberth.infra.rehearsal import Rehearsal


@click.command()
@deployment_argument
@json_option
def rehearse(file: Path, as_json: bool) -> int:
    """Apply FILE offline, plan again (must be empty), wire every service, destroy.

    Terraform is real, the providers are simulated: no account, no network. Exit code 1 when the second plan
    is not empty, something survives the destroy, a secret shows, or an environment cannot be wired.
    """
    deployment = pipeline.read(file)
    with StepProgress(f"Rehearsing {deployment.name}") as progress:
        result = pipeline.rehearse(deployment, progress.step_done, progress.event)
    environments = pipeline.wire(deployment, result.facts)
    verdict = _verdict(result)
    if as_json:
        print_json(_document(deployment.name, result, environments, verdict))
    else:
        _show(deployment.name, result, environments)
    for failure in verdict:
        err.print(f"[red]failed:[/red] {failure}", soft_wrap=True)
    return 1 if verdict else 0


def _verdict(result: Rehearsal) -> list[str]:
    failures = [f"the second plan would change {resource.address}" for resource in result.changes]
    if result.destroyed != result.created:
        failures.append(f"{result.created} resources were created, {result.destroyed} destroyed")
    failures += [f"a secret value stands in the {place}" for place in result.leaks]
    return failures


def _show(name: str, result: Rehearsal, environments: dict[str, dict[str, str]]) -> None:
    out.print(f"[bold]{name}[/bold]  rehearsed with {result.label}", soft_wrap=True)
    second = "empty" if not result.changes else "NOT empty"
    out.print(f"  {result.created} resources created, second plan {second}")
    out.print(f"  address {result.outputs.get('address', '')}", soft_wrap=True)
    for missing in result.outputs.get("missing", ()):
        out.print(f"  [yellow]missing:[/yellow] {missing}", soft_wrap=True)
    for service, variables in environments.items():
        out.print(f"  {service:<18} {len(variables):>4} variables")
    kept = f" but {result.exposed} that the provider keeps in the state" if result.exposed else ""
    secrets = "SECRETS IN PLAN OR STATE" if result.leaks else f"no secret in plan or state{kept}"
    out.print(f"  {result.destroyed} resources destroyed · {secrets} · {result.seconds:.1f} s")


def _document(
    name: str, result: Rehearsal, environments: dict[str, dict[str, str]], verdict: list[str]
) -> dict[str, Any]:
    return {
        "format": 1,
        "name": name,
        "label": result.label,
        "created": result.created,
        "destroyed": result.destroyed,
        "second_plan_changes": [resource.address for resource in result.changes],
        "outputs": dict(result.outputs),
        "variables_per_service": {service: len(variables) for service, variables in environments.items()},
        "steps": [{"name": step.name, "seconds": round(step.seconds, 2)} for step in result.steps],
        "failures": verdict,
    }
