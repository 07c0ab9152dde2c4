"""How far a migration is: a small file, replaced whole after every page, with a lock beside it."""

from __future__ import annotations

import fcntl
import json
import os
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from cloudberth.errors import InvalidInput, Refused
from cloudberth.vector.migration.planning import Plan

FORMAT = 1


class Phase(StrEnum):
    COPYING = "copying"
    COPIED = "copied"
    VERIFIED = "verified"


@dataclass(frozen=True, slots=True)
class State:
    """cursor: of the source's scan, from where to go on. written: records so far, those written twice too."""

    plan: str
    phase: Phase = Phase.COPYING
    cursor: str | None = None
    written: int = 0
    starts: int = 0


class Journal:
    """Open it around a migration: a second process is kept out. Raises Refused when it is in use."""

    def __init__(self, path: Path, plan: Plan) -> None:
        self.path = path
        self._plan = plan.fingerprint
        self._lock = -1
        self.state = State(self._plan)

    @classmethod
    def beside(cls, folder: Path, plan: Plan) -> Self:
        """In a folder for many, named by the plan."""
        return cls(folder / f"{plan.fingerprint}.json", plan)

    def __enter__(self) -> Self:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = os.open(f"{self.path}.lock", os.O_CREAT | os.O_RDWR, 0o600)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(self._lock)
            raise Refused("this migration is under way in another process", where=str(self.path)) from None
        try:
            self.state = self._read()
        except BaseException:
            os.close(self._lock)
            raise
        self.save(starts=self.state.starts + 1)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._lock)

    def save(self, **changes: Any) -> None:
        """Keep what changed. The file is whole at every moment."""
        self.state = replace(self.state, **changes)
        aside = Path(f"{self.path}.new")
        aside.write_text(json.dumps({"format": FORMAT, **asdict(self.state)}), encoding="utf-8")
        aside.replace(self.path)

    def restart(self) -> None:
        """Begin again: every record is written once more."""
        self.save(phase=Phase.COPYING, cursor=None, written=0)

    def remove(self) -> None:
        """Of a migration that is over."""
        for path in (self.path, Path(f"{self.path}.lock")):
            with suppress(FileNotFoundError):
                path.unlink()

    def _read(self) -> State:
        if not self.path.exists():
            return State(self._plan)
        where = str(self.path)
        try:
            found = json.loads(self.path.read_text(encoding="utf-8"))
            if found.pop("format") != FORMAT:
                raise InvalidInput("the journal is of another version", where=where, hint="remove it")
            state = State(**{**found, "phase": Phase(found["phase"])})
        except (ValueError, KeyError, TypeError, AttributeError):
            raise InvalidInput("this is no journal of a migration", where=where, hint="remove it") from None
        if state.plan != self._plan:
            raise InvalidInput(
                "the journal belongs to another migration", where=where, hint="give another --journal"
            )
        return state
