"""`berth storage doctor`: what works at a bucket, what does not, and what to do about it."""

from __future__ import annotations

import json
import sys
import textwrap
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import click

from cloudberth.cli.storage.arguments import client_options, json_option, location_argument, open_store
from cloudberth.cli.storage.units import shown

if TYPE_CHECKING:
    from cloudberth.storage.doctor import Check, Facts
    from cloudberth.storage.options import Options

_PATIENCE = timedelta(seconds=20).total_seconds()
_SIGNS = {"ok": ("✓", "green"), "warn": ("!", "yellow"), "fail": ("✗", "red"), "unknown": ("?", "cyan")}
_TITLE = 20
_WIDTH = 110


@click.command()
@location_argument("location")
@click.option("--read-only", is_flag=True, help="Write nothing: what takes writing is not tried.")
@click.option("--create", is_flag=True, help="Make the bucket when it is missing: private, in its region.")
@click.option("--policy", "show_policy", is_flag=True, help="Print the least-privilege policy in any case.")
@json_option
@client_options
def doctor(
    location: str, read_only: bool, create: bool, show_policy: bool, as_json: bool, options: Options
) -> int:
    """Check the bucket at LOCATION: network, clock, credentials, permissions, settings, speed.

    Writes a few small objects whose keys start with .berth-doctor- and removes them again. Exit code 4 when
    something does not work.
    """
    if read_only and create:
        raise click.UsageError("--create writes; --read-only says no")
    from cloudberth.storage.doctor import Verdict, collect, judge

    # Whoever looks for faults wants to see them, not to have them repeated away.
    options = replace(options, retries=min(options.retries, 1), deadline=min(options.deadline, _PATIENCE))
    store, prefix = open_store(location, options)
    with store:
        target = store.under(prefix) if prefix else store
        facts = collect(target, read_only=read_only, create=create, notice=_Notice(quiet=as_json))
    checks = judge(facts)
    _clear_line()
    if as_json:
        click.echo(json.dumps(document(facts, checks), indent=2, ensure_ascii=False))
    else:
        _show(facts, checks, show_policy=show_policy)
    return 4 if any(check.verdict is Verdict.FAIL for check in checks) else 0


class _Notice:
    """The step that is under way, on a terminal."""

    def __init__(self, *, quiet: bool) -> None:
        self._visible = sys.stderr.isatty() and not quiet

    def __call__(self, name: str) -> None:
        if self._visible:
            sys.stderr.write(f"\r\x1b[Kchecking: {name} …")
            sys.stderr.flush()


def _clear_line() -> None:
    if sys.stderr.isatty():
        sys.stderr.write("\r\x1b[K")
        sys.stderr.flush()


def document(facts: Facts, checks: Sequence[Check]) -> dict[str, Any]:
    """The report for --json."""
    counts = Counter(check.verdict.value for check in checks)
    return {
        "format": 1,
        "place": facts.place,
        "type": facts.type,
        "credentials": facts.credentials,
        "read_only": facts.read_only,
        "at": facts.at.isoformat(timespec="seconds"),
        "verdicts": {name: counts[name] for name in _SIGNS},
        "checks": [
            {
                "id": check.id,
                "group": check.group,
                "title": check.title,
                "verdict": check.verdict.value,
                "said": check.said,
                "remedy": check.remedy,
            }
            for check in checks
        ],
        "policy": facts.policy,
    }


def _show(facts: Facts, checks: Sequence[Check], *, show_policy: bool) -> None:
    group = ""
    for check in sorted(checks, key=lambda each: _order(each, checks)):
        if check.group != group:
            click.echo() if group else None
            group = check.group
            click.secho(group, bold=True)
        _show_check(check)
    counts = Counter(check.verdict.value for check in checks)
    click.echo()
    parts = [
        click.style(f"{counts[name]} {name}", fg=colour)
        for name, (_, colour) in _SIGNS.items()
        if counts[name]
    ]
    click.echo(" · ".join(parts))
    if facts.policy and (show_policy or _lacks_rights(facts)):
        click.echo()
        click.secho("The least that this identity has to be allowed:", bold=True)
        click.echo(facts.policy)


def _order(check: Check, checks: Sequence[Check]) -> int:
    """Groups stay together, in the order of their first check."""
    return next(index for index, other in enumerate(checks) if other.group == check.group)


def _show_check(check: Check) -> None:
    sign, colour = _SIGNS[check.verdict.value]
    lines = textwrap.wrap(shown(check.said), _WIDTH - _TITLE - 4) or [""]
    click.echo(f"{click.style(sign, fg=colour, bold=True)} {check.title:<{_TITLE}}{lines[0]}")
    for line in lines[1:]:
        click.echo(" " * (_TITLE + 2) + line)
    for index, line in enumerate(textwrap.wrap(shown(check.remedy), _WIDTH - _TITLE - 6)):
        click.secho(" " * (_TITLE + 2) + ("→ " if index == 0 else "  ") + line, fg="cyan")


def _lacks_rights(facts: Facts) -> bool:
    from cloudberth.errors import PermissionDenied

    tried = (facts.bucket, *facts.attempts)
    return any(isinstance(attempt.error, PermissionDenied) for attempt in tried)
