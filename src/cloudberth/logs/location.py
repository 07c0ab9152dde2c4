"""Locations of logs: URLs of stores, and paths of files.

::

    cloudwatch://eu-central-1/cloudberth/shop/api      region, log group (several: separated by commas)
    azure-monitor:///subscriptions/…/workspaces/shop   workspace by its id, or azure-monitor://<its GUID>
    google-logging://my-project/europe-west1/shop      project, and region and bucket of the logs
    sls://my-project.cn-hangzhou.log.aliyuncs.com/app  project and endpoint, log store
    logs/*.log, app.log, a folder, -                   files, rotated and compressed ones too; standard input
"""

from __future__ import annotations

from urllib.parse import parse_qsl, unquote, urlsplit

from cloudberth.errors import InvalidInput
from cloudberth.logs.contract import LogReader, Place
from cloudberth.logs.registry import reader_class


def parse(location: str) -> Place:
    """The pieces of a location. Raises InvalidInput."""
    if "://" not in location:
        return Place("file", "", location, {})
    try:
        parts = urlsplit(location)
        pairs = dict(parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query)))
    except ValueError:
        raise InvalidInput(f"{location[:100]!r} is no location of logs") from None
    if "@" in parts.netloc:
        raise InvalidInput(
            "a location holds no credentials", hint="everybody on this machine sees it; set the variables"
        )
    return Place(parts.scheme, parts.netloc, unquote(parts.path), pairs)


def open_location(location: str) -> LogReader:
    """The reader of a location. Raises InvalidInput. Makes no request."""
    place = parse(location)
    return reader_class(place.scheme).at(place)
