"""Keys with which programs use the service: of one dataset or all. Only their digests are kept."""

from __future__ import annotations

import hashlib
import secrets
import threading
import time
from datetime import datetime, timedelta

from cloudberth.database import Connection, Database, Row
from cloudberth.errors import InvalidInput, NotFound
from cloudberth.knowledge.model import Access, ApiKey, Scope
from cloudberth.knowledge.state.values import checked_name, clock, maybe_moment, moment

PREFIX = "kb_"
_FRESH = 5.0  # seconds for which an answer of the database counts; a revoked key works no longer than that
_MOST = 10_000
_USED = 60.0  # seconds between two notes of a key's use
_COLUMNS = "id, label, dataset_id, scope, ending, created, expires, revoked, used"


class Keys:
    """The keys of a database. Thread-safe."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._known: dict[bytes, tuple[float, float | None, Access | None]] = {}
        self._guard = threading.Lock()

    def create(
        self, label: str, dataset_id: str, scope: Scope, expires: datetime | None
    ) -> tuple[ApiKey, str]:
        """A new key, and its text: the only time that it is seen."""
        label = checked_name(label, "key")
        if expires is not None and expires.tzinfo is None:
            raise InvalidInput("a time needs its zone", where="expires", hint="2027-01-31T00:00:00Z")
        with self._database.transaction(alone=True) as connection:
            return self._insert(connection, label, dataset_id, scope, expires)

    def list(self, dataset_id: str = "") -> tuple[ApiKey, ...]:
        only, values = ("WHERE dataset_id = ?", (dataset_id,)) if dataset_id else ("", ())
        with self._database.connection() as connection:
            rows = connection.rows(
                f"SELECT {_COLUMNS} FROM knowledge_keys {only} ORDER BY created, id", values
            )
        return tuple(_key(row) for row in rows)

    def rotate(self, key_id: str, overlap: timedelta) -> tuple[ApiKey, str]:
        """A key like this one; the old one ends after `overlap`."""
        if overlap < timedelta(0):
            raise InvalidInput("the overlap is 0 or more", where="overlap")
        with self._database.transaction(alone=True) as connection:
            old = self._get(connection, key_id)
            now = clock(connection)
            if old.revoked is not None or (old.expires is not None and old.expires.timestamp() <= now):
                raise InvalidInput("this key has ended already", where=key_id, hint="create a new one")
            made = self._insert(connection, old.label, old.dataset_id, old.scope, old.expires)
            connection.run(
                "UPDATE knowledge_keys SET revoked = ? WHERE id = ?", (now + overlap.total_seconds(), key_id)
            )
        self._forget()
        return made

    def revoke(self, key_id: str) -> None:
        """End a key now, also one that was to end later. Raises NotFound."""
        with self._database.transaction(alone=True) as connection:
            self._get(connection, key_id)
            now = clock(connection)
            connection.run(
                "UPDATE knowledge_keys SET revoked = ? WHERE id = ? AND (revoked IS NULL OR revoked > ?)",
                (now, key_id, now),
            )
        self._forget()

    def get(self, key_id: str) -> ApiKey:
        """Raises NotFound."""
        with self._database.connection() as connection:
            return self._get(connection, key_id)

    def authenticate(self, key: str) -> Access | None:
        """Who shows this key; None when nobody may."""
        if not key.startswith(PREFIX):
            return None
        digest, moment_now = _digest(key), time.monotonic()
        with self._guard:
            known = self._known.get(digest)
        if known is None or moment_now - known[0] >= _FRESH:
            known = (moment_now, *self._ask(digest))
            with self._guard:
                # Guesses must not fill the memory.
                if len(self._known) >= _MOST:
                    self._known.clear()
                self._known[digest] = known
        if known[1] is not None and time.time() >= known[1]:
            return None
        return known[2]

    def drop(self, connection: Connection, dataset_id: str) -> None:
        """Delete the keys of a dataset that is deleted."""
        connection.run("DELETE FROM knowledge_keys WHERE dataset_id = ?", (dataset_id,))
        self._forget()

    def _insert(
        self, connection: Connection, label: str, dataset_id: str, scope: Scope, expires: datetime | None
    ) -> tuple[ApiKey, str]:
        text, key_id = PREFIX + secrets.token_urlsafe(32), f"key-{secrets.token_hex(6)}"
        connection.run(
            "INSERT INTO knowledge_keys (id, label, dataset_id, scope, ending, digest, created, expires)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (
                key_id, label, dataset_id, str(Scope(scope)), text[-4:], _digest(text), clock(connection),
                None if expires is None else expires.timestamp(),
            ),
        )  # fmt: skip
        return self._get(connection, key_id), text

    def _get(self, connection: Connection, key_id: str) -> ApiKey:
        rows = connection.rows(f"SELECT {_COLUMNS} FROM knowledge_keys WHERE id = ?", (key_id,))
        if not rows:
            raise NotFound("there is no such key", where=key_id[:40])
        return _key(rows[0])

    def _ask(self, digest: bytes) -> tuple[float | None, Access | None]:
        """When it ends, and what it allows."""
        with self._database.connection() as connection:
            rows = connection.rows(
                "SELECT id, dataset_id, scope, expires, revoked, used FROM knowledge_keys WHERE digest = ?",
                (digest,),
            )
            if not rows:
                return None, None
            now = clock(connection)
        key_id, dataset_id, scope, expires, revoked, used = rows[0]
        ends = min((each for each in (expires, revoked) if each is not None), default=None)
        if ends is not None and ends <= now:
            return None, None
        if used is None or now - used > _USED:
            with self._database.transaction(alone=True) as connection:
                connection.run("UPDATE knowledge_keys SET used = ? WHERE id = ?", (now, key_id))
        return ends, Access(key_id, dataset_id, Scope(scope))

    def _forget(self) -> None:
        with self._guard:
            self._known.clear()


def _key(row: Row) -> ApiKey:
    return ApiKey(
        id=row[0], label=row[1], dataset_id=row[2], scope=Scope(row[3]), ending=row[4],
        created=moment(row[5]), expires=maybe_moment(row[6]), revoked=maybe_moment(row[7]),
        used=maybe_moment(row[8]),
    )  # fmt: skip


def _digest(key: str) -> bytes:
    # The keys are 256 random bits: nothing slower is needed to keep them from being guessed.
    return hashlib.sha256(key.encode("utf-8", "replace")).digest()
