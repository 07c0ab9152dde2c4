"""What the commands about traces share."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import click

from cloudberth.errors import InvalidInput

if TYPE_CHECKING:
    from cloudberth.tracing.destinations import Destinations
    from cloudberth.tracing.store import TraceStore

Decorated = TypeVar("Decorated", bound=Callable[..., Any])
URL = "BERTH_TRACES_URL"


def store_option(command: Decorated) -> Decorated:
    """``--store``. An address with a password belongs into the variable: others can see command lines."""
    return click.option("--store", metavar="URL", default=None, help=f"Where spans are kept (else {URL}).")(
        command
    )


def json_option(command: Decorated) -> Decorated:
    return click.option("--json", "as_json", is_flag=True, help="Print JSON.")(command)


def tenant_option(command: Decorated) -> Decorated:
    return click.option("--tenant", default=None, help="Only this tenant.")(command)


def store_url(given: str | None) -> str:
    """The address of the store. Raises InvalidInput without one, or with a password on the command line."""
    if (
        given
        and given.startswith("postgres")
        and "@" in given
        and ":" in given.split("@")[0].partition("//")[2]
    ):
        raise InvalidInput(
            "a password on the command line is seen by everybody", where="--store", hint=f"set {URL}"
        )
    found = given or os.environ.get(URL, "")
    if not found:
        raise InvalidInput(
            "no trace store is named", where="--store", hint=f"--store sqlite:///traces.db, or set {URL}"
        )
    return found


@contextmanager
def opened(given: str | None) -> Iterator[TraceStore]:
    from cloudberth.tracing.store import TraceStore

    with TraceStore.open(store_url(given)) as store:
        yield store


@contextmanager
def destinations_of(given: str | None) -> Iterator[Destinations]:
    from cloudberth.tracing.destinations import Destinations

    with opened(given) as store:
        yield Destinations(store.database)


def table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    """Columns of text, as wide as they have to be."""
    lines = [head, *rows]
    widths = [max(len(line[number]) for line in lines) for number in range(len(head))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )
