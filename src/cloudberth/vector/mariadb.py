"""MariaDB with its vectors: one table a collection. Not a type of Dify's."""

from __future__ import annotations

from pydantic import Field, SecretStr

from cloudberth.vector._mysql.backend import MySqlBackend
from cloudberth.vector._mysql.dialect import Engine, Layout
from cloudberth.vector._mysql.engines import MARIADB
from cloudberth.vector._mysql.settings import MySqlSettings, TlsMode

_COLUMNS = (
    "`id` VARCHAR(36) NOT NULL PRIMARY KEY, `text` LONGTEXT NOT NULL, `meta` JSON NOT NULL, "
    "`embedding` {vector} NOT NULL, `words` LONGTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NULL"
)
LAYOUT = Layout(
    id="id",
    text="text",
    metadata="meta",
    vector="embedding",
    vector_index="embedding",
    text_index="words",
    columns=_COLUMNS,
    words="words",
    tail="ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_unicode_ci",
)


class MariaDbSettings(MySqlSettings):
    host: str = Field("localhost", alias="MARIADB_HOST")
    port: int = Field(3306, alias="MARIADB_PORT", ge=1, le=65535)
    user: str = Field("root", alias="MARIADB_USER")
    password: SecretStr | None = Field(None, alias="MARIADB_PASSWORD")
    database: str = Field("dify", alias="MARIADB_DATABASE")
    tls: TlsMode = Field("", alias="MARIADB_TLS")
    ca_file: str = Field("", alias="MARIADB_CA_FILE")


class MariaDb(MySqlBackend):
    """MariaDB 11.8 or later.

    Tested against MariaDB 11.8 itself. A table's index serves one metric, cosine or Euclidean. Words are
    searched in a column of our tokens, so Chinese is found; rows that others wrote without it are not.
    """

    id = "mariadb"
    settings = MariaDbSettings
    layout = LAYOUT
    engine: Engine = MARIADB
