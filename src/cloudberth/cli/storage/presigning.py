"""`berth storage presign`: a URL that works without credentials, for a while."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Literal, cast

import click

from cloudberth.cli.storage.arguments import client_options, json_option, location_argument
from cloudberth.cli.storage.reading import opened_object
from cloudberth.cli.storage.units import DURATION

if TYPE_CHECKING:
    from cloudberth.storage.options import Options


@click.command()
@location_argument("location")
@click.option(
    "--method", type=click.Choice(["GET", "PUT"], case_sensitive=False), default="GET", show_default=True
)
@click.option(
    "--expires", type=DURATION, default="1h", show_default=True, help="How long it holds, at most 7d."
)
@click.option("--content-type", help="The type that a PUT has to send.")
@json_option
@client_options
def presign(
    location: str,
    method: str,
    expires: timedelta,
    content_type: str | None,
    as_json: bool,
    options: Options,
) -> None:
    """Print a URL with which anybody can read or write the object at LOCATION. Asks no server.

    Whoever has the URL has the object: treat it as a secret.
    """
    store, key = opened_object(location, options)
    with store:
        request = store.presign(
            key,
            cast(Literal["GET", "PUT"], method.upper()),
            seconds=int(expires.total_seconds()),
            content_type=content_type,
        )
    until = (datetime.now(UTC) + expires).replace(microsecond=0)
    if as_json:
        document = {
            "format": 1,
            "method": request.method,
            "url": request.url,
            "headers": dict(request.headers),
            "expires": until.isoformat(),
        }
        click.echo(json.dumps(document, indent=2, ensure_ascii=False))
        return
    click.echo(request.url)
    for name, value in request.headers.items():
        click.echo(f"send the header {name}: {value}", err=True)
