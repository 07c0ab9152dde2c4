"""`berth status`, `outputs` and `env`: what is there now."""

from __future__ import annotations

import json
import ssl
import urllib.error
import urllib.request
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from cloudberth import pipeline
from cloudberth.cli.console import (
    data_option,
    deployment_argument,
    err,
    json_option,
    local_option,
    out,
    print_json,
    workspace_option,
)
from cloudberth.cli.local_platform import place_of
from cloudberth.cli.local_platform import status as local_status
from cloudberth.cli.progress import StepProgress
from cloudberth.cli.workspaces import existing_folder
from cloudberth.deployment.model import Deployment
from cloudberth.environment.wire import MASK
from cloudberth.errors import InvalidInput
from cloudberth.infra.cloud import cloud_account
from cloudberth.infra.runner import Runner

_TIMEOUT_SECONDS = 10


@dataclass(frozen=True, slots=True)
class Answer:
    """What the address said. code: HTTP status, None when there was no answer."""

    url: str
    code: int | None
    reason: str

    @property
    def healthy(self) -> bool:
        return self.code is not None and self.code < 400


@click.command()
@deployment_argument
@workspace_option
@click.option("--drift", is_flag=True, help="Also compare the account with the state (a read-only plan).")
@local_option
@data_option
@json_option
def status(
    file: Path, workspace: Path | None, drift: bool, local: bool, data: Path | None, as_json: bool
) -> int:
    """Say what of FILE exists and whether it answers. Exit code 4 when it does not, or has drifted."""
    place = place_of(file, local=local, data=data)
    if place is not None:
        return local_status(place, as_json=as_json)
    deployment = pipeline.read(file)
    folder = existing_folder(deployment, file, workspace)
    with StepProgress("Reading the state", quiet=as_json) as progress:
        runner = Runner(folder, listener=progress.event)
        runner.init()
        present = runner.state()
        outputs = runner.outputs()
        drifted = runner.drift() if drift else ()
    counts = Counter(resource.type for resource in present.managed())
    answer = ask(str(outputs["address"])) if outputs.get("address") else None
    document = {
        "format": 1,
        "name": deployment.name,
        "workspace": str(folder),
        "resources": sum(counts.values()),
        "address": outputs.get("address"),
        "answer": {"code": answer.code, "reason": answer.reason} if answer else None,
        "drift": [resource.address for resource in drifted] if drift else None,
        "missing": outputs.get("missing") or [],
    }
    print_json(document) if as_json else _show(document)
    return 0 if counts and answer and answer.healthy and not drifted else 4


def _show(document: dict[str, Any]) -> None:
    out.print(f"[bold]{document['name']}[/bold]  {document['resources']} resources", soft_wrap=True)
    out.print(f"  workspace {document['workspace']}", soft_wrap=True)
    answer = document["answer"]
    if answer is None:
        out.print("  not up: there is no address yet (`berth up`)")
    else:
        colour = "green" if answer["code"] and answer["code"] < 400 else "red"
        said = answer["code"] or "no answer"
        out.print(f"  {document['address']}  [{colour}]{said}[/{colour}] {answer['reason']}", soft_wrap=True)
    for address in document["drift"] or ():
        out.print(f"  [yellow]changed outside:[/yellow] {address}", soft_wrap=True)
    if document["drift"] == []:
        out.print("  no drift")
    for remark in document["missing"]:
        out.print(f"  [yellow]missing:[/yellow] {remark}", soft_wrap=True)


def ask(url: str) -> Answer:
    """One GET of a web address, ten seconds at most."""
    if not url.startswith(("http://", "https://")):
        return Answer(url, None, "not a web address")
    # An opener of our own: the shared one keeps the proxies of its first use.
    opener = urllib.request.build_opener()
    try:
        with opener.open(url, timeout=_TIMEOUT_SECONDS) as response:
            return Answer(url, response.status, response.reason)
    except urllib.error.HTTPError as error:
        return Answer(url, error.code, str(error.reason))
    except (urllib.error.URLError, ssl.SSLError, OSError, ValueError) as error:
        return Answer(url, None, str(getattr(error, "reason", error)))


@click.command()
@deployment_argument
@workspace_option
@json_option
def outputs(file: Path, workspace: Path | None, as_json: bool) -> None:
    """Print the outputs of what was created: address, facts, log groups, dashboard."""
    values = _outputs(pipeline.read(file), file, workspace, quiet=as_json)
    if as_json:
        print_json(values)
        return
    for name, value in values.items():
        shown = value if isinstance(value, str) else json.dumps(value, indent=2, ensure_ascii=False)
        out.print(f"[bold]{name}[/bold] = {shown}", soft_wrap=True)


def _outputs(deployment: Deployment, file: Path, workspace: Path | None, *, quiet: bool) -> dict[str, Any]:
    folder = existing_folder(deployment, file, workspace)
    with StepProgress("Reading the state", quiet=quiet) as progress:
        runner = Runner(folder, listener=progress.event)
        runner.init()
        values = runner.outputs()
    if not values:
        raise InvalidInput("nothing has been created yet", where=str(folder), hint="`berth up` creates it")
    return values


@click.command()
@click.argument("service")
@deployment_argument
@workspace_option
@click.option("--reveal", is_flag=True, help="Fetch the secrets' values and show them.")
@click.option(
    "--rehearse", "rehearsed", is_flag=True, help="Use the facts of a rehearsal: nothing needs to exist."
)
@json_option
def env(
    service: str, file: Path, workspace: Path | None, reveal: bool, rehearsed: bool, as_json: bool
) -> None:
    """Print the environment of SERVICE as KEY=value lines; secrets are masked.

    SERVICE is one of the application's containers (api, worker, plugin_daemon, …).
    """
    deployment = pipeline.read(file)
    known = pipeline.application(deployment).services
    if service not in known:
        raise InvalidInput(f"there is no service {service!r}", hint=f"services: {', '.join(known)}")
    if rehearsed:
        if reveal:
            raise click.UsageError("--reveal needs real secrets; a rehearsal has none")
        with StepProgress("Rehearsing", quiet=as_json) as progress:
            facts = pipeline.rehearse(deployment, None, progress.event).facts
        ids: dict[str, str] = {}
    else:
        values = _outputs(deployment, file, workspace, quiet=as_json)
        facts, ids = values.get("facts") or {}, values.get("secrets") or {}
    read = _reader(deployment, ids) if reveal else None
    variables = pipeline.wire(deployment, facts, read)[service]
    if as_json:
        print_json(variables)
        return
    for name, value in sorted(variables.items()):
        click.echo(f"{name}={value}")
    if not reveal:
        err.print(f"[dim]secrets are shown as {MASK}; --reveal fetches them[/dim]")


def _reader(deployment: Deployment, ids: dict[str, str]) -> Any:
    account = cloud_account(deployment.cloud, deployment.region)
    fetched: dict[str, str] = {}

    def read(name: str) -> str:
        if name not in ids:
            raise InvalidInput(
                f"there is no secret {name!r} in the outputs", hint="`berth up` brings it up to date"
            )
        if name not in fetched:
            fetched[name] = account.secret(ids[name])
        return fetched[name]

    return read
