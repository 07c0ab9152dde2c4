"""What Dify's database says of its objects, and the one change that is ever made to it.

Everything is read through server-side cursors in batches, in the byte order of the keys: memory does not grow
with the number of rows. Rows that were checked are remembered in a temporary table on the server, so that the
change can be held to exactly those.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from types import TracebackType
from typing import TYPE_CHECKING, LiteralString, Self

from cloudberth.errors import InvalidInput, Refused
from cloudberth.storage.dify.connection import DatabaseSettings, Row, connect, translated

if TYPE_CHECKING:
    import psycopg

BATCH = 2000
UPLOADS = "upload_files"
# "berth" and "dify" as bytes, shortened: any number will do as long as it stays the same.
LOCK = 0x6265727468646966
LOCK_TIMEOUT = "20s"
"""How long the change waits for writers of upload_files before it gives up."""

_NEEDED = {
    UPLOADS: {"id", "key", "size", "hash", "storage_type", "created_at"},
    "tenants": {"id", "encrypt_public_key"},
}


@dataclass(frozen=True, slots=True)
class Reference:
    """A row that names an object. size: bytes (or, for texts, characters), None: not told. hash: SHA3-256.

    type: `storage_type`, empty for tables that have none.
    """

    table: str
    id: str
    key: str
    size: int | None = None
    hash: str | None = None
    type: str = ""


@dataclass(frozen=True, slots=True)
class Source:
    """A table that names objects. columns: a release that lacks one of these does not use it."""

    table: str
    columns: frozenset[str]
    query: LiteralString


# Each: table, id, key, size, hash, storage type. Others (message_files, documents) name these rows by id.
SOURCES = (
    Source(
        UPLOADS,
        frozenset(_NEEDED[UPLOADS]),
        "SELECT 'upload_files', id::text, key, size, hash, storage_type FROM upload_files",
    ),
    Source(
        "tool_files",
        frozenset({"id", "file_key", "size"}),
        # Rows of before 2024-10 have the size -1.
        "SELECT 'tool_files', id::text, file_key, CASE WHEN size >= 0 THEN size END, NULL, '' "
        "FROM tool_files",
    ),
    Source(
        "workflow_pauses",
        frozenset({"id", "state_object_key", "resumed_at"}),
        "SELECT 'workflow_pauses', id::text, state_object_key, NULL::int, NULL, '' FROM workflow_pauses "
        "WHERE resumed_at IS NULL",
    ),
    Source(
        "dataset_keyword_tables",
        frozenset({"id", "dataset_id", "data_source_type"}),
        "SELECT 'dataset_keyword_tables', k.id::text, "
        "'keyword_files/' || d.tenant_id || '/' || d.id || '.txt', NULL::int, NULL, '' "
        "FROM dataset_keyword_tables k JOIN datasets d ON d.id = k.dataset_id "
        "WHERE k.data_source_type <> 'database'",
    ),
)


@dataclass(frozen=True, slots=True)
class Tenant:
    """A workspace. public_key: PEM; None: it never had one."""

    id: str
    public_key: str | None


class NewRows(Exception):
    """Rows appeared after they were all checked. Nothing was changed; check again."""

    def __init__(self, count: int) -> None:
        self.count = count
        super().__init__(f"{count} new rows")


class DifyDatabase:
    """One session with Dify's database. Not thread-safe: one query at a time."""

    def __init__(self, connection: psycopg.Connection[Row], settings: DatabaseSettings) -> None:
        self._connection = connection
        self.settings = settings
        self.started: datetime = self._all("SELECT now() AT TIME ZONE 'UTC'")[0][0]
        """By the clock of the server, without a zone, as Dify writes `created_at`."""
        self.sources = self._available()

    @classmethod
    def open(cls, settings: DatabaseSettings) -> DifyDatabase:
        """Connect, and see that it is Dify's. Raises InvalidInput when it is not."""
        connection = connect(settings)
        try:
            return cls(connection, settings)
        except BaseException:
            connection.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.close()

    def _available(self) -> tuple[Source, ...]:
        with translated(self.settings):
            rows = self._connection.execute(
                "SELECT table_name, array_agg(column_name::text) FROM information_schema.columns "
                "WHERE table_schema = ANY (current_schemas(false)) GROUP BY table_name"
            ).fetchall()
        has = {str(table): frozenset(columns) for table, columns in rows}
        for table, columns in _NEEDED.items():
            if missing := sorted(columns - has.get(table, frozenset())):
                said = f"has no table {table}" if table not in has else f"has no column {table}.{missing[0]}"
                raise InvalidInput(
                    f"this database {said}: it is not Dify's, or of a release we do not know",
                    where=self.settings.place,
                    hint="DB_DATABASE has to be that of Dify's API (not dify_plugin)",
                )
        found = [source for source in SOURCES if source.columns <= has.get(source.table, frozenset())]
        return tuple(
            source for source in found if source.table != "dataset_keyword_tables" or "datasets" in has
        )

    # -- reading ---------------------------------------------------------------------------------------------

    def references(self) -> Generator[Reference, None, None]:
        """Every row that names an object, by the UTF-8 bytes of the key, as of one moment."""
        from psycopg import sql

        union = sql.SQL(" UNION ALL ").join(sql.SQL(source.query) for source in self.sources)
        query = sql.SQL(
            "SELECT * FROM ({}) AS named(origin, id, key, size, hash, type) "
            "ORDER BY convert_to(key, 'UTF8'), id"
        ).format(union)
        with translated(self.settings), self._connection.transaction():
            self._connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            with self._connection.cursor(name="berth_references") as cursor:
                cursor.itersize = BATCH
                for table, row_id, key, size, digest, kind in cursor.execute(query):
                    yield Reference(table, row_id, key, size, digest or None, kind or "")

    def tenants(self) -> Generator[Tenant, None, None]:
        """Every workspace."""
        query = "SELECT id::text, encrypt_public_key FROM tenants ORDER BY id"
        with (
            translated(self.settings),
            self._connection.transaction(),
            self._connection.cursor(name="berth_tenants") as cursor,
        ):
            cursor.itersize = BATCH
            for tenant, public in cursor.execute(query):
                yield Tenant(tenant, public)

    def rows_by_type(self) -> dict[str, int]:
        """Rows of upload_files by storage type."""
        return dict(
            self._all(
                "SELECT storage_type, count(*) FROM upload_files GROUP BY storage_type ORDER BY storage_type"
            )
        )

    def rows_since_start(self) -> int:
        """Rows of upload_files that were written after this session began: Dify is in use."""
        return int(
            self._all("SELECT count(*) FROM upload_files WHERE created_at > %s", (self.started,))[0][0]
        )

    def other_sessions(self) -> int:
        """Clients of this database besides us, as far as this user may see them."""
        return int(
            self._all(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
                "AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
            )[0][0]
        )

    def _all(self, query: LiteralString, values: Sequence[object] = ()) -> list[Row]:
        with translated(self.settings):
            return self._connection.execute(query, values or None).fetchall()

    # -- locking and changing --------------------------------------------------------------------------------

    def lock(self) -> None:
        """Keep other migrations of this database out until the session ends. Raises Refused."""
        if not self._all("SELECT pg_try_advisory_lock(%s)", (LOCK,))[0][0]:
            raise Refused(
                "another migration of this database is running",
                where=self.settings.place,
                hint="wait for it; the lock ends with its connection",
            )

    def begin_check(self) -> None:
        """Forget which rows were checked."""
        with translated(self.settings):
            self._connection.execute("DROP TABLE IF EXISTS pg_temp.berth_checked")
            self._connection.execute("CREATE TEMP TABLE berth_checked (id uuid NOT NULL, here bool NOT NULL)")

    def remember(self, rows: Sequence[tuple[Reference, bool]]) -> None:
        """Rows of upload_files that were checked, and whether the object is at the destination."""
        mine = [(reference.id, here) for reference, here in rows if reference.table == UPLOADS]
        if not mine:
            return
        with translated(self.settings):
            self._connection.execute(
                "INSERT INTO berth_checked SELECT * FROM unnest(%s::uuid[], %s::bool[])",
                ([row_id for row_id, _ in mine], [here for _, here in mine]),
            )

    def count_to_change(self, old: Sequence[str]) -> int:
        """How many rows of these types there are."""
        return int(
            self._all("SELECT count(*) FROM upload_files WHERE storage_type = ANY (%s)", (list(old),))[0][0]
        )

    @contextmanager
    def change(self, old: Sequence[str], new: str) -> Iterator[Iterator[tuple[str, str]]]:
        """Change the type of every checked row whose object is there from one of `old` to `new`.

        One transaction, all or nothing: what the body of the ``with`` raises undoes it. Gives the (id, type
        before) of the rows that will change. Raises NewRows when there are rows that were never checked.
        """
        with translated(self.settings):
            # The server keeps no figures of temporary tables by itself, and would plan for an empty one.
            self._connection.execute("ANALYZE berth_checked")
        with translated(self.settings), self._connection.transaction():
            self._connection.execute(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'")
            # Readers go on, writers wait: no row can appear between the count and the change.
            self._connection.execute("LOCK TABLE upload_files IN SHARE ROW EXCLUSIVE MODE")
            unseen = self._connection.execute(
                "SELECT count(*) FROM upload_files u "
                "WHERE NOT EXISTS (SELECT FROM berth_checked c WHERE c.id = u.id)"
            ).fetchone()
            if unseen and unseen[0]:
                raise NewRows(int(unseen[0]))
            yield self._rows_to_change(old)
            self._connection.execute(
                "UPDATE upload_files u SET storage_type = %s FROM berth_checked c "
                "WHERE c.id = u.id AND c.here AND u.storage_type = ANY (%s)",
                (new, list(old)),
            )

    def _rows_to_change(self, old: Sequence[str]) -> Iterator[tuple[str, str]]:
        with self._connection.cursor(name="berth_change") as cursor:
            cursor.itersize = BATCH
            yield from cursor.execute(
                "SELECT u.id::text, u.storage_type FROM upload_files u JOIN berth_checked c USING (id) "
                "WHERE c.here AND u.storage_type = ANY (%s) ORDER BY u.storage_type, u.id",
                (list(old),),
            )
