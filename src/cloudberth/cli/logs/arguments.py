"""What the logs commands share: where logs are read, the filter, times."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import click
from click.shell_completion import CompletionItem

from cloudberth.errors import InvalidInput

if TYPE_CHECKING:
    from cloudberth.logs.contract import LogReader
    from cloudberth.logs.filter import Filter

Decorated = TypeVar("Decorated", bound=Callable[..., Any])
LEVELS = ("debug", "info", "notice", "warning", "error", "critical")
DEPLOYMENT_FILES = (".yaml", ".yml")


@dataclass(frozen=True, slots=True)
class Source:
    """Where logs are read. deployment: a file that `berth up` brought up; workspace: of its Terraform."""

    location: str
    workspace: Path | None

    @property
    def is_deployment(self) -> bool:
        return "://" not in self.location and self.location.endswith(DEPLOYMENT_FILES)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What was typed for a filter. since, until: as text, read when the command runs."""

    since: str
    until: str
    level: str | None
    services: tuple[str, ...]
    trace: str
    text: tuple[str, ...]
    conditions: tuple[str, ...]
    zone: tzinfo

    def span(self, now: datetime) -> tuple[datetime, datetime]:
        """Raises InvalidInput."""
        from cloudberth.logs.moments import moment

        return moment(self.since, now, self.zone), moment(self.until, now, self.zone)

    def filter(self, now: datetime) -> Filter:
        """Raises InvalidInput."""
        from cloudberth.logs.filter import Condition, Filter
        from cloudberth.logs.severity import severity_named

        since, until = self.span(now)
        return Filter(
            since, until, severity_named(self.level) if self.level else None, self.services, self.trace,
            self.text, tuple(Condition.parse(text) for text in self.conditions),
        )  # fmt: skip


class LocationType(click.ParamType):  # type: ignore[type-arg]
    """A location of logs, with completion of schemes and files."""

    name = "location"

    def shell_complete(
        self,
        ctx: click.Context,  # noqa: ARG002
        param: click.Parameter,  # noqa: ARG002
        incomplete: str,
    ) -> list[CompletionItem]:
        from cloudberth.logs.registry import READERS

        stores = [f"{scheme}://" for scheme in READERS if scheme != "file"]
        found = [CompletionItem(store) for store in stores if store.startswith(incomplete)]
        return found if "://" in incomplete else [*found, CompletionItem(incomplete, type="file")]


class ServiceType(click.ParamType):  # type: ignore[type-arg]
    """A service; completed from the deployment file."""

    name = "service"

    def shell_complete(
        self,
        ctx: click.Context,
        param: click.Parameter,  # noqa: ARG002
        incomplete: str,
    ) -> list[CompletionItem]:
        location = ctx.params.get("location") or "berth.yaml"
        try:
            from cloudberth import pipeline
            from cloudberth.apps.variables import log_groups

            names = log_groups(pipeline.application(pipeline.read(Path(location))))
        except Exception:
            return []
        return [CompletionItem(name) for name in names if name.startswith(incomplete)]


def source_options(function: Decorated) -> Decorated:
    """--from and --workspace, given to the command as `source`."""

    @wraps(function)
    def with_source(location: str, workspace: Path | None, **arguments: Any) -> Any:
        return function(source=Source(location, workspace), **arguments)

    decorated: Any = with_source
    for option in (
        click.option(
            "--workspace",
            "-w",
            type=click.Path(path_type=Path, file_okay=False),
            help="Folder of the Terraform workspace (default: <name>-<cloud> beside the file).",
        ),
        click.option(
            "--from",
            "location",
            type=LocationType(),
            default="berth.yaml",
            show_default=True,
            metavar="LOCATION",
            help="Where: a deployment file, the URL of a log store, or files; `berth logs -h` has the forms.",
        ),
    ):
        decorated = option(decorated)
    return cast(Decorated, decorated)


def span_options(since: str) -> Callable[[Decorated], Decorated]:
    """--since, --until and --utc."""

    def decorate(function: Decorated) -> Decorated:
        decorated: Any = function
        for option in (
            click.option(
                "--time-zone", default="", metavar="NAME", help="Zone of times, e.g. Europe/Berlin; UTC."
            ),
            click.option("--until", default="now", show_default=True, metavar="TIME", help="Up to then."),
            click.option(
                "--since",
                default=since,
                show_default=True,
                metavar="TIME",
                help="From then on: 15m, 2h, 3d, 10:30, 2026-11-26T10:30Z.",
            ),
        ):
            decorated = option(decorated)
        return cast(Decorated, decorated)

    return decorate


def filter_options(function: Decorated) -> Decorated:
    """The filter, given to the command as `wanted`; its times are those of `span_options`."""

    @wraps(function)
    def with_filter(
        since: str,
        until: str,
        level: str | None,
        service: tuple[str, ...],
        trace: str,
        text: tuple[str, ...],
        conditions: tuple[str, ...],
        time_zone: str,
        **arguments: Any,
    ) -> Any:
        wanted = Wanted(since, until, level, service, trace, text, conditions, zone_of(time_zone))
        return function(wanted=wanted, **arguments)

    decorated: Any = with_filter
    for option in (
        click.argument("conditions", nargs=-1, metavar="[FIELD=VALUE]..."),
        click.option("--text", "-t", multiple=True, help="Lines that contain this; again: and this."),
        click.option(
            "--trace", default="", metavar="ID", help="Lines of one trace, in any spelling of its id."
        ),
        click.option(
            "--service", "-s", multiple=True, type=ServiceType(), help="Only of this service; again: or."
        ),
        click.option(
            "--level",
            "-l",
            type=click.Choice(LEVELS, case_sensitive=False),
            help="This level and worse.",
        ),
    ):
        decorated = option(decorated)
    return cast(Decorated, decorated)


def zone_of(name: str) -> tzinfo:
    """The zone of a name; that of this machine when there is none. Raises InvalidInput."""
    if not name:
        return datetime.now().astimezone().tzinfo or UTC
    if name.upper() in ("UTC", "Z"):
        return UTC
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise InvalidInput(
            f"there is no time zone {name!r}", hint="e.g. UTC, Europe/Berlin, Asia/Shanghai"
        ) from None


def open_source(source: Source, *, quiet: bool) -> LogReader:
    """The reader. For a deployment its outputs are read first. Raises InvalidInput."""
    from rich.markup import escape

    from cloudberth.cli.console import err

    if source.is_deployment:
        reader = _of_deployment(Path(source.location), source.workspace, quiet=quiet)
    else:
        from cloudberth.logs.location import open_location

        reader = open_location(source.location)

    def remark(text: str) -> None:
        err.print(f"[yellow]note:[/yellow] {escape(text)}", soft_wrap=True)

    reader.remark = remark
    return reader


def _of_deployment(file: Path, workspace: Path | None, *, quiet: bool) -> LogReader:
    from cloudberth import pipeline
    from cloudberth.cli import status
    from cloudberth.logs.contract import DeploymentLogs
    from cloudberth.logs.registry import reader_of_deployment

    deployment = pipeline.read(file)
    values = status._outputs(deployment, file, workspace, quiet=quiet)
    groups = values.get("log_groups") or {}
    if not groups:
        raise InvalidInput("the deployment has no log groups", where=str(file), hint="`berth up` makes them")
    facts = (values.get("facts") or {}).get("logs") or {}
    return reader_of_deployment(
        deployment.cloud,
        DeploymentLogs(
            deployment.name,
            str(facts.get("region") or deployment.region),
            str(facts.get("store") or ""),
            groups,
        ),
    )
