"""Live runs: the user's workspace, providers and credentials."""

from __future__ import annotations

from pathlib import Path

from cloudberth.deployment.model import Deployment
from cloudberth.infra.plan import Plan


def live_plan(deployment: Deployment, file: Path, workspace: Path | None) -> Plan:
    raise NotImplementedError
