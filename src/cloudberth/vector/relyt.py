"""Relyt (`relyt`)."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field, SecretStr

from cloudberth.vector._postgres import vectors_engine
from cloudberth.vector._postgres.backend import PostgresBackend
from cloudberth.vector._postgres.dialect import Columns, Dialect
from cloudberth.vector._postgres.settings import PostgresSettings, SslMode
from cloudberth.vector.contract import Capabilities, FullText, Metric


class RelytSettings(PostgresSettings):
    """Dify's variables and defaults, the port 9200 too."""

    host: str = Field("localhost", alias="RELYT_HOST")
    port: int = Field(9200, alias="RELYT_PORT", ge=1, le=65535)
    user: str = Field("postgres", alias="RELYT_USER")
    password: SecretStr | None = Field(None, alias="RELYT_PASSWORD")
    database: str = Field("default", alias="RELYT_DATABASE")
    sslmode: SslMode = Field("", alias="RELYT_SSLMODE")
    sslrootcert: str = Field("", alias="RELYT_SSLROOTCERT")


DIALECT = Dialect(
    distances=vectors_engine.DISTANCES,
    columns=Columns(text="document", meta="metadata"),
    uuid=False,
    json="json",
    prefix="",
    own_key=False,
    vendor="USING heap",
    index=vectors_engine.INDEX,
    index_name=vectors_engine.INDEX_NAME,
    indexed=0,
    search=vectors_engine.SEARCH,
    most_candidates=65_535,
    session=vectors_engine.SESSION,
    default_metric=Metric.L2,
)


class Relyt(PostgresBackend):
    """Relyt, by its access method ``vectors``.

    Layout as Dify's: the table has the collection's name in its letters, the key is random, the record's id
    stands in the metadata (JSON). A collection without a note is one of Euclidean distances, as Dify makes
    it; its full text, which Dify does not have, is ours.

    Tested against another engine with the same protocol: PostgreSQL 18 with pgvector, whose ``<->`` was made
    to give the square as here. The statement of the index is rendered only. Not run on Relyt.
    """

    id = "relyt"
    settings: ClassVar[type[PostgresSettings]] = RelytSettings
    dialect = DIALECT
    capabilities = Capabilities(
        metrics=frozenset(Metric), full_text=FullText.CJK, ids="any", dimensions=65_535
    )
