"""The way of the data, in order. Start here.

::

    berth.yaml ──read──► Deployment ─┐
    apps/dify/<version>.yaml ─► App ─┴─lay_out──► files of the workspace
        ├── rehearse / plan ──► Plan ──┬── price  ──► Estimate
        │                              ├── review ──► Finding, …
        │                              └── draw   ──► SVG
        └── apply ──► facts ──wire──► environment of every service ──open──► Storage

Each step is one function with one type in and one type out. What decides is pure; only `cli/` (and later
`server/`) prints, asks and leaves files behind.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from cloudberth.apps.catalog import app_of
from cloudberth.apps.model import App
from cloudberth.apps.stack import stack
from cloudberth.cost.estimate import estimate
from cloudberth.cost.model import Estimate
from cloudberth.cost.usage import Usage
from cloudberth.deployment.facts import facts
from cloudberth.deployment.loader import load
from cloudberth.deployment.model import Deployment
from cloudberth.environment import wire as environment
from cloudberth.findings.model import Finding
from cloudberth.findings.review import review as review_plan
from cloudberth.infra import workspace
from cloudberth.infra.diagram import draw as draw_plan
from cloudberth.infra.events import Listener
from cloudberth.infra.plan import Plan
from cloudberth.infra.rehearsal import Progress, Rehearsal
from cloudberth.infra.rehearsal import rehearse as rehearse_workspace
from cloudberth.infra.rehearsal import rehearse_plan as rehearse_plan_of
from cloudberth.storage import Options, Storage
from cloudberth.storage import open as open_bucket


def read(path: Path) -> Deployment:
    """The deployment file as a value. Raises InvalidDeployment with every problem at once."""
    return load(path, os.environ)


def remarks(deployment: Deployment) -> tuple[str, ...]:
    """What is done otherwise than the file says, in words."""
    wanted = deployment.logs.retention_days
    kept = facts(deployment.cloud).kept_days(wanted)
    if kept in (None, wanted):
        return ()
    return (
        f"logs are kept for {kept} days: {deployment.cloud} does not know {wanted}, "
        f"and takes the next number (logs.retention_days)",
    )


def application(deployment: Deployment) -> App:
    """What has to run: a release of Dify, or the user's own services."""
    return app_of(deployment)


def lay_out(
    deployment: Deployment, backend: workspace.Backend = workspace.LOCAL, *, guarded: bool = True
) -> dict[str, str]:
    """The workspace's files, path → text. guarded: whether data is protected against deletion."""
    return workspace.lay_out(deployment, application(deployment), backend, guarded=guarded)


def rehearse_plan(
    deployment: Deployment, progress: Progress | None = None, listener: Listener | None = None
) -> Plan:
    """Plan offline: real Terraform, simulated providers. Leaves nothing behind."""
    with tempfile.TemporaryDirectory(prefix="berth-") as folder:
        workspace.write(lay_out(deployment), Path(folder))
        return rehearse_plan_of(Path(folder), progress=progress, listener=listener)


def rehearse(
    deployment: Deployment, progress: Progress | None = None, listener: Listener | None = None
) -> Rehearsal:
    """The whole life offline: init, validate, plan, apply, a second plan, outputs, destroy."""
    with tempfile.TemporaryDirectory(prefix="berth-") as folder:
        workspace.write(lay_out(deployment), Path(folder))
        return rehearse_workspace(Path(folder), progress=progress, listener=listener)


def price(plan: Plan, deployment: Deployment) -> Estimate:
    """What the plan costs a month, from dated prices and the file's usage assumptions."""
    return estimate(plan, Usage.for_size(deployment.size, deployment.usage))


def review(plan: Plan, deployment: Deployment) -> tuple[Finding, ...]:
    """What is risky about the plan, and about what will run on the machines."""
    files = stack(application(deployment), deployment)
    return review_plan(plan, size=deployment.size, suppressions=deployment.suppress, stack=files)


def draw(plan: Plan) -> str:
    """The plan as a picture (SVG)."""
    return draw_plan(plan)


def wire(
    deployment: Deployment, facts: Mapping[str, Any], secret: Callable[[str], str] | None = None
) -> dict[str, dict[str, str]]:
    """Outputs → environment per service; secrets masked when no way to read them is given."""
    return environment.wire(application(deployment), deployment, facts, secret)


def open_storage(variables: Mapping[str, str], options: Options = Options()) -> Storage:
    """The bucket that the environment of a service means, by Dify's own variable names. Makes no request."""
    return open_bucket(variables, options)
