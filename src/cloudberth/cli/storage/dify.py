"""`berth storage migrate SRC DST --dify`: its options, what it asks, what it shows.

For the command `migrate`: put `@dify_options` on it; it then gets `dify`, None without ``--dify``. With it,
call `migrate_dify` with `cloudberth.storage.dify.mover.EngineMover(execution)`: it copies what is
missing or different at the destination, compares everything, deletes nothing, tells every object that failed.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

import click

from cloudberth.cli.console import confirm, print_json
from cloudberth.cli.storage.arguments import deployed_environment
from cloudberth.cli.storage.units import objects_text, shown, size_text
from cloudberth.errors import InvalidInput, Refused

if TYPE_CHECKING:
    from cloudberth.storage.dify.connection import DatabaseSettings
    from cloudberth.storage.dify.migration import Mover
    from cloudberth.storage.dify.outcome import Facts, Moved, Outcome
    from cloudberth.storage.dify.report import Report
    from cloudberth.storage.storage import Storage

Decorated = TypeVar("Decorated", bound=Callable[..., Any])
Environment = Mapping[str, str]
_COLOURS = {"critical": "red", "high": "yellow", "unknown": "magenta"}


@dataclass(frozen=True, slots=True)
class DifyOptions:
    """What was asked for besides ``--dify``. database: a file with DB_*; report: a folder."""

    deep: bool = False
    keep_storage_type: bool = False
    allow_lost: bool = False
    database: Path | None = None
    report: Path | None = None


_OPTIONS = (
    click.option("--dify", is_flag=True, help="SRC is a whole Dify: check and change its database, too."),
    click.option("--deep", is_flag=True, help="Dify: compare contents with the hashes in its database."),
    click.option("--keep-storage-type", is_flag=True, help="Dify: leave upload_files.storage_type as it is."),
    click.option(
        "--allow-lost",
        is_flag=True,
        help="Dify: finish although files were lost before (never private keys).",
    ),
    click.option(
        "--database",
        type=click.Path(path_type=Path, dir_okay=False),
        help="Dify: file with DB_HOST and so on (default: SRC, else DST).",
    ),
    click.option(
        "--dify-report",
        type=click.Path(path_type=Path, file_okay=False),
        help="Dify: folder for summary, problems and rollback (default: dify-migration-<time>).",
    ),
)


def dify_options(function: Decorated) -> Decorated:
    """--dify and what belongs to it, given to the command as `dify`: DifyOptions, or None."""

    @wraps(function)
    def with_dify(
        dify: bool, deep: bool, keep_storage_type: bool, allow_lost: bool, database: Path | None,
        dify_report: Path | None, **arguments: Any,
    ) -> Any:  # fmt: skip
        chosen = DifyOptions(deep, keep_storage_type, allow_lost, database, dify_report)
        if not dify and chosen != DifyOptions():
            raise click.UsageError(
                "--deep, --keep-storage-type, --allow-lost, --database and --dify-report need --dify"
            )
        return function(dify=chosen if dify else None, **arguments)

    decorated: Any = with_dify
    for option in reversed(_OPTIONS):
        decorated = option(decorated)
    return cast(Decorated, decorated)


def migrate_dify(
    texts: tuple[str, str],
    stores: tuple[Storage, Storage],
    mover: Mover,
    dify: DifyOptions,
    *,
    dry_run: bool,
    yes: bool,
    as_json: bool,
) -> None:
    """Migrate. texts: SRC and DST as they were given; stores: what they mean, at their prefix.

    Raises Refused (exit code 3) when it must not be finished, also at the end of a dry run.
    """
    from cloudberth.storage.dify.database import DifyDatabase
    from cloudberth.storage.dify.migration import Migration
    from cloudberth.storage.dify.outcome import Choices
    from cloudberth.storage.dify.report import Report, default_folder

    environments = [variables_of(text) for text in texts]
    settings = database_of(environments, dify.database)
    choices = Choices(dry_run, dify.deep, dify.keep_storage_type, dify.allow_lost)
    with DifyDatabase.open(settings) as database:
        report = Report(dify.report or (None if dry_run else default_folder()))
        shown_mover = _Shown(mover, quiet=as_json)
        migration = Migration(*stores, database, shown_mover, report, choices, facts_of(environments), _say)
        migration.stopped = shown_mover.stopped
        warned: list[str] = []
        migration.agree = lambda outcome: _ask(outcome, settings, warned, as_json=as_json, yes=yes)
        outcome = migration.run()
    _show_result(outcome, report, warned, as_json)
    if dry_run and (refusals := outcome.all_refusals(dify.allow_lost)):
        raise Refused("; ".join(refusals[:5]), hint="this is what a migration would be refused for")


# -- what the locations say ----------------------------------------------------------------------------------


def variables_of(text: str) -> Environment:
    """Dify's variables when a location is a `.env` file or a deployment; else nothing."""
    from cloudberth.storage import dotenv
    from cloudberth.storage.location import DeployedBucket, EnvironmentFile, parse

    match parse(text):
        case EnvironmentFile(path=path):
            return dotenv.read(path, os.environ)
        case DeployedBucket(path=path):
            return deployed_environment(path)
    return {}


def database_of(environments: list[Environment], chosen: Path | None) -> DatabaseSettings:
    """The database that SRC or DST names, or a file of the user's choice; this process's DB_* stand above.

    Raises InvalidInput when there is none, or when the two name different ones.
    """
    from cloudberth.storage import dotenv
    from cloudberth.storage.dify.connection import DatabaseSettings

    ours = {name: value for name, value in os.environ.items() if name.startswith("DB_") and value}
    files = [dotenv.read(chosen, os.environ)] if chosen else environments
    found = [
        DatabaseSettings.from_environment({**file, **ours})
        for file in files
        if any(file.get(name) or ours.get(name) for name in ("DB_HOST", "DB_PASSWORD", "DB_DATABASE"))
    ]
    if not found:
        raise InvalidInput(
            "nothing says which database is Dify's",
            where="--dify",
            hint="use Dify's .env as SRC or DST, or name a file with DB_HOST, DB_PASSWORD … by --database",
        )
    places = list(dict.fromkeys(settings.place for settings in found))
    if len(places) > 1:
        raise InvalidInput(
            f"SRC and DST name different databases: {places[0]} and {places[1]}",
            where="--dify",
            hint="say by --database which file names the one that Dify will use",
        )
    return found[0]


def facts_of(environments: list[Environment]) -> Facts:
    """What else Dify's variables say that matters."""
    from cloudberth.storage.dify.outcome import Facts

    source, destination = environments
    known = [environment for environment in environments if environment]
    provider = next((found for one in known if (found := one.get("KEY_PROVIDER_TYPE", "").strip())), "")
    secrets = [one.get("SECRET_KEY", "").strip() for one in known]
    return Facts(
        secret_key=not source or bool(source.get("SECRET_KEY", "").strip()),
        keys_elsewhere="" if provider == "local" else provider,
        other_secret_key=bool(source and destination) and len(set(secrets)) > 1,
    )


# -- what is shown -------------------------------------------------------------------------------------------


class _Shown:
    """A mover with its progress on the screen while it moves, when it has any."""

    def __init__(self, mover: Mover, *, quiet: bool) -> None:
        self._mover = mover
        self._quiet = quiet

    def stopped(self) -> bool:
        asked = getattr(self._mover, "stopped", None)
        return bool(asked and asked())

    def __call__(self, source: Storage, destination: Storage, *, dry_run: bool) -> Moved:
        from cloudberth.cli.storage.transfer_display import Display

        progress = getattr(self._mover, "progress", None)
        if progress is None:
            return self._mover(source, destination, dry_run=dry_run)
        with Display(progress, quiet=self._quiet):
            return self._mover(source, destination, dry_run=dry_run)


def _say(line: str) -> None:
    click.echo(line, err=True)


def _ask(
    outcome: Outcome, settings: DatabaseSettings, warned: list[str], *, as_json: bool, yes: bool
) -> None:
    if not as_json:
        show_survey(outcome)
        _warn(outcome, warned)
    confirm(f"Move all of it, and change {outcome.to_change:,} rows of {settings.place}?", yes=yes)


def show_survey(outcome: Outcome) -> None:
    """What is there, before anything is done."""
    total = outcome.census.total
    click.echo(f"{objects_text(total.objects)}, {size_text(total.bytes)}:")
    width = max((len(kind.shape) for kind, _ in outcome.census.rows), default=0)
    for kind, tally in outcome.census.rows:
        level = click.style(f"{kind.criticality:<9}", fg=_COLOURS.get(kind.criticality))
        left = "" if kind.dify_moves else "  (Dify's own command leaves it out)"
        click.echo(
            f"  {kind.shape:<{width}}  {level}  {tally.objects:>10,}  {size_text(tally.bytes):>10}{left}"
        )
    for key in outcome.census.unknown:
        click.echo(f"    unknown: {shown(key)}")
    types = ", ".join(f"{count:,} {kind}" for kind, count in outcome.rows_by_type.items()) or "none"
    click.echo(f"rows of upload_files: {types}")


def _show_result(outcome: Outcome, report: Report, warned: list[str], as_json: bool) -> None:
    if as_json:
        print_json(outcome.as_json())
        return
    if outcome.dry_run:
        show_survey(outcome)
    moved = outcome.moved
    verb = "to move" if outcome.dry_run else "moved"
    click.echo(
        f"{verb}: {objects_text(moved.objects)}, {size_text(moved.bytes)}; there already: {moved.present:,}"
    )
    rows = ", ".join(f"{count:,} {table}" for table, count in sorted(outcome.checked.rows.items())) or "none"
    click.echo(f"rows checked: {rows}; workspaces checked: {outcome.tenants:,}")
    _show_troubles(outcome, report)
    _warn(outcome, warned)
    if outcome.dry_run:
        click.echo(f"storage type: {outcome.to_change:,} rows would become {outcome.new_type}")
        click.echo("Nothing was changed.")
        return
    click.echo(f"storage type: {outcome.changed:,} rows are {outcome.new_type} now")
    if report.folder is not None:
        click.echo(f"report and way back: {report.folder}")


def _show_troubles(outcome: Outcome, report: Report) -> None:
    for problem in outcome.keys:
        click.secho(
            f"  workspace {problem.tenant}: {problem.state}", fg="red" if problem.state.fatal else None
        )
    for trouble, count in outcome.checked.troubles.items():
        click.secho(f"  {count:,} rows: {trouble}", fg=None if trouble.note else "red")
        for example in report.examples.get(trouble, ()):
            detail = f" ({example.detail})" if example.detail else ""
            click.echo(f"      {shown(example.key)}{detail}")


def _warn(outcome: Outcome, warned: list[str]) -> None:
    """Say each warning once."""
    new = [warning for warning in outcome.warnings if warning not in warned]
    warned += new
    for warning in new:
        click.secho("warning: ", fg="yellow", nl=False, err=True)
        click.echo(warning, err=True)
