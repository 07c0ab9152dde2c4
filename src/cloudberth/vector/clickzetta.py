"""ClickZetta Lakehouse: one table a collection, as Dify lays it out, through ClickZetta's own driver."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

from pydantic import Field, SecretStr

from cloudberth.errors import (
    BackendError,
    CloudberthError,
    Kind,
    NotFound,
    PermissionDenied,
    PreconditionFailed,
    TimedOut,
    Unavailable,
)
from cloudberth.extras import late_import
from cloudberth.vector._dbapi_backend import Columns, Statement
from cloudberth.vector._dbapi_notes import NOTES, NotedBackend
from cloudberth.vector._mysql.vectors import as_text
from cloudberth.vector.contract import (
    Capabilities,
    Collection,
    FullText,
    Health,
    Hit,
    Metric,
    TextQuery,
)
from cloudberth.vector.options import Options
from cloudberth.vector.settings import VectorSettings, revealed
from cloudberth.vector.text import tokens

if TYPE_CHECKING:
    from cloudberth.vector.contract import Vector

_FUNCTIONS = {Metric.COSINE: "cosine_distance", Metric.L2: "l2_distance"}


class ClickZettaSettings(VectorSettings):
    """enable_inverted_index, analyzer_type, analyzer_mode: of the index over texts."""

    parts: ClassVar[Mapping[str, str]] = {"host": "service", "user": "username"}

    username: str = Field(alias="CLICKZETTA_USERNAME")
    password: SecretStr = Field(alias="CLICKZETTA_PASSWORD")
    instance: str = Field(alias="CLICKZETTA_INSTANCE")
    service: str = Field("api.clickzetta.com", alias="CLICKZETTA_SERVICE")
    workspace: str = Field("default", alias="CLICKZETTA_WORKSPACE")
    vcluster: str = Field("default_ap", alias="CLICKZETTA_VCLUSTER")
    schema_name: str = Field("public", alias="CLICKZETTA_SCHEMA", pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")
    batch_size: int = Field(100, alias="CLICKZETTA_BATCH_SIZE", ge=1, le=1000)
    enable_inverted_index: bool = Field(True, alias="CLICKZETTA_ENABLE_INVERTED_INDEX")
    analyzer_type: Literal["keyword", "english", "chinese", "unicode"] = Field(
        "chinese", alias="CLICKZETTA_ANALYZER_TYPE"
    )
    analyzer_mode: Literal["max_word", "smart"] = Field("smart", alias="CLICKZETTA_ANALYZER_MODE")


class Encoded(Statement):
    """A statement whose texts travel in base64.

    The driver puts values into the text itself. It takes one that begins with ``TIMESTAMP '`` or ``JSON'``
    for SQL as it stands, and escapes quotes with a backslash, which the server takes for one or not by a
    setting of the session: a text could end its quotes.
    """

    def bound(self, value: Any) -> str:
        super().bound(base64.b64encode(str(value).encode()).decode())
        return "CAST(UNBASE64(?) AS STRING)"


class ClickZetta(NotedBackend):
    """ClickZetta Lakehouse (Singdata).

    Proved by the statements and the calls of the driver that it makes: no such service runs here. There are
    no transactions over several statements: a record that is there is deleted, then written anew. Its JSON
    functions do not tell kinds apart exactly, so filters are evaluated here, over the metadata of at most
    200,000 records. Its search by words has no relevance of its own: hits are ordered by how many of the
    words they have. What a collection is stands in a table of ours, ``berth_collections``.
    """

    id = "clickzetta"
    settings = ClickZettaSettings
    columns = Columns("id", "page_content", "metadata", "vector")
    filtered_here = True
    capabilities = Capabilities(
        metrics=frozenset(_FUNCTIONS), full_text=FullText.CJK, lower=True, exact=False
    )

    def __init__(self, settings: ClickZettaSettings, options: Options) -> None:
        super().__init__(options)
        self._settings = settings
        self._driver = late_import("clickzetta", extra="clickzetta-vectors", needed_for=self.id)
        self.place = f"clickzetta://{settings.service}/{settings.instance}/{settings.workspace}"
        full_text = FullText.NONE
        if settings.enable_inverted_index:
            full_text = FullText.CJK if settings.analyzer_type in {"chinese", "unicode"} else FullText.WORDS
        self.capabilities = replace(type(self).capabilities, full_text=full_text, batch=settings.batch_size)

    @classmethod
    def open(cls, settings: VectorSettings, options: Options) -> Self:
        if not isinstance(settings, ClickZettaSettings):
            raise TypeError(f"{cls.id} takes {cls.settings.__name__}")
        return cls(settings, options)

    def connect(self) -> Any:
        settings = self._settings
        return self._driver.connect(
            username=settings.username,
            password=revealed(settings.password),
            instance=settings.instance,
            service=settings.service,
            workspace=settings.workspace,
            vcluster=settings.vcluster,
            schema=settings.schema_name,
        )

    def driver_errors(self) -> tuple[type[Exception], ...]:
        # The driver raises plain exceptions beside those of its own.
        return (Exception,)

    def as_ours(self, error: Exception, name: str) -> CloudberthError:
        if isinstance(error, CloudberthError):
            return error
        return _kind(error, " ".join(str(error).split())[:300], name)

    def statement(self) -> Statement:
        return Encoded(numbered=False)

    def execute(self, cursor: Any, text: str, values: Sequence[Any]) -> None:
        if values:
            cursor.execute(text, binding_params=list(values))
        else:
            cursor.execute(text)

    def commit(self, connection: Any) -> None:
        """Every statement is its own transaction."""

    # ── collections

    def table(self, name: str) -> str:
        return f"{self._settings.schema_name}.{name}"

    def notes_place(self) -> str:
        return f"{self._settings.schema_name}.{NOTES}"

    def notes_table(self) -> str:
        return f"CREATE TABLE IF NOT EXISTS {self.notes_place()} (name STRING NOT NULL, note STRING)"

    def create_statements(self, collection: Collection) -> Sequence[str]:
        table = self.table(collection.name)
        statements = [
            f"CREATE TABLE {table} (id STRING NOT NULL, page_content STRING NOT NULL, metadata JSON, "
            f"vector VECTOR(FLOAT, {collection.dimension}) NOT NULL, PRIMARY KEY (id))"
        ]
        if collection.index.kind != "exact":
            statements.append(
                f"CREATE VECTOR INDEX IF NOT EXISTS idx_{collection.name}_vector ON TABLE {table}(vector) "
                f'PROPERTIES ("distance.function" = "{_FUNCTIONS[collection.metric]}", '
                f'"scalar.type" = "f32", "m" = "{collection.index.links}", '
                f'"ef.construction" = "{collection.index.construction}")'
            )
        if self._settings.enable_inverted_index:
            statements.append(
                f"CREATE INVERTED INDEX IF NOT EXISTS idx_{collection.name}_text ON TABLE {table} "
                f'(page_content) PROPERTIES ("analyzer" = "{self._settings.analyzer_type}", '
                f'"mode" = "{self._settings.analyzer_mode}")'
            )
        return statements

    def exists_already(self, name: str) -> None:
        self._rows(name, f"SELECT id FROM {self.table(name)} LIMIT 1", ())
        raise PreconditionFailed(f"there is a collection {name} already")

    def describe(self, name: str) -> Collection:
        rows = self._rows(name, f"SELECT vector FROM {self.table(name)} LIMIT 1", ())
        return self.described(name, rows[0][0] if rows else None)

    def collections(self) -> tuple[str, ...]:
        statement = self.statement()
        schema = statement.bound(self._settings.schema_name)
        rows = self._rows(
            "",
            f"SELECT table_name FROM information_schema.columns WHERE table_schema = {schema} "
            "AND column_name IN ('id', 'page_content', 'metadata', 'vector') "
            "GROUP BY table_name HAVING COUNT(*) = 4",
            statement.values,
        )
        return tuple(sorted(str(row[0]) for row in rows))

    # ── records and searches

    def deleted(self, cursor: Any, collection: Collection, condition: str, statement: Statement) -> int:
        """The driver does not say how many rows a statement changed, so they are counted before."""
        table = self.table(collection.name)
        self.execute(cursor, f"SELECT COUNT(*) FROM {table} WHERE {condition}", statement.values)
        number = int(cursor.fetchone()[0])
        if number:
            self.execute(cursor, f"DELETE FROM {table} WHERE {condition}", statement.values)
        return number

    def placed_metadata(self, statement: Statement, metadata: str) -> str:
        return f"CAST({statement.bound(metadata)} AS JSON)"

    def placed(self, statement: Statement, collection: Collection, vector: Vector) -> str:
        return f"CAST({statement.bound(as_text(vector))} AS VECTOR({collection.dimension}))"

    def read_vector(self, found: Any) -> Any:
        import numpy

        if isinstance(found, str | bytes):
            return super().read_vector(found)
        return numpy.array(found, dtype=numpy.float32)

    def measure(self, metric: Metric, vector: str) -> tuple[str, bool]:
        return f"{_FUNCTIONS[metric]}(vector, {vector})", False

    def raw(self, metric: Metric, measured: float) -> float:
        return 1.0 - measured if metric is Metric.COSINE else measured

    def first(self, columns: str, rest: str, number: int, *, approximate: bool = False) -> str:
        return f"SELECT {columns} {rest} LIMIT {int(number)}"

    def search_text(self, collection: Collection, query: TextQuery) -> list[Hit]:
        """Rows with any of the words; here they are put in order by how many of them each has."""
        words = list(dict.fromkeys(tokens(query.text)))
        if not self._settings.enable_inverted_index:
            return super().search_text(collection, query)
        if not words:
            return []
        allowed = set(self._ids_here(collection, query.filter)) if query.filter is not None else None
        statement = self.statement()
        asked = statement.bound(query.text)
        rest = f"FROM {self.table(collection.name)} WHERE MATCH_ANY(page_content, {asked}) ORDER BY id"
        # Without relevance there is no order in which the first would be the best.
        rows = self._rows(collection.name, self.first(self._selected(False), rest, 10_000), statement.values)
        records = [self._record(row, False) for row in rows]
        hits = [
            Hit(record, float(len(set(words) & set(tokens(record.text)))))
            for record in records
            if allowed is None or record.id in allowed
        ]
        return sorted(hits, key=lambda hit: (-hit.raw, hit.record.id))[: query.k]

    def health(self) -> Health:
        rows = self._rows("", "SELECT current_workspace()", ())
        return Health("ClickZetta Lakehouse", {"workspace": str(rows[0][0])})


def _kind(error: Exception, said: str, name: str) -> BackendError:
    lower = said.lower()
    if "not found" in lower and ("table" in lower or "view" in lower):
        return NotFound(f"there is no collection {name}")
    if "already exists" in lower:
        return PreconditionFailed(f"there is a collection {name} already")
    if any(word in lower for word in ("permission", "privilege", "unauthorized", "password", "login failed")):
        return PermissionDenied(said)
    if "timeout" in lower or "timed out" in lower or isinstance(error, TimeoutError):
        return TimedOut(said)
    if isinstance(error, OSError) or "connection" in lower or "unavailable" in lower:
        return Unavailable(said)
    return BackendError(said, kind=Kind.UNEXPECTED)
