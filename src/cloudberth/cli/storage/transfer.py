"""`berth storage sync` and `migrate`: whole stores, from anywhere to anywhere."""

from __future__ import annotations

import json
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

import click

from cloudberth.cli.storage.arguments import (
    client_options,
    dry_run_option,
    json_option,
    location_argument,
    open_store,
    yes_option,
)
from cloudberth.cli.storage.dify import DifyOptions, dify_options
from cloudberth.cli.storage.units import duration_text, objects_text, shown, size_text
from cloudberth.errors import InvalidInput

if TYPE_CHECKING:
    from cloudberth.cli.storage.transfer_display import Display
    from cloudberth.storage.options import Options
    from cloudberth.storage.storage import Storage
    from cloudberth.storage.transfer.engine import Execution
    from cloudberth.storage.transfer.journal import Work
    from cloudberth.storage.transfer.planning import Counts
    from cloudberth.storage.transfer.report import Summary
    from cloudberth.storage.transfer.rules import Rules

Decorated = TypeVar("Decorated", bound=Callable[..., Any])
_FILE = click.Path(path_type=Path, dir_okay=False)

# -- options -------------------------------------------------------------------------------------------------


def filter_options(function: Decorated) -> Decorated:
    for option in (
        click.option(
            "--exclude", multiple=True, metavar="PATTERN", help="Leave these keys alone; repeatable."
        ),
        click.option(
            "--include", multiple=True, metavar="PATTERN", help="Only these keys (*.pdf, logs/, a/**/b)."
        ),
    ):
        function = option(function)
    return function


_RULES = (
    click.option(
        "--compare",
        type=click.Choice(["auto", "size", "etag", "checksum", "always"]),
        default="auto",
        help="How two objects of one key are told apart (default: size, checksum both tell, else time).",
    ),
    click.option("--newer-only", is_flag=True, help="Never replace what is as new as the source, or newer."),
    click.option("--no-overwrite", is_flag=True, help="Never replace anything; report what differs."),
    click.option("--delete", is_flag=True, help="Delete at DST what SRC has not."),
    click.option(
        "--max-delete",
        metavar="N|N%",
        help="Refuse a plan that deletes more (default: 50% of DST, but ten objects always may go).",
    ),
)
_EXECUTION = (
    click.option("--plan", "plan_file", type=_FILE, help="With --dry-run: write the plan to this file."),
    click.option("--execute", "execute_file", type=_FILE, help="Do exactly what this plan says."),
    click.option(
        "--verify",
        type=click.Choice(["checksum", "read", "size"]),
        default="checksum",
        help="When a copy counts as done (default: a checksum of DST is right, else it is read again).",
    ),
    click.option("--no-server-side-copy", is_flag=True, help="Move every byte through this machine."),
    click.option("--create-bucket", is_flag=True, help="Create DST's bucket when it is missing."),
    click.option("--journal", type=_FILE, help="Where the journal is kept (default: in ~/.local/state)."),
    click.option("--restart", is_flag=True, help="Forget an interrupted transfer, and plan anew."),
    click.option("--report", type=_FILE, help="Write here what was not moved, and why (JSON Lines)."),
    click.option(
        "--engine",
        type=click.Choice(["threads", "ray"]),
        default="threads",
        help="ray: the workers of a Ray cluster copy.",
    ),
    click.option(
        "--ray-address", default="auto", help="Of the Ray cluster (default: the one of this machine)."
    ),
    dry_run_option,
    click.option("--quiet", "-q", is_flag=True, help="No progress and no summary."),
    json_option,
    client_options,
)


def _transfer_options(function: Decorated) -> Decorated:
    """Everything that sync and migrate share; given to the command as `rules` and `given`."""

    @wraps(function)
    def with_rules(
        compare: str, newer_only: bool, no_overwrite: bool, delete: bool, max_delete: str | None,
        include: tuple[str, ...], exclude: tuple[str, ...], **given: Any,
    ) -> Any:  # fmt: skip
        from cloudberth.storage.transfer.patterns import key_filter
        from cloudberth.storage.transfer.rules import USUAL_MAX_DELETE, Compare, MaxDelete, Rules

        key_filter(include, exclude)
        if max_delete is not None and not delete:
            raise click.UsageError("--max-delete needs --delete")
        rules = Rules(
            include, exclude, Compare(compare), newer_only, not no_overwrite, delete,
            MaxDelete.parse(max_delete) if max_delete is not None else USUAL_MAX_DELETE,
        )  # fmt: skip
        return function(rules=rules, given=given)

    decorated: Any = with_rules
    for option in reversed((*_RULES, *_EXECUTION)):
        decorated = option(decorated)
    return cast(Decorated, filter_options(decorated))


# -- the commands --------------------------------------------------------------------------------------------


@click.command()
@location_argument("source", metavar="SRC")
@location_argument("destination", metavar="DST")
@_transfer_options
def sync(rules: Rules, given: dict[str, Any]) -> int:
    """Make everything below DST what is below SRC: what is missing or different there is copied.

    Every copy is verified. A transfer that was interrupted (Ctrl-C, kill -9, lost network) is gone on with by
    the same command. Nothing is deleted without --delete, and never for an empty or failing SRC.
    Exit code 1: something was not moved (see the report), 3: refused, 130: interrupted.
    """
    return _run(rules, given, migration=False)


@click.command()
@location_argument("source", metavar="SRC")
@location_argument("destination", metavar="DST")
@dify_options
@yes_option
@_transfer_options
def migrate(rules: Rules, given: dict[str, Any]) -> int:
    """Move everything below SRC to DST: a sync that at the end compares all, content and attributes.

    Done (exit code 0) only when every object is there and nothing is different. SRC is left as it is. With
    --dify, SRC is a whole Dify: its database is checked and changed too.
    """
    return _run(rules, given, migration=True)


def _run(rules: Rules, given: dict[str, Any], *, migration: bool) -> int:
    dify: DifyOptions | None = given.pop("dify", None)
    yes: bool = given.pop("yes", False)
    _check_options(rules, given, dify)
    with ExitStack() as stack:
        source = opened_folder(given["source"], given["options"], stack)
        target = opened_folder(given["destination"], given["options"], stack)
        if not given["dry_run"]:
            _prepare(given["destination"], target, create=given["create_bucket"])
        if dify is not None:
            return _dify((source, target), dify, given, yes=yes)
        if given["dry_run"]:
            return _show_plan(source, target, rules, given)
        return _transfer(source, target, rules, given, migration=migration)


def _check_options(rules: Rules, given: dict[str, Any], dify: DifyOptions | None) -> None:
    from cloudberth.storage.transfer.rules import Rules as UsualRules

    if given["plan_file"] and not given["dry_run"]:
        raise click.UsageError("--plan needs --dry-run; to do what a plan says: --execute FILE")
    if given["execute_file"] and (given["dry_run"] or dify or rules != UsualRules()):
        raise click.UsageError("--execute does what the plan says; it takes no rules, --dry-run or --dify")
    if dify and (rules != UsualRules() or given["plan_file"]):
        raise click.UsageError("--dify moves everything; it takes no rules and no --plan")


# -- the course of a transfer --------------------------------------------------------------------------------


def _transfer(
    source: Storage, target: Storage, rules: Rules, given: dict[str, Any], *, migration: bool
) -> int:
    from cloudberth.cli.storage.transfer_display import Display
    from cloudberth.storage.transfer import engine

    execution = _execution(given)
    silent = given["quiet"] or given["as_json"]
    with Display(execution.progress, quiet=silent) as display, interruptible(execution.stop, display):
        if given["execute_file"]:
            summary = engine.execute(given["execute_file"], source, target, execution)
        else:
            run = engine.migrate if migration else engine.sync
            summary = run(source, target, rules, execution)
    if given["as_json"]:
        click.echo(json.dumps(summary.document(), indent=2, ensure_ascii=False))
    elif not given["quiet"] or summary.exit_code:
        _show_summary(summary)
    return summary.exit_code


def _dify(stores: tuple[Storage, Storage], dify: DifyOptions, given: dict[str, Any], *, yes: bool) -> int:
    from cloudberth.cli.storage.dify import migrate_dify
    from cloudberth.cli.storage.transfer_display import Display
    from cloudberth.storage.dify.mover import EngineMover

    execution = _execution(given)
    with Display(execution.progress, quiet=True) as display, interruptible(execution.stop, display):
        migrate_dify(
            (given["source"], given["destination"]), stores, EngineMover(execution), dify,
            dry_run=given["dry_run"], yes=yes, as_json=given["as_json"],
        )  # fmt: skip
    return 0


def _execution(given: dict[str, Any]) -> Execution:
    from cloudberth.storage.transfer.content import Verify
    from cloudberth.storage.transfer.engine import Execution

    execution = Execution(
        verify=Verify(given["verify"]),
        journal=given["journal"],
        report=given["report"],
        server_side=not given["no_server_side_copy"],
        restart=given["restart"],
    )
    if given["engine"] == "ray":
        from cloudberth.cli.storage.ray_places import place
        from cloudberth.storage.transfer.on_ray import RayCopying

        execution.copy_all = RayCopying(
            place(given["source"], given["options"]),
            place(given["destination"], given["options"]),
            address=given["ray_address"],
        )
    return execution


@contextmanager
def interruptible(stop: threading.Event, display: Display) -> Iterator[None]:
    """Ctrl-C and SIGTERM end a transfer in order; the second one ends it at once."""

    def asked(_number: int, _frame: Any) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()
        display.say("Stopping when what is under way is done; once more stops at once.")

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, asked) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


# -- places --------------------------------------------------------------------------------------------------


def opened_folder(text: str, options: Options, stack: ExitStack | None) -> Storage:
    """A location as a folder: everything below it."""
    from cloudberth.storage.location import LocalPath, parse

    location = parse(text)
    if isinstance(location, LocalPath):
        if location.path.is_file():
            raise InvalidInput(
                "this is a file; whole folders are synced", where=text, hint="berth storage cp"
            )
        location = replace(location, folder=True)
    store, key = open_store(location, options)
    if stack is not None:
        stack.enter_context(store)
    return store.under(key if not key or key.endswith("/") else f"{key}/")


def _prepare(text: str, target: Storage, *, create: bool) -> None:
    """Folders of this machine are made; buckets only when that was asked for."""
    from cloudberth.storage.location import LocalPath, parse

    location = parse(text)
    if isinstance(location, LocalPath):
        location.path.mkdir(parents=True, exist_ok=True)
    elif create:
        target.check(create=True)


# -- what is shown -------------------------------------------------------------------------------------------


def _show_plan(source: Storage, target: Storage, rules: Rules, given: dict[str, Any]) -> int:
    from cloudberth.storage.transfer import plan_file
    from cloudberth.storage.transfer.engine import planned
    from cloudberth.storage.transfer.planning import guard

    with planned(source, target, rules) as (counts, lines, write):
        if given["plan_file"]:
            write(given["plan_file"])
        if given["as_json"]:
            # Written line by line: a plan may have millions of them.
            click.echo(f'{{"format": 1, "counts": {json.dumps(counts.document(), ensure_ascii=False)},')
            click.echo('"actions": [')
            for number, work in enumerate(lines):
                click.echo(("," if number else "") + json.dumps(plan_file.line(work), ensure_ascii=False))
            click.echo("]}")
        elif not given["quiet"]:
            for work in lines:
                click.echo(_plan_line(work))
            click.echo(_plan_summary(counts, given["plan_file"]), err=True)
    # It is shown all the same; executed it would be refused.
    guard(counts, rules, target.place)
    return 0


def _plan_line(work: Work) -> str:
    size = "" if work.action.name == "DELETE" else f"  {size_text(work.size)}"
    return f"{work.action.name.lower():8} {shown(work.key)}{size}  ({work.reason})"


def _plan_summary(counts: Counts, file: Path | None) -> str:
    parts = [
        f"{count:,} to {name} ({size_text(counts.bytes[name])})"
        if name != "delete"
        else f"{count:,} to delete"
        for name, count in counts.objects.items()
    ]
    text = "; ".join([*parts, f"{sum(counts.skipped.values()):,} left as they are"])
    return f"{text}. Nothing was done." + (f" To do exactly this: --execute {file}" if file else "")


def _show_summary(summary: Summary) -> None:
    parts = [f"{objects_text(summary.copied)} copied ({size_text(summary.bytes)})"]
    for count, text in (
        (summary.deleted, "deleted"),
        (summary.unchanged, "already there"),
        (summary.incomplete, "without something that DST cannot hold"),
        (summary.failed, "failed"),
        (summary.left, "left to do"),
    ):
        if count:
            parts.append(f"{count:,} {text}")
    rate = (
        f" ({size_text(summary.bytes / summary.seconds)}/s)" if summary.seconds > 1 and summary.bytes else ""
    )
    click.echo(", ".join(parts) + f" in {duration_text(summary.seconds)}{rate}.", err=True)
    if summary.verified is not None:
        found = "no differences" if not summary.differences else f"{summary.differences:,} differences"
        click.echo(f"Compared {objects_text(summary.verified)}: {found}.", err=True)
        if "different content" in summary.reasons:
            click.echo("--compare checksum copies again what differs by content.", err=True)
    if summary.trouble:
        click.echo(f"Stopped by: {summary.trouble}", err=True)
    for kind, count in sorted(summary.reasons.items()):
        click.echo(f"  {kind}: {count:,}", err=True)
    if summary.report:
        click.echo(f"Each with its reason: {summary.report}", err=True)
    if summary.left or summary.interrupted:
        click.echo(f"Run the same command again to go on. Journal: {summary.journal}", err=True)
