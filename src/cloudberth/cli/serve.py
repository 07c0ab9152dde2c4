"""`berth serve`: the web console and the OTLP endpoint on this machine."""

from __future__ import annotations

import os
import time
from contextlib import ExitStack
from pathlib import Path

import click

from cloudberth.cli.local_state import Home
from cloudberth.extras import late_import

EXTRA = "server"


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=8840, show_default=True, help="Port to listen on; 0 takes any free one.")
@click.option(
    "--data",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path(".berth/server"),
    show_default=True,
    help="Folder for everything that the server keeps.",
)
@click.option(
    "--traces",
    "traces_url",
    envvar="BERTH_TRACES_URL",
    help="Where traces are kept, when not in the folder: postgresql://… (better in BERTH_TRACES_URL).",
)
@click.option("--new-token", is_flag=True, help="Make a new administrator token and sign everybody out.")
@click.option("--no-exporter", is_flag=True, help="Deliver nothing: another process runs the exporter.")
@click.option(
    "--trusted-proxies",
    default="127.0.0.1",
    show_default=True,
    help="Proxies whose X-Forwarded-For and -Proto headers are believed; * for any.",
)
@click.option("--platform", is_flag=True, hidden=True, help="Be the platform of the folder: see `berth up`.")
@click.option("--no-sample", is_flag=True, hidden=True, help="Make no sample dataset.")
def serve(
    host: str,
    port: int,
    data: Path,
    traces_url: str | None,
    new_token: bool,
    no_exporter: bool,
    trusted_proxies: str,
    platform: bool,
    no_sample: bool,
) -> None:
    """Start the server: web console, knowledge (/v1/knowledge), OTLP (POST /v1/traces), health and metrics.

    At the first start it shows the administrator's token, which is kept as a hash only.
    """
    for library in ("fastapi", "uvicorn", "jinja2", "prometheus_client", "python_multipart"):
        late_import(library, extra=EXTRA, needed_for="the server")
    # Whatever the server makes is for its owner only.
    os.umask(0o077)
    home = Home(data.resolve())
    with ExitStack() as open_:
        if platform:
            open_.enter_context(home.held())
        _serve(
            host,
            port,
            home,
            traces_url or "",
            new_token,
            not no_exporter,
            trusted_proxies,
            platform,
            no_sample,
        )
    click.echo("Stopped.")


def _serve(
    host: str, port: int, home: Home, traces_url: str, new_token: bool, exports: bool, trusted_proxies: str,
    platform: bool, no_sample: bool,
) -> None:  # fmt: skip
    from cloudberth.server.application import create_application
    from cloudberth.server.building import build_services, close_services, indexing, warm_up
    from cloudberth.server.exporting import exporter
    from cloudberth.server.knowledge.sample import seed
    from cloudberth.server.running import address_of, listen, run
    from cloudberth.server.sections import load_sections
    from cloudberth.server.settings import ServerSettings

    metrics_token = os.environ.get("BERTH_METRICS_TOKEN", "")
    settings = ServerSettings(data=home.folder, traces_url=traces_url, metrics_token=metrics_token)
    listening = listen(host, port)
    sections = load_sections()
    services = build_services(settings, sections)
    address = address_of(listening)
    try:
        token = services.admin.renew() if new_token else services.admin.ensure()
        if new_token:
            services.sessions.end_all()
        if platform and not no_sample:
            seed(services.knowledge.service, home.seeded)

        def ready() -> None:
            _greet(address, host, home.folder, token)
            if platform:
                warm_up(services)
                home.write(address, listening.getsockname()[1], time.time())

        with exporter(settings, enabled=exports), indexing(services):
            run(
                create_application(services, sections), services, listening, trusted_proxies=trusted_proxies,
                ready=ready,
            )  # fmt: skip
    finally:
        listening.close()
        close_services(services)


def _greet(address: str, host: str, data: Path, token: str | None) -> None:
    click.echo(f"Cloudberth listens on {address} and keeps its data in {data}.")
    if token:
        click.echo("The administrator's token, shown this once:")
        click.secho(f"    {token}", bold=True)
    if host not in {"127.0.0.1", "::1", "localhost"}:
        click.secho("Others can reach this server: put TLS in front of it.", fg="yellow")
