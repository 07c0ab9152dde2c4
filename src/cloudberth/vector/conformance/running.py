"""Running the checks: what became of each."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum

from cloudberth.errors import CloudberthError, Unsupported
from cloudberth.vector.conformance.model import Check, Failed, Subject


class Outcome(StrEnum):
    """REFUSED: the store lacks the ability and says so by name. SKIPPED: nothing to ask of this store."""

    PASSED = "passed"
    REFUSED = "refused"
    SKIPPED = "skipped"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Result:
    """seconds: how long it took. said: why it failed."""

    check: Check
    outcome: Outcome
    seconds: float
    said: str = ""


def run_check(check: Check, subject: Subject) -> Outcome:
    """Run one check. Raises Failed, or the error of the store."""
    if check.needs(subject.capabilities):
        check.run(subject)
        return Outcome.PASSED
    if check.refused is None:
        return Outcome.SKIPPED
    try:
        check.refused(subject)
    except Unsupported:
        return Outcome.REFUSED
    raise Failed("what the store cannot do was answered instead of refused")


def run_checks(
    checks: Iterable[Check], subject: Subject, done: Callable[[Result], None] = lambda _: None
) -> tuple[Result, ...]:
    """Run all, whatever fails. done: hears of each as it ends."""
    results = []
    try:
        for check in checks:
            began = time.perf_counter()
            outcome, said = _outcome(check, subject)
            results.append(Result(check, outcome, time.perf_counter() - began, said))
            done(results[-1])
    finally:
        subject.clear()
    return tuple(results)


def _outcome(check: Check, subject: Subject) -> tuple[Outcome, str]:
    try:
        return run_check(check, subject), ""
    except (Failed, CloudberthError) as error:
        return Outcome.FAILED, str(error)
    except Exception as error:
        return Outcome.FAILED, f"{type(error).__name__}: {error}"
