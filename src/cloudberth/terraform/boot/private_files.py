"""Files that hold secrets: whole or not there, and readable by nobody else."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path


def write_private(path: Path, content: str, owner: str | None = None) -> None:
    """Write aside and rename. Only root can read the file, or the container's user (uid:gid)."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    handle, name = tempfile.mkstemp(dir=path.parent)
    temporary = Path(name)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            stream.write(content)
        own(temporary, owner)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def own(path: Path, owner: str | None) -> None:
    """Give a file or folder to uid:gid. Only root may; when rehearsed without root it stays as it is."""
    if owner and os.geteuid() == 0:
        user, _, group = owner.partition(":")
        os.chown(path, int(user), int(group or user))
