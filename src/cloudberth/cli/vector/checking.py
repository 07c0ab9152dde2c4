"""`berth vector doctor` and `conformance`."""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.markup import escape

from cloudberth.cli.console import err, json_option, out, print_json
from cloudberth.cli.vector.arguments import environment_of, environment_option, open_store
from cloudberth.errors import CloudberthError

if TYPE_CHECKING:
    from cloudberth.vector.conformance.running import Result

_SIGNS = {
    "passed": "[green]✓[/green]",
    "refused": "[cyan]–[/cyan]",
    "skipped": "[dim]·[/dim]",
    "failed": "[red]✗[/red]",
}


@click.command()
@click.argument("store", default="env:")
@click.option("--only", metavar="THEME", help="Checks of one theme: collections, records, filters, …")
@click.option("--prefix", default="BerthCheck", show_default=True, help="Of the collections that are made.")
@environment_option
@json_option
def conformance(store: str, only: str | None, prefix: str, env_file: Path | None, as_json: bool) -> int:
    """Hold STORE to the whole contract. Makes collections of its own and removes them.

    Exit code 4 when a check fails.
    """
    from cloudberth.vector.conformance import CHECKS, Subject
    from cloudberth.vector.conformance.running import Outcome, run_checks

    chosen = [check for check in CHECKS if only in {None, check.theme}]
    if not chosen:
        themes = ", ".join(sorted({check.theme for check in CHECKS}))
        raise click.UsageError(f"there is no theme {only}; there are: {themes}")
    with open_store(store, environment_of(env_file)) as opened:
        opened.health()
        place, kind = opened.backend.place, opened.backend.id
        results = run_checks(chosen, Subject(opened, prefix), (lambda _: None) if as_json else _show)
    counts = Counter(result.outcome for result in results)
    if as_json:
        print_json({"store": place, "type": kind, "checks": [_document(result) for result in results]})
    else:
        said = ", ".join(f"{counts[outcome]} {outcome}" for outcome in Outcome if counts[outcome])
        err.print(f"{escape(place)}: {said}")
    return 4 if counts[Outcome.FAILED] else 0


def _show(result: Result) -> None:
    words = result.check.name.replace("_", " ")
    line = f"{_SIGNS[result.outcome]} [dim]{result.check.theme:<11}[/dim] {words}"
    out.print(f"{line} [dim]{result.seconds:.2f} s[/dim]")
    if result.said:
        out.print(f"    [red]{escape(result.said)}[/red]")


def _document(result: Result) -> dict[str, Any]:
    return {
        "check": result.check.name,
        "theme": result.check.theme,
        "outcome": result.outcome.value,
        "seconds": round(result.seconds, 3),
        "said": result.said,
    }


@click.command()
@click.argument("store", default="env:")
@click.option("--read-only", is_flag=True, help="Write nothing.")
@environment_option
@json_option
def doctor(store: str, read_only: bool, env_file: Path | None, as_json: bool) -> int:
    """Check STORE: reachable, credentials, and a small collection written, searched and removed.

    Exit code 4 when something does not work.
    """
    steps: list[dict[str, Any]] = []
    with open_store(store, environment_of(env_file)) as opened:
        for name, action in _doctor_steps(opened, read_only):
            began = time.perf_counter()
            try:
                said, verdict, hint = action(), "ok", ""
            except CloudberthError as error:
                said, verdict, hint = str(error), "fail", error.hint
            milliseconds = round((time.perf_counter() - began) * 1000, 1)
            steps.append(
                {"check": name, "verdict": verdict, "said": said, "hint": hint, "milliseconds": milliseconds}
            )
            if verdict == "fail":
                break
    if as_json:
        print_json(steps)
    else:
        for step in steps:
            sign = "[green]✓[/green]" if step["verdict"] == "ok" else "[red]✗[/red]"
            out.print(
                f"{sign} {step['check']:<12} {escape(step['said'])} [dim]{step['milliseconds']} ms[/dim]"
            )
            if step["hint"]:
                out.print(f"    [cyan]hint: {escape(step['hint'])}[/cyan]")
    return 4 if any(step["verdict"] == "fail" for step in steps) else 0


def _doctor_steps(store: Any, read_only: bool) -> list[tuple[str, Any]]:
    from cloudberth.vector.conformance.model import DIMENSION, Subject, records, vector_of

    subject = Subject(store, "BerthDoctor")
    name = subject.name()

    def answers() -> str:
        health = store.health()
        return ", ".join([health.version, *(f"{key} {value}" for key, value in health.detail.items())])

    def lists() -> str:
        names = store.collections()
        dify = sum(store.describe(each).dify for each in names)
        return f"{len(names)} collections, {dify} of them written by Dify"

    def writes() -> str:
        if store.exists(name):
            store.drop(name)
        store.create(name, DIMENSION, subject.metric)
        store.upsert(name, records(20))
        subject.settle(name, 20)
        return f"{store.count(name)} records"

    def searches() -> str:
        hit = store.search(name, vector_of(records(20)[3]), 3, filter="number < 10")[0]
        return f"nearest with a filter: {hit.id}, score {hit.score:.3f}"

    def removes() -> str:
        store.drop(name)
        return "removed"

    reading = [("answers", answers), ("lists", lists)]
    return (
        reading if read_only else [*reading, ("writes", writes), ("searches", searches), ("removes", removes)]
    )
