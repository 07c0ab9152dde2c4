"""`berth storage cp` and `mv`: objects and files, any store to any store, one or whole folders."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from cloudberth.cli.storage.arguments import client_options, dry_run_option, json_option, location_argument
from cloudberth.cli.storage.interrupting import interruptible
from cloudberth.cli.storage.jobs import Changes, Copier, Job, Side, opened
from cloudberth.cli.storage.pool import Pool, running
from cloudberth.cli.storage.progress import Progress
from cloudberth.cli.storage.units import duration_text, objects_text, shown, size_text
from cloudberth.errors import CloudberthError, InvalidInput

if TYPE_CHECKING:
    from cloudberth.cli.storage.small_copies import Done
    from cloudberth.storage.location import Location
    from cloudberth.storage.options import Options
    from cloudberth.storage.storage import Storage

Decorated = TypeVar("Decorated", bound=Callable[..., Any])
_HEADERS = ("content_type", "cache_control", "content_disposition", "content_encoding", "content_language")
_FAILURES_KEPT = 1000


def _copy_options(function: Decorated) -> Decorated:
    """Everything that cp and mv share."""
    for option in reversed(
        (
            click.option("--recursive", "-r", is_flag=True, help="Everything below a folder or prefix."),
            click.option("--no-clobber", "-n", is_flag=True, help="Leave alone what is there already."),
            *(
                click.option(f"--{name.replace('_', '-')}", help="Instead of the source's.")
                for name in _HEADERS
            ),
            click.option(
                "--metadata", multiple=True, metavar="NAME=VALUE", help="Instead of the source's; repeatable."
            ),
            click.option(
                "--storage-class",
                help="standard, infrequent, cold, archive, deep-archive, or the store's name.",
            ),
            dry_run_option,
            click.option("--quiet", "-q", is_flag=True, help="No progress and no summary."),
            json_option,
            client_options,
        )
    ):
        function = option(function)
    return function


@click.command()
@location_argument("locations", metavar="SOURCE… TARGET", nargs=-1, required=True)
@_copy_options
def cp(locations: tuple[str, ...], **arguments: Any) -> int:
    """Copy objects and files: from any store, or this machine, to any other.

    A TARGET that ends in / or is a whole bucket gets the source's name appended. With -r, what is below
    SOURCE goes below TARGET. - is standard input or output. Content type, metadata and storage class are
    kept; inside one store the server copies.
    """
    return _command(locations, move=False, **arguments)


@click.command()
@location_argument("locations", metavar="SOURCE… TARGET", nargs=-1, required=True)
@_copy_options
def mv(locations: tuple[str, ...], **arguments: Any) -> int:
    """Move objects and files: copy each, and delete the source when its copy is there."""
    return _command(locations, move=True, **arguments)


def _command(
    locations: tuple[str, ...], *, move: bool, options: Options, recursive: bool, no_clobber: bool,
    metadata: tuple[str, ...], storage_class: str | None, dry_run: bool, quiet: bool, as_json: bool,
    **headers: str | None,
) -> int:  # fmt: skip
    if len(locations) < 2:
        raise click.UsageError("a source and a target are needed")
    changes = Changes(
        {name: value for name, value in headers.items() if value is not None},
        dict(_pair(text) for text in metadata),
        storage_class,
    )
    stores: list[Storage] = []
    with interruptible(stores), _closed_at_the_end(stores):
        work = _jobs(locations, stores, recursive=recursive, options=options, move=move, dry_run=dry_run)
        if dry_run:
            return _show_plan(work, move=move, as_json=as_json)
        run = _Run(changes, move=move, no_clobber=no_clobber, quiet=quiet or as_json)
        run.all(work, options.concurrency, alone=len(locations) == 2 and not recursive)
    return run.report(as_json=as_json, quiet=quiet)


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name.strip():
        raise InvalidInput(f"--metadata {name!r} has no value", hint="write --metadata name=value")
    return name.strip().lower(), value


# -- what there is to do -------------------------------------------------------------------------------------


def _jobs(
    locations: tuple[str, ...],
    stores: list[Storage],
    *,
    recursive: bool,
    options: Options,
    move: bool,
    dry_run: bool,
) -> Iterator[Job]:
    """Every object to copy. Locations are opened at once, into `stores`; lists are read on the way."""
    from cloudberth.storage.location import StandardStream, parse

    *sources, target_location = [parse(text) for text in locations]
    for location in sources:
        if isinstance(location, StandardStream) and (move or recursive or len(sources) > 1):
            raise InvalidInput("standard input can be copied alone and to one object", where="-")
    if isinstance(target_location, StandardStream) and (move or recursive):
        raise InvalidInput("standard output takes single copies", where="-", hint="name a folder or a bucket")
    origins = [_side(location, options, stores, folder=recursive, durable=move) for location in sources]
    below = recursive or len(sources) > 1
    target = _side(target_location, options, stores, folder=below, durable=move)
    for origin in origins:
        _check(origin, target, recursive)
    if not dry_run:
        _make_folder(target)
    return (
        job for origin in origins for job in (_below(origin, target) if recursive else [_one(origin, target)])
    )


def _side(
    location: Location, options: Options, stores: list[Storage], *, folder: bool, durable: bool
) -> Side:
    # Like cp(1), a copy may lie in the kernel's memory; what mv deletes afterwards may not.
    side = opened(location, options, folder=folder, durable=durable)
    if side.store is not None:
        stores.append(side.store)
    return side


@contextmanager
def _closed_at_the_end(stores: list[Storage]) -> Iterator[None]:
    try:
        yield
    finally:
        for store in stores:
            store.close()
            if store.type == "local":
                _tidy(Path(store.backend.place.removeprefix("file://")))


def _tidy(folder: Path) -> None:
    """Take the empty folders away that writing whole files takes, and that nobody asked for."""
    with suppress(OSError):
        (folder / ".berth" / "tmp").rmdir()
        (folder / ".berth").rmdir()


def _check(origin: Side, target: Side, recursive: bool) -> None:
    """Refuse what makes no sense before anything is touched."""
    if recursive:
        if origin.path is not None and not origin.path.is_dir():
            raise InvalidInput("there is no such folder", where=origin.text)
        source, destination = origin.where(origin.key), target.where(target.key)
        if source.rstrip("/") == destination.rstrip("/"):
            raise InvalidInput("source and target are the same", where=origin.text)
        if destination.startswith(source.rstrip("/") + "/"):
            raise InvalidInput("the target is inside of the source", where=target.text)
        return
    if origin.store is not None and origin.folder:
        what = "this is a folder or a whole bucket, not an object"
        raise InvalidInput(what, where=origin.text, hint="-r takes everything below it")
    if origin.path is not None and not origin.path.exists():
        raise InvalidInput("there is no such file", where=origin.text)
    if origin.store is None and target.store is not None and target.folder:
        raise InvalidInput("the object needs a name", where=target.text, hint="standard input has none")
    if origin.where(origin.key) == target.where(_named(origin, target)):
        raise InvalidInput("source and target are the same", where=origin.text)


def _make_folder(target: Side) -> None:
    if target.path is not None:
        folder = target.path if target.folder else target.path.parent
        folder.mkdir(parents=True, exist_ok=True)


def _named(origin: Side, target: Side) -> str:
    """The key at the target of a single object."""
    if target.store is None or not target.folder:
        return target.key
    return target.key + origin.key.rpartition("/")[2]


def _one(origin: Side, target: Side) -> Job:
    size = origin.path.stat().st_size if origin.path is not None and origin.path.is_file() else None
    key = _named(origin, target)
    if target.path is not None and target.folder:
        target = replace(target, path=target.path / key, key=key)
    return Job(origin, origin.key, target, key, size)


def _below(origin: Side, target: Side) -> Iterator[Job]:
    for info in origin.opened_store.list(origin.key):
        rest = info.key[len(origin.key) :]
        # The marker of the folder itself (an object named `folder/`) has no name of its own below it.
        if rest or target.key:
            yield Job(origin, info.key, target, target.key + rest, info.size)


def _show_plan(work: Iterator[Job], *, move: bool, as_json: bool) -> int:
    count = total = 0
    verb = "move" if move else "copy"
    for job in work:
        count += 1
        total += job.size or 0
        source, target = job.names
        if as_json:
            document = {"action": verb, "source": source, "target": target, "size": job.size}
            click.echo(json.dumps(document, ensure_ascii=False))
        else:
            click.echo(f"{verb}  {shown(source)}  →  {shown(target)}")
    if not as_json:
        click.echo(f"{objects_text(count)}, {size_text(total)}; nothing was done", err=True)
    return 0


# -- doing it ------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Outcome:
    copied: int = 0
    skipped: int = 0
    failed: int = 0
    failures: list[tuple[str, str]] = field(default_factory=list)


class _Run:
    """Carries jobs out, on many threads, and keeps the score."""

    def __init__(self, changes: Changes, *, move: bool, no_clobber: bool, quiet: bool) -> None:
        self._move = move
        self._progress = Progress("moving" if move else "copying", quiet=quiet)
        self._changes = changes
        self._if_absent = no_clobber
        self._copier = Copier(changes, if_absent=no_clobber)
        self._outcome = _Outcome()
        self._lock = threading.Lock()

    def all(self, work: Iterator[Job], concurrency: int, *, alone: bool) -> None:
        """alone: a single job, whose error is the command's."""
        with self._progress:
            if alone:
                job = next(work)
                self._progress.total_objects, self._progress.total_bytes = 1, job.size
                self._one(job)
                return
            with running(concurrency, self._progress) as pool:
                from cloudberth.cli.storage.small_copies import SmallCopies

                small = SmallCopies(self._changes, if_absent=self._if_absent, move=self._move)
                for done in small.run(self._small_of(work, pool), concurrency):
                    self._count(done)

    def _small_of(self, work: Iterator[Job], pool: Pool) -> Iterator[Job]:
        """Small jobs; the others go to threads on the way."""
        from cloudberth.cli.storage.small_copies import suits

        for job in work:
            if suits(job):
                yield job
            else:
                pool.add(lambda job=job: self._try(job))  # type: ignore[misc]

    def _count(self, done: Done) -> None:
        if done.error is not None:
            self._failed(done.job, done.error)
            return
        with self._lock:
            self._outcome.copied += done.copied
            self._outcome.skipped += not done.copied
        self._progress.add_object((done.job.size or 0) if done.copied else 0)

    def _failed(self, job: Job, error: Exception) -> None:
        with self._lock:
            self._outcome.failed += 1
            if len(self._outcome.failures) < _FAILURES_KEPT:
                self._outcome.failures.append((job.names[0], str(error)))

    def _try(self, job: Job) -> None:
        try:
            self._one(job)
        except (CloudberthError, OSError) as error:
            self._failed(job, error)

    def _one(self, job: Job) -> None:
        counted = 0

        def report(count: int) -> None:
            nonlocal counted
            counted += count
            self._progress.add_bytes(count)

        copied = self._copier.copy(job, report)
        if copied and self._move and job.origin.store is not None:
            job.origin.store.delete(job.source)
        with self._lock:
            if copied:
                self._outcome.copied += 1
            else:
                self._outcome.skipped += 1
        # A copy on the server tells of no bytes.
        self._progress.add_object(0 if counted or not copied else job.size or 0)

    def report(self, *, as_json: bool, quiet: bool) -> int:
        outcome, progress = self._outcome, self._progress
        if as_json:
            document = {
                "format": 1,
                "moved" if self._move else "copied": outcome.copied,
                "skipped": outcome.skipped,
                "failed": outcome.failed,
                "bytes": progress.bytes,
                "seconds": round(progress.seconds, 3),
                "failures": [{"source": source, "error": error} for source, error in outcome.failures],
            }
            click.echo(json.dumps(document, indent=2, ensure_ascii=False))
            return 1 if outcome.failed else 0
        for source, error in outcome.failures:
            click.secho("failed: ", err=True, fg="red", nl=False)
            click.echo(f"{shown(source)}: {shown(error)}", err=True)
        if not quiet:
            click.echo(self._summary(), err=True)
        return 1 if outcome.failed else 0

    def _summary(self) -> str:
        outcome, progress = self._outcome, self._progress
        parts = [f"{'moved' if self._move else 'copied'} {objects_text(outcome.copied)}"]
        parts += [size_text(progress.bytes)] if progress.bytes else []
        parts += [f"{outcome.skipped:,} left alone"] if outcome.skipped else []
        parts += [f"{outcome.failed:,} failed"] if outcome.failed else []
        seconds = progress.seconds
        took = f"{seconds:.1f} s" if seconds < 60 else duration_text(seconds)
        return f"{', '.join(parts)} in {took}"
