"""Moving a whole Dify installation between two stores, in an order in which nothing can be lost.

1. Every object is moved (the keys that Dify's own command leaves out, and unknown ones, too) and verified.
2. Every row of the database that names an object is held to the destination; every workspace's private key
   is read from there and compared with its public key. When something is missing: refused, nothing changed.
3. The storage type of the checked rows is changed in one transaction, which fails when there is a row that
   was never checked; then it goes round once more, for what was uploaded meanwhile.

The source is never changed. Whatever the run dies of, running it again goes on: objects that are there
already are not moved again, and rows that were changed already are not changed again.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Protocol

from cloudberth.errors import BucketNotFound, CloudberthError, InvalidInput, NotFound, Refused
from cloudberth.storage.dify.checking import Checker, Trouble, tenant_keys
from cloudberth.storage.dify.database import DifyDatabase, NewRows
from cloudberth.storage.dify.layout import Criticality, census, kind_of
from cloudberth.storage.dify.outcome import Choices, Facts, Moved, Outcome
from cloudberth.storage.dify.report import Report
from cloudberth.storage.storage import Storage

PASSES = 5
SECRET_KEY = ".dify_secret_key"  # noqa: S105 - the name of an object
SAME_FOLDER = frozenset({"local", "opendal"})
"""Types that an installation on a disk has used over time for one and the same folder."""

_DEFAULT = Choices()
_PLAIN = Facts()


class Mover(Protocol):
    """Copies every object of one store to another, verified, and skips what is there already."""

    def __call__(self, source: Storage, destination: Storage, *, dry_run: bool) -> Moved: ...


class Migration:
    """One run. tell: takes a line for people whenever something begins or ends."""

    def __init__(
        self,
        source: Storage,
        destination: Storage,
        database: DifyDatabase,
        mover: Mover,
        report: Report,
        choices: Choices = _DEFAULT,
        facts: Facts = _PLAIN,
        tell: Callable[[str], object] = str,
    ) -> None:
        if source.place == destination.place:
            raise InvalidInput("source and destination are the same place", where=source.place)
        self.source = source
        self.destination = destination
        self.database = database
        self.mover = mover
        self.report = report
        self.choices = choices
        self.facts = facts
        self.tell = tell
        self.agree: Callable[[Outcome], object] = str
        """Called when everything has been counted, before anything is moved; may raise, to stop."""
        self.stopped: Callable[[], bool] = bool
        """Asked between steps, and before the database is changed: then nothing of it is."""
        old = SAME_FOLDER if source.type in SAME_FOLDER else frozenset({source.type})
        self.outcome = Outcome(
            choices.dry_run, old_types=tuple(sorted(old - {destination.type})), new_type=destination.type
        )

    def run(self) -> Outcome:
        """Do it. Raises Refused when something is missing. The report is written whatever happens."""
        started = datetime.now(UTC)
        result = "stopped"
        try:
            self._run()
            result = "dry run" if self.choices.dry_run else "done"
        except Refused as refusal:
            result = f"refused: {refusal.what}"
            raise
        except CloudberthError as error:
            result = f"failed: {error}"
            raise
        finally:
            self.report.finish(self._summary(started, result))
        return self.outcome

    def _summary(self, started: datetime, result: str) -> dict[str, Any]:
        return {
            "result": result,
            "source": self.source.place,
            "destination": self.destination.place,
            "database": self.database.settings.place,
            "started": started.isoformat(timespec="seconds"),
            "finished": datetime.now(UTC).isoformat(timespec="seconds"),
            **self.outcome.as_json(),
        }

    def _run(self) -> None:
        self._look_around()
        if self.choices.dry_run:
            self._rehearse()
            return
        self.agree(self.outcome)
        self.database.lock()
        while True:
            self.outcome.passes += 1
            self._move()
            self._check(self.destination, self.source)
            if self._another_pass():
                continue
            self._judge()
            if self.choices.keep_storage_type or self._change():
                break
        self._look_back()

    # -- steps -----------------------------------------------------------------------------------------------

    def _look_around(self) -> None:
        self.tell(f"Counting objects in {self.source.place}")
        self.outcome.census = census(self.source.list())
        self.outcome.rows_by_type = self.database.rows_by_type()
        self.outcome.to_change = self.database.count_to_change(self.outcome.old_types)
        if sessions := self.database.other_sessions():
            self.outcome.warn(
                f"{sessions} other sessions are connected to the database: stop Dify (api, worker, beat) "
                "first, or what is uploaded meanwhile stays at the source"
            )
        others = {
            kind: count
            for kind, count in self.outcome.rows_by_type.items()
            if kind not in {*self.outcome.old_types, self.outcome.new_type}
        }
        for kind, count in others.items():
            self.outcome.warn(
                f"{count} rows have the storage type {kind}: they are checked and left as they are"
            )
        if self.facts.other_secret_key:
            self.outcome.warn(
                "SECRET_KEY is another one in the new settings: sessions, signed URLs and system OAuth "
                "credentials end"
            )
        if not self.facts.secret_key and "secret key" not in self.outcome.census.by_kind:
            self.outcome.warn(
                f"SECRET_KEY is not set and there is no {SECRET_KEY}: Dify makes one when it starts, "
                "and sessions and signed URLs end"
            )

    def _rehearse(self) -> None:
        self.outcome.moved = self.mover(self.source, self.destination, dry_run=True)
        self._check(self.source, self.destination if self._has_bucket() else None)

    def _has_bucket(self) -> bool:
        try:
            self.destination.check()
        except BucketNotFound as error:
            self.outcome.warn(f"there is no destination yet: {error}")
            return False
        return True

    def _move(self) -> None:
        self.tell(f"Moving to {self.destination.place}" + self._pass_name())
        self.outcome.moved = _sum(
            self.outcome.moved, self.mover(self.source, self.destination, dry_run=False)
        )
        lasting = [
            (key, reason)
            for key, reason in self.outcome.moved.failed
            if kind_of(key).criticality is not Criticality.TRANSIENT
        ]
        if lasting:
            key, reason = lasting[0]
            raise Refused(
                f"{len(lasting)} objects could not be moved, the first of them {key}: {reason}",
                where=self.destination.place,
                hint="the database was not changed; run the same command again",
            )

    def _check(self, listed: Storage, other: Storage | None) -> None:
        self.tell("Checking the database against the objects" + self._pass_name())
        self.report.begin_pass()
        moved = listed is self.destination
        checker = Checker(listed, other, self.report.problem, moved=moved, deep=self.choices.deep)
        checker.stopped = self.stopped
        if moved:
            self.database.begin_check()
        self.outcome.checked = checker.rows(self.database, remember=moved)
        if self.facts.keys_elsewhere:
            self.outcome.warn(
                f"the workspaces' private keys are in {self.facts.keys_elsewhere}: they were not checked"
            )
            return
        stores = [listed] if moved or other is None else [listed, other]
        self.outcome.tenants, self.outcome.keys = tenant_keys(self.database, stores)
        if moved:
            self._check_secret_key()

    def _check_secret_key(self) -> None:
        try:
            original = self.source.load(SECRET_KEY)
        except NotFound:
            return
        if self.destination.load(SECRET_KEY) != original:
            raise Refused(
                f"{SECRET_KEY} is another one at the destination",
                where=self.destination.place,
                hint="Dify was started there before: delete that object, then run this again",
            )

    def _another_pass(self) -> bool:
        """Whether something was uploaded while we moved, so that moving once more can help."""
        return bool(self.outcome.checked.troubles[Trouble.NOT_MOVED]) and self.outcome.passes < PASSES

    def _judge(self) -> None:
        refusals = self.outcome.all_refusals(self.choices.allow_lost)
        if not refusals:
            return
        lost = self.outcome.checked.troubles[Trouble.LOST]
        hint = "the objects are moved, the database was not changed"
        if any(problem.state.fatal for problem in self.outcome.keys):
            hint += "; put the private keys back (privkeys/{workspace}/private.pem), then run this again"
        elif lost and not self.choices.allow_lost:
            hint += "; --allow-lost finishes without them"
        if self.report.folder is not None:
            hint += f"; all of it is in {self.report.folder}"
        raise Refused("; ".join(refusals[:5]), where=self.destination.place, hint=hint)

    def _change(self) -> bool:
        """Change the rows' type; False when there are new rows, and another pass is needed."""
        old, new = self.outcome.old_types, self.outcome.new_type
        if self.stopped():
            raise KeyboardInterrupt
        self.tell(f"Changing upload_files from {', '.join(old) or 'nothing'} to {new}")
        try:
            with self.database.change(old, new) as rows:
                changed = self.report.rollback(rows, new)
        except NewRows as found:
            self.outcome.warn(f"{found.count} rows were written while this ran: Dify is in use")
            if self.outcome.passes >= PASSES:
                raise Refused(
                    "files are uploaded faster than they can be moved and checked",
                    where=self.database.settings.place,
                    hint="stop Dify (api, worker, beat), then run this again",
                ) from None
            return False
        self.outcome.changed += changed
        return True

    def _look_back(self) -> None:
        if since := self.database.rows_since_start():
            self.outcome.warn(
                f"Dify wrote {since} files to the old store while this ran: when it runs with the new "
                "settings, run this once more"
            )

    def _pass_name(self) -> str:
        return f" (pass {self.outcome.passes})" if self.outcome.passes > 1 else ""


def _sum(before: Moved, now: Moved) -> Moved:
    return Moved(before.objects + now.objects, before.bytes + now.bytes, now.present, now.failed)
