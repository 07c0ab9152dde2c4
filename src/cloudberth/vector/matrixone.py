"""MatrixOne: one table a collection, as Dify's client lays it out."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, SecretStr

from cloudberth.errors import InvalidInput
from cloudberth.vector._mysql.backend import MySqlBackend, engine_at
from cloudberth.vector._mysql.dialect import Engine, Layout
from cloudberth.vector._mysql.engines import MATRIXONE
from cloudberth.vector._mysql.settings import MySqlSettings
from cloudberth.vector.contract import Metric
from cloudberth.vector.options import Options

_COLUMNS = (
    "`id` VARCHAR(36) NOT NULL PRIMARY KEY, `embedding` {vector} NOT NULL, `document` TEXT, `meta` JSON, "
    "`create_time` DATETIME DEFAULT CURRENT_TIMESTAMP, "
    "`update_time` DATETIME DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP"
)
LAYOUT = Layout(
    id="id",
    text="document",
    metadata="meta",
    vector="embedding",
    vector_index="vec_idx_embedding",
    text_index="ftidx_document",
    columns=_COLUMNS,
)


class MatrixOneSettings(MySqlSettings):
    """metric: of collections that Dify made and whose index does not tell."""

    host: str = Field("localhost", alias="MATRIXONE_HOST")
    port: int = Field(6001, alias="MATRIXONE_PORT", ge=1, le=65535)
    user: str = Field("dump", alias="MATRIXONE_USER")
    password: SecretStr | None = Field(SecretStr("111"), alias="MATRIXONE_PASSWORD")
    database: str = Field("dify", alias="MATRIXONE_DATABASE")
    metric: Literal["l2", "cosine"] = Field("l2", alias="MATRIXONE_METRIC")


class MatrixOne(MySqlBackend):
    """MatrixOne 2.1 or later.

    The layout is tested against OceanBase seekdb, which has distance functions of the same names; MatrixOne's
    IVF index and full-text index are proved by the statements alone. Vectors are kept as vecf64, as Dify's
    client does. A collection is searched exactly until a bulk load ends, which makes the index (of L2).
    """

    id = "matrixone"
    settings = MatrixOneSettings
    layout = LAYOUT
    engine: Engine = MATRIXONE

    @classmethod
    def _of(cls, settings: MySqlSettings, options: Options) -> Self:
        if not isinstance(settings, MatrixOneSettings):
            raise InvalidInput(f"{cls.id} needs its own settings")
        metric = Metric.L2 if settings.metric == "l2" else Metric.COSINE
        return cls(settings, options, engine_at(settings, cls.engine), metric=metric)
