"""Doing what a journal's plan says: copies first, what failed once more, deletions last.

Streams run beside each other: small objects through the lanes, larger ones on threads, large ones by parts.
What becomes of each goes to the journal. A round ends early when nothing works any more (the network is gone,
the credentials are); then the executor waits, and begins another round with what is left.
"""

from __future__ import annotations

import select
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice

from cloudberth.errors import BackendError, BucketNotFound, Kind, NotFound
from cloudberth.storage.contract import DeleteFailure
from cloudberth.storage.lanes import Lanes
from cloudberth.storage.transfer.crew import unordered
from cloudberth.storage.transfer.journal import OPEN, Journal, Status, Work
from cloudberth.storage.transfer.large import LargeCopier
from cloudberth.storage.transfer.progress import Phase, Progress
from cloudberth.storage.transfer.route import LANES_UP_TO, Outcome, Route
from cloudberth.storage.transfer.rules import Action
from cloudberth.storage.transfer.small import LARGE, Copier

CopyObjects = Callable[[Iterable[Work]], Iterator[Outcome]]
"""Copies objects, in any order, as many at once as it likes; takes them from the iterator as it can."""

LARGE_AT_ONCE = 4
_DELETES = 1000
# A plan older than this may delete what has come back meanwhile: each key is looked up first.
_FRESH_SECONDS = 60.0
_COPIES = (Action.COPY, Action.COMPARE)


@dataclass(frozen=True, slots=True)
class Patience:
    """How long failures are borne. rounds: attempts at what failed that bring nothing; pauses: seconds before
    each further one, the last repeated. hopeless: failures in a row, without a success, after which a round
    ends.
    """

    rounds: int = 4
    pauses: tuple[float, ...] = (2.0, 15.0, 60.0)
    hopeless: int = 50

    def pause(self, number: int) -> float:
        return self.pauses[min(number, len(self.pauses)) - 1] if self.pauses else 0.0


USUAL = Patience()


class Executor:
    """Executes the plan in a journal. copy_all: copies objects of every size instead of this process
    (Ray).
    """

    def __init__(
        self,
        route: Route,
        journal: Journal,
        progress: Progress,
        patience: Patience = USUAL,
        copy_all: CopyObjects | None = None,
    ) -> None:
        self._route = route
        self._journal = journal
        self._progress = progress
        self._patience = patience
        self._copier = Copier(route, LargeCopier(route, journal))
        self._copy_all = copy_all
        self._row = 0
        self._lock = threading.Lock()
        self._hopeless: BaseException | None = None

    @property
    def stop(self) -> threading.Event:
        return self._route.stop

    def run(self) -> None:
        """Do everything that is left of the plan. Stops early, the journal in order, when `stop` is set."""
        fruitless = 0
        before = self._left()
        while before:
            self._round()
            left = self._left()
            if self.stop.is_set() or not left or not self._may_pass():
                break
            fruitless = fruitless + 1 if left == before else 1
            if fruitless >= self._patience.rounds:
                break
            before = left
            self._progress.phase = Phase.WAITING
            self.stop.wait(self._patience.pause(fruitless))
            self._progress.phase = Phase.COPYING
        if not self.stop.is_set():
            self._delete()
        self._journal.flush()

    @property
    def trouble(self) -> BaseException | None:
        """What stopped the last round; None when nothing did."""
        return self._hopeless

    def _may_pass(self) -> bool:
        """Whether waiting can help. A refusal of everything stays one."""
        return self._hopeless is None or getattr(self._hopeless, "retryable", False)

    def _left(self) -> int:
        """Copies that are still to be done."""
        return sum(
            objects
            for action, status, objects, _ in self._journal.tally()
            if action in _COPIES and status in OPEN
        )

    # -- copies ----------------------------------------------------------------------------------------------

    def _round(self) -> None:
        self._row, self._hopeless = 0, None
        if self._copy_all is not None:
            for outcome in self._copy_all(self._until_hopeless(self._journal.works(_COPIES))):
                self._record(outcome)
            return
        small, large = min(LANES_UP_TO, self._copier.limit), self._copier.limit
        threads = self._route.concurrency
        streams = [
            self._beside(self._works((Action.COPY,), small + 1, large + 1), -(-threads // 2)),
            self._beside(self._works((Action.COMPARE,), 0, large + 1), -(-threads // 2)),
            self._beside(self._works(_COPIES, large + 1, None), min(LARGE_AT_ONCE, threads)),
        ]
        try:
            for outcome in self.copy_objects(self._works((Action.COPY,), 0, small + 1)):
                self._record(outcome)
        except BaseException:
            self.stop.set()
            raise
        for stream in streams:
            stream.wait()

    def _works(self, actions: Sequence[Action], least: int, below: int | None) -> Iterator[Work]:
        return self._until_hopeless(self._journal.works(actions, least=least, below=below))

    def _beside(self, works: Iterator[Work], threads: int) -> _Stream:
        """Copy on threads, while this one copies small objects; nothing is begun for no work."""
        first = next(works, None)
        return _Stream(self, chain([first], works) if first is not None else None, threads)

    def _until_hopeless(self, works: Iterator[Work]) -> Iterator[Work]:
        for work in works:
            if self._hopeless is not None or self.stop.is_set():
                return
            yield work

    def copy_objects(self, works: Iterable[Work]) -> Iterator[Outcome]:
        """Copy small objects, through the lanes: many at once on this thread."""
        if not hasattr(select, "epoll"):
            yield from unordered(
                self._copier.copy, works, threads=self._route.concurrency, stop=self.stop, chunk=4
            )
            return
        lanes: Lanes[Outcome] = Lanes(self._route.concurrency)
        grown: list[Work] = []
        for outcome in lanes.run((work.size, self._copier.program(work)) for work in works):
            if outcome.kind == LARGE:
                grown.append(outcome.work)
            else:
                yield outcome
        yield from unordered(self._copier.copy, grown, threads=LARGE_AT_ONCE, stop=self.stop)

    def copy_one(self, work: Work) -> Outcome:
        """Copy an object of any size on the caller's thread."""
        return self._copier.copy(work)

    def record(self, outcome: Outcome) -> None:
        """Keep what became of an object."""
        self._record(outcome)

    def _record(self, outcome: Outcome) -> None:
        if outcome.status is Status.PENDING:
            return
        self._journal.record(outcome.work.id, outcome.status, outcome.kind, outcome.note)
        with self._lock:
            if outcome.error is None:
                self._row = 0
                self._progress.objects += 1
                return
            if outcome.status is Status.FAILED:
                self._progress.failed += 1
            if _about_everything(outcome.error):
                self._row += 1
                if self._row >= self._patience.hopeless:
                    self._hopeless = outcome.error

    # -- deletions -------------------------------------------------------------------------------------------

    def _delete(self) -> None:
        """Delete what the plan says, unless a copy failed: a renamed object would be gone under both
        names.
        """
        works = self._journal.works((Action.DELETE,))
        if self._copies_missing():
            for work in works:
                self._journal.record(
                    work.id, Status.RETRY, "kept", "not deleted, because not everything could be copied"
                )
            return
        self._progress.begin(Phase.DELETING)
        planned_at = float(self._journal.fact("planned_at") or 0.0)
        wary = time.time() - planned_at > _FRESH_SECONDS
        while not self.stop.is_set() and (batch := list(islice(works, _DELETES))):
            self._delete_batch(self._still_gone(batch) if wary else batch)

    def _copies_missing(self) -> bool:
        bad = (Status.FAILED, *OPEN)
        return any(action in _COPIES and status in bad for action, status, _, _ in self._journal.tally())

    def _still_gone(self, batch: list[Work]) -> list[Work]:
        """Those that the source has not got even now."""
        gone: list[Work] = []
        for work, there in unordered(self._there, batch, threads=self._route.concurrency, stop=self.stop):
            if there:
                self._journal.record(work.id, Status.SKIPPED, "returned", "the source has it again")
            else:
                gone.append(work)
        return gone

    def _there(self, work: Work) -> tuple[Work, bool]:
        try:
            self._route.source.head(self._route.source_prefix + work.key)
        except BucketNotFound:
            raise
        except NotFound:
            return work, False
        return work, True

    def _delete_batch(self, batch: Sequence[Work]) -> None:
        if not batch:
            return
        prefix = self._route.target_prefix
        failures: Sequence[DeleteFailure]
        try:
            failures = self._route.target.delete([prefix + work.key for work in batch])
        except BackendError as error:
            failures = [DeleteFailure(prefix + work.key, error) for work in batch]
        by_key = {failure.key: failure.error for failure in failures}
        for work in batch:
            reason = by_key.get(prefix + work.key)
            if reason is None:
                self._journal.record(work.id, Status.DONE)
                self._progress.objects += 1
            else:
                self._progress.failed += 1
                kind = reason.kind.value if isinstance(reason, BackendError) else Kind.UNEXPECTED.value
                again = isinstance(reason, BackendError) and reason.retryable
                self._journal.record(work.id, Status.RETRY if again else Status.FAILED, kind, str(reason))


class _Stream:
    """Copies on threads beside the lanes; an error of ours stops the transfer, and is raised by `wait`."""

    def __init__(self, executor: Executor, works: Iterable[Work] | None, threads: int) -> None:
        self._executor = executor
        self._ended = threading.Event()
        self._failure: BaseException | None = None
        if works is None:
            self._ended.set()
            return
        threading.Thread(target=self._run, args=(works, threads), daemon=True).start()

    def _run(self, works: Iterable[Work], threads: int) -> None:
        executor = self._executor
        try:
            for outcome in unordered(executor.copy_one, works, threads=threads, stop=executor.stop):
                executor.record(outcome)
        except BaseException as error:
            self._failure = error
            executor.stop.set()
        finally:
            self._ended.set()

    def wait(self) -> None:
        # With a timeout, so that a signal is heard.
        while not self._ended.wait(0.2):
            pass
        if self._failure is not None:
            raise self._failure


def _about_everything(error: BaseException) -> bool:
    """Whether a failure will most likely meet every other object as well."""
    return isinstance(error, BackendError) and (
        error.kind in {Kind.UNAVAILABLE, Kind.PERMISSION, Kind.RATE_LIMITED}
        or isinstance(error, BucketNotFound)
    )
