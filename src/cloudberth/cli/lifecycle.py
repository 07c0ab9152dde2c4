"""`berth up` and `berth down`: create and remove, with the user's credentials."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import click

from cloudberth import pipeline
from cloudberth.cli import views
from cloudberth.cli.console import (
    confirm,
    data_option,
    deployment_argument,
    err,
    json_option,
    local_option,
    out,
    workspace_option,
    yes_option,
)
from cloudberth.cli.live import apply, planned, settle_state
from cloudberth.cli.local_platform import DEFAULT_FILE, place_of, renew_token
from cloudberth.cli.local_platform import start as start_local
from cloudberth.cli.local_platform import stop as stop_local
from cloudberth.cli.workspaces import backend_for, existing_folder, folder_for
from cloudberth.deployment.model import Deployment
from cloudberth.errors import InvalidInput, Refused
from cloudberth.findings.model import Finding, Severity
from cloudberth.findings.review import review
from cloudberth.infra import workspace as workspaces
from cloudberth.infra.plan import Action, Plan
from cloudberth.infra.runner import Runner

_DATA_LOSS = ("changes.data-deleted", "changes.data-replaced")


@click.command()
@deployment_argument
@workspace_option
@yes_option
@click.option(
    "--allow-data-loss", is_flag=True, help="Go on although a data store would be deleted or replaced."
)
@local_option
@click.option(
    "--port", type=click.IntRange(1, 65535), help="Local: the port, else 8840 or the next free one."
)
@click.option("--host", help="Local: the address to listen on.")
@data_option
@click.option("--foreground", is_flag=True, help="Local: stay in this terminal; Ctrl-C stops it.")
@click.option("--new-token", is_flag=True, help="Local: make a new administrator token and show it.")
@json_option
def up(
    file: Path, workspace: Path | None, yes: bool, allow_data_loss: bool, local: bool, port: int | None,
    host: str | None, data: Path | None, foreground: bool, new_token: bool, as_json: bool,
) -> int:  # fmt: skip
    """Create or change what FILE describes, after showing the plan and its price.

    Uses your cloud credentials and creates things that cost money. With `cloud: local` in FILE, or --local,
    it starts a platform on this machine instead: server, console, workers; nothing else is needed.
    """
    place = place_of(file, local=local, data=data)
    if place is not None:
        given = {"port": port, "host": host}
        changes = {name: value for name, value in given.items() if value is not None}
        place = replace(place, platform=place.platform.model_copy(update=changes))
        if new_token:
            click.echo(f"The new administrator token: {renew_token(place)}", err=as_json)
        return start_local(place, foreground=foreground, as_json=as_json)
    if data or port or host or foreground or new_token or as_json:
        raise click.UsageError("this is for a platform on this machine: --local, or cloud: local in the file")
    if not file.exists() and file == DEFAULT_FILE:
        hint = "`berth init` writes one; `berth up --local` starts a platform on this machine without"
        raise InvalidInput("there is no such file", where=str(file), hint=hint)
    _up(file, workspace, yes, allow_data_loss)
    return 0


def _up(file: Path, workspace: Path | None, yes: bool, allow_data_loss: bool) -> None:
    deployment = pipeline.read(file)
    folder = folder_for(deployment, file, workspace)
    backend, move = settle_state(deployment, folder, yes=yes)
    workspaces.write(pipeline.lay_out(deployment, backend), folder)
    with planned(deployment, folder, move_state=move) as (runner, plan_file, plan):
        _show(deployment, plan)
        if all(r.data or r.action in (Action.NONE, Action.READ) for r in plan.resources):
            out.print("Nothing to do: the account is as the file says.")
            return
        _refuse_data_loss(plan, allowed=allow_data_loss)
        confirm(f"Do this in {deployment.region}?", yes=yes)
        apply(runner, plan_file, f"Bringing {deployment.name} up")
    outputs = Runner(folder).outputs()
    for remark in outputs.get("missing") or ():
        err.print(f"[yellow]missing:[/yellow] {remark}", soft_wrap=True)
    out.print(f"{outputs.get('address', '')}", soft_wrap=True)
    err.print("Machines now install and migrate the database; `berth status` says when it answers.")


def _show(deployment: Deployment, plan: Plan) -> None:
    for remark in pipeline.remarks(deployment):
        err.print(f"[yellow]note:[/yellow] {remark}", soft_wrap=True)
    err.print(views.resource_tree(plan, every_address=False))
    err.print()
    err.print(views.cost_table(pipeline.price(plan, deployment)))
    err.print()
    severe = (Severity.CRITICAL, Severity.HIGH, Severity.MEDIUM)
    err.print(views.finding_list(f for f in pipeline.review(plan, deployment) if f.severity in severe))
    err.print()


def _data_lost(plan: Plan) -> list[Finding]:
    """Findings about data that is gone after the plan."""
    return [finding for finding in review(plan) if finding.id in _DATA_LOSS]


def _refuse_data_loss(plan: Plan, *, allowed: bool) -> None:
    lost = _data_lost(plan)
    if lost and not allowed:
        raise Refused(
            "this would delete data: " + ", ".join(finding.resource for finding in lost),
            hint="see why with `berth plan --live --full`; --allow-data-loss goes on all the same",
        )


@click.command()
@deployment_argument
@workspace_option
@yes_option
@click.option("--delete-data", is_flag=True, help="Delete database, files and disks as well.")
@local_option
@data_option
def down(
    file: Path, workspace: Path | None, yes: bool, delete_data: bool, local: bool, data: Path | None
) -> int:
    """Remove what FILE describes. Refuses while there is data, unless told with --delete-data.

    A platform on this machine is stopped; its data stay.
    """
    place = place_of(file, local=local, data=data)
    if place is not None:
        return stop_local(place, delete_data=delete_data, yes=yes)
    _down(file, workspace, yes, delete_data)
    return 0


def _down(file: Path, workspace: Path | None, yes: bool, delete_data: bool) -> None:
    deployment = pipeline.read(file)
    folder = existing_folder(deployment, file, workspace)
    with planned(deployment, folder, destroy=True) as (_runner, _plan_file, plan):
        going = [resource for resource in plan.resources if resource.action is Action.DELETE]
        stores = _data_lost(plan)
    if not going:
        out.print("There is nothing to remove.")
        return
    if stores and not delete_data:
        last = " (a last snapshot of the database stays)" if deployment.backup.final_snapshot else ""
        raise Refused(
            "there is data: " + ", ".join(finding.resource for finding in stores),
            where=str(folder),
            hint=f"--delete-data deletes it as well{last}",
        )
    confirm(f"Remove {len(going)} resources{' with their data' if stores else ''}?", yes=yes)
    _lift_protection(deployment, folder)
    with planned(deployment, folder, destroy=True) as (runner, plan_file, _plan):
        apply(runner, plan_file, f"Taking {deployment.name} down")
    out.print("Removed. The state bucket stays; so does the workspace folder.")


def _lift_protection(deployment: Deployment, folder: Path) -> None:
    """Turn deletion protection off first, since no cloud deletes what it protects."""
    files = pipeline.lay_out(deployment, backend_for(deployment, folder), guarded=False)
    workspaces.write(files, folder)
    with planned(deployment, folder) as (runner, plan_file, plan):
        if any(resource.action is Action.UPDATE for resource in plan.managed()):
            apply(runner, plan_file, "Lifting deletion protection")
