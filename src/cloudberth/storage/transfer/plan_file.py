"""A plan as a file: JSON Lines, a heading and then one line for each thing to do. Written by --plan, run by
--execute.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from cloudberth.errors import InvalidInput, Refused
from cloudberth.storage.transfer.journal import Journal, State, Status, Work
from cloudberth.storage.transfer.planning import Counts
from cloudberth.storage.transfer.rules import Action, Rules

FORMAT = 1
_BATCH = 2000
_ALL = (Action.COPY, Action.COMPARE, Action.DELETE, Action.CONFLICT, Action.INVALID)


def entries(journal: Journal) -> Iterator[Work]:
    """Everything a plan says, in the order of keys."""
    return journal.works(_ALL, tuple(Status))


def line(work: Work) -> dict[str, Any]:
    """One line of the file."""
    document: dict[str, Any] = {"action": work.action.name.lower(), "key": work.key, "why": work.reason}
    if work.action is not Action.DELETE:
        document |= {"size": work.size, "modified": work.modified, "etag": work.etag}
    return document


def write(journal: Journal, path: Path, source: str, destination: str, rules: Rules) -> None:
    """Write the plan of a journal; the file appears when all of it is written."""
    heading = {
        "plan": FORMAT,
        "source": source,
        "destination": destination,
        "planned_at": journal.fact("planned_at"),
        "rules": rules.document(),
        "counts": journal.fact("counts"),
    }
    draft = path.with_name(path.name + ".part")
    with draft.open("w", encoding="utf-8") as file:
        file.write(json.dumps(heading, ensure_ascii=False) + "\n")
        for work in entries(journal):
            file.write(json.dumps(line(work), ensure_ascii=False) + "\n")
    draft.replace(path)


def read_heading(path: Path) -> dict[str, Any]:
    """The heading. Raises InvalidInput for a file that is no plan."""
    try:
        with path.open(encoding="utf-8") as file:
            heading = json.loads(file.readline())
    except (OSError, UnicodeDecodeError, ValueError) as error:
        raise InvalidInput(f"the plan cannot be read: {error}", where=str(path)) from None
    if not isinstance(heading, dict) or heading.get("plan") != FORMAT:
        raise InvalidInput(
            "this is no plan of a transfer", where=str(path), hint="--dry-run --plan FILE writes one"
        )
    return heading


def load(journal: Journal, path: Path, source: str, destination: str) -> Counts:
    """Put the plan of a file into a journal. Raises Refused when it is one between other places."""
    heading = read_heading(path)
    if (heading.get("source"), heading.get("destination")) != (source, destination):
        raise Refused(
            f"the plan is from {heading.get('source')} to {heading.get('destination')}", where=str(path),
            hint=f"not from {source} to {destination}",
        )  # fmt: skip
    journal.forget()
    with path.open(encoding="utf-8") as file:
        file.readline()
        number = 0
        while batch := list(islice(file, _BATCH)):
            journal.add([_row(number + at, text, path) for at, text in enumerate(batch, 1)])
            number += len(batch)
    journal.keep(
        state=State.RUNNING, lines=number, counts=heading.get("counts"), planned_at=heading.get("planned_at")
    )
    return Counts.of(heading.get("counts"))


def _row(number: int, text: str, path: Path) -> tuple[Any, ...]:
    try:
        entry = json.loads(text)
        action = Action[entry["action"].upper()]
        return (
            number, str(entry["key"]), int(action), str(entry["why"]), int(entry.get("size") or 0),
            entry.get("modified"), entry.get("etag"),
        )  # fmt: skip
    except (ValueError, KeyError, TypeError, AttributeError):
        raise InvalidInput("this line is not of a plan", where=f"{path}:{number + 1}") from None
