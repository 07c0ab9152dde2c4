"""The administrator's token: made at the first start, shown once, kept as a hash in a private file."""

from __future__ import annotations

import os
from pathlib import Path

from cloudberth.server.secrets_at_rest import new_token, same, token_hash

PREFIX = "berth-admin-"


class AdminToken:
    """The one who may sign in to the console."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def ensure(self) -> str | None:
        """Make a token when there is none; the new token, which nobody can read again, or None."""
        return None if self._path.exists() else self.renew()

    def renew(self) -> str:
        """Replace the token; the old one is worthless from now on. The file is readable by its owner only."""
        token = new_token(PREFIX)
        draft = self._path.with_name(f".{self._path.name}.{os.getpid()}")
        draft.unlink(missing_ok=True)
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as stream:
            stream.write(token_hash(token) + "\n")
            stream.flush()
            os.fsync(stream.fileno())
        draft.replace(self._path)
        return token

    def accepts(self, token: str) -> bool:
        """Whether this is the token. Without a file nobody signs in."""
        try:
            kept = self._path.read_text(encoding="ascii").strip()
        except FileNotFoundError:
            return False
        return bool(kept) and same(kept, token_hash(token.strip()))
