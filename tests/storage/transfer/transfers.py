"""What the tests of transfers share: two stores in memory, and a sync between them with a journal of the
test's.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cloudberth.storage.options import Options
from cloudberth.storage.storage import Storage
from cloudberth.storage.transfer.engine import Execution, migrate, sync
from cloudberth.storage.transfer.executor import Patience
from cloudberth.storage.transfer.report import Summary
from cloudberth.storage.transfer.rules import Rules
from storage.memory_backend import MemoryBackend

KIB = 1024
MIB = 1024 * KIB
# Failures are not waited for.
FAST = Options(retries=0, part_size=MIB, concurrency=4)
USUAL = Rules()
QUICK = Patience(rounds=2, pauses=(0.0,), hopeless=1000)


@dataclass
class Places:
    """Two stores and a folder for journals."""

    folder: Path
    source: MemoryBackend = field(default_factory=lambda: MemoryBackend("source"))
    target: MemoryBackend = field(default_factory=lambda: MemoryBackend("target"))
    source_prefix: str = ""
    target_prefix: str = ""
    options: Options = FAST

    def storages(self) -> tuple[Storage, Storage]:
        return (
            Storage(self.source, self.options, prefix=self.source_prefix),
            Storage(self.target, self.options, prefix=self.target_prefix),
        )

    def execution(self, **facts: Any) -> Execution:
        given = {"patience": QUICK, "state_folder": self.folder, "server_side": False, **facts}
        return Execution(**given)

    def sync(self, rules: Rules = USUAL, **facts: Any) -> Summary:
        return sync(*self.storages(), rules, self.execution(**facts))

    def migrate(self, rules: Rules = USUAL, **facts: Any) -> Summary:
        return migrate(*self.storages(), rules, self.execution(**facts))


def fails(
    error: Callable[[], Exception], *, times: int, primitive: str, key: str = ""
) -> Callable[[str, str], None]:
    """A `before` that lets a primitive fail so many times."""
    left = [times]

    def before(called: str, on: str) -> None:
        if called == primitive and (not key or on == key) and left[0]:
            left[0] -= 1
            raise error()

    return before
