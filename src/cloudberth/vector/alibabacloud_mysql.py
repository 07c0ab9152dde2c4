"""ApsaraDB RDS for MySQL with its vectors: one table a collection, as Dify lays it out."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, SecretStr

from cloudberth.errors import InvalidInput
from cloudberth.vector._mysql.backend import MySqlBackend, engine_at
from cloudberth.vector._mysql.dialect import Engine, Layout
from cloudberth.vector._mysql.engines import ALISQL
from cloudberth.vector._mysql.settings import MySqlSettings
from cloudberth.vector.contract import Metric
from cloudberth.vector.options import Options

LAYOUT = Layout(
    id="id",
    text="text",
    metadata="meta",
    vector="embedding",
    vector_index="embedding",
    text_index="idx_text",
    columns="`id` VARCHAR(36) PRIMARY KEY, `text` LONGTEXT NOT NULL, `meta` JSON NOT NULL, "
    "`embedding` {vector} NOT NULL",
    tail="ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_unicode_ci",
)


class AlibabaCloudMySqlSettings(MySqlSettings):
    """distance_function: of collections that Dify made and whose index does not tell."""

    host: str = Field("localhost", alias="ALIBABACLOUD_MYSQL_HOST")
    port: int = Field(3306, alias="ALIBABACLOUD_MYSQL_PORT", ge=1, le=65535)
    user: str = Field("root", alias="ALIBABACLOUD_MYSQL_USER")
    password: SecretStr | None = Field(None, alias="ALIBABACLOUD_MYSQL_PASSWORD")
    database: str = Field("dify", alias="ALIBABACLOUD_MYSQL_DATABASE")
    distance_function: Literal["cosine", "euclidean"] = Field(
        "cosine", alias="ALIBABACLOUD_MYSQL_DISTANCE_FUNCTION"
    )


class AlibabaCloudMySql(MySqlBackend):
    """ApsaraDB RDS for MySQL 8.0 with vector storage switched on, and AliSQL.

    Tested against MariaDB 11.8, on which Dify's own statements run too. What MariaDB lacks is proved by the
    statements alone: VEC_FROMTEXT and VEC_TOTEXT with AliSQL's spelling, vidx_hnsw_ef_search, and the
    full-text parser ngram, through which the type finds Chinese.
    """

    id = "alibabacloud_mysql"
    settings = AlibabaCloudMySqlSettings
    layout = LAYOUT
    engine: Engine = ALISQL

    @classmethod
    def _of(cls, settings: MySqlSettings, options: Options) -> Self:
        if not isinstance(settings, AlibabaCloudMySqlSettings):
            raise InvalidInput(f"{cls.id} needs its own settings")
        metric = Metric.COSINE if settings.distance_function == "cosine" else Metric.L2
        return cls(settings, options, engine_at(settings, cls.engine), metric=metric)
