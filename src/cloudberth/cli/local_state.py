"""Where a platform on this machine is, and whether it runs: a lock that its server holds while it lives.

A number of a process alone says little: after a restart of the machine it belongs to somebody else.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from cloudberth.errors import Refused

_LOCK, _STATE, _LOG, _SEEDED = "platform.lock", "platform.json", "server.log", "sample-seeded"


@dataclass(frozen=True, slots=True)
class Running:
    """A server that runs, or ran last. started: seconds since 1970."""

    process: int
    address: str
    port: int
    started: float


@dataclass(frozen=True, slots=True)
class Home:
    """The folder of a platform."""

    folder: Path

    @property
    def log(self) -> Path:
        return self.folder / _LOG

    @property
    def seeded(self) -> Path:
        """There once the sample was made, so that one that was deleted does not come back."""
        return self.folder / _SEEDED

    @property
    def is_ours(self) -> bool:
        """Whether a platform has ever started here."""
        return (self.folder / _LOCK).is_file()

    def last(self) -> Running | None:
        """What is written down of the server; it may have ended since."""
        try:
            found = json.loads((self.folder / _STATE).read_text(encoding="utf-8"))
            return Running(**{each.name: found[each.name] for each in fields(Running)})
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def running(self) -> Running | None:
        """The server that runs now. None also while one starts."""
        return self.last() if self.is_held() else None

    def is_held(self) -> bool:
        """Whether a server lives here, also one that is about to start or to end."""
        try:
            with (self.folder / _LOCK).open("r+") as stream:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except FileNotFoundError:
            return False
        except OSError:
            return True
        return False

    @contextmanager
    def held(self) -> Iterator[None]:
        """Be the server of this folder. Raises Refused when there is one already."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with (self.folder / _LOCK).open("a+") as stream:
            try:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise Refused(
                    "a server runs in this folder already",
                    where=str(self.folder),
                    hint="berth status, berth down",
                ) from None
            yield

    def write(self, address: str, port: int, started: float) -> None:
        """Write down where the server of this process is."""
        draft = self.folder / f".{_STATE}.{os.getpid()}"
        draft.write_text(json.dumps(asdict(Running(os.getpid(), address, port, started))), encoding="utf-8")
        draft.replace(self.folder / _STATE)

    def log_end(self, lines: int = 12) -> str:
        """The last lines that the server said."""
        try:
            with self.log.open("rb") as stream:
                stream.seek(max(0, self.log.stat().st_size - 8192))
                return "\n".join(stream.read().decode("utf-8", "replace").splitlines()[-lines:])
        except OSError:
            return ""
