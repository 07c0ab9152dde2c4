"""`berth storage verify`: two places compared, every difference named."""

from __future__ import annotations

import json
import threading
from contextlib import ExitStack
from typing import TYPE_CHECKING

import click

from cloudberth.cli.storage.arguments import client_options, json_option, location_argument
from cloudberth.cli.storage.transfer import filter_options, interruptible, opened_folder
from cloudberth.cli.storage.units import objects_text, shown
from cloudberth.errors import InvalidInput

if TYPE_CHECKING:
    from cloudberth.storage.options import Options
    from cloudberth.storage.storage import Storage
    from cloudberth.storage.transfer.comparison import Compared, Comparing, Difference


@click.command()
@location_argument("source", metavar="SRC")
@location_argument("destination", metavar="DST")
@filter_options
@click.option(
    "--content",
    type=click.Choice(["checksum", "read", "size"]),
    default="checksum",
    help="Compare checksums that both tell, else read both; read: always; size: never.",
)
@click.option("--no-attributes", is_flag=True, help="Not content types, headers, metadata and class.")
@click.option("--no-extra", is_flag=True, help="What only DST has is no difference.")
@click.option("--sample", metavar="N%", help="Content and attributes of only so many (sizes of all).")
@click.option("--quiet", "-q", is_flag=True, help="Only the exit code.")
@json_option
@client_options
def verify(
    source: str, destination: str, include: tuple[str, ...], exclude: tuple[str, ...], content: str,
    no_attributes: bool, no_extra: bool, sample: str | None, quiet: bool, as_json: bool, options: Options,
) -> int:  # fmt: skip
    """Compare everything below SRC and DST, and name every difference. Exit code 4 when there is one.

    missing, extra, size, content, attributes; unreadable: an object could not be looked at.
    """
    from cloudberth.storage.transfer.comparison import Comparing
    from cloudberth.storage.transfer.content import Verify

    comparing = Comparing(
        Verify(content), not no_attributes, not no_extra, _share_of(sample), include, exclude
    )
    with ExitStack() as stack:
        one, other = opened_folder(source, options, stack), opened_folder(destination, options, stack)
        lines = _DifferenceLines(quiet=quiet, as_json=as_json)
        sums = _compare(one, other, comparing, lines, quiet=quiet or as_json)
        lines.end(sums, one.place, other.place)
    return 4 if sums.differences else 0


def _share_of(text: str | None) -> float:
    if text is None:
        return 1.0
    try:
        share = float(text.removesuffix("%")) / 100
    except ValueError:
        share = -1.0
    if not 0 < share <= 1:
        raise InvalidInput(f"{text!r} is no share", hint="write --sample 5%")
    return share


def _compare(
    one: Storage, other: Storage, comparing: Comparing, lines: _DifferenceLines, *, quiet: bool
) -> Compared:
    from cloudberth.cli.storage.transfer_display import Display
    from cloudberth.storage.transfer.comparison import all_differences
    from cloudberth.storage.transfer.progress import Phase, Progress

    progress = Progress(Phase.VERIFYING)
    stop = threading.Event()
    with Display(progress, quiet=quiet) as display, interruptible(stop, display):
        sums = all_differences(
            one, other, comparing, lines.add, restart=lines.restart, stop=stop, noticed=progress.compared
        )
        if stop.is_set():
            raise KeyboardInterrupt
    return sums


class _DifferenceLines:
    """Prints differences as they are found, or, as JSON, when all are; those are kept in a file until
    then.
    """

    def __init__(self, *, quiet: bool, as_json: bool) -> None:
        from tempfile import TemporaryFile

        self._quiet = quiet
        self._file = TemporaryFile("w+", encoding="utf-8") if as_json else None  # noqa: SIM115

    def add(self, one: Difference) -> None:
        if self._file is not None:
            document = {"key": one.key, "kind": one.kind.value, "detail": one.detail}
            self._file.write(json.dumps(document, ensure_ascii=False) + "\n")
        elif not self._quiet:
            click.echo(f"{one.kind.value:10} {shown(one.key)}" + (f"  ({one.detail})" if one.detail else ""))

    def restart(self) -> None:
        if self._file is not None:
            self._file.seek(0)
            self._file.truncate()
        elif not self._quiet:
            click.echo("A list was not in order: once more from the start, sorted on disk.", err=True)

    def end(self, sums: Compared, source: str, destination: str) -> None:
        if self._file is None:
            if not self._quiet:
                found = f"{sums.differences:,}" if sums.differences else "no"
                click.echo(
                    f"{objects_text(sums.objects)} compared, {sums.looked:,} by content or attributes: "
                    f"{found} difference{'' if sums.differences == 1 else 's'}.",
                    err=True,
                )
            return
        head = {"format": 1, "source": source, "destination": destination, "objects": sums.objects,
                "looked": sums.looked, "bytes": sums.bytes, "count": sums.differences}  # fmt: skip
        click.echo(json.dumps(head, ensure_ascii=False)[:-1] + ', "differences": [')
        self._file.seek(0)
        for number, line in enumerate(self._file):
            click.echo(("," if number else "") + line.rstrip("\n"))
        click.echo("]}")
        self._file.close()
