"""What became of a transfer: a summary as a value, and a file that names everything that was not moved, and
why.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from cloudberth.storage.transfer.journal import Journal, Row, Status
from cloudberth.storage.transfer.planning import Counts
from cloudberth.storage.transfer.rules import Action

FORMAT = 1
_NOT_MOVED = {
    Status.FAILED: "failed",
    Status.RETRY: "failed",
    Status.PENDING: "not tried",
}


@dataclass(frozen=True, slots=True)
class Summary:
    """The end of a transfer in numbers. failed: objects that should have been moved and were not.

    incomplete: moved without something that the destination cannot hold. left: not done yet; running the same
    command again goes on with these. differences: what the verification at the end of a migration named; None
    when there was none.
    """

    source: str
    destination: str
    copied: int = 0
    bytes: int = 0
    deleted: int = 0
    unchanged: int = 0
    failed: int = 0
    incomplete: int = 0
    left: int = 0
    extra: int = 0
    differences: int | None = None
    verified: int | None = None
    resumed: bool = False
    interrupted: bool = False
    seconds: float = 0.0
    reasons: dict[str, int] = field(default_factory=dict)
    trouble: str = ""
    journal: str = ""
    report: str | None = None

    @property
    def exit_code(self) -> int:
        """0: all is as it should be. 1: something is not. 130: interrupted."""
        if self.interrupted:
            return 130
        return 1 if self.failed or self.left or self.differences else 0

    def document(self) -> dict[str, Any]:
        return {"format": FORMAT, **asdict(self)}


def summarise(journal: Journal, source: str, destination: str, **facts: Any) -> Summary:
    """The summary of what a journal holds."""
    counts = Counts.of(journal.fact("counts"))
    sums: dict[str, Any] = {"copied": 0, "bytes": 0, "deleted": 0, "failed": 0, "left": 0}
    unchanged = sum(counts.skipped.values()) - counts.skipped["not at the source"]
    for action, status, objects, size in journal.tally():
        if status is Status.DONE:
            sums["deleted" if action is Action.DELETE else "copied"] += objects
            sums["bytes"] += size
        elif status is Status.SKIPPED:
            unchanged += objects
        elif status is Status.FAILED or action in {Action.CONFLICT, Action.INVALID}:
            sums["failed"] += objects
        else:
            sums["left"] += objects
    reasons: dict[str, int] = {}
    incomplete = 0
    for row in noted(journal):
        reasons[row.kind] = reasons.get(row.kind, 0) + 1
        incomplete += row.kind == "incomplete"
    for _, kind, _ in journal.differences():
        reasons[f"different {kind}"] = reasons.get(f"different {kind}", 0) + 1
    return Summary(
        source=source,
        destination=destination,
        unchanged=unchanged,
        extra=counts.skipped["not at the source"],
        incomplete=incomplete,
        reasons=reasons,
        journal=str(journal.path),
        **sums,
        **facts,
    )


def noted(journal: Journal) -> Iterator[Row]:
    """Lines of the plan with a remark, and those that were never to be done."""
    yield from journal.rows((Action.COPY, Action.COMPARE, Action.DELETE), tuple(Status), noted=True)
    for row in journal.rows((Action.CONFLICT, Action.INVALID), tuple(Status)):
        yield Row(row.work, Status.FAILED, row.work.action.name.lower(), row.work.reason)


def lines(journal: Journal) -> Iterator[dict[str, Any]]:
    """The report: one document for everything that was not moved, or not as it was."""
    for row in noted(journal):
        status = "moved" if row.status is Status.DONE else _NOT_MOVED.get(row.status, "nothing to do")
        yield {
            "key": row.work.key,
            "action": row.work.action.name.lower(),
            "status": "incomplete" if row.kind == "incomplete" else status,
            "kind": row.kind,
            "why": row.note,
            "size": row.work.size,
        }
    for row in journal.rows((Action.COPY, Action.COMPARE, Action.DELETE), (Status.PENDING,)):
        yield {
            "key": row.work.key,
            "action": row.work.action.name.lower(),
            "status": "not tried",
            "kind": "interrupted",
            "why": "the transfer ended before its turn",
            "size": row.work.size,
        }
    for key, kind, detail in journal.differences():
        yield {"key": key, "action": "verify", "status": "different", "kind": kind, "why": detail}


def write(journal: Journal, summary: Summary, path: Path) -> None:
    """Write the report as JSON Lines, the summary last; the file appears when all of it is written."""
    draft = path.with_name(path.name + ".part")
    with draft.open("w", encoding="utf-8") as file:
        for line in lines(journal):
            file.write(json.dumps(line, ensure_ascii=False) + "\n")
        file.write(json.dumps({"summary": summary.document()}, ensure_ascii=False) + "\n")
    draft.replace(path)
