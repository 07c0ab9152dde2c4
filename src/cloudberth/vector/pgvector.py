"""PostgreSQL with the extension pgvector (`pgvector`)."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field, SecretStr

from cloudberth.vector._postgres import identities
from cloudberth.vector._postgres.backend import PostgresBackend
from cloudberth.vector._postgres.dialect import PGVECTOR_DISTANCES, Dialect
from cloudberth.vector._postgres.identities import Identity
from cloudberth.vector._postgres.settings import PostgresSettings, SslMode
from cloudberth.vector.contract import Capabilities, Collection, DenseQuery, Effort, FullText, Metric


class PgVectorSettings(PostgresSettings):
    """Dify's variables; beyond them TLS, poolers, and the identities of clouds instead of a password.

    pg_bigm: Dify's; our search by words needs no extension. auth: who gives the password (identities.py);
    connections are then encrypted at least. region: of AWS, that of the environment by default.
    """

    host: str = Field("localhost", alias="PGVECTOR_HOST")
    port: int = Field(5433, alias="PGVECTOR_PORT", ge=1, le=65535)
    user: str = Field("postgres", alias="PGVECTOR_USER")
    password: SecretStr | None = Field(None, alias="PGVECTOR_PASSWORD")
    database: str = Field("postgres", alias="PGVECTOR_DATABASE")
    min_connection: int = Field(1, alias="PGVECTOR_MIN_CONNECTION", ge=1)
    max_connection: int = Field(5, alias="PGVECTOR_MAX_CONNECTION", ge=1, le=1000)
    pg_bigm: bool = Field(False, alias="PGVECTOR_PG_BIGM")
    sslmode: SslMode = Field("", alias="PGVECTOR_SSLMODE")
    sslrootcert: str = Field("", alias="PGVECTOR_SSLROOTCERT")
    pooler: bool = Field(False, alias="PGVECTOR_POOLER")
    auth: Identity = Field("password", alias="PGVECTOR_AUTH")
    region: str = Field("", alias="PGVECTOR_REGION")


DIALECT = Dialect(
    distances=PGVECTOR_DISTANCES,
    binary=True,
    extension="vector",
    vendor="USING heap",
    half=True,
    search="hnsw.ef_search",
    index_name="embedding_{metric}_v1_idx_{hash}",
    fields=True,
)
CAPABILITIES = Capabilities(
    metrics=frozenset(Metric),
    full_text=FullText.CJK,
    ids="uuid",
    lower=True,
    dimensions=16_000,
    batch=500,
)


class PgVector(PostgresBackend):
    """pgvector 0.5 and newer, on PostgreSQL 12 and newer.

    Layout as Dify's: table ``embedding_{collection}``, HNSW index with Dify's name. Beyond it a column
    `words` with our tokens for searches by words, null in Dify's rows, which are searched by parts of their
    text. Dimensions above 2,000 are indexed in half precision (pgvector 0.7) up to 4,000; above, and by older
    versions, they are compared exactly. Filtered searches go on in the index until they have k
    (`hnsw.iterative_scan`, pgvector 0.8).

    Tested against a real server: PostgreSQL 18 with pgvector 0.8.5; TLS against PostgreSQL 15. Identities are
    tested up to the vendors' SDKs, not in a cloud. Older versions: not run; what they lack (iterative scans
    before 0.8, half precision before 0.7) is not asked of them.
    """

    id = "pgvector"
    settings: ClassVar[type[PostgresSettings]] = PgVectorSettings
    capabilities = CAPABILITIES
    dialect = DIALECT

    def _parameters(self) -> dict[str, str]:
        own, parameters = self._settings, super()._parameters()
        if not isinstance(own, PgVectorSettings) or own.auth == "password":
            return parameters
        password = identities.token(own.auth, own.host, own.port, own.user, own.region)
        return {"sslmode": "require", **parameters, "password": password}

    def _ann(self, collection: Collection) -> list[str]:
        known = self._facts.numbers if self._facts is not None else ()
        if known and known < (0, 7) and collection.dimension > self.dialect.indexed:
            return []
        return super()._ann(collection)

    def _search_settings(self, collection: Collection, query: DenseQuery) -> dict[str, str]:
        wanted = super()._search_settings(collection, query)
        if wanted and self._facts is not None and self._facts.numbers >= (0, 8):
            wanted["hnsw.iterative_scan"] = "strict_order"
            wanted["hnsw.max_scan_tuples"] = "200000" if query.effort is Effort.WIDE else "20000"
        return wanted
