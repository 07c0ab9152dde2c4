"""One set-up at a time, and none under a running berth.

The lock is an advisory one on a file that stays for good. Whoever changes the environment holds it alone; a
running `berth` shares it. The kernel drops it with the last process that holds the file open, so a killed
set-up leaves nothing behind, and a pip that outlives it keeps the next set-up waiting.
"""

from __future__ import annotations

import errno
import fcntl
import os
import time
from collections.abc import Callable
from pathlib import Path

from checkout.failure import SetUpFailed

SECONDS_TO_WAIT = 900.0
_NOT_SUPPORTED = {errno.ENOLCK, errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS}


class Lock:
    """An open lock file. `fd` is what child processes have to inherit."""

    def __init__(self, path: Path, *, writable: bool) -> None:
        flags = os.O_RDWR | os.O_CREAT if writable else os.O_RDONLY
        self.fd = os.open(path, flags | os.O_CLOEXEC, 0o644)

    def share(self, waiting: Callable[[], None]) -> None:
        """Hold it together with others, once nobody changes the environment."""
        self._take(fcntl.LOCK_SH, waiting)

    def own(self, waiting: Callable[[], None]) -> None:
        """Hold it alone. A shared hold is given up first, so look at the environment again afterwards."""
        self._take(fcntl.LOCK_EX, waiting)

    def keep_over_exec(self) -> None:
        """Let the program that replaces this one go on holding it."""
        os.set_inheritable(self.fd, True)

    def close(self) -> None:
        """Let go."""
        os.close(self.fd)

    def _take(self, kind: int, waiting: Callable[[], None]) -> None:
        deadline = time.monotonic() + SECONDS_TO_WAIT
        while not self._try(kind):
            if time.monotonic() > deadline:
                raise SetUpFailed(
                    "another process has held the environment for 15 minutes",
                    "End the running ./berth or ./check, or use an environment of your own: "
                    "BERTH_VENV=/some/other/folder.",
                )
            waiting()
            time.sleep(0.2)

    def _try(self, kind: int) -> bool:
        try:
            fcntl.flock(self.fd, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError as error:
            # Some network file systems have no locks: then two first runs at once are the user's to avoid.
            if error.errno not in _NOT_SUPPORTED:
                raise
        return True
