"""`berth storage rm` and `uploads`: what goes, after a look at how much it is."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import click

from cloudberth.cli.storage.arguments import (
    client_options,
    dry_run_option,
    json_option,
    location_argument,
    open_store,
    yes_option,
)
from cloudberth.cli.storage.progress import Progress
from cloudberth.cli.storage.units import DURATION, objects_text, shown, size_text, time_text
from cloudberth.errors import InvalidInput, NotFound, Refused

if TYPE_CHECKING:
    from cloudberth.storage.contract import PendingUpload
    from cloudberth.storage.options import Options
    from cloudberth.storage.storage import Storage

_ROUNDS = 20


@click.command()
@location_argument("locations", metavar="LOCATION…", nargs=-1, required=True)
@click.option("--recursive", "-r", is_flag=True, help="Everything below a folder or prefix.")
@click.option("--all", "everything", is_flag=True, help="Allow -r to empty a whole bucket.")
@yes_option
@dry_run_option
@json_option
@client_options
def rm(
    locations: tuple[str, ...],
    recursive: bool,
    everything: bool,
    yes: bool,
    dry_run: bool,
    as_json: bool,
    options: Options,
) -> None:
    """Delete objects; with -r everything below LOCATION, after saying how much that is."""
    total = [0, 0]
    for location in locations:
        store, key = open_store(location, options)
        with store:
            if recursive:
                found = _remove_below(store, key, location, everything, yes, dry_run, as_json)
            else:
                found = _remove_one(store, key, location, dry_run, as_json)
        total = [total[0] + found[0], total[1] + found[1]]
    if as_json:
        document = {"format": 1, "deleted": 0 if dry_run else total[0], "found": total[0], "bytes": total[1]}
        click.echo(json.dumps(document, indent=2))
    elif dry_run:
        click.echo(f"{objects_text(total[0])}, {size_text(total[1])}; nothing was deleted", err=True)
    else:
        click.echo(f"deleted {objects_text(total[0])}, {size_text(total[1])}", err=True)


def _remove_one(store: Storage, key: str, location: str, dry_run: bool, as_json: bool) -> tuple[int, int]:
    if not key:
        raise InvalidInput(
            "this is a folder or a whole bucket, not an object", where=location, hint="-r takes all below it"
        )
    size = store.head(key).size
    if not dry_run:
        store.delete(key)
    elif not as_json:
        click.echo(shown(f"{store.place}/{key}"))
    return 1, size


def _remove_below(
    store: Storage, key: str, location: str, everything: bool, yes: bool, dry_run: bool, as_json: bool,
) -> tuple[int, int]:  # fmt: skip
    prefix = key if not key or key.endswith("/") else f"{key}/"
    from cloudberth.storage.location import LocalPath, parse

    whole = not prefix and not isinstance(parse(location), LocalPath)
    if whole and not everything and not dry_run:
        raise Refused(
            "this empties a whole bucket",
            where=location,
            hint="--all allows it; --dry-run shows it",
        )
    count = size = 0
    with Progress("counting", quiet=as_json) as progress:
        for info in store.list(prefix):
            count += 1
            size += info.size
            progress.add_object(info.size)
            if dry_run and not as_json:
                click.echo(shown(f"{store.place}/{info.key}"))
    if not count:
        raise NotFound("there is nothing below this", where=location)
    if dry_run:
        return count, size
    what = f"Delete {objects_text(count)}, {size_text(size)}, below {shown(f'{store.place}/{prefix}')}?"
    if not yes:
        click.confirm(what, abort=True, err=True)
    with Progress("deleting", total_objects=count, quiet=as_json) as progress:
        return _delete_all(store, prefix, progress), progress.bytes


def _delete_all(store: Storage, prefix: str, progress: Progress) -> int:
    """Delete while listing, in batches that the store takes in one request.

    A list by offsets skips what moves up meanwhile: so it is looked at again, until nothing is left.
    """

    def keys() -> Iterator[str]:
        for info in store.list(prefix):
            progress.add_object(info.size)
            yield info.key

    for _ in range(_ROUNDS):
        before = progress.objects
        store.delete(keys())
        if progress.objects == before:
            break
    return progress.objects


# -- uploads -------------------------------------------------------------------------------------------------


@click.command()
@location_argument("location")
@click.option("--abort", is_flag=True, help="Throw them away: their parts cost money until then.")
@click.option("--older-than", type=DURATION, help="Only those begun longer ago than this (1d).")
@yes_option
@dry_run_option
@json_option
@client_options
def uploads(
    location: str,
    abort: bool,
    older_than: timedelta | None,
    yes: bool,
    dry_run: bool,
    as_json: bool,
    options: Options,
) -> None:
    """List multipart uploads that were begun below LOCATION and never finished, or abort them.

    An upload that is under way right now looks the same: use --older-than with --abort.
    """
    before = datetime.now(UTC) - older_than if older_than else None
    store, prefix = open_store(location, options)
    with store:
        found = [
            upload
            for upload in store.uploads(prefix)
            if before is None or (upload.started is not None and upload.started < before)
        ]
        if as_json:
            _print_uploads_json(found, aborted=abort and not dry_run)
        else:
            _print_uploads(found)
        if not abort or dry_run or not found:
            return
        what = f"Abort {len(found)} unfinished upload{'s' if len(found) > 1 else ''}?"
        if not yes:
            click.confirm(what, abort=True, err=True)
        for upload in found:
            store.backend.abort_upload(store.prefix + upload.key, upload.upload)
    click.echo(f"aborted {len(found)}", err=True)


def _print_uploads(found: list[PendingUpload]) -> None:
    for upload in found:
        click.echo(f"{time_text(upload.started)}  {shown(upload.upload):<34}  {shown(upload.key)}")
    if not found:
        click.echo("there are no unfinished uploads", err=True)


def _print_uploads_json(found: list[PendingUpload], *, aborted: bool) -> None:
    document = {
        "format": 1,
        "uploads": [
            {
                "key": upload.key,
                "upload": upload.upload,
                "started": upload.started.isoformat() if upload.started else None,
            }
            for upload in found
        ],
        "aborted": aborted,
    }
    click.echo(json.dumps(document, indent=2, ensure_ascii=False))
