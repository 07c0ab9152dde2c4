"""`berth traces add-sender`, `new-key`, `rotate-keys`: who may send spans, and the keys of the secrets."""

from __future__ import annotations

from datetime import UTC, datetime

import click

from cloudberth.cli.traces.arguments import destinations_of, opened, store_option, table, tenant_option


@click.command("add-sender")
@click.option("--tenant", default="", help="The tenant that the spans belong to.")
@click.option("--app", default="", help="The app that the spans belong to.")
@click.option("--label", default="", help="For you to know it again.")
@store_option
def add_sender(tenant: str, app: str, label: str, store: str | None) -> None:
    """A new key for an application that sends spans over OTLP. It is shown this once."""
    from cloudberth.tracing.keys import IngestKeys

    with opened(store) as found:
        click.echo(IngestKeys(found.database).create(tenant, app, label))


@click.command()
@tenant_option
@store_option
def senders(tenant: str | None, store: str | None) -> None:
    """The keys of applications that send spans."""
    from cloudberth.tracing.keys import IngestKeys

    with opened(store) as found:
        records = IngestKeys(found.database).list(tenant)
    rows = [
        (
            each.id,
            each.tenant,
            each.app,
            each.label,
            _day(each.created_ns),
            _day(each.used_ns),
            _day(each.revoked_ns),
        )
        for each in records
    ]
    head = ("sender", "tenant", "app", "label", "made", "used", "revoked")
    click.echo(table(head, rows) if rows else "no senders; make a key with `berth traces add-sender`")


@click.command("revoke-sender")
@click.argument("sender")
@store_option
def revoke_sender(sender: str, store: str | None) -> None:
    """End a key, within five seconds."""
    from cloudberth.tracing.keys import IngestKeys

    with opened(store) as found:
        IngestKeys(found.database).revoke(sender)
    click.echo(f"revoked {sender}")


@click.command("new-key")
def new_key() -> None:
    """Print a fresh key for the secrets of destinations, for BERTH_TRACES_KEYS or a file."""
    from cloudberth.tracing import ciphers

    click.echo(ciphers.new_key())


@click.command("rotate-keys")
@store_option
def rotate_keys(store: str | None) -> None:
    """Encrypt the secrets of all destinations with the first key; then the others can be taken away."""
    with destinations_of(store) as found:
        changed = found.rotate()
        click.echo(f"{changed} destinations are encrypted anew with {found.ring.current}")


def _day(moment: int | None) -> str:
    return "" if moment is None else f"{datetime.fromtimestamp(moment / 1e9, UTC):%Y-%m-%d %H:%M}"
