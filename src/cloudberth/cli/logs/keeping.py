"""`berth logs retention`: how long logs are really kept."""

from __future__ import annotations

from pathlib import Path

import click

from cloudberth.cli.logs.arguments import Source, open_source, source_options


@click.command()
@source_options
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
def retention(source: Source, as_json: bool) -> int:
    """Say how many days each group of lines is kept, asked of the cloud.

    With a deployment file, exit code 4 when the cloud keeps less than the file wants.
    """
    from cloudberth.cli.logs.showing import show_rows

    wanted = _wanted(source)
    with open_source(source, quiet=as_json) as reader:
        kept = reader.retention()
    rows = [
        {
            "group": each.group,
            "days": each.days if each.days is not None else "for ever",
            **({"wanted": wanted} if wanted is not None else {}),
            **({"bytes": each.stored_bytes} if each.stored_bytes is not None else {}),
        }
        for each in kept
    ]
    show_rows(rows, as_json=as_json)
    if wanted is None:
        return 0
    if any(each.days is not None and each.days > wanted for each in kept):
        _say(f"note: the file asks for {wanted} days; the cloud keeps certain numbers only, here the next")
    return 4 if any(each.days is not None and each.days < wanted for each in kept) else 0


def _wanted(source: Source) -> int | None:
    if not source.is_deployment:
        return None
    from cloudberth import pipeline

    return pipeline.read(Path(source.location)).logs.retention_days


def _say(text: str) -> None:
    click.echo(text, err=True)
