"""OceanBase: one table a collection, as Dify lays it out."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal, Self

from pydantic import Field, SecretStr

from cloudberth.errors import InvalidInput
from cloudberth.vector._mysql.backend import MySqlBackend, engine_at
from cloudberth.vector._mysql.dialect import Engine, Layout
from cloudberth.vector._mysql.engines import OCEANBASE
from cloudberth.vector._mysql.settings import MySqlSettings
from cloudberth.vector.contract import Metric
from cloudberth.vector.options import Options

Parser = Literal["ngram", "beng", "space", "ngram2", "ik", "japanese_ftparser", "thai_ftparser"]
_METRICS = {"l2": Metric.L2, "cosine": Metric.COSINE, "inner_product": Metric.INNER}
LAYOUT = Layout(
    id="id",
    text="text",
    metadata="metadata",
    vector="vector",
    vector_index="vector_index",
    text_index="fulltext_index_for_col_text",
    columns="`id` VARCHAR(36) NOT NULL PRIMARY KEY, `vector` {vector}, `text` LONGTEXT, `metadata` JSON",
)


class OceanBaseSettings(MySqlSettings):
    """enable_hybrid_search: whether collections get a full-text index; they do unless it says false.

    metric_type: of collections that Dify made and whose index does not tell.
    """

    host: str = Field(alias="OCEANBASE_VECTOR_HOST")
    port: int = Field(2881, alias="OCEANBASE_VECTOR_PORT", ge=1, le=65535)
    user: str = Field(alias="OCEANBASE_VECTOR_USER")
    password: SecretStr | None = Field(None, alias="OCEANBASE_VECTOR_PASSWORD")
    database: str = Field(alias="OCEANBASE_VECTOR_DATABASE")
    enable_hybrid_search: bool = Field(True, alias="OCEANBASE_ENABLE_HYBRID_SEARCH")
    fulltext_parser: Parser = Field("ik", alias="OCEANBASE_FULLTEXT_PARSER")
    metric_type: Literal["l2", "cosine", "inner_product"] = Field("l2", alias="OCEANBASE_VECTOR_METRIC_TYPE")


class OceanBase(MySqlBackend):
    """OceanBase 4.3.3 or later; with full text 4.3.5 or later.

    Tested against OceanBase seekdb 1.4 (the engine of OceanBase 4.3.5), which speaks the same SQL; a cluster
    was not there to ask. Vectors come back with all their digits where the server knows `array_map`
    (4.3.5), with six elsewhere. Dify searches with its own OCEANBASE_VECTOR_METRIC_TYPE: a collection that
    Dify is to search has to be made with that metric. The index keeps at most 4,096 dimensions. The tenant
    is part of the user's name (``root@tenant``).
    """

    id = "oceanbase"
    settings = OceanBaseSettings
    layout = LAYOUT
    engine: Engine = OCEANBASE

    @classmethod
    def _of(cls, settings: MySqlSettings, options: Options) -> Self:
        if not isinstance(settings, OceanBaseSettings):
            raise InvalidInput(f"{cls.id} needs its own settings")
        engine = engine_at(settings, OCEANBASE)
        if settings.fulltext_parser != "ik":
            words = f"FULLTEXT INDEX {{text_index}} ({{searched}}) WITH PARSER {settings.fulltext_parser}"
            engine = replace(engine, words=words)
        return cls(
            settings,
            options,
            engine,
            searchable=settings.enable_hybrid_search,
            metric=_METRICS[settings.metric_type],
        )
