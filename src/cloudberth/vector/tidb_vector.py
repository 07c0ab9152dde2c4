"""TiDB: one table a collection, as Dify lays it out."""

from __future__ import annotations

from typing import ClassVar, Self

from pydantic import Field, SecretStr

from cloudberth.errors import InvalidInput
from cloudberth.vector._mysql.backend import MySqlBackend, engine_at
from cloudberth.vector._mysql.dialect import Engine, Layout
from cloudberth.vector._mysql.engines import TIDB
from cloudberth.vector._mysql.settings import MySqlSettings, TlsMode
from cloudberth.vector.options import Options

# Dify's generated columns take 64 characters, and refuse rows with longer ids; ours are wider.
_COLUMNS = (
    "`id` CHAR(36) PRIMARY KEY, `text` TEXT NOT NULL, `meta` JSON NOT NULL, "
    "`doc_id` VARCHAR(255) AS (LEFT(JSON_UNQUOTE(JSON_EXTRACT(`meta`, '$.doc_id')), 255)) STORED, "
    "`document_id` VARCHAR(255) AS (LEFT(JSON_UNQUOTE(JSON_EXTRACT(`meta`, '$.document_id')), 255)) STORED, "
    "`vector` {vector} NOT NULL, `create_time` DATETIME DEFAULT CURRENT_TIMESTAMP, "
    "`update_time` DATETIME DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP, "
    "KEY (`doc_id`), KEY (`document_id`)"
)
LAYOUT = Layout(
    id="id",
    text="text",
    metadata="meta",
    vector="vector",
    vector_index="idx_vector",
    text_index="idx_text",
    columns=_COLUMNS,
)


class TiDbVectorSettings(MySqlSettings):
    """tls: Dify always verifies certificate and name, so that is the default here.

    full_text: the cluster has full-text search (TiDB Cloud Starter and Essential, in some regions).
    """

    default_tls: ClassVar[TlsMode] = "verify-full"

    host: str = Field(alias="TIDB_VECTOR_HOST")
    port: int = Field(4000, alias="TIDB_VECTOR_PORT", ge=1, le=65535)
    user: str = Field(alias="TIDB_VECTOR_USER")
    password: SecretStr | None = Field(None, alias="TIDB_VECTOR_PASSWORD")
    database: str = Field(alias="TIDB_VECTOR_DATABASE")
    tls: TlsMode = Field("", alias="TIDB_VECTOR_TLS")
    ca_file: str = Field("", alias="TIDB_VECTOR_CA_FILE")
    full_text: bool = Field(False, alias="TIDB_VECTOR_FULL_TEXT")


class TiDbVector(MySqlBackend):
    """TiDB 8.4 or later with TiFlash, and TiDB Cloud.

    The layout is tested against OceanBase seekdb, TiDB's functions and indexes by the statements alone. Dify
    keeps texts in a TEXT column: at most 65,535 bytes, longer ones are refused. A collection that Dify made
    refuses ids longer than 64 characters. Full text is off unless the settings say that the cluster has it.
    """

    id = "tidb_vector"
    settings = TiDbVectorSettings
    layout = LAYOUT
    engine: Engine = TIDB
    searchable = False

    @classmethod
    def _of(cls, settings: MySqlSettings, options: Options) -> Self:
        if not isinstance(settings, TiDbVectorSettings):
            raise InvalidInput(f"{cls.id} needs its own settings")
        return cls(settings, options, engine_at(settings, cls.engine), searchable=settings.full_text)
