"""A transfer from its beginning to its end: plan, copy, delete, verify, report; gone on with after any
interruption.

::

    with storage.open(...) as source, storage.open(...) as target:
        summary = sync(source, target, Rules(delete=True))

`sync` makes the destination what the source is. `migrate` is a sync that compares everything at the end,
attributes too, and is done only when nothing is different.
"""

from __future__ import annotations

import hashlib
import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from cloudberth.errors import CloudberthError, Refused
from cloudberth.storage.layers import bare_backend
from cloudberth.storage.transfer import plan_file, report
from cloudberth.storage.transfer.comparison import Comparing, Difference, all_differences
from cloudberth.storage.transfer.content import Verify
from cloudberth.storage.transfer.executor import CopyObjects, Executor, Patience
from cloudberth.storage.transfer.journal import Journal, State, Work
from cloudberth.storage.transfer.planning import Counts, Interrupted, guard, plan
from cloudberth.storage.transfer.progress import Phase, Progress
from cloudberth.storage.transfer.report import Summary
from cloudberth.storage.transfer.route import Budget, Route
from cloudberth.storage.transfer.rules import Action, Rules

if TYPE_CHECKING:
    from cloudberth.storage.storage import Storage

USUAL = Rules()
MakeCopyObjects = Callable[[Route, Journal], CopyObjects]


@dataclass(slots=True)
class Execution:
    """How a transfer is carried out; nothing of it changes what the result is.

    journal: file of the journal; None: a place of its own for these two places and these rules. report: where
    to write what was not moved; None: beside the journal when there is something to say. server_side: let the
    destination's server copy where it can. stop: set it, and the transfer ends in order. restart: forget
    a transfer that was interrupted, and plan anew. copy_objects: makes another engine for small objects
    (Ray).
    """

    verify: Verify = Verify.CHECKSUM
    journal: Path | None = None
    report: Path | None = None
    server_side: bool = True
    patience: Patience = field(default_factory=Patience)
    progress: Progress = field(default_factory=Progress)
    stop: threading.Event = field(default_factory=threading.Event)
    budget: Budget = field(default_factory=Budget)
    restart: bool = False
    copy_all: MakeCopyObjects | None = None
    state_folder: Path | None = None


# -- what is called ------------------------------------------------------------------------------------------


def sync(
    source: Storage, target: Storage, rules: Rules = USUAL, execution: Execution | None = None
) -> Summary:
    """Make the destination what the source is. Raises Refused when the rules forbid the plan, and nothing is
    done.

    A transfer that was interrupted is finished first, then both places are compared again for what changed
    since. Errors of single objects are in the summary and the report; those of a whole place are raised.
    """
    return _transfer(source, target, rules, execution or Execution(), None)


def migrate(
    source: Storage, target: Storage, rules: Rules = USUAL, execution: Execution | None = None
) -> Summary:
    """A sync, after which both places are compared, content and attributes; differences are in the report."""
    execution = execution or Execution()
    comparing = Comparing(
        content=Verify.READ if execution.verify is Verify.READ else Verify.CHECKSUM,
        extra=rules.delete,
        include=rules.include,
        exclude=rules.exclude,
    )
    return _transfer(source, target, rules, execution, comparing)


def execute(plan_path: Path, source: Storage, target: Storage, execution: Execution | None = None) -> Summary:
    """Do exactly what a plan file says, nothing else; going on with it when it was begun before."""
    execution = execution or Execution()
    rules = Rules.of(plan_file.read_heading(plan_path)["rules"])
    digest = hashlib.sha256(plan_path.read_bytes()).hexdigest()
    purpose = {**_purpose(source, target, rules), "plan": digest}
    with _opened(execution, purpose) as journal:
        if execution.restart:
            _forget(journal, target)
        if journal.state is State.DONE:
            raise Refused(
                "this plan was executed already", where=str(plan_path),
                hint="make a new one; or, to do all of it once more, add --restart",
            )  # fmt: skip
        resumed = journal.state is State.RUNNING
        if not resumed:
            counts = plan_file.load(journal, plan_path, source.place, target.place)
            guard(counts, rules, target.place)
        return _finished(source, target, execution, journal, None, resumed)


@contextmanager
def planned(
    source: Storage, target: Storage, rules: Rules, progress: Progress | None = None
) -> Iterator[tuple[Counts, Iterator[Work], Callable[[Path], None]]]:
    """A plan and nothing more: its sums, its lines, and a function that writes it to a file. Not guarded."""
    _apart(source, target)
    with TemporaryDirectory(prefix="berth-plan-") as folder, Journal(Path(folder) / "plan.db") as journal:
        counts = plan(
            source, target, rules, journal, (progress or Progress()).compared, missing_is_empty=True
        )
        yield (
            counts,
            plan_file.entries(journal),
            lambda path: plan_file.write(journal, path, source.place, target.place, rules),
        )


# -- its course ----------------------------------------------------------------------------------------------


def _transfer(
    source: Storage, target: Storage, rules: Rules, execution: Execution, comparing: Comparing | None
) -> Summary:
    _apart(source, target)
    with _opened(execution, _purpose(source, target, rules)) as journal:
        if execution.restart:
            _forget(journal, target)
        resumed = journal.state in {State.RUNNING, State.PLANNING}
        if journal.state is not State.RUNNING:
            try:
                _plan(source, target, rules, execution, journal)
            except Interrupted:
                return Summary(source.place, target.place, interrupted=True, journal=str(journal.path))
            return _finished(source, target, execution, journal, comparing, resumed)
        unfinished = _finished(source, target, execution, journal, None, True)
        if unfinished.left or unfinished.interrupted:
            return unfinished
        # What changed since that plan was made is a plan of its own.
        try:
            _plan(source, target, rules, execution, journal)
        except Interrupted:
            return replace(unfinished, interrupted=True)
        return _added(unfinished, _finished(source, target, execution, journal, comparing, True))


def _forget(journal: Journal, target: Storage) -> None:
    """Give up what was begun: uploads that were not finished cost money until they are thrown away."""
    for key, upload in journal.uploads():
        target.backend.abort_upload(target.prefix + key, upload)
    journal.forget()
    journal.keep(state=State.NEW)


def _plan(source: Storage, target: Storage, rules: Rules, execution: Execution, journal: Journal) -> None:
    if journal.state is not State.PLANNING:
        _forget(journal, target)
    execution.progress.begin(Phase.PLANNING)
    counts = plan(source, target, rules, journal, execution.progress.compared, stop=execution.stop)
    try:
        guard(counts, rules, target.place)
    except Refused:
        _forget(journal, target)
        raise


def _finished(
    source: Storage,
    target: Storage,
    execution: Execution,
    journal: Journal,
    comparing: Comparing | None,
    resumed: bool,
) -> Summary:
    """Execute the plan of a journal, verify, and write the report."""
    began = time.monotonic()
    progress = execution.progress
    progress.resumed = resumed
    objects, size = _ahead(journal)
    progress.begin(Phase.COPYING, objects=objects, size=size)
    route = Route(
        source,
        target,
        verify=execution.verify,
        server_side=execution.server_side,
        budget=execution.budget,
        stop=execution.stop,
        moved=progress.moved,
    )
    special = execution.copy_all(route, journal) if execution.copy_all else None
    executor = Executor(route, journal, progress, execution.patience, special)
    executor.run()
    facts: dict[str, Any] = {"resumed": resumed}
    facts["trouble"] = str(executor.trouble) if executor.trouble else ""
    summary = report.summarise(journal, source.place, target.place, **facts)
    if comparing is not None and not summary.left and not execution.stop.is_set():
        facts |= _verified(source, target, comparing, execution, journal)
    facts["interrupted"] = execution.stop.is_set()
    if not summary.left and not execution.stop.is_set():
        journal.keep(state=State.DONE, finished_at=time.time())
    progress.begin(Phase.DONE)
    summary = report.summarise(
        journal, source.place, target.place, **facts, seconds=round(time.monotonic() - began, 3)
    )
    return _reported(journal, summary, execution)


def _ahead(journal: Journal) -> tuple[int, int]:
    """Objects and bytes that are still to be copied, of all that the plan says."""
    from cloudberth.storage.transfer.journal import OPEN

    objects = size = 0
    for action, status, count, total in journal.tally():
        if action in {Action.COPY, Action.COMPARE} and status in OPEN:
            objects += count
            size += total
    return objects, size


def _verified(
    source: Storage, target: Storage, comparing: Comparing, execution: Execution, journal: Journal
) -> dict[str, Any]:
    execution.progress.begin(Phase.VERIFYING)
    known = {row.work.key for row in report.noted(journal) if row.kind == "incomplete"}
    kept: list[tuple[str, str, str]] = []

    def found(one: Difference) -> None:
        # What the destination has no place for was named already.
        if not (one.kind == "attributes" and one.key in known):
            kept.append((one.key, one.kind.value, one.detail))

    sums = all_differences(
        source, target, comparing, found,
        restart=kept.clear, stop=execution.stop, noticed=execution.progress.compared,
    )  # fmt: skip
    journal.add_differences(kept)
    return {"differences": len(kept), "verified": sums.objects}


def _reported(journal: Journal, summary: Summary, execution: Execution) -> Summary:
    """Write the report when it was asked for, or when there is something to tell."""
    path = execution.report
    if path is None:
        if not (summary.exit_code or summary.reasons):
            return summary
        path = journal.path.with_name("report.jsonl")
    summary = replace(summary, report=str(path))
    report.write(journal, summary, path)
    return summary


def _added(first: Summary, second: Summary) -> Summary:
    """Two plans of one transfer: what was done adds up, what is left is what the second says."""
    return replace(
        second,
        copied=first.copied + second.copied,
        bytes=first.bytes + second.bytes,
        deleted=first.deleted + second.deleted,
        incomplete=first.incomplete + second.incomplete,
        unchanged=max(0, second.unchanged - first.copied),
        seconds=round(first.seconds + second.seconds, 3),
    )


# -- places --------------------------------------------------------------------------------------------------


def address(storage: Storage) -> str:
    """A place with the server it is on: two buckets of one name at two servers are two places."""
    bare = bare_backend(storage.backend)
    server = getattr(bare, "origin", None) or getattr(bare, "endpoint", None) or ""
    return f"{storage.type} {server} {storage.backend.place.rstrip('/')}/{storage.prefix}"


def _apart(source: Storage, target: Storage) -> None:
    """Raise Refused when one place is inside the other: what is copied would be a source again."""
    here, there = address(source), address(target)
    if here.startswith(there) or there.startswith(here):
        raise Refused(
            "source and destination are one place, or one is inside the other",
            where=f"{source.place} → {target.place}", hint="choose prefixes apart from each other",
        )  # fmt: skip


def _purpose(source: Storage, target: Storage, rules: Rules) -> dict[str, Any]:
    return {"source": address(source), "destination": address(target), "rules": rules.document()}


def default_journal(purpose: dict[str, Any], folder: Path | None = None) -> Path:
    """Where the journal of a transfer is kept: the same place for the same places and rules."""
    state = (
        Path(os.environ.get("XDG_STATE_HOME") or "~/.local/state").expanduser() / "cloudberth" / "transfers"
    )
    digest = hashlib.sha256(json.dumps(purpose, sort_keys=True).encode()).hexdigest()[:16]
    return (folder or state) / digest / "journal.db"


@contextmanager
def _opened(execution: Execution, purpose: dict[str, Any]) -> Iterator[Journal]:
    path = execution.journal or default_journal(purpose, execution.state_folder)
    with Journal(path) as journal:
        journal.belongs(purpose)
        try:
            yield journal
        except CloudberthError as error:
            error.add_note(f"the journal is {path}")
            raise
