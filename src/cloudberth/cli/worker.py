"""`berth worker`: does the work of the knowledge service, beside a server or on another machine."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.option(
    "--data",
    type=click.Path(file_okay=False, path_type=Path),
    envvar="BERTH_KNOWLEDGE_DATA",
    default=Path(".berth/knowledge"),
    show_default=True,
    help="Folder for what the variables name no other place for; the server's own, if there is one.",
)
def worker(data: Path) -> None:
    """Index documents, and remove what was deleted, until Ctrl-C or SIGTERM.

    Settings come from variables: CELERY_BROKER_URL is not needed, since work is taken from the database
    (BERTH_KNOWLEDGE_DATABASE or DB_HOST, …). Start as many as there are processors for; one that is killed
    loses nothing.
    """
    from cloudberth.knowledge.worker import work

    click.echo("Working. Stop with Ctrl-C.", err=True)
    work(data=data)
    click.echo("Stopped; nothing is half-done.", err=True)
