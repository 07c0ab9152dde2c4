"""InterSystems IRIS: one table a collection, as Dify lays it out, through InterSystems' own driver."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar, Self

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
    Unsupported,
)
from cloudberth.extras import late_import
from cloudberth.vector._dbapi_backend import Statement
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

_FUNCTIONS = {Metric.COSINE: "VECTOR_COSINE", Metric.INNER: "VECTOR_DOT_PRODUCT"}
_INDEXES = {Metric.COSINE: "Cosine", Metric.INNER: "DotProduct"}
_PREFIX = "EMBEDDING_"
_SQLCODE = re.compile(r"SQLCODE:\s*<?(-?\d+)")


class IrisSettings(VectorSettings):
    """text_index, text_index_language: whether texts are indexed for words, and in which language."""

    parts: ClassVar[Mapping[str, str]] = {"host": "host", "port": "port", "user": "user", "path": "database"}

    host: str = Field("localhost", alias="IRIS_HOST")
    port: int = Field(1972, alias="IRIS_SUPER_SERVER_PORT", ge=1, le=65535)
    user: str = Field("_SYSTEM", alias="IRIS_USER")
    password: SecretStr = Field(SecretStr("Dify@1234"), alias="IRIS_PASSWORD")
    schema_name: str = Field("dify", alias="IRIS_SCHEMA", pattern=r"^[A-Za-z][A-Za-z0-9_]*$")
    database: str = Field("USER", alias="IRIS_DATABASE")
    text_index: bool = Field(True, alias="IRIS_TEXT_INDEX")
    text_index_language: str = Field("en", alias="IRIS_TEXT_INDEX_LANGUAGE", pattern=r"^[a-z]{2}$")


class Iris(NotedBackend):
    """InterSystems IRIS 2025.1 or later.

    Proved by the statements and the calls of the driver that it makes: no such server runs here. IRIS's SQL
    cannot tell the kinds of JSON values apart, so filters are evaluated here, over the metadata of at most
    200,000 records. It measures cosine and inner product, and has no exact search beside its index: the
    facade compares where that is asked for. Words are searched in one language, without Chinese. What a
    collection is stands in a table of ours, ``berth_collections``.
    """

    id = "iris"
    settings = IrisSettings
    filtered_here = True
    capabilities = Capabilities(
        metrics=frozenset(_FUNCTIONS), full_text=FullText.WORDS, ids="uuid", lower=True, exact=False
    )

    def __init__(self, settings: IrisSettings, options: Options) -> None:
        super().__init__(options)
        self._settings = settings
        self._driver = late_import("iris.dbapi", extra="iris", needed_for=self.id)
        self.place = f"iris://{settings.host}:{settings.port}/{settings.database}"
        if not settings.text_index:
            self.capabilities = replace(type(self).capabilities, full_text=FullText.NONE)

    @classmethod
    def open(cls, settings: VectorSettings, options: Options) -> Self:
        if not isinstance(settings, IrisSettings):
            raise TypeError(f"{cls.id} takes {cls.settings.__name__}")
        return cls(settings, options)

    def connect(self) -> Any:
        settings = self._settings
        return self._driver.connect(
            hostname=settings.host,
            port=settings.port,
            namespace=settings.database,
            username=settings.user,
            password=revealed(settings.password),
            timeout=max(1, int(min(self._options.timeout, 10.0))),
            sharedmemory=False,
            autoCommit=False,
        )

    def driver_errors(self) -> tuple[type[Exception], ...]:
        # The driver raises RuntimeError where a connection is lost or refused.
        return (self._driver.Error, OSError, RuntimeError)

    def as_ours(self, error: Exception, name: str) -> CloudberthError:
        said = " ".join(str(error).split())[:300]
        found = _SQLCODE.search(said)
        code = int(found[1]) if found else 0
        ours = _kind(code, error, said, name)
        ours.code = str(code) if code else ""
        return ours

    # ── collections

    def table(self, name: str) -> str:
        return f"{self._settings.schema_name}.{_PREFIX}{name.upper()}"

    def notes_place(self) -> str:
        return f"{self._settings.schema_name}.{NOTES}"

    def notes_table(self) -> str:
        return f"CREATE TABLE {self.notes_place()} (name VARCHAR(128) PRIMARY KEY, note VARCHAR(8000))"

    def create_statements(self, collection: Collection) -> Sequence[str]:
        table = self.table(collection.name)
        index = f"idx_{_PREFIX}{collection.name.upper()}"
        statements = [
            f"CREATE TABLE {table} (id VARCHAR(255) PRIMARY KEY, text CLOB, meta CLOB, "
            f"embedding VECTOR(DOUBLE, {collection.dimension}))"
        ]
        if collection.index.kind != "exact":
            statements.append(
                f"CREATE INDEX {index}_embedding ON {table} (embedding) "
                f"AS HNSW(M={collection.index.links}, efConstruction={collection.index.construction}, "
                f"Distance='{_INDEXES[collection.metric]}')"
            )
        if self._settings.text_index:
            statements.append(
                f"CREATE INDEX {index}_text ON {table} (text) AS %iFind.Index.Basic "
                f"(LANGUAGE = '{self._settings.text_index_language}', LOWER = 1, INDEXOPTION = 0)"
            )
        return statements

    def exists_already(self, name: str) -> None:
        self._rows(name, f"SELECT TOP 1 id FROM {self.table(name)}", ())
        raise PreconditionFailed(f"there is a collection {name} already")

    def describe(self, name: str) -> Collection:
        rows = self._rows(name, f"SELECT TOP 1 embedding FROM {self.table(name)}", ())
        return self.described(name, rows[0][0] if rows else None)

    def collections(self) -> tuple[str, ...]:
        statement = self.statement()
        schema = statement.bound(self._settings.schema_name)
        rows = self._rows(
            "",
            "SELECT TABLE_NAME FROM INFORMATION_SCHEMA.COLUMNS WHERE UPPER(TABLE_SCHEMA) = "
            f"UPPER({schema}) AND UPPER(COLUMN_NAME) IN ('ID', 'TEXT', 'META', 'EMBEDDING') "
            "GROUP BY TABLE_NAME HAVING COUNT(*) = 4",
            statement.values,
        )
        names = [str(row[0]).upper() for row in rows]
        return tuple(sorted(name.removeprefix(_PREFIX).lower() for name in names if name.startswith(_PREFIX)))

    # ── records and searches

    def placed(self, statement: Statement, collection: Collection, vector: Vector) -> str:
        return f"TO_VECTOR({statement.bound(as_text(vector).strip('[]'))}, DOUBLE)"

    def read_vector(self, found: Any) -> Any:
        """IRIS shows a vector as numbers with commas between."""
        import numpy

        return numpy.array(json.loads(f"[{str(found).strip('[]')}]"), dtype=numpy.float32)

    def measure(self, metric: Metric, vector: str) -> tuple[str, bool]:
        return f"{_FUNCTIONS[metric]}(embedding, {vector})", True

    def first(self, columns: str, rest: str, number: int, *, approximate: bool = False) -> str:
        return f"SELECT TOP {int(number)} {columns} {rest}"

    def search_text(self, collection: Collection, query: TextQuery) -> list[Hit]:
        """Any of the words. Those that a filter leaves out are asked for beyond k, until there are enough."""
        words = [word for word in dict.fromkeys(tokens(query.text)) if word not in {"and", "or", "not"}]
        if not self._settings.text_index:
            return super().search_text(collection, query)
        if not words:
            return []
        allowed = set(self._ids_here(collection, query.filter)) if query.filter is not None else None
        wanted = query.k
        while True:
            hits = self._found(collection, " OR ".join(words), wanted)
            kept = [hit for hit in hits if allowed is None or hit.record.id in allowed]
            if len(kept) >= query.k or len(hits) < wanted:
                return kept[: query.k]
            wanted *= 4

    def _found(self, collection: Collection, words: str, number: int) -> list[Hit]:
        index = f"idx_{_PREFIX}{collection.name.upper()}_text"
        table = f"{_PREFIX}{collection.name.upper()}"
        # IRIS leaves underscores out of the names of the functions that it makes for an index.
        rank = f"{self._settings.schema_name}.{table.replace('_', '')}_{index.replace('_', '')}Rank"
        statement = self.statement()
        relevance = f"{rank}(%ID, {statement.bound(words)}) AS raw"
        rest = (
            f"FROM {self.table(collection.name)} WHERE %ID %FIND search_index({index}, "
            f"{statement.bound(words)}) ORDER BY raw DESC"
        )
        columns = f"{self._selected(False)}, {relevance}"
        rows = self._rows(collection.name, self.first(columns, rest, number), statement.values)
        return [Hit(self._record(row, False), max(0.0, float(row[3] or 0.0))) for row in rows]

    def health(self) -> Health:
        rows = self._rows("", "SELECT $ZVERSION", ())
        return Health(str(rows[0][0]))


def _kind(code: int, error: Exception, said: str, name: str) -> BackendError:
    if code == -30:
        return NotFound(f"there is no collection {name}")
    if code == -201:
        return PreconditionFailed(f"there is a collection {name} already")
    lower = said.lower()
    if code == -99 or "access denied" in lower or "invalid username" in lower:
        return PermissionDenied(said)
    if "timed out" in lower or "timeout" in lower or isinstance(error, TimeoutError):
        return TimedOut(said)
    lost = "communication" in lower or isinstance(error, OSError)
    if code in {-110, -114} or lost or (not code and isinstance(error, RuntimeError)):
        return Unavailable(said)
    if code == -359:
        return Unsupported(f"this server lacks a function that is needed: {said}")
    return BackendError(said, kind=Kind.UNEXPECTED)
