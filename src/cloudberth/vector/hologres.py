"""Alibaba Cloud Hologres (`hologres`)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, ClassVar, Literal

from pydantic import Field, SecretStr

from cloudberth.errors import InvalidInput
from cloudberth.vector._postgres.backend import PostgresBackend
from cloudberth.vector._postgres.dialect import Dialect, Distance
from cloudberth.vector._postgres.naming import literal, quoted
from cloudberth.vector._postgres.settings import PostgresSettings, SslMode
from cloudberth.vector._postgres.words import query_tokens
from cloudberth.vector.contract import Capabilities, Collection, FullText, Hit, Metric, TextQuery
from cloudberth.vector.options import Options


class HologresSettings(PostgresSettings):
    """Dify's variables. The user is an access key's id, the password its secret.

    tokenizer: of the full-text index. base_quantization_type, max_degree, ef_construction: of the vector
    index (HGraph). distance_method: what collections without a note are searched by.
    """

    host: str = Field(alias="HOLOGRES_HOST")
    port: int = Field(80, alias="HOLOGRES_PORT", ge=1, le=65535)
    database: str = Field(alias="HOLOGRES_DATABASE")
    user: str = Field("", alias="HOLOGRES_ACCESS_KEY_ID")
    password: SecretStr | None = Field(None, alias="HOLOGRES_ACCESS_KEY_SECRET")
    namespace: str = Field("public", alias="HOLOGRES_SCHEMA", pattern="^[A-Za-z_][A-Za-z0-9_]{0,62}$")
    tokenizer: Literal[
        "jieba", "ik", "icu", "whitespace", "standard", "keyword", "simple", "ngram", "pinyin"
    ] = Field("jieba", alias="HOLOGRES_TOKENIZER")
    distance_method: Literal["Cosine", "Euclidean", "InnerProduct"] = Field(
        "Cosine", alias="HOLOGRES_DISTANCE_METHOD"
    )
    base_quantization_type: Literal["sq8", "sq8_uniform", "fp16", "fp32", "rabitq"] = Field(
        "rabitq", alias="HOLOGRES_BASE_QUANTIZATION_TYPE"
    )
    max_degree: int = Field(64, alias="HOLOGRES_MAX_DEGREE", ge=1)
    ef_construction: int = Field(400, alias="HOLOGRES_EF_CONSTRUCTION", ge=1)
    sslmode: SslMode = Field("", alias="HOLOGRES_SSLMODE")
    sslrootcert: str = Field("", alias="HOLOGRES_SSLROOTCERT")


_METHODS = {"Cosine": Metric.COSINE, "Euclidean": Metric.L2, "InnerProduct": Metric.INNER}
# Both that are called distances of angles and products give similarities: larger is nearer.
_DISTANCES = {
    Metric.COSINE: Distance("approx_cosine_distance({vector}, {query})", "Cosine", descending=True),
    Metric.L2: Distance("approx_euclidean_distance({vector}, {query})", "Euclidean"),
    Metric.INNER: Distance(
        "approx_inner_product_distance({vector}, {query})", "InnerProduct", descending=True
    ),
}
DIALECT = Dialect(
    distances=_DISTANCES,
    type="float4[]",
    cast="float4[]",
    open_close="{}",
    uuid=False,
    checked=True,
    index="",
    words=False,
    session=("SET extra_float_digits = 3",),
)


class Hologres(PostgresBackend):
    """Hologres 4.0 and newer: HGraph index over ``float4[]``, full text with BM25 by its own tokenizers.

    Layout as Dify's: table ``embedding_{collection}``, id as text. Writes are seen by a search for words
    about a second later. Filters are read in the JSONB column; there is no index over fields.

    Tested against another engine with the same protocol: PostgreSQL 18 on which functions of the same names
    measure distances and find words. The statements of both indexes are rendered only. Not run on Hologres.
    """

    id = "hologres"
    settings: ClassVar[type[PostgresSettings]] = HologresSettings
    dialect = DIALECT
    # Definitions and rows do not mix in one transaction there.
    transactional = False
    capabilities = Capabilities(
        metrics=frozenset(Metric),
        full_text=FullText.CJK,
        ids="any",
        lower=True,
        dimensions=16_000,
        immediate=False,
    )

    def __init__(self, settings: PostgresSettings, options: Options) -> None:
        if not isinstance(settings, HologresSettings):
            raise InvalidInput("these are no settings of hologres")
        super().__init__(settings, options, schema=settings.namespace)
        self._own = settings

    def describe(self, name: str) -> Collection:
        found = super().describe(name)
        if not found.dify:
            return found
        metric = _METHODS[self._own.distance_method]
        return Collection(found.name, found.dimension, metric, index=found.index, dify=True)

    def _ann(self, collection: Collection) -> list[str]:
        """The vector index and, as it needs a statement of the vendor's too, the full-text index."""
        if not self._settings.vendor_ddl:
            return []
        made = []
        plain = self._statements.plain_table(collection.name)
        if collection.index.kind != "exact":
            table = f"{self._statements.schema}.{plain}"
            described = json.dumps({self.dialect.columns.vector: self._hgraph(collection)})
            made.append(f"CALL set_table_property({literal(table)}, 'vectors', {literal(described)})")
        made.append(
            f"CREATE INDEX IF NOT EXISTS {quoted(f'ft_idx_{collection.name}'[:63])} "
            f"ON {self._statements.table(collection.name)} USING FULLTEXT "
            f"({quoted(self.dialect.columns.text)}) WITH (tokenizer = {literal(self._own.tokenizer)})"
        )
        return made

    def _hgraph(self, collection: Collection) -> dict[str, Any]:
        own = self._own
        return {
            "algorithm": "HGraph",
            "distance_method": _DISTANCES[collection.metric].operators,
            "builder_params": {
                "max_degree": own.max_degree,
                "ef_construction": own.ef_construction,
                "base_quantization_type": own.base_quantization_type,
                "use_reorder": own.base_quantization_type == "rabitq",
            },
        }

    def begin_bulk(self, collection: Collection) -> None:
        """Nothing: the store builds its index when it compacts."""

    def end_bulk(self, collection: Collection) -> None:
        self._forget(collection.name)

    def search_text(self, collection: Collection, query: TextQuery) -> list[Hit]:
        if not query_tokens(query.text):
            return []
        condition, values = self._statements.filtered(query.filter)
        text = quoted(self.dialect.columns.text)
        found = f"TEXT_SEARCH({text}, %s)"
        sql = (
            f"SELECT {self._statements.row()}, {found}::float8 AS score "
            f"FROM {self._statements.table(collection.name)}"
            f"{self._statements.where(f'{found} > 0', condition)} ORDER BY score DESC LIMIT {query.k}"
        )
        bound: Sequence[Any] = [query.text, query.text, *values]
        return [Hit(self._record(row[:3]), row[3], source="text") for row in self._rows_of(sql, bound)]
