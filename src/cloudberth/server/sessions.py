"""Who is signed in.

`Sessions` is what the console needs of a place for sessions; `DatabaseSessions` keeps them in the server's
own database. Where several servers share the work, a shared place (a cache) takes its part.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from cloudberth.server.secrets_at_rest import new_token, token_hash
from cloudberth.tracing.database import Database

# A session is marked as used at most this often (seconds), so that reading pages writes almost nothing.
MARK_EVERY = 60.0


@dataclass(frozen=True, slots=True)
class Session:
    """form_token: every form of the session carries it, which a foreign page cannot know."""

    form_token: str


class Sessions(Protocol):
    """Sessions by their token; what is kept of a token is a hash."""

    def start(self) -> str:
        """Begin a session; its token."""
        ...

    def find(self, token: str) -> Session | None:
        """The session of a token, unless it ended or was not used for too long."""
        ...

    def end(self, token: str) -> None:
        """End a session; nothing happens when there is none."""
        ...

    def end_all(self) -> None:
        """Sign everybody out."""
        ...


class DatabaseSessions:
    """Sessions in the server's database; they survive a restart. hours: see ServerSettings.session_hours."""

    def __init__(self, database: Database, hours: float, clock: Callable[[], float] = time.time) -> None:
        self._database = database
        self._seconds = hours * 3600
        self._clock = clock

    def start(self) -> str:
        token, now = new_token(), self._clock()
        with self._database.connection() as connection:
            connection.run("DELETE FROM console_session WHERE used < ?", (now - self._seconds,))
            connection.run(
                "INSERT INTO console_session (hash, form_token, created, used) VALUES (?, ?, ?, ?)",
                (token_hash(token), new_token(), now, now),
            )
        return token

    def find(self, token: str) -> Session | None:
        now, key = self._clock(), token_hash(token)
        with self._database.connection() as connection:
            rows = connection.rows(
                "SELECT form_token, used FROM console_session WHERE hash = ? AND used >= ?",
                (key, now - self._seconds),
            )
            if not rows:
                return None
            if now - rows[0][1] > MARK_EVERY:
                connection.run("UPDATE console_session SET used = ? WHERE hash = ?", (now, key))
        return Session(form_token=rows[0][0])

    def end(self, token: str) -> None:
        with self._database.connection() as connection:
            connection.run("DELETE FROM console_session WHERE hash = ?", (token_hash(token),))

    def end_all(self) -> None:
        with self._database.connection() as connection:
            connection.run("DELETE FROM console_session")
