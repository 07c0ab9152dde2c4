"""PostgreSQL with the extension pgvecto.rs (`pgvecto-rs`)."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field, SecretStr

from cloudberth.vector._postgres import vectors_engine
from cloudberth.vector._postgres.backend import PostgresBackend
from cloudberth.vector._postgres.dialect import Columns, Dialect
from cloudberth.vector._postgres.settings import PostgresSettings, SslMode
from cloudberth.vector.contract import Capabilities, FullText, Metric


class PgvectoRsSettings(PostgresSettings):
    """Dify's variables."""

    host: str = Field("localhost", alias="PGVECTO_RS_HOST")
    port: int = Field(5431, alias="PGVECTO_RS_PORT", ge=1, le=65535)
    user: str = Field("postgres", alias="PGVECTO_RS_USER")
    password: SecretStr | None = Field(None, alias="PGVECTO_RS_PASSWORD")
    database: str = Field("dify", alias="PGVECTO_RS_DATABASE")
    sslmode: SslMode = Field("", alias="PGVECTO_RS_SSLMODE")
    sslrootcert: str = Field("", alias="PGVECTO_RS_SSLROOTCERT")


DIALECT = Dialect(
    distances=vectors_engine.DISTANCES,
    columns=Columns(vector="vector"),
    prefix="",
    own_key=False,
    extension="vectors",
    vendor="USING heap",
    index=vectors_engine.INDEX,
    index_name=vectors_engine.INDEX_NAME,
    indexed=0,
    search=vectors_engine.SEARCH,
    most_candidates=65_535,
    session=vectors_engine.SESSION,
)


class PgvectoRs(PostgresBackend):
    """pgvecto.rs 0.2 to 0.4; its makers have stopped work on it in favour of VectorChord.

    Layout as Dify's: the table has the collection's name, the key is random, the record's id stands in the
    metadata. Dify makes its index for Euclidean distances and asks for cosines, which that index cannot
    serve; ours fits its queries. A collection without a note counts as one of cosines, as Dify searches it.

    Tested against another engine with the same protocol: PostgreSQL 18 with pgvector, whose ``<->`` was made
    to give the square as here. The statement of the index is rendered only. Not run on pgvecto.rs.
    """

    id = "pgvecto-rs"
    settings: ClassVar[type[PostgresSettings]] = PgvectoRsSettings
    dialect = DIALECT
    capabilities = Capabilities(
        metrics=frozenset(Metric), full_text=FullText.CJK, ids="uuid", lower=True, dimensions=65_535
    )
