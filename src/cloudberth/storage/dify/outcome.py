"""What a migration is told, and what it has to tell."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from cloudberth.storage.dify.checking import Checked, KeyProblem, Trouble
from cloudberth.storage.dify.layout import Census


@dataclass(frozen=True, slots=True)
class Moved:
    """What a mover did (or, in a dry run, would do). present: objects that were there already.

    failed: (key, reason), every one of them.
    """

    objects: int = 0
    bytes: int = 0
    present: int = 0
    failed: Sequence[tuple[str, str]] = ()


@dataclass(frozen=True, slots=True)
class Choices:
    """What the caller wants. deep: compare contents with the hashes in the database.

    allow_lost: finish although rows name objects that are in neither store (they keep their storage type).
    """

    dry_run: bool = False
    deep: bool = False
    keep_storage_type: bool = False
    allow_lost: bool = False


@dataclass(frozen=True, slots=True)
class Facts:
    """What Dify's variables say that matters here. secret_key: SECRET_KEY is set.

    keys_elsewhere: name of the key provider when the workspaces' private keys are not in the bucket.
    other_secret_key: the new settings have another SECRET_KEY than the old ones.
    """

    secret_key: bool = True
    keys_elsewhere: str = ""
    other_secret_key: bool = False


@dataclass
class Outcome:
    """How it went, as far as it went."""

    dry_run: bool
    census: Census = field(default_factory=Census)
    moved: Moved = Moved()
    checked: Checked = field(default_factory=Checked)
    tenants: int = 0
    keys: list[KeyProblem] = field(default_factory=list)
    rows_by_type: dict[str, int] = field(default_factory=dict)
    old_types: tuple[str, ...] = ()
    new_type: str = ""
    to_change: int = 0
    changed: int = 0
    passes: int = 0
    warnings: list[str] = field(default_factory=list)

    def warn(self, text: str) -> None:
        if text not in self.warnings:
            self.warnings.append(text)

    def all_refusals(self, allow_lost: bool) -> list[str]:
        """Why this may not finish, most important first; empty when it may."""
        found = [
            f"workspace {problem.tenant}: {problem.state}" for problem in self.keys if problem.state.fatal
        ]
        for trouble in (Trouble.NOT_MOVED, Trouble.OTHER_SIZE, Trouble.OTHER_CONTENT):
            if count := self.checked.troubles[trouble]:
                found.append(f"{count} rows: {trouble}")
        lost = self.checked.troubles[Trouble.LOST]
        if lost and not allow_lost:
            found.append(f"{lost} rows: {Trouble.LOST}")
        return found

    def as_json(self) -> dict[str, Any]:
        """The same for programs. Sizes in bytes."""
        total = self.census.total
        return {
            "dry_run": self.dry_run,
            "objects": {
                "total": {"objects": total.objects, "bytes": total.bytes},
                "kinds": [
                    {
                        "kind": kind.name,
                        "keys": kind.shape,
                        "criticality": kind.criticality,
                        "objects": tally.objects,
                        "bytes": tally.bytes,
                        "dify_moves_it": kind.dify_moves,
                    }
                    for kind, tally in self.census.rows
                ],
                "unknown": self.census.unknown,
            },
            "moved": {
                "objects": self.moved.objects,
                "bytes": self.moved.bytes,
                "present": self.moved.present,
                "failed": [{"key": key, "reason": reason} for key, reason in self.moved.failed],
            },
            "rows": {
                "checked": dict(self.checked.rows),
                "hashed": self.checked.hashed,
                "problems": {str(trouble): count for trouble, count in self.checked.troubles.items()},
                "storage_types_before": self.rows_by_type,
                "from": list(self.old_types),
                "to": self.new_type,
                "to_change": self.to_change,
                "changed": self.changed,
            },
            "workspaces": {
                "checked": self.tenants,
                "problems": [
                    {"workspace": one.tenant, "key": one.key, "state": one.state} for one in self.keys
                ],
            },
            "passes": self.passes,
            "warnings": self.warnings,
        }
