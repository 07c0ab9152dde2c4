"""`./check`: its command line, its parts in order, and the summary at the end."""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from checkout.environment import Environment
from checkout.progress import Progress
from checkout.scan import Scan, scan_examples

SOURCES = ("src", "tests", "tools", "berth", "check")
MOST_WORKERS = 4
NO_TESTS_COLLECTED = 5
# Tests wait as much as they compute: for servers, for what a network does, for a moment to pass.
WORKERS_MORE_THAN_CORES = 1
# Against tests that hang. A whole run is meant to end within 30 minutes, of which the tests are the most.
MINUTES_UNATTENDED = 45.0


@dataclass(frozen=True, slots=True)
class Part:
    """One part of the checks: a Python module run with arguments; fixing: the arguments with `--fix`."""

    name: str
    module: str
    arguments: tuple[str, ...]
    fixing: tuple[str, ...] = ()


PARTS = (
    Part("lint", "ruff", ("check", *SOURCES), ("check", "--fix", *SOURCES)),
    Part("format", "ruff", ("format", "--check", *SOURCES), ("format", *SOURCES)),
    Part("types", "mypy", ("--strict",)),
    Part("security", "checkov", ("-d", "examples as rendered")),
    Part("tests", "pytest", ()),
)


@dataclass(frozen=True, slots=True)
class Environments:
    """How to get the environment of the checks, and that of the scanner; an exit code when there is none."""

    checks: Callable[[], Environment | int]
    scanner: Callable[[], Environment | int]


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a part ended. passed: None when it could not be run.

    note: one line about it. skipped: reason to the number of tests. left_out: how many a thorough run adds.
    """

    part: Part
    passed: bool | None
    seconds: float
    note: str = ""
    skipped: Counter[str] | None = None
    left_out: int = 0


@dataclass(frozen=True, slots=True)
class Choice:
    """What the command line asks for. minutes: the longest the tests may take, None for no limit."""

    parts: tuple[Part, ...]
    pytest_options: tuple[str, ...]
    minutes: float | None
    fix: bool = False
    reason: str = ""


def choose(arguments: Sequence[str], *, unattended: bool) -> Choice:
    """Read the command line. Options that are not its own go to pytest, and then only the tests run."""
    names = [part.name for part in PARTS]
    parser = argparse.ArgumentParser(
        prog="./check",
        description="Check this checkout: formatting, lint, types and tests.",
        epilog="Any other option goes to pytest, and then only the tests run: ./check -k storage, "
        "./check tests/cost, ./check --last-failed.",
        allow_abbrev=False,
    )
    parser.add_argument("--only", metavar="PART", action="append", help=f"run one part: {', '.join(names)}")
    parser.add_argument(
        "--thorough", action="store_true", help="all cases of the tests, and properties on many examples"
    )
    parser.add_argument("--fix", action="store_true", help="let lint and format mend what they can")
    limit = MINUTES_UNATTENDED if unattended else None
    parser.add_argument("--minutes", type=float, default=limit, help="end the tests after so long (CI: 45)")
    mine, others = parser.parse_known_args(list(arguments))
    only = [name for group in mine.only or () for name in group.split(",")]
    for name in only:
        if name not in names:
            parser.error(f"no part is called {name!r}; there are {', '.join(names)}")
    if others and not only:
        only, reason = ["tests"], "only the tests run, because options for pytest were given"
    else:
        reason = f"only {', '.join(only)}, as asked" if only else ""
    parts = tuple(part for part in PARTS if not only or part.name in only)
    if mine.thorough:
        others = ["--thorough", *others]
    return Choice(parts, tuple(others), mine.minutes, mine.fix, reason)


def main(root: Path, arguments: Sequence[str], environments: Environments) -> int:
    """Make the environment, run the parts, print the summary; 0 when no part failed."""
    choice = choose(arguments, unattended=bool(os.environ.get("CI")))
    environment = environments.checks()
    if isinstance(environment, int):
        return environment
    outcomes: list[Outcome] = []
    try:
        for number, part in enumerate(choice.parts, 1):
            command = " ".join((part.module, *part.arguments))
            print(f"── {number}/{len(choice.parts)} {part.name}: {command}", flush=True)
            if part.name == "tests":
                outcomes.append(_run_tests(root, environment, part, choice))
            elif part.name == "security":
                outcomes.append(_run_scan(root, environment, part, environments.scanner))
            else:
                outcomes.append(_run_quiet(root, environment, part, choice))
    except KeyboardInterrupt:
        print("\ninterrupted", file=sys.stderr)
        return 130
    print(summary(outcomes, choice), flush=True)
    return 1 if any(outcome.passed is False for outcome in outcomes) else 0


def _run_quiet(root: Path, environment: Environment, part: Part, choice: Choice) -> Outcome:
    """Run a part that has nothing to say while it works; its output is shown when it fails."""
    began = time.monotonic()
    progress = Progress(len(choice.parts), sys.stdout)
    progress.resume(part.name)
    arguments = part.fixing if choice.fix and part.fixing else part.arguments
    with tempfile.TemporaryFile() as output:
        child = subprocess.Popen(
            [environment.python, "-m", part.module, *arguments],
            cwd=root,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        while child.poll() is None:
            time.sleep(0.1)
            progress.tick()
        progress.clear()
        output.seek(0)
        text = output.read().decode("utf-8", "replace").strip()
    passed = child.returncode == 0
    gist = gist_of(text)
    print(gist if passed else text, flush=True)
    return Outcome(part, passed, time.monotonic() - began, gist)


def gist_of(output: str) -> str:
    """The line that sums up what ruff or mypy said: their count of errors, else their last line."""
    lines = output.splitlines() or [""]
    return next((line for line in lines if line.startswith("Found ")), lines[-1])


def _run_scan(
    root: Path, environment: Environment, part: Part, scanner: Callable[[], Environment | int]
) -> Outcome:
    """Scan what the examples become.

    The scanner is heavy and pins much, so it may be impossible to install on a machine where all else works:
    that is no failure there, but it is one in continuous integration.
    """
    began = time.monotonic()
    tool = scanner()
    if isinstance(tool, int):
        passed = False if os.environ.get("CI") else None
        return Outcome(part, passed, time.monotonic() - began, "the scanner could not be installed")
    progress = Progress(1, sys.stdout)
    progress.resume(part.name)
    with tempfile.TemporaryDirectory() as scratch:
        scan: Scan = scan_examples(root, environment, tool, Path(scratch), progress)
    progress.clear()
    print("\n".join([*scan.complaints, scan.note]), flush=True)
    return Outcome(part, not scan.complaints, time.monotonic() - began, scan.note)


def _run_tests(root: Path, environment: Environment, part: Part, choice: Choice) -> Outcome:
    """Run pytest, its output as it comes."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as scratch:
        report = Path(scratch) / "report.xml"
        options = [*pytest_arguments(choice.pytest_options), f"--junit-xml={report}"]
        stdin = subprocess.DEVNULL if os.environ.get("CI") else None
        child = subprocess.Popen([environment.python, "-m", part.module, *options], cwd=root, stdin=stdin)
        late = _wait(child, choice.minutes)
        counts, skipped, left_out = read_report(report)
    seconds = time.monotonic() - began
    if late:
        return Outcome(part, False, seconds, f"stopped after {choice.minutes:g} minutes, before its end")
    if child.returncode == NO_TESTS_COLLECTED:
        return Outcome(part, False, seconds, "no test fits these options")
    return Outcome(part, child.returncode == 0, seconds, counts, skipped, left_out)


def _wait(child: subprocess.Popen[bytes], minutes: float | None) -> bool:
    """Wait for the tests; True when they had to be ended because the time was up."""
    try:
        child.wait(None if minutes is None else minutes * 60)
        return False
    except subprocess.TimeoutExpired:
        child.send_signal(signal.SIGINT)  # pytest ends its workers and says where it was
        try:
            child.wait(60)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
        return True
    except KeyboardInterrupt:
        child.wait()
        raise


def pytest_arguments(options: Sequence[str]) -> list[str]:
    """The options for pytest: workers as there are cores, unless the caller says otherwise or debugs."""
    alone = any(option in {"--pdb", "-s", "--trace", "-p"} or option.startswith("-n") for option in options)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 2
    workers = min(MOST_WORKERS, cores + WORKERS_MORE_THAN_CORES)
    return [*options] if alone else ["-n", str(workers), "--dist", "worksteal", *options]


def read_report(report: Path) -> tuple[str, Counter[str], int]:
    """The counts in one line, the reasons of the skipped tests, and how many were left to a thorough run.

    From pytest's JUnit file.
    """
    try:
        suites = ElementTree.parse(report).getroot().iter("testsuite")
    except (OSError, ElementTree.ParseError):
        return "no report was written", Counter(), 0
    total = failed = left_out = 0
    skipped: Counter[str] = Counter()
    for suite in suites:
        total += int(suite.get("tests", 0))
        failed += int(suite.get("failures", 0)) + int(suite.get("errors", 0))
        skipped.update(mark.get("message", "") or "no reason given" for mark in suite.iter("skipped"))
        told = [one.get("value", "") for one in suite.iter("property") if one.get("name") == "left out"]
        left_out += sum(int(value) for value in told if value.isdecimal())
    passed = total - failed - skipped.total()
    return f"{passed} passed, {failed} failed, {skipped.total()} skipped", skipped, left_out


def summary(outcomes: Sequence[Outcome], choice: Choice) -> str:
    """The closing words: each part, what was skipped and why, what to do next."""
    lines = ["", "── summary"]
    for outcome in outcomes:
        word = {True: "passed", False: "FAILED", None: "not run"}[outcome.passed]
        lines.append(f"  {outcome.part.name:<10}{word:<8}{outcome.seconds:6.1f} s  {outcome.note}".rstrip())
    for outcome in outcomes:
        for reason, number in sorted((outcome.skipped or {}).items()):
            lines.append(f"  skipped {number} × {reason}")
        if outcome.left_out:
            more = "cases, and most examples of the properties: ./check --thorough"
            lines.append(f"  left out {outcome.left_out:,} {more}")
    if choice.reason:
        lines.append(f"  not everything was run: {choice.reason}")
    failed = [outcome.part.name for outcome in outcomes if outcome.passed is False]
    if "tests" in failed:
        lines.append("  again, only what failed: ./check --last-failed")
    if {"lint", "format"} & set(failed):
        lines.append("  mends most of it: ./check --fix --only lint,format")
    return "\n".join(lines)
