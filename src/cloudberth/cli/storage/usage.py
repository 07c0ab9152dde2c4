"""`berth storage du`: how much is where, in which class, how old. Tables, bars and a picture."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cloudberth.cli.storage.arguments import client_options, json_option, location_argument, open_store
from cloudberth.cli.storage.progress import Progress, bar
from cloudberth.cli.storage.units import objects_text, shown, size_text

if TYPE_CHECKING:
    from cloudberth.storage.contract import ObjectInfo
    from cloudberth.storage.options import Options

_BAR = 30
_HERE = "(directly here)"
_AGES = (
    ("under a day", timedelta(days=1)),
    ("under a week", timedelta(days=7)),
    ("under a month", timedelta(days=30)),
    ("under 3 months", timedelta(days=90)),
    ("under a year", timedelta(days=365)),
)
_OLDER, _UNKNOWN = "older", "unknown"
VIEWS = ("prefix", "class", "age")
TITLES = {"prefix": "By prefix", "class": "By storage class", "age": "By age"}


@dataclass(slots=True)
class Amount:
    objects: int = 0
    bytes: int = 0

    def add(self, size: int) -> None:
        self.objects += 1
        self.bytes += size


@dataclass(slots=True)
class Usage:
    """Sums over a list. groups: view → group → amount. Memory grows with the groups, not with the keys."""

    depth: int
    now: datetime
    total: Amount = field(default_factory=Amount)
    groups: dict[str, dict[str, Amount]] = field(default_factory=lambda: {view: {} for view in VIEWS})
    largest: tuple[int, str] = (0, "")

    def add(self, info: ObjectInfo, key: str) -> None:
        """key: relative to where the list began."""
        self.total.add(info.size)
        names = (
            ("prefix", folder_of(key, self.depth)),
            ("class", info.attributes.storage_class or "default"),
            ("age", age_of(info.modified, self.now)),
        )
        for view, name in names:
            self.groups[view].setdefault(name, Amount()).add(info.size)
        if info.size > self.largest[0]:
            self.largest = (info.size, info.key)

    def rows(self, view: str, top: int | None = None) -> list[tuple[str, Amount]]:
        """Groups by size, those of age by age; past `top` they are one row."""
        if view == "age":
            order = [name for name, _ in _AGES] + [_OLDER, _UNKNOWN]
            return [(name, self.groups[view][name]) for name in order if name in self.groups[view]]
        rows = sorted(self.groups[view].items(), key=lambda row: (-row[1].bytes, -row[1].objects, row[0]))
        if top is None or len(rows) <= top:
            return rows
        rest = rows[top:]
        other = Amount(sum(row.objects for _, row in rest), sum(row.bytes for _, row in rest))
        return [*rows[:top], (f"({len(rest):,} others)", other)]


def folder_of(key: str, depth: int) -> str:
    """The first levels of a key, with their ``/``; what is on a level above them is here."""
    at = 0
    for _ in range(depth):
        found = key.find("/", at)
        if found < 0:
            break
        at = found + 1
    return key[:at] or _HERE


def age_of(modified: datetime | None, now: datetime) -> str:
    if modified is None:
        return _UNKNOWN
    return next((name for name, limit in _AGES if now - modified < limit), _OLDER)


@click.command()
@location_argument("location")
@click.option(
    "--depth", "-d", type=click.IntRange(1, 32), default=1, show_default=True, help="Levels of prefixes."
)
@click.option(
    "--by", type=click.Choice(VIEWS), multiple=True, help="One view only; repeatable (default: all three)."
)
@click.option("--top", type=click.IntRange(min=1), default=20, show_default=True, help="Rows of a table.")
@click.option("--svg", type=click.Path(path_type=Path, dir_okay=False), help="Write a picture to a file too.")
@json_option
@client_options
def du(
    location: str,
    depth: int,
    by: tuple[str, ...],
    top: int,
    svg: Path | None,
    as_json: bool,
    options: Options,
) -> None:
    """Say how much is below LOCATION: by prefix, by storage class and by age."""
    usage = Usage(depth, datetime.now(UTC))
    store, prefix = open_store(location, options)
    with store, Progress("listing", quiet=as_json) as progress:
        for info in store.list(prefix):
            usage.add(info, info.key[prefix.rfind("/") + 1 :])
            progress.add_object(info.size)
        place = f"{store.place}/{prefix}"
    views = by or VIEWS
    if svg:
        from cloudberth.cli.storage.usage_chart import picture

        svg.write_text(picture(f"What is in {shown(place)}", usage, views, top), encoding="utf-8")
    if as_json:
        click.echo(json.dumps(document(usage, place), indent=2, ensure_ascii=False))
        return
    _show(usage, place, views, top)
    if svg:
        click.echo(f"the picture is in {svg}", err=True)


def document(usage: Usage, place: str) -> dict[str, Any]:
    """Everything, for --json. Sizes in bytes."""
    groups = {
        view: [
            {"name": name, "objects": amount.objects, "bytes": amount.bytes}
            for name, amount in usage.rows(view)
        ]
        for view in VIEWS
    }
    largest = {"key": usage.largest[1], "size": usage.largest[0]} if usage.largest[1] else None
    return {
        "format": 1,
        "place": place,
        "objects": usage.total.objects,
        "bytes": usage.total.bytes,
        "largest": largest,
        **{f"by_{view}": rows for view, rows in groups.items()},
    }


def _show(usage: Usage, place: str, views: Sequence[str], top: int) -> None:
    total = usage.total
    click.echo(f"{shown(place)}  {objects_text(total.objects)}, {size_text(total.bytes)}")
    if not total.objects:
        return
    if total.bytes:
        click.echo(f"the largest: {shown(usage.largest[1])}, {size_text(usage.largest[0])}")
    from rich.cells import cell_len

    for view in views:
        rows = [(shown(name), amount) for name, amount in usage.rows(view, top)]
        # Bars show bytes, or objects when all of them are empty.
        most = max(amount.bytes for _, amount in rows)
        width = max(cell_len(name) for name, _ in rows)
        click.echo()
        click.secho(TITLES[view], bold=True)
        for name, amount in rows:
            share = amount.bytes / most if most else 0.0
            percent = 100 * amount.bytes / total.bytes if total.bytes else 0.0
            padding = " " * (width - cell_len(name))
            click.echo(
                f"  {name}{padding}  {amount.objects:>12,}  {size_text(amount.bytes):>10}  {percent:5.1f} %  "
                f"{bar(share, _BAR)}".rstrip()
            )
