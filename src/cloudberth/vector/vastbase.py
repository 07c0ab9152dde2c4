"""Vastbase with its vector type (`vastbase`)."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field, SecretStr

from cloudberth.vector._postgres.backend import PostgresBackend
from cloudberth.vector._postgres.dialect import PGVECTOR_DISTANCES, Dialect
from cloudberth.vector._postgres.settings import PostgresSettings, SslMode
from cloudberth.vector.contract import Capabilities, FullText, Metric


class VastbaseSettings(PostgresSettings):
    """Dify's variables."""

    host: str = Field("localhost", alias="VASTBASE_HOST")
    port: int = Field(5432, alias="VASTBASE_PORT", ge=1, le=65535)
    user: str = Field("dify", alias="VASTBASE_USER")
    password: SecretStr | None = Field(None, alias="VASTBASE_PASSWORD")
    database: str = Field("dify", alias="VASTBASE_DATABASE")
    min_connection: int = Field(1, alias="VASTBASE_MIN_CONNECTION", ge=1)
    max_connection: int = Field(5, alias="VASTBASE_MAX_CONNECTION", ge=1, le=1000)
    sslmode: SslMode = Field("", alias="VASTBASE_SSLMODE")
    sslrootcert: str = Field("", alias="VASTBASE_SSLROOTCERT")


# Vastbase comes from openGauss: as old in its SQL. Dify's name of the index has no table in it, so that only
# a database's first collection gets one; ours has.
DIALECT = Dialect(
    distances=PGVECTOR_DISTANCES,
    type="floatvector({dimension})",
    cast="floatvector",
    operators="floatvector_{operators}_ops",
    upsert=False,
    indexed=0,
    search="hnsw_ef_search",
    session=("SET extra_float_digits = 3",),
)


class Vastbase(PostgresBackend):
    """Vastbase G100 with the type ``floatvector``. Layout as Dify's.

    Tested against another engine with the same protocol: PostgreSQL 18 on which pgvector's functions are
    registered once more as a type ``floatvector`` with its operators and operator classes, so that tables,
    HNSW index and queries are those of this dialect. Not run on Vastbase.
    """

    id = "vastbase"
    settings: ClassVar[type[PostgresSettings]] = VastbaseSettings
    dialect = DIALECT
    capabilities = Capabilities(
        metrics=frozenset(Metric), full_text=FullText.CJK, ids="uuid", lower=True, dimensions=16_000
    )
