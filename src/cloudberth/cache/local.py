"""The embedded twin of Redis: the same primitives over one SQLite table, in a file or in memory.

A file is shared by the processes of a machine (WAL) and survives them. It holds up to a bound of bytes and of
entries; what was not used for longest goes first, locks and generations never. Every primitive is one
transaction. Proved equal to Redis by a state machine that runs the same steps on both.
"""

from __future__ import annotations

import re
import sqlite3
import threading
import time
from collections.abc import Callable, Mapping, Sequence

from cloudberth.cache.contract import (
    FENCE_DIGITS,
    FENCE_SECONDS,
    Backend,
    Capabilities,
    Decision,
    Health,
    Rate,
    decision_of,
    lock_keys,
    milliseconds,
)
from cloudberth.cache.local_tables import Tables
from cloudberth.cache.settings import LocalSettings
from cloudberth.errors import BackendError, Kind

_NUMBER = re.compile(rb"0|-?[1-9][0-9]*")
_SMALLEST, _LARGEST = -(2**63), 2**63 - 1
_TOUCH_AFTER = 10_000  # milliseconds: a read writes down that it happened at most so often
_TOUCHES = 64
_SWEEP_EVERY = 64  # writes
_BATCH = 256
_READ = "SELECT value FROM entry WHERE key = ? AND (expires IS NULL OR expires > ?)"
_WRITE = (
    "INSERT INTO entry (key, value, expires, used, kept) VALUES (?, ?, ?, ?, ?) ON CONFLICT (key) DO UPDATE "
    "SET value = excluded.value, expires = excluded.expires, used = excluded.used, kept = excluded.kept"
)


class Local(Backend):
    """See the module. clock: seconds since 1970."""

    id = "local"
    settings = LocalSettings

    def __init__(self, settings: LocalSettings, *, clock: Callable[[], float] = time.time) -> None:
        self._tables = Tables(settings.path, settings.timeout)
        self._settings = settings
        self._clock = clock
        self._lock = threading.Lock()
        self._touched: dict[bytes, int] = {}
        self._writes = 0
        self._evicted = 0
        self.place = self._tables.place
        self.capabilities = Capabilities(
            reach="machine" if settings.path else "process",
            durable=bool(settings.path),
            atomic_batches=True,
            can_lose_writes=False,
            max_value=min(settings.max_bytes // 2, 512 * 1024 * 1024),
        )

    @classmethod
    def open(cls, settings: LocalSettings) -> Local:
        return cls(settings)

    def _now(self) -> int:
        return int(self._clock() * 1000)

    # -- values ----------------------------------------------------------------------------------------------

    def get(self, key: str) -> bytes | None:
        name, now = key.encode(), self._now()
        with self._tables.reading() as connection:
            row = connection.execute(
                "SELECT value, expires, used FROM entry WHERE key = ?", (name,)
            ).fetchone()
        if row is None or (row[1] is not None and row[1] <= now):
            return None
        if now - row[2] > _TOUCH_AFTER:
            self._touch(name, now)
        value: bytes = row[0]
        return value

    def get_many(self, keys: Sequence[str]) -> list[bytes | None]:
        names, now = [key.encode() for key in keys], self._now()
        found: dict[bytes, bytes] = {}
        # One transaction: a batch is one moment, as in Redis.
        with self._tables.reading() as connection:
            connection.execute("BEGIN")
            try:
                for start in range(0, len(names), _BATCH):
                    part = names[start : start + _BATCH]
                    marks = ",".join("?" * len(part))
                    rows = connection.execute(
                        f"SELECT key, value, used FROM entry WHERE key IN ({marks})"  # noqa: S608 — marks only
                        " AND (expires IS NULL OR expires > ?)",
                        (*part, now),
                    )
                    for name, value, used in rows:
                        found[name] = value
                        if now - used > _TOUCH_AFTER:
                            self._touched[name] = now
            finally:
                connection.execute("COMMIT")
        return [found.get(name) for name in names]

    def set(self, key: str, value: bytes, seconds: float | None = None) -> None:
        self.set_many({key: value}, seconds)

    def set_many(self, items: Mapping[str, bytes], seconds: float | None = None) -> None:
        now = self._now()
        with self._tables.writing() as connection:
            for key, value in items.items():
                self._put(connection, key.encode(), value, seconds, now)
            self._tidy(connection, now)

    def set_newer(self, key: str, value: bytes, seconds: float | None = None) -> bool:
        name, now = key.encode(), self._now()
        with self._tables.writing() as connection:
            old = self._value(connection, name, now) or b""
            head = old[:FENCE_DIGITS]
            if len(head) == FENCE_DIGITS and head.isdigit() and int(head) > int(value[:FENCE_DIGITS]):
                return False
            self._put(connection, name, value, seconds, now)
            self._tidy(connection, now)
        return True

    def add(self, key: str, value: bytes, seconds: float | None = None) -> bool:
        name, now = key.encode(), self._now()
        with self._tables.writing() as connection:
            if self._value(connection, name, now) is not None:
                return False
            self._put(connection, name, value, seconds, now)
            self._tidy(connection, now)
        return True

    def compare_and_set(self, key: str, expected: bytes, value: bytes, seconds: float | None = None) -> bool:
        name, now = key.encode(), self._now()
        with self._tables.writing() as connection:
            if self._value(connection, name, now) != expected:
                return False
            self._put(connection, name, value, seconds, now)
        return True

    def compare_and_delete(self, key: str, expected: bytes) -> bool:
        name, now = key.encode(), self._now()
        with self._tables.writing() as connection:
            if self._value(connection, name, now) != expected:
                return False
            connection.execute("DELETE FROM entry WHERE key = ?", (name,))
        return True

    def delete(self, keys: Sequence[str]) -> int:
        now, count = self._now(), 0
        with self._tables.writing() as connection:
            for key in keys:
                count += _rows(
                    connection, "DELETE FROM entry WHERE key = ? RETURNING expires", (key.encode(),), now
                )
        return count

    def delete_prefix(self, prefix: str) -> int:
        where, values = _starts_with(prefix.encode())
        with self._tables.writing() as connection:
            return _rows(
                connection,
                f"DELETE FROM entry WHERE {where} RETURNING expires",  # noqa: S608 — a constant
                values,
                self._now(),
            )

    def count_prefix(self, prefix: str, most: int) -> int:
        where, values = _starts_with(prefix.encode())
        with self._tables.reading() as connection:
            row = connection.execute(
                f"SELECT count(*) FROM (SELECT 1 FROM entry WHERE {where} "  # noqa: S608 — a constant
                "AND (expires IS NULL OR expires > ?) LIMIT ?)",
                (*values, self._now(), most),
            ).fetchone()
        return int(row[0])

    # -- numbers and times -----------------------------------------------------------------------------------

    def increment(self, key: str, amount: int = 1, seconds: float | None = None) -> int:
        name, now = key.encode(), self._now()
        with self._tables.writing() as connection:
            old = self._value(connection, name, now)
            number = (0 if old is None else self._number(old)) + amount
            if not _SMALLEST <= number <= _LARGEST:
                raise BackendError(
                    "increment or decrement would overflow", kind=Kind.INVALID, where=self.place
                )
            if old is None:
                self._put(connection, name, b"%d" % number, seconds, now)
            else:
                connection.execute("UPDATE entry SET value = ? WHERE key = ?", (b"%d" % number, name))
            self._tidy(connection, now)
        return number

    def _number(self, value: bytes) -> int:
        if _NUMBER.fullmatch(value) and _SMALLEST <= int(value) <= _LARGEST:
            return int(value)
        raise BackendError("value is not an integer or out of range", kind=Kind.INVALID, where=self.place)

    def advance(self, key: str, seconds: float | None = None) -> int:
        now = self._now()
        with self._tables.writing() as connection:
            return self._advance(connection, key.encode(), seconds, now)

    def _advance(self, connection: sqlite3.Connection, name: bytes, seconds: float | None, now: int) -> int:
        old = self._value(connection, name, now) or b"0"
        number = max(int(old) + 1 if old.isdigit() else 1, int(self._clock() * 1_000_000))
        self._put(connection, name, b"%d" % number, seconds, now, kept=True)
        return number

    def ttl(self, key: str) -> float | None:
        now = self._now()
        with self._tables.reading() as connection:
            row = connection.execute("SELECT expires FROM entry WHERE key = ?", (key.encode(),)).fetchone()
        if row is None or (row[0] is not None and row[0] <= now):
            return None
        return float("inf") if row[0] is None else (row[0] - now) / 1000

    def expire(self, key: str, seconds: float) -> bool:
        name, now = key.encode(), self._now()
        with self._tables.writing() as connection:
            if self._value(connection, name, now) is None:
                return False
            until = now + (milliseconds(seconds) or 0)
            connection.execute("UPDATE entry SET expires = ?, used = ? WHERE key = ?", (until, now, name))
        return True

    # -- locks and rates -------------------------------------------------------------------------------------

    def acquire(self, name: str, owner: str, seconds: float) -> int | None:
        holder, fence = (key.encode() for key in lock_keys(name))
        now = self._now()
        with self._tables.writing() as connection:
            value = self._value(connection, holder, now)
            if value is None:
                token = self._advance(connection, fence, FENCE_SECONDS, now)
            elif value.partition(b":")[2] == owner.encode():
                token = int(value.partition(b":")[0])
            else:
                return None
            self._put(connection, holder, b"%d:%s" % (token, owner.encode()), seconds, now, kept=True)
            self._tidy(connection, now)
        return token

    def renew(self, name: str, owner: str, seconds: float) -> bool:
        holder, now = lock_keys(name)[0].encode(), self._now()
        with self._tables.writing() as connection:
            value = self._value(connection, holder, now)
            if value is None or value.partition(b":")[2] != owner.encode():
                return False
            self._put(connection, holder, value, seconds, now, kept=True)
        return True

    def release(self, name: str, owner: str) -> bool:
        holder, now = lock_keys(name)[0].encode(), self._now()
        with self._tables.writing() as connection:
            value = self._value(connection, holder, now)
            if value is None or value.partition(b":")[2] != owner.encode():
                return False
            connection.execute("DELETE FROM entry WHERE key = ?", (holder,))
        return True

    def take(self, key: str, rate: Rate, cost: int = 1) -> Decision:
        name, now = key.encode(), self._now()
        moment = int(self._clock() * 1_000_000)
        with self._tables.writing() as connection:
            old = self._value(connection, name, now) or b"0"
            done = max(int(old) if old.isdigit() else 0, moment)
            after = done + rate.interval * cost
            wait = after - rate.interval * rate.limit - moment
            if wait > 0:
                return decision_of(False, done - moment, wait, rate)
            if cost > 0:
                left = -(-(after - moment) // 1000) / 1000
                self._put(connection, name, b"%d" % after, left, now)
                self._tidy(connection, now)
        return decision_of(True, after - moment, 0, rate)

    # -- the store -------------------------------------------------------------------------------------------

    def health(self) -> Health:
        began = time.monotonic()
        with self._tables.reading() as connection:
            entries, size = connection.execute("SELECT entries, bytes FROM total").fetchone()
        facts = {"policy": "least recently used", "evicted": str(self._evicted)}
        return Health(
            seconds=time.monotonic() - began,
            product="SQLite",
            version=sqlite3.sqlite_version,
            entries=entries,
            bytes_used=size,
            bytes_limit=self._settings.max_bytes,
            facts=facts,
        )

    def close(self) -> None:
        self._tables.close()

    # -- inside ----------------------------------------------------------------------------------------------

    def _value(self, connection: sqlite3.Connection, name: bytes, now: int) -> bytes | None:
        row = connection.execute(_READ, (name, now)).fetchone()
        return None if row is None else row[0]

    def _put(
        self, connection: sqlite3.Connection, name: bytes, value: bytes, seconds: float | None, now: int,
        *, kept: bool = False,
    ) -> None:  # fmt: skip
        if len(value) > self.capabilities.max_value:
            raise BackendError(
                f"a value of {len(value)} bytes is too large", kind=Kind.INVALID, where=self.place,
                hint=f"at most {self.capabilities.max_value} (half of CACHE_MAX_BYTES)",
            )  # fmt: skip
        time_left = milliseconds(seconds)
        until = None if time_left is None else now + time_left
        connection.execute(_WRITE, (name, value, until, now, kept))

    def _touch(self, name: bytes, now: int) -> None:
        self._touched[name] = now
        if len(self._touched) < _TOUCHES:
            return
        with self._tables.writing() as connection:
            self._write_touches(connection)

    def _write_touches(self, connection: sqlite3.Connection) -> None:
        with self._lock:
            touched, self._touched = self._touched, {}
        connection.executemany(
            "UPDATE entry SET used = max(used, ?) WHERE key = ?",
            [(now, name) for name, now in touched.items()],
        )

    def _tidy(self, connection: sqlite3.Connection, now: int) -> None:
        """Within a write: note what was read, sweep what is over, and keep to the bound."""
        self._write_touches(connection)
        self._writes += 1
        if self._writes % _SWEEP_EVERY == 0:
            self._sweep(connection, now)
        if not self._over(connection, 1.0):
            return
        while self._sweep(connection, now):
            if not self._over(connection, 0.9):
                return
        while self._over(connection, 0.9) and self._evict(connection):
            pass

    def _over(self, connection: sqlite3.Connection, share: float) -> bool:
        entries, size = connection.execute("SELECT entries, bytes FROM total").fetchone()
        bounds = self._settings
        return bool(entries > bounds.max_entries * share or size > bounds.max_bytes * share)

    def _sweep(self, connection: sqlite3.Connection, now: int) -> int:
        return connection.execute(
            "DELETE FROM entry WHERE rowid IN (SELECT rowid FROM entry WHERE expires <= ? LIMIT ?)",
            (now, _BATCH),
        ).rowcount

    def _evict(self, connection: sqlite3.Connection) -> int:
        count = connection.execute(
            "DELETE FROM entry WHERE rowid IN (SELECT rowid FROM entry WHERE kept = 0 ORDER BY used LIMIT ?)",
            (max(1, min(_BATCH, self._settings.max_entries // 20)),),
        ).rowcount
        self._evicted += count
        return count


def _rows(connection: sqlite3.Connection, statement: str, values: Sequence[object], now: int) -> int:
    """How many of the rows that a statement deletes had not expired yet."""
    rows = connection.execute(statement, tuple(values)).fetchall()
    return sum(1 for (expires,) in rows if expires is None or expires > now)


def _starts_with(prefix: bytes) -> tuple[str, tuple[bytes, ...]]:
    """A condition that the index answers: from the prefix to the first bytes behind it."""
    end = prefix.rstrip(b"\xff")
    if not end:
        return "key >= ?", (prefix,)
    return "key >= ? AND key < ?", (prefix, end[:-1] + bytes([end[-1] + 1]))
