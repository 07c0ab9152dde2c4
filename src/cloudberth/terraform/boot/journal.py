"""What the boot program tells, how it runs other programs, and what it does when one fails."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Callable
from typing import Any, TypeVar
from urllib.parse import quote

T = TypeVar("T")

PATIENCE = float(os.environ.get("CLOUDBERTH_PATIENCE", "1"))
"""Factor for every wait; below 1 only to rehearse the program."""


class Failed(Exception):
    """The machine cannot be started now; the message holds no secret."""


class Journal:
    """JSON lines on stdout. Values that were registered as secrets are struck out of everything."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self._secrets: list[str] = []

    def conceal(self, value: str) -> None:
        """A value, also as it stands in URLs and in JSON."""
        for form in {value, quote(value, safe=""), json.dumps(value)[1:-1]}:
            if len(form) >= 4:
                self._secrets.append(form)

    def clean(self, text: str) -> str:
        for value in sorted(self._secrets, key=len, reverse=True):
            text = text.replace(value, "***")
        return text

    def write(self, event: str, **fields: Any) -> None:
        moment = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        line = self.clean(json.dumps({"ts": moment, "event": event, **fields}, ensure_ascii=False))
        self.lines.append(line)
        print(line, flush=True)

    def run(self, *command: str, quiet: bool = False) -> str:
        """Output of a program. Raises Failed with the end of what it said."""
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False)
        except FileNotFoundError:
            raise Failed(f"{command[0]} is not installed") from None
        if done.returncode:
            said = self.clean((done.stderr or done.stdout).strip())[-800:]
            raise Failed(f"{' '.join(command[:4])}: exit {done.returncode}: {said}")
        if not quiet:
            self.write("ran", command=" ".join(command[:6]))
        return done.stdout

    def patiently(self, what: str, action: Callable[[], T], attempts: int, wait: float = 2) -> T:
        """Try again, waiting twice as long each time (two minutes at most). The last failure goes through."""
        for attempt in range(1, attempts):
            try:
                return action()
            except Failed as error:
                self.write("failed", what=what, attempt=attempt, of=attempts, why=str(error))
                sleep(min(wait * 2 ** (attempt - 1), 120))
        return action()


def sleep(seconds: float) -> None:
    time.sleep(seconds * PATIENCE)


def asked(action: Callable[[], T]) -> T:
    """A call to the cloud. Raises Failed, since the cloud may answer the next time."""
    try:
        return action()
    except RuntimeError as error:
        raise Failed(str(error)) from None
