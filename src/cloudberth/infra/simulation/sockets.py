"""Where the unix sockets of simulated providers live: somewhere private with a short path.

The kernel takes socket paths of 107 bytes on Linux and 103 on macOS (`sun_path`). A TMPDIR may be longer than
that by itself: a user's name, a job's id, a test's folder.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from cloudberth.errors import EngineError

LONGEST_SOCKET_PATH = 103
# "/berth-sXXXXXXXX" for the folder and "/google-beta-100.sock" for the longest name in it, with some room.
ROOM = 40
SHORT_FOLDERS = ("/tmp", "/var/tmp")  # noqa: S108 (a folder of our own is made in it, open to nobody else)


@contextlib.contextmanager
def socket_folder(prefix: str) -> Iterator[Path]:
    """A folder that only this user may enter, for as long as the block lasts.

    It is in the usual temporary folder, or in /tmp when that one's path is too long. Raises EngineError when
    there is none with a short path that can be written.
    """
    folder = Path(tempfile.mkdtemp(prefix=prefix, dir=_parent()))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _parent() -> str:
    usual = tempfile.gettempdir()
    for parent in (usual, *SHORT_FOLDERS):
        if len(os.fsencode(parent)) <= LONGEST_SOCKET_PATH - ROOM and os.access(parent, os.W_OK | os.X_OK):
            return parent
    raise EngineError(
        f"the path of the temporary folder is too long for sockets in it: {usual}",
        hint="Set TMPDIR to a folder with a short path, for instance TMPDIR=/tmp.",
    )
