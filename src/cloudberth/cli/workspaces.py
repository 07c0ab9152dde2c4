"""Which folder and which state backend a command works with."""

from __future__ import annotations

from pathlib import Path

from cloudberth.deployment.model import Deployment
from cloudberth.errors import InvalidInput
from cloudberth.infra.workspace import LOCAL, Backend, backend_of, existing_backend


def folder_for(deployment: Deployment, file: Path, given: Path | None) -> Path:
    """``<name>-<cloud>`` beside the deployment file, unless another folder is named."""
    return given or file.resolve().parent / f"{deployment.name}-{deployment.cloud}"


def backend_for(deployment: Deployment, folder: Path) -> Backend:
    """What the file names, else what the workspace uses already, else a local file until `berth up`."""
    return (
        backend_of(deployment.state, deployment.name, deployment.region) or existing_backend(folder) or LOCAL
    )


def existing_folder(deployment: Deployment, file: Path, given: Path | None) -> Path:
    """The workspace of a deployment that was brought up before. Raises InvalidInput when there is none."""
    folder = folder_for(deployment, file, given)
    if not (folder / "terraform.tfvars.json").is_file():
        raise InvalidInput(
            "there is no workspace here",
            where=str(folder),
            hint="`berth up` or `berth render` makes it; name another with --workspace",
        )
    return folder
