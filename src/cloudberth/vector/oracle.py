"""Oracle Database 23ai: one table a collection, as Dify lays it out, through python-oracledb's thin mode."""

from __future__ import annotations

import array
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Self

from pydantic import Field, SecretStr, model_validator

from cloudberth.errors import (
    BackendError,
    CloudberthError,
    InvalidInput,
    Kind,
    Mismatch,
    NotFound,
    PermissionDenied,
    PreconditionFailed,
    TimedOut,
    Unavailable,
)
from cloudberth.extras import late_import
from cloudberth.vector._dbapi_backend import DbApiBackend, Statement
from cloudberth.vector._dbapi_conditions import Conditions
from cloudberth.vector.contract import (
    Capabilities,
    Collection,
    FullText,
    Health,
    Hit,
    Metric,
    TextQuery,
)
from cloudberth.vector.filters import Filter
from cloudberth.vector.options import Options
from cloudberth.vector.settings import VectorSettings, revealed
from cloudberth.vector.text import tokens

if TYPE_CHECKING:
    from cloudberth.vector.contract import Vector

_WORDS = {Metric.COSINE: "COSINE", Metric.L2: "EUCLIDEAN", Metric.INNER: "DOT"}
# Before the name of a collection, as Dify writes it.
_PREFIX = "embedding_"
# Values in one JSON path, whose text is limited.
_VALUES = 50
_LARGEST_NUMBER = 1e125
_NUMBER = re.compile(r"(?:ORA|DPY|TNS)-0*(\d+)")
_DENIED = {1017, 1031, 1045, 28000, 28001, 1005, 1950, 13607}
_GONE = {28, 1012, 1033, 1034, 1089, 1090, 3113, 3114, 3135, 12170, 12514, 12541, 12545, 12537, 12547}
_GONE |= {4011, 6005, 6000, 60, 8177, 1001}
_SLOW = {12609, 3136, 3156, 1013, 4024}


class OracleSettings(VectorSettings):
    """dsn: ``host:port/service``, or a name of tnsnames.ora in config_dir. A wallet needs all three."""

    parts: ClassVar[Mapping[str, str]] = {"user": "user"}

    user: str = Field(alias="ORACLE_USER")
    password: SecretStr = Field(alias="ORACLE_PASSWORD")
    dsn: str = Field(alias="ORACLE_DSN")
    config_dir: str = Field("", alias="ORACLE_CONFIG_DIR")
    wallet_location: str = Field("", alias="ORACLE_WALLET_LOCATION")
    wallet_password: SecretStr | None = Field(None, alias="ORACLE_WALLET_PASSWORD")
    is_autonomous: bool = Field(False, alias="ORACLE_IS_AUTONOMOUS")

    @model_validator(mode="after")
    def _whole(self) -> OracleSettings:
        if self.is_autonomous and not (self.config_dir and self.wallet_location and self.wallet_password):
            needed = "ORACLE_CONFIG_DIR, ORACLE_WALLET_LOCATION and ORACLE_WALLET_PASSWORD"
            raise ValueError(f"ORACLE_IS_AUTONOMOUS needs {needed}")
        return self


class OracleConditions(Conditions):
    """Filters as JSON_EXISTS, which knows the kind of a value and is never unknown.

    A path has to be a literal: of a field's name all but letters, digits, spaces and ``_-.`` is escaped as
    JSON escapes it. Values are passed as parameters. An empty text is null to Oracle, and stands in the path.
    """

    def __init__(self, column: str, statement: Statement) -> None:
        super().__init__()
        self._column = column
        self._statement = statement

    def bound(self, value: Any) -> str:
        return self._statement.bound(value)

    def has(self, field: str) -> str:
        return f"JSON_EXISTS({self._column}, '$?(@.{step(field)}.type() != \"null\")')"

    def text(self, field: str, sign: str, values: Sequence[str]) -> str:
        return self._compared(field, "string", sign, values)

    def number(self, field: str, sign: str, values: Sequence[float]) -> str:
        return self._compared(field, "number", sign, values)

    def boolean(self, field: str, value: bool) -> str:
        word = "true" if value else "false"
        name = step(field)
        return f"JSON_EXISTS({self._column}, '$?(@.{name}.type() == \"boolean\" && @.{name} == {word})')"

    def _compared(self, field: str, kind: str, sign: str, values: Sequence[Any]) -> str:
        parts = [
            self._exists(step(field), kind, "==" if sign == "=" else sign, values[start : start + _VALUES])
            for start in range(0, len(values), _VALUES)
        ]
        return f"({' OR '.join(parts)})"

    def _exists(self, name: str, kind: str, sign: str, values: Sequence[Any]) -> str:
        compared = []
        passed = []
        for at, value in enumerate(values):
            if value == "":
                compared.append(f'@.{name} {sign} ""')
                continue
            compared.append(f"@.{name} {sign} $v{at}")
            large = isinstance(value, float) and abs(value) > _LARGEST_NUMBER
            given = f"TO_BINARY_DOUBLE({self.bound(repr(value))})" if large else self.bound(value)
            passed.append(f'{given} AS "v{at}"')
        path = f'$?(@.{name}.type() == "{kind}" && ({" || ".join(compared)}))'
        passing = f" PASSING {', '.join(passed)}" if passed else ""
        return f"JSON_EXISTS({self._column}, '{path}'{passing})"


def step(field: str) -> str:
    """A field's name as a step of a path. What could end it, or the literal around it, is escaped."""
    safe = "".join(
        one
        if one.isalnum() or one in " _-."
        else "".join(f"\\u{int.from_bytes(pair, 'big'):04x}" for pair in _halves(one))
        for one in field
    )
    return f'"{safe}"'


def _halves(character: str) -> list[bytes]:
    units = character.encode("utf-16-be")
    return [units[at : at + 2] for at in range(0, len(units), 2)]


class Oracle(DbApiBackend):
    """Oracle Database 23ai, Autonomous Database included.

    Proved by the statements and the calls of the driver that it makes: no such server runs here. Needs a
    text lexer for other languages: collections are made with the preference ``world_lexer``, which Dify's
    set-up creates, so Chinese is found; the index over texts is synchronised at each commit. A collection
    that Dify made has no dimension of its own: it is that of its first record, and unknown while it is empty.
    Dify searches by cosine. Vectors have an HNSW index (``ORGANIZATION INMEMORY NEIGHBOR GRAPH``) only after
    a bulk load, since that needs the vector pool; without it a search is exact.
    """

    id = "oracle"
    settings = OracleSettings
    numbered = True
    capabilities = Capabilities(
        metrics=frozenset(Metric), full_text=FullText.CJK, ids="uuid", lower=True, dimensions=65_535
    )

    def __init__(self, settings: OracleSettings, options: Options) -> None:
        super().__init__(options)
        self._settings = settings
        self._driver = late_import("oracledb", extra="oracle-vectors", needed_for=self.id)
        self.place = f"oracle://{settings.dsn}"

    @classmethod
    def open(cls, settings: VectorSettings, options: Options) -> Self:
        if not isinstance(settings, OracleSettings):
            raise TypeError(f"{cls.id} takes {cls.settings.__name__}")
        return cls(settings, options)

    def connect(self) -> Any:
        settings = self._settings
        wallet = {
            "config_dir": settings.config_dir,
            "wallet_location": settings.wallet_location,
            "wallet_password": revealed(settings.wallet_password),
        }
        connection = self._driver.connect(
            user=settings.user,
            password=revealed(settings.password),
            dsn=settings.dsn,
            tcp_connect_timeout=min(self._options.timeout, 10.0),
            **{name: value for name, value in wallet.items() if value},
        )
        connection.call_timeout = int(self._options.timeout * 1000)
        return connection

    def driver_errors(self) -> tuple[type[Exception], ...]:
        return (self._driver.Error, OSError)

    def as_ours(self, error: Exception, name: str) -> CloudberthError:
        found = _NUMBER.search(str(error))
        number = int(found[1]) if found else 0
        ours = _kind(number, error, name)
        if isinstance(ours, BackendError):
            ours.code = found[0] if found else ""
        return ours

    # ── collections

    def table(self, name: str) -> str:
        return _PREFIX + name

    def create(self, collection: Collection) -> None:
        with self._cursor(collection.name) as cursor:
            for statement in self.create_statements(collection):
                cursor.execute(statement)

    def create_statements(self, collection: Collection) -> tuple[str, ...]:
        """Table, note and index over texts."""
        if len(collection.name) > 128 - len("idx_docs_" + _PREFIX):
            raise InvalidInput(
                "the name of a collection has at most 109 characters here", where=collection.name
            )
        table = self.table(collection.name)
        note = collection.note().replace("'", "''")
        return (
            f"CREATE TABLE {table} (id VARCHAR2(100) PRIMARY KEY, text CLOB NOT NULL, meta JSON, "
            f"embedding VECTOR({collection.dimension}, FLOAT32) NOT NULL)",
            f"COMMENT ON TABLE {table} IS '{note}'",
            f"CREATE INDEX idx_docs_{table} ON {table}(text) INDEXTYPE IS CTXSYS.CONTEXT PARAMETERS "
            "('FILTER CTXSYS.NULL_FILTER SECTION GROUP CTXSYS.HTML_SECTION_GROUP LEXER world_lexer "
            "SYNC (ON COMMIT)')",
        )

    def describe(self, name: str) -> Collection:
        statement = self.statement()
        known = statement.bound(self.table(name).upper())
        rows = self._rows(
            name,
            "SELECT c.vector_info, t.comments FROM user_tab_columns c LEFT JOIN user_tab_comments t "
            f"ON t.table_name = c.table_name WHERE c.table_name = {known} AND c.column_name = 'EMBEDDING'",
            statement.values,
        )
        if not rows:
            raise NotFound(f"there is no collection {name}")
        declared = re.search(r"\d+", str(rows[0][0] or ""))
        dimension = int(declared[0]) if declared else self._dimension_of_a_record(name)
        return Collection(name, dimension).noted(rows[0][1])

    def _dimension_of_a_record(self, name: str) -> int:
        rows = self._rows(
            name,
            self.first("VECTOR_DIMENSION_COUNT(embedding)", f"FROM {self.table(name)}", 1),
            (),
        )
        if not rows:
            raise Mismatch(
                "the dimension of this collection is not known: Dify does not declare it, and it is empty",
                hint="make it again here, or let Dify write a record",
            )
        return int(rows[0][0])

    def collections(self) -> tuple[str, ...]:
        rows = self._rows(
            "",
            "SELECT table_name FROM user_tab_columns WHERE table_name LIKE 'EMBEDDING\\_%' ESCAPE '\\' "
            "AND column_name IN ('ID', 'TEXT', 'META', 'EMBEDDING') GROUP BY table_name HAVING COUNT(*) = 4",
            (),
        )
        return tuple(sorted(str(row[0]).lower().removeprefix(_PREFIX) for row in rows))

    def drop(self, name: str) -> None:
        with self._cursor(name) as cursor:
            cursor.execute(f"DROP TABLE {self.table(name)} CASCADE CONSTRAINTS PURGE")

    # ── records and searches

    def placed_text(self, statement: Statement, text: str) -> str:
        """An empty text is null to Oracle, and the column takes none."""
        return statement.bound(text) if text else "EMPTY_CLOB()"

    def placed(self, statement: Statement, collection: Collection, vector: Vector) -> str:
        return statement.bound(array.array("f", vector.tobytes()))

    def read_vector(self, found: Any) -> Any:
        import numpy

        return numpy.array(found, dtype=numpy.float32)

    def shown_metadata(self) -> str:
        return "JSON_SERIALIZE(meta RETURNING CLOB)"

    def measure(self, metric: Metric, vector: str) -> tuple[str, bool]:
        return f"VECTOR_DISTANCE(embedding, {vector}, {_WORDS[metric]})", False

    def raw(self, metric: Metric, measured: float) -> float:
        """DOT is the negative product."""
        if metric is Metric.COSINE:
            return 1.0 - measured
        return -measured if metric is Metric.INNER else measured

    def first(self, columns: str, rest: str, number: int, *, approximate: bool = False) -> str:
        kind = "APPROX " if approximate else ""
        return f"SELECT {columns} {rest} FETCH {kind}FIRST {int(number)} ROWS ONLY"

    def where(self, collection: Collection, filter: Filter, statement: Statement) -> str:
        return OracleConditions(self.columns.metadata, statement).render(filter)

    def search_text(self, collection: Collection, query: TextQuery) -> list[Hit]:
        """Any of the words; braces keep each from being an operator."""
        words = list(dict.fromkeys(tokens(query.text)))
        if not words:
            return []
        statement = self.statement()
        asked = statement.bound(" ACCUM ".join(f"{{{word}}}" for word in words))
        condition = f"CONTAINS(text, {asked}, 1) > 0"
        if query.filter is not None:
            condition += f" AND {self.where(collection, query.filter, statement)}"
        rows = self._rows(
            collection.name,
            self.first(
                f"{self._selected(False)}, SCORE(1) AS raw",
                f"FROM {self.table(collection.name)} WHERE {condition} ORDER BY raw DESC, id",
                query.k,
            ),
            statement.values,
        )
        # Oracle's score goes from 0 to 100.
        return [Hit(self._record(row, False), float(row[3]) / 10.0) for row in rows]

    def end_bulk(self, collection: Collection) -> None:
        if collection.index.kind == "exact":
            return
        table = self.table(collection.name)
        index = collection.index
        with self._cursor(collection.name) as cursor:
            cursor.execute(
                f"CREATE VECTOR INDEX IF NOT EXISTS vec_{collection.name} ON {table}(embedding) "
                f"ORGANIZATION INMEMORY NEIGHBOR GRAPH DISTANCE {_WORDS[collection.metric]} "
                f"WITH TARGET ACCURACY 95 PARAMETERS (type HNSW, neighbors {index.links}, "
                f"efconstruction {index.construction})"
            )

    def health(self) -> Health:
        rows = self._rows("", "SELECT banner_full FROM v$version", ())
        return Health(str(rows[0][0]))


def _kind(number: int, error: Exception, name: str) -> CloudberthError:
    said = " ".join(str(error).split())[:300]
    if number == 942:
        return NotFound(f"there is no collection {name}")
    if number == 955:
        return PreconditionFailed(f"there is a collection {name} already")
    if number in _DENIED:
        return PermissionDenied(said)
    if number in {51803, 51804, 51814}:
        return Mismatch(f"a vector does not fit the collection: {said}")
    if number in _SLOW:
        return TimedOut(said)
    if number in _GONE or isinstance(error, OSError):
        return Unavailable(said)
    if number in {20000, 29855, 10700, 11102} and "world_lexer" in said.lower():
        return BackendError(
            said,
            kind=Kind.INVALID,
            hint="CTX_DDL.CREATE_PREFERENCE('world_lexer', 'WORLD_LEXER') as the owner",
        )
    return BackendError(said, kind=Kind.UNEXPECTED)
