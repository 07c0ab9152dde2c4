"""`berth storage ls`: keys, as they are."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any

import click

from cloudberth.cli.storage.arguments import client_options, json_option, location_argument, open_store
from cloudberth.cli.storage.units import objects_text, shown, size_text, time_text

if TYPE_CHECKING:
    from cloudberth.storage.contract import ObjectInfo, Prefix
    from cloudberth.storage.options import Options
    from cloudberth.storage.storage import Storage

_BATCH = 1000


@click.command()
@location_argument("location")
@click.option("--long", "-l", is_flag=True, help="Size, time, storage class and etag too, and a total.")
@click.option("--recursive", "-r", is_flag=True, help="Everything below, not one level.")
@click.option("--human", "-H", is_flag=True, help="Sizes as 1.5 GiB.")
@click.option("--limit", type=click.IntRange(min=1), help="At most so many entries.")
@click.option("--after", default="", metavar="KEY", help="Only keys behind this one: the next page.")
@json_option
@client_options
def ls(
    location: str,
    long: bool,
    recursive: bool,
    human: bool,
    limit: int | None,
    after: str,
    as_json: bool,
    options: Options,
) -> None:
    """List what starts with LOCATION, one level of folders.

    LOCATION is the start of keys, not a folder: s3://bucket/up finds upload_files/ too, s3://bucket/up/ does
    not. Keys are shown whole; control characters in them as \\x1b (--json: as they are).
    """
    store, prefix = open_store(location, options)
    with store:
        entries: Iterator[ObjectInfo | Prefix]
        page_size = min(limit, 1000) if limit else 1000
        if recursive:
            entries = store.list(prefix, after=after, page_size=page_size)
        else:
            entries = store.folder(prefix, after=after, page_size=page_size)
        total = _Total(islice(entries, limit))
        if as_json:
            _print_json(total, store)
        else:
            _print_lines(total, long=long, human=human)
    if not total.entries and prefix and not after:
        from cloudberth.errors import NotFound

        raise NotFound("nothing starts with this", where=location)
    if long and not as_json:
        plural = "" if total.prefixes == 1 else "s"
        folders = f", {total.prefixes:,} folder{plural}" if total.prefixes else ""
        size = size_text(total.bytes)
        click.echo(f"{objects_text(total.objects)}{folders}, {size}", err=True)


class _Total:
    """Counts entries while they go by."""

    def __init__(self, entries: Iterable[ObjectInfo | Prefix]) -> None:
        self._entries = entries
        self.objects = self.prefixes = self.bytes = 0

    @property
    def entries(self) -> int:
        return self.objects + self.prefixes

    def __iter__(self) -> Iterator[ObjectInfo | Prefix]:
        from cloudberth.storage.contract import ObjectInfo

        for entry in self._entries:
            if isinstance(entry, ObjectInfo):
                self.objects += 1
                self.bytes += entry.size
            else:
                self.prefixes += 1
            yield entry


def _print_lines(entries: Iterable[ObjectInfo | Prefix], *, long: bool, human: bool) -> None:
    lines = (_long_line(entry, human) if long else shown(entry.key) for entry in entries)
    while batch := list(islice(lines, _BATCH)):
        sys.stdout.write("\n".join(batch) + "\n")


def _long_line(entry: ObjectInfo | Prefix, human: bool) -> str:
    from cloudberth.storage.contract import ObjectInfo

    if not isinstance(entry, ObjectInfo):
        return f"{'-':>15}  {'-':>19}  {'folder':<12}  {'-':<34}  {shown(entry.key)}"
    size = size_text(entry.size) if human else str(entry.size)
    kind = entry.attributes.storage_class or "-"
    return f"{size:>15}  {time_text(entry.modified)}  {kind:<12}  {entry.etag or '-':<34}  {shown(entry.key)}"


def _print_json(entries: _Total, store: Storage) -> None:
    """One document, written while the list comes in: memory stays flat however many keys there are."""
    sys.stdout.write(f'{{\n  "format": 1,\n  "place": {json.dumps(store.place)},\n  "entries": [')
    separator = "\n    "
    for entry in entries:
        sys.stdout.write(separator + json.dumps(entry_document(entry), ensure_ascii=False))
        separator = ",\n    "
    end = "\n  " if entries.entries else ""
    sys.stdout.write(
        f'{end}],\n  "objects": {entries.objects},\n  "folders": {entries.prefixes},\n'
        f'  "bytes": {entries.bytes}\n}}\n'
    )


def entry_document(entry: ObjectInfo | Prefix) -> dict[str, Any]:
    """One entry of a list for --json. Size in bytes, times in ISO 8601."""
    from cloudberth.storage.contract import ObjectInfo

    if not isinstance(entry, ObjectInfo):
        return {"key": entry.key, "folder": True}
    return {
        "key": entry.key,
        "size": entry.size,
        "modified": entry.modified.isoformat() if entry.modified else None,
        "etag": entry.etag,
        "storage_class": entry.attributes.storage_class,
        "checksums": dict(entry.checksums),
    }
