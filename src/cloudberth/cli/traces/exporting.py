"""`berth traces export`: the process that sends spans to their destinations."""

from __future__ import annotations

import os

import click

from cloudberth.cli.traces.arguments import store_option, store_url
from cloudberth.errors import CloudberthError


@click.command()
@store_option
def export(store: str | None) -> None:
    """Send spans to all destinations until stopped; the exporter is started again when it ends.

    Run it beside an application, or as a service of its own; several on one PostgreSQL share the work. What
    it needs comes from variables: BERTH_TRACES_URL, BERTH_TRACES_KEYS, BERTH_TRACES_ALLOW, BERTH_TRACES_DAYS
    and others (docs/guides/tracing.md). Counters are printed as one JSON line a minute.
    """
    import signal

    from cloudberth.tracing.settings import exporter_settings
    from cloudberth.tracing.supervision import Supervisor

    url = store_url(store)
    exporter_settings(os.environ)  # says now what is wrong with them
    supervisor = Supervisor(url, report=lambda line: click.echo(line, err=True))

    def stop(_number: int, _frame: object) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, stop)
    try:
        code = supervisor.run()
    except KeyboardInterrupt:
        supervisor.stop()
        click.echo("stopped; what is left is sent at the next start", err=True)
        return
    if code:
        raise CloudberthError("the exporter of traces cannot run", hint="its last line says why")
