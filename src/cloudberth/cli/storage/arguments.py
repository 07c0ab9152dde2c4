"""What the storage commands share: locations and how they are opened, and the limits of a client."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import timedelta
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

import click
from click.shell_completion import CompletionItem

from cloudberth.cli.storage.units import DURATION, SIZE
from cloudberth.errors import InvalidInput

if TYPE_CHECKING:
    from cloudberth.storage.location import Location
    from cloudberth.storage.options import Options
    from cloudberth.storage.storage import Storage

Decorated = TypeVar("Decorated", bound=Callable[..., Any])
_COMPLETIONS = 200
_COMPLETION_SECONDS = 3.0


class LocationType(click.ParamType):  # type: ignore[type-arg]
    """A location; it is read where it is opened, so that a wrong one is one line with a hint."""

    name = "location"

    def shell_complete(
        self,
        ctx: click.Context,  # noqa: ARG002
        param: click.Parameter,  # noqa: ARG002
        incomplete: str,
    ) -> list[CompletionItem]:
        if "://" not in incomplete:
            from cloudberth.storage.registry import SCHEMES

            stores = [f"{scheme}://" for scheme in sorted(SCHEMES) if f"{scheme}://".startswith(incomplete)]
            return [CompletionItem(store) for store in stores] + [CompletionItem(incomplete, type="file")]
        with suppress(Exception):
            return [CompletionItem(text) for text in _keys_behind(incomplete)]
        return []


def _keys_behind(incomplete: str) -> list[str]:
    """One page of one level of a store, as locations. Asks the store: a few seconds at most."""
    from cloudberth.storage.contract import ObjectInfo
    from cloudberth.storage.location import Url, encoded_key, parse
    from cloudberth.storage.options import Options

    location = parse(incomplete)
    if not isinstance(location, Url) or "?" in incomplete or not location.bucket:
        return []
    quick = Options(connect_timeout=1, read_timeout=2, deadline=_COMPLETION_SECONDS, retries=0)
    store, key = open_store(incomplete, quick)
    with store:
        page = store.page(key, delimiter="/", limit=_COMPLETIONS)
    start = f"{location.scheme}://{location.bucket}/"
    return [
        start + encoded_key(entry.key) for entry in page.entries if isinstance(entry, ObjectInfo) or entry
    ]


LOCATION = LocationType()


def location_argument(name: str, **keywords: Any) -> Callable[[Decorated], Decorated]:
    """A LOCATION with shell completion."""
    return click.argument(name, type=LOCATION, metavar=keywords.pop("metavar", name.upper()), **keywords)


def json_option(function: Decorated) -> Decorated:
    return click.option("--json", "as_json", is_flag=True, help="Print JSON only.")(function)


def yes_option(function: Decorated) -> Decorated:
    return click.option("--yes", "-y", is_flag=True, help="Do not ask.")(function)


def dry_run_option(function: Decorated) -> Decorated:
    return click.option("--dry-run", is_flag=True, help="Say what would be done, and do nothing.")(function)


def client_options(function: Decorated) -> Decorated:
    """--concurrency, --bandwidth, --requests and --timeout, given to the command as `options`."""

    @wraps(function)
    def with_options(
        concurrency: int | None,
        bandwidth: int | None,
        requests: float | None,
        timeout: timedelta | None,
        **arguments: Any,
    ) -> Any:
        return function(options=_options(concurrency, bandwidth, requests, timeout), **arguments)

    decorated: Any = with_options
    for option in _CLIENT_OPTIONS:
        decorated = option(decorated)
    return cast(Decorated, decorated)


_CLIENT_OPTIONS = (
    click.option("--timeout", type=DURATION, help="Give one operation up after this time (default: 5m)."),
    click.option("--requests", type=click.FloatRange(0, min_open=True), help="Requests a second at most."),
    click.option("--bandwidth", type=SIZE, help="Bytes a second at most, each way (10M)."),
    click.option("--concurrency", type=click.IntRange(1, 1024), help="Requests at once (default: 16)."),
)


def _options(
    concurrency: int | None, bandwidth: int | None, requests: float | None, timeout: timedelta | None
) -> Options:
    from cloudberth.storage.options import Options

    given: dict[str, Any] = {}
    if concurrency:
        given["concurrency"] = concurrency
    if bandwidth:
        given["bandwidth"] = float(bandwidth)
    if requests:
        given["request_rate"] = requests
    if timeout is not None:
        seconds = timeout.total_seconds()
        if seconds <= 0:
            raise InvalidInput("--timeout has to be more than nothing")
        plain = Options()
        given["deadline"] = seconds
        given["read_timeout"] = min(plain.read_timeout, seconds)
        given["connect_timeout"] = min(plain.connect_timeout, seconds)
    return Options(**given)


# -- opening -------------------------------------------------------------------------------------------------


def open_store(location: str | Location, options: Options) -> tuple[Storage, str]:
    """The store of a location, and the key or prefix in it. Credentials of URLs come from our environment."""
    from cloudberth.storage.location import open_parsed, parse

    read = parse(location) if isinstance(location, str) else location
    return open_parsed(read, os.environ, options, deployed_environment)


def deployed_environment(file: Path) -> Mapping[str, str]:
    """The variables of a deployment's application that name its store.

    Secrets are only fetched when the store needs one: with a role of the machine, which is usual, none does.
    """
    from cloudberth import pipeline
    from cloudberth.cli import status
    from cloudberth.environment.wire import MASK
    from cloudberth.storage.registry import backend_class

    deployment = pipeline.read(file)
    values = status._outputs(deployment, file, None, quiet=True)
    facts = values.get("facts") or {}
    services = pipeline.wire(deployment, facts)
    for name in ("api", *sorted(services)):
        variables = services.get(name, {})
        if kind := variables.get("STORAGE_TYPE"):
            needed = backend_class(kind).settings.variables().values()
            if any(MASK in variables.get(variable, "") for variable in needed):
                read = status._reader(deployment, values.get("secrets") or {})
                return pipeline.wire(deployment, facts, read)[name]
            return variables
    raise InvalidInput("no service of this deployment has STORAGE_TYPE in its environment", where=str(file))
