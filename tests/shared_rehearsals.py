"""Plans and lives of deployments, rehearsed once per run however many tests and workers look at them.

A rehearsal is real Terraform and takes seconds of processor; its result follows from the files of the
workspace alone, and nobody changes it. The first who asks makes it, the others read it. A test of rehearsing
itself makes its own.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import pickle
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cloudberth.deployment.model import Deployment
    from cloudberth.infra.plan import Plan
    from cloudberth.infra.rehearsal import Rehearsal

VARIABLE = "CLOUDBERTH_TESTS_FOLDER"
"""Names a folder that all workers of this run have in common (conftest.py)."""

_known: dict[str, Any] = {}


def plan_of(deployment: Deployment, *_ignored: object, **_more: object) -> Plan:
    """What `pipeline.rehearse_plan` gives."""
    plan: Plan = _once("plan", deployment)
    return plan


def life_of(deployment: Deployment, *_ignored: object, **_more: object) -> Rehearsal:
    """What `pipeline.rehearse` gives."""
    life: Rehearsal = _once("life", deployment)
    return life


def _once(kind: str, deployment: Deployment) -> Any:
    from cloudberth.pipeline import lay_out

    files = sorted(lay_out(deployment).items())
    key = f"{kind}-{hashlib.sha256(repr(files).encode()).hexdigest()[:32]}"
    if key not in _known:
        folder = Path(os.environ[VARIABLE])
        with (folder / f"{key}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            file = folder / key
            if not file.exists():
                part = folder / f"{key}.part"
                part.write_bytes(pickle.dumps(_made(kind, deployment)))
                part.rename(file)
        _known[key] = pickle.loads(file.read_bytes())
    return _known[key]


def _made(kind: str, deployment: Deployment) -> Plan | Rehearsal:
    """As `pipeline` makes them, whatever a test has put in the place of its functions."""
    from cloudberth.infra import rehearsal, workspace
    from cloudberth.pipeline import lay_out

    make = rehearsal.rehearse_plan if kind == "plan" else rehearsal.rehearse
    with tempfile.TemporaryDirectory(prefix="berth-") as folder:
        workspace.write(lay_out(deployment), Path(folder))
        return make(Path(folder))
