"""Keys with which applications send spans: one names a tenant and an app. Only its digest is kept."""

from __future__ import annotations

import hashlib
import secrets
import threading
import time
from typing import NamedTuple

from cloudberth.errors import InvalidInput, NotFound
from cloudberth.tracing.database import Database
from cloudberth.tracing.store import now_ns

PREFIX = "berth_"
_FRESH = 5.0  # seconds for which an answer of the database counts; a revoked key works no longer than that
_MOST = 10_000


class Sender(NamedTuple):
    """Who a key stands for."""

    tenant: str
    app: str


class KeyRecord(NamedTuple):
    """A key as it may be shown."""

    id: str
    tenant: str
    app: str
    label: str
    created_ns: int
    revoked_ns: int | None
    used_ns: int | None


class IngestKeys:
    """The keys of a database. Thread-safe."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._known: dict[bytes, tuple[float, Sender | None]] = {}
        self._guard = threading.Lock()

    def create(self, tenant: str, app: str, label: str = "") -> str:
        """A new key. This is the only time that it is seen."""
        for name, value in {"tenant": tenant, "app": app, "label": label}.items():
            if len(value) > 200 or any(letter < " " for letter in value):
                raise InvalidInput("a name is one line of at most 200 characters", where=name)
        key = PREFIX + secrets.token_urlsafe(32)
        with self._database.transaction(alone=True) as connection:
            connection.run(
                "INSERT INTO trace_keys (id, tenant, app, label, digest, created) VALUES (?, ?, ?, ?, ?, ?)",
                (f"k{secrets.token_hex(6)}", tenant, app, label, _digest(key), now_ns()),
            )
        return key

    def list(self, tenant: str | None = None) -> tuple[KeyRecord, ...]:
        """All keys, oldest first, revoked ones included."""
        only, values = ("", ()) if tenant is None else ("WHERE tenant = ?", (tenant,))
        with self._database.connection() as connection:
            rows = connection.rows(
                "SELECT id, tenant, app, label, created, revoked, used FROM trace_keys "
                f"{only} ORDER BY created, id",
                values,
            )
        return tuple(KeyRecord(*row) for row in rows)

    def revoke(self, key_id: str, tenant: str | None = None) -> None:
        """End a key. Raises NotFound."""
        only, values = ("", ()) if tenant is None else (" AND tenant = ?", (tenant,))
        with self._database.transaction(alone=True) as connection:
            changed = connection.run(
                f"UPDATE trace_keys SET revoked = COALESCE(revoked, ?) WHERE id = ?{only}",
                (now_ns(), key_id, *values),
            )
        if not changed:
            raise NotFound("there is no such key", where=key_id[:40])
        with self._guard:
            self._known.clear()

    def sender(self, key: str) -> Sender | None:
        """Who shows this key; None when nobody may. key: as given, without ``Bearer``."""
        digest = _digest(key)
        moment = time.monotonic()
        with self._guard:
            known = self._known.get(digest)
        if known is not None and moment - known[0] < _FRESH:
            return known[1]
        found = self._ask(digest)
        with self._guard:
            # Guesses must not fill the memory.
            if len(self._known) >= _MOST:
                self._known.clear()
            self._known[digest] = (moment, found)
        return found

    def _ask(self, digest: bytes) -> Sender | None:
        with self._database.connection() as connection:
            rows = connection.rows(
                "SELECT id, tenant, app FROM trace_keys WHERE digest = ? AND revoked IS NULL", (digest,)
            )
        if not rows:
            return None
        with self._database.transaction(alone=True) as connection:
            connection.run("UPDATE trace_keys SET used = ? WHERE id = ?", (now_ns(), rows[0][0]))
        return Sender(rows[0][1], rows[0][2])


def _digest(key: str) -> bytes:
    # The keys are 256 random bits: nothing slower is needed to keep them from being guessed.
    return hashlib.sha256(key.encode("utf-8", "replace")).digest()
