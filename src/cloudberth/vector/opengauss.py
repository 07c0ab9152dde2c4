"""openGauss with its vector engine DataVec (`opengauss`)."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

from pydantic import Field, SecretStr

from cloudberth.vector._postgres.backend import PostgresBackend
from cloudberth.vector._postgres.dialect import PGVECTOR_DISTANCES, Dialect
from cloudberth.vector._postgres.naming import cut, quoted
from cloudberth.vector._postgres.settings import PostgresSettings, SslMode
from cloudberth.vector.contract import Capabilities, Collection, FullText, Metric


class OpenGaussSettings(PostgresSettings):
    """Dify's variables. enable_pq: the index keeps product-quantised vectors (openGauss on ARM)."""

    host: str = Field("localhost", alias="OPENGAUSS_HOST")
    port: int = Field(6600, alias="OPENGAUSS_PORT", ge=1, le=65535)
    user: str = Field("postgres", alias="OPENGAUSS_USER")
    password: SecretStr | None = Field(None, alias="OPENGAUSS_PASSWORD")
    database: str = Field("dify", alias="OPENGAUSS_DATABASE")
    min_connection: int = Field(1, alias="OPENGAUSS_MIN_CONNECTION", ge=1)
    max_connection: int = Field(5, alias="OPENGAUSS_MAX_CONNECTION", ge=1, le=1000)
    enable_pq: bool = Field(False, alias="OPENGAUSS_ENABLE_PQ")
    sslmode: SslMode = Field("", alias="OPENGAUSS_SSLMODE")
    sslrootcert: str = Field("", alias="OPENGAUSS_SSLROOTCERT")


# The server tells of itself that it is PostgreSQL 9.2: no ON CONFLICT, and text of floats is cut by default.
DIALECT = Dialect(
    distances=PGVECTOR_DISTANCES,
    upsert=False,
    index_name="embedding_{metric}_{table}_idx",
    search="hnsw_ef_search",
    session=("SET extra_float_digits = 3",),
)


class OpenGauss(PostgresBackend):
    """openGauss 7 and newer, whose own type is ``vector``; as pgvector but for what the server is older in.

    Layout and name of the index as Dify's. The server has to take MD5 passwords
    (``password_encryption_type = 1``): PostgreSQL's client library does not know openGauss's SHA-256.

    Tested against another engine with the same protocol: PostgreSQL 18 with pgvector, whose types, operators
    and index this dialect uses too. Not run on openGauss; `OPENGAUSS_ENABLE_PQ`: the statement only.
    """

    id = "opengauss"
    settings: ClassVar[type[PostgresSettings]] = OpenGaussSettings
    dialect = DIALECT
    capabilities = Capabilities(
        metrics=frozenset(Metric), full_text=FullText.CJK, ids="uuid", lower=True, dimensions=16_000
    )

    def _ann(self, collection: Collection) -> list[str]:
        settings = self._settings
        made = super()._ann(collection)
        if not made or not isinstance(settings, OpenGaussSettings) or not settings.enable_pq:
            return made
        table = self._statements.plain_table(collection.name)
        index = replace(
            self.dialect,
            index=self.dialect.index.removesuffix(")")
            + f", enable_pq=on, pq_m={max(1, collection.dimension // 4)})",
        )
        statement = replace(self._statements, dialect=index).ann(collection)
        named = quoted(self._statements.ann_index(collection))
        return [statement.replace(named, quoted(cut(f"embedding_{table}_pq_idx")), 1)]
