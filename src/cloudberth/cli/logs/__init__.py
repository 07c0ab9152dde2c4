"""`berth logs`: the logs of a deployment, of any cloud's log store, or of files. Imported when it runs."""

from __future__ import annotations

import click

from cloudberth.cli.late import LateCommands

COMMANDS = {
    "query": "reading",
    "tail": "reading",
    "saved": "analyses",
    "retention": "keeping",
}


@click.group(
    cls=LateCommands,
    late={name: f"cloudberth.cli.logs.{module}" for name, module in COMMANDS.items()},
    epilog="Where logs are read is said with --from: a deployment file (default: berth.yaml), "
    "cloudwatch://REGION/GROUP, azure-monitor:///subscriptions/…/workspaces/NAME, "
    "google-logging://PROJECT/REGION/BUCKET, sls://PROJECT.ENDPOINT/LOGSTORE, or files: a path, a pattern, "
    "a folder, or - for standard input.",
)
def logs() -> None:
    """Search, follow and count log lines, wherever they are."""
