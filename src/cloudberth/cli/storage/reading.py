"""`berth storage cat` and `head`: what is in an object, and what is known of it."""

from __future__ import annotations

import json
import re
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from cloudberth.cli.storage.arguments import client_options, json_option, location_argument, open_store
from cloudberth.cli.storage.units import shown, size_text, time_text
from cloudberth.errors import InvalidInput

if TYPE_CHECKING:
    from cloudberth.storage.contract import ObjectInfo, Span
    from cloudberth.storage.options import Options
    from cloudberth.storage.storage import Storage

_RANGE = re.compile(r"(\d*)-(\d*)")


def opened_object(location: str, options: Options) -> tuple[Storage, str]:
    """The store and the key of one object; InvalidInput when the location names a bucket only."""
    store, key = open_store(location, options)
    if not key:
        store.close()
        raise InvalidInput("this is a whole bucket or folder, not an object", where=location)
    return store, key


@click.command()
@location_argument("locations", metavar="LOCATION…", nargs=-1, required=True)
@click.option(
    "--range", "span_text", metavar="FIRST-LAST", help="Bytes 0-99, from 100- on, or the last ones, -100."
)
@client_options
def cat(locations: tuple[str, ...], span_text: str | None, options: Options) -> None:
    """Write objects to standard output, one after the other."""
    if span_text is not None:
        _parsed_range(span_text)
    for location in locations:
        store, key = opened_object(location, options)
        with store:
            span = _span(span_text, store, key) if span_text is not None else None
            for piece in store.stream(key, span):
                sys.stdout.buffer.write(piece)
            sys.stdout.buffer.flush()


def _parsed_range(text: str) -> tuple[int | None, int | None]:
    found = _RANGE.fullmatch(text.strip())
    if not found or not (found[1] or found[2]):
        raise InvalidInput(f"{text!r} is no range of bytes", hint="write 0-99, 100- or -100 (the last 100)")
    first, last = (int(part) if part else None for part in (found[1], found[2]))
    if first is not None and last is not None and last < first:
        raise InvalidInput(f"the range {text} ends before it starts")
    return first, last


def _span(text: str, store: Storage, key: str) -> Span | None:
    from cloudberth.storage.contract import Span

    first, last = _parsed_range(text)
    if first is not None:
        return Span(first, None if last is None else last - first + 1)
    size = store.head(key).size
    wanted = min(last or 0, size)
    if wanted == 0:
        raise InvalidInput(f"the range {text} is empty: the object has {size} bytes")
    return Span(size - wanted, wanted)


@click.command()
@location_argument("location")
@json_option
@client_options
def head(location: str, as_json: bool, options: Options) -> None:
    """Print everything that is known of an object: size, times, checksums, headers, metadata."""
    store, key = opened_object(location, options)
    with store:
        info = store.head(key)
        place = store.place
    if as_json:
        click.echo(json.dumps(object_document(info, place), indent=2, ensure_ascii=False))
        return
    rows = _facts(replace(info, key=key), place)
    width = max(len(name) for name, _ in rows)
    for name, value in rows:
        click.echo(f"{name:<{width}}  {shown(value)}")


def object_document(info: ObjectInfo, place: str) -> dict[str, Any]:
    """An object's facts for --json. Size in bytes, times in ISO 8601."""
    attributes = info.attributes
    return {
        "format": 1,
        "place": place,
        "key": info.key,
        "size": info.size,
        "modified": info.modified.isoformat() if info.modified else None,
        "etag": info.etag,
        "checksums": dict(info.checksums),
        "content_type": attributes.content_type,
        "cache_control": attributes.cache_control,
        "content_disposition": attributes.content_disposition,
        "content_encoding": attributes.content_encoding,
        "content_language": attributes.content_language,
        "storage_class": attributes.storage_class,
        "metadata": dict(attributes.metadata),
    }


def _facts(info: ObjectInfo, place: str) -> list[tuple[str, str]]:
    attributes = info.attributes
    size = f"{info.size:,} bytes" + (f" ({size_text(info.size)})" if info.size >= 1024 else "")
    rows = [("store", place), ("key", info.key), ("size", size)]
    rows += [("modified", f"{time_text(info.modified)} UTC")] if info.modified else []
    optional = [
        ("etag", info.etag),
        *((name, value) for name, value in sorted(info.checksums.items())),
        ("content type", attributes.content_type),
        ("cache control", attributes.cache_control),
        ("content disposition", attributes.content_disposition),
        ("content encoding", attributes.content_encoding),
        ("content language", attributes.content_language),
        ("storage class", attributes.storage_class),
        *((f"metadata {name}", value) for name, value in sorted(attributes.metadata.items())),
    ]
    return rows + [(name, value) for name, value in optional if value]
