"""Live runs: the user's workspace, with the real providers and the user's credentials."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from cloudberth import pipeline
from cloudberth.cli.console import confirm, err, step
from cloudberth.cli.progress import ApplyProgress, StepProgress
from cloudberth.cli.workspaces import backend_for, folder_for
from cloudberth.deployment.model import Deployment
from cloudberth.infra import workspace as workspaces
from cloudberth.infra.cloud import cloud_account
from cloudberth.infra.plan import Plan
from cloudberth.infra.runner import Runner
from cloudberth.infra.workspace import LOCAL, Backend, backend_of, existing_backend, remote_backend


def live_plan(deployment: Deployment, file: Path, workspace: Path | None) -> Plan:
    """Plan with the real providers, against the state of the workspace, which is brought up to date first."""
    folder = folder_for(deployment, file, workspace)
    workspaces.write(pipeline.lay_out(deployment, backend_for(deployment, folder)), folder)
    with planned(deployment, folder) as (_runner, _file, plan):
        return plan


@contextmanager
def planned(
    deployment: Deployment, folder: Path, *, destroy: bool = False, move_state: bool = False
) -> Iterator[tuple[Runner, Path, Plan]]:
    """Initialise and plan; the plan file, which may hold values of the account, goes away afterwards."""
    with tempfile.TemporaryDirectory(prefix="berth-plan-") as private:
        saved = Path(private) / "plan"
        with StepProgress("Planning the removal" if destroy else "Planning") as progress:
            runner = Runner(folder, listener=progress.event)
            runner.init(migrate_state=move_state)
            plan = runner.plan(saved, destroy=destroy)
        yield Runner(folder), saved, replace(plan, name=deployment.name)


def settle_state(deployment: Deployment, folder: Path, *, yes: bool) -> tuple[Backend, bool]:
    """Where the state of a deployment lives from now on, and whether state has to move there.

    A bucket that the file names, or the one that the account's default name gives, is created when it does
    not exist and the user agrees. Raises PermissionDenied without credentials, click.Abort when the user says
    no.
    """
    before = existing_backend(folder)
    backend = backend_of(deployment.state, deployment.name, deployment.region)
    if backend == LOCAL or (backend is None and before not in (None, LOCAL)):
        return backend or before or LOCAL, False
    region = deployment.state.region or deployment.region
    account = cloud_account(deployment.cloud, region, deployment.account)
    with step("Looking at the account"):
        name = deployment.state.bucket or account.default_state_bucket(deployment.name)
        exists = account.bucket_exists(name)
    if not exists:
        confirm(f"Create bucket {name} in {region} for the Terraform state?", yes=yes)
        with step(f"Creating bucket {name}"):
            account.create_state_bucket(name)
    backend = remote_backend(deployment.state, deployment.name, deployment.region, name)
    move = before == LOCAL and (folder / "terraform.tfstate").is_file()
    if move:
        err.print(f"The state moves from this folder to bucket {name}.")
    return backend, move


def apply(runner: Runner, plan_file: Path, title: str) -> None:
    """Apply a saved plan with progress by resource. Ctrl-C lets Terraform finish and save its state."""
    with ApplyProgress(title) as progress:
        runner.apply(plan_file, listener=progress.event)
