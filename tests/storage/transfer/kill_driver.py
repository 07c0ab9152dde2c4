"""A sync in a process of its own, to be killed: folder to folder, every write of an object noted in a file.

python kill_driver.py SOURCE TARGET STATE NOTES [PAUSE]
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

from cloudberth.storage.body import Body
from cloudberth.storage.contract import Attributes, Condition, Part, Written
from cloudberth.storage.local import Local
from cloudberth.storage.options import Options
from cloudberth.storage.storage import Storage
from cloudberth.storage.transfer.engine import Execution, migrate


class Noting(Local):
    """Says in a file, in one write, that a key was put or a part was; slow enough to be killed in between."""

    notes = -1
    pause = 0.0

    def put(
        self, key: str, body: Body, attributes: Attributes = Attributes(), condition: Condition = Condition()
    ) -> Written:
        written = super().put(key, body, attributes, condition)
        self._note(f"{time.time():.3f} put {key}\n")
        return written

    def put_part(self, key: str, upload: str, number: int, body: Body) -> Part:
        part = super().put_part(key, upload, number, body)
        self._note(f"{time.time():.3f} part {key} {number}\n")
        return part

    def _note(self, text: str) -> None:
        os.write(self.notes, text.encode())
        time.sleep(self.pause)


def main() -> int:
    source, target, state, notes = map(Path, sys.argv[1:5])
    backend = Noting(target, sync=False)
    backend.notes = os.open(notes, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    backend.pause = float(sys.argv[5]) if len(sys.argv) > 5 else 0.0
    options = Options(concurrency=8, part_size=1024 * 1024)
    with Storage(Local(source, sync=False), options) as one, Storage(backend, options) as other:
        summary = migrate(one, other, execution=Execution(state_folder=state, server_side=False))
    print(summary.document())
    return summary.exit_code


if __name__ == "__main__":
    sys.exit(main())
