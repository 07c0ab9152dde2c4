"""Alibaba Cloud AnalyticDB for PostgreSQL (`analyticdb`), in its SQL mode."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from importlib import import_module
from typing import TYPE_CHECKING, ClassVar, Self

from pydantic import Field, SecretStr

from cloudberth.errors import InvalidInput, NotFound, Unsupported
from cloudberth.vector._postgres.backend import PostgresBackend
from cloudberth.vector._postgres.connecting import driver, opened, translated
from cloudberth.vector._postgres.dialect import Columns, Dialect, Distance, product, root, similarity
from cloudberth.vector._postgres.naming import quoted
from cloudberth.vector._postgres.settings import PostgresSettings, SslMode
from cloudberth.vector.contract import Capabilities, Collection, FullText, Metric
from cloudberth.vector.options import Options
from cloudberth.vector.settings import VectorSettings

if TYPE_CHECKING:
    from cloudberth.vector._postgres.connecting import Connection

_OPENAPI = "cloudberth.vector.analyticdb_openapi"


class AnalyticDbSettings(PostgresSettings):
    """Dify's variables of both modes: with a host it is SQL, without one the vendor's OpenAPI.

    namespace: the schema of the tables, `dify` when it is not set. database: fixed by Dify.
    """

    parts: ClassVar[Mapping[str, str]] = {
        "host": "host",
        "port": "port",
        "user": "user",
        "path": "namespace",
    }

    host: str = Field("", alias="ANALYTICDB_HOST")
    port: int = Field(5432, alias="ANALYTICDB_PORT", ge=1, le=65535)
    user: str = Field("", alias="ANALYTICDB_ACCOUNT")
    password: SecretStr | None = Field(None, alias="ANALYTICDB_PASSWORD")
    database: str = "knowledgebase"
    min_connection: int = Field(1, alias="ANALYTICDB_MIN_CONNECTION", ge=1)
    max_connection: int = Field(5, alias="ANALYTICDB_MAX_CONNECTION", ge=1, le=1000)
    namespace: str = Field("dify", alias="ANALYTICDB_NAMESPACE", pattern="^[A-Za-z_][A-Za-z0-9_]{0,62}$")
    key_id: str = Field("", alias="ANALYTICDB_KEY_ID")
    key_secret: SecretStr | None = Field(None, alias="ANALYTICDB_KEY_SECRET")
    region_id: str = Field("", alias="ANALYTICDB_REGION_ID")
    instance_id: str = Field("", alias="ANALYTICDB_INSTANCE_ID")
    namespace_password: SecretStr | None = Field(None, alias="ANALYTICDB_NAMESPACE_PASSWORD")
    endpoint: str = Field("", alias="ANALYTICDB_ENDPOINT")
    sslmode: SslMode = Field("", alias="ANALYTICDB_SSLMODE")
    sslrootcert: str = Field("", alias="ANALYTICDB_SSLROOTCERT")


_DISTANCES = {
    Metric.COSINE: Distance("{vector} <=> {query}", "cosine", similarity),
    Metric.L2: Distance("{vector} <-> {query}", "l2", root),
    Metric.INNER: Distance("{vector} <#> {query}", "ip", product),
}
DIALECT = Dialect(
    distances=_DISTANCES,
    type="real[]",
    cast="real[]",
    open_close="{}",
    columns=Columns(text="page_content", meta="metadata_", vector="vector"),
    uuid=False,
    prefix="",
    own_key=False,
    doc_column="ref_doc_id",
    parsed_column="to_tsvector",
    vendor="WITH (fillfactor=70) DISTRIBUTED BY (id)",
    extra=('"ref_doc_id" text', '"to_tsvector" tsvector'),
    index=(
        "CREATE INDEX {index} ON {table} USING ann({vector}) WITH (dim='{dimension}', "
        "distancemeasure='{measure}', hnsw_m='{links}', hnsw_ef_construction='{construction}', "
        "pq_enable=0, external_storage=0)"
    ),
    index_name="{collection}_embedding_idx",
    indexed=8192,
    search="fastann.hnsw_ef_search",
    session=("SET extra_float_digits = 3",),
)
_ZHPARSER = (
    "CREATE EXTENSION IF NOT EXISTS zhparser",
    "CREATE TEXT SEARCH CONFIGURATION zh_cn (PARSER = zhparser)",
    "ALTER TEXT SEARCH CONFIGURATION zh_cn ADD MAPPING FOR n,v,a,i,e,l,x WITH simple",
)
# Dify's query function, of words as its parser finds them.
_QUERY_FUNCTION = """\
CREATE OR REPLACE FUNCTION public.to_tsquery_from_text(txt text, lang regconfig DEFAULT 'english'::regconfig)
RETURNS tsquery LANGUAGE sql IMMUTABLE STRICT AS $function$
SELECT to_tsquery(lang, COALESCE(string_agg(split_part(word, ':', 1), ' | '), ''))
FROM (SELECT unnest(string_to_array(to_tsvector(lang, txt)::text, ' ')) AS word) AS words_only
$function$"""


class AnalyticDb(PostgresBackend):
    """AnalyticDB for PostgreSQL over SQL, with its vector engine FastANN. `open` gives the OpenAPI mode when
    `ANALYTICDB_HOST` is not set.

    Layout as Dify's: database ``knowledgebase``, schema of the namespace, ``real[]`` with an ``ann`` index, a
    random key and the record's id in ``ref_doc_id``. Dify's own full-text column is filled as Dify does it;
    searches by words use our column beside it. The database and what Dify's own code needs in it (zhparser,
    a text search configuration, a function) are made with the first collection.

    Tested against another engine with the same protocol: PostgreSQL 18 with the operators of FastANN over
    ``real[]``. The statement of the index and DISTRIBUTED BY are rendered only, zhparser is not proved. Not
    run on AnalyticDB.
    """

    id = "analyticdb"
    settings: ClassVar[type[PostgresSettings]] = AnalyticDbSettings
    dialect = DIALECT
    capabilities = Capabilities(
        metrics=frozenset(Metric), full_text=FullText.CJK, ids="any", lower=True, dimensions=8192
    )

    def __init__(self, settings: PostgresSettings, options: Options) -> None:
        if not isinstance(settings, AnalyticDbSettings):
            raise InvalidInput("these are no settings of analyticdb")
        super().__init__(settings, options, schema=settings.namespace)
        configuration = "zh_cn" if settings.vendor_ddl else "simple"
        self._statements = replace(self._statements, configuration=configuration)

    @classmethod
    def open(cls, settings: VectorSettings, options: Options) -> Self:
        if isinstance(settings, AnalyticDbSettings) and not settings.host:
            return cls._openapi(settings, options)
        return super().open(settings, options)

    @classmethod
    def _openapi(cls, settings: AnalyticDbSettings, options: Options) -> Self:
        try:
            module = import_module(_OPENAPI)
        except ModuleNotFoundError as error:
            if error.name != _OPENAPI:
                raise
            raise Unsupported(
                "the OpenAPI mode of analyticdb is not there, and the SQL mode needs a host",
                where="ANALYTICDB_HOST",
                hint="set ANALYTICDB_HOST to the instance's address",
            ) from None
        found: Self = module.AnalyticDbOpenApi.open(settings, options)
        return found

    def create(self, collection: Collection) -> None:
        try:
            super().create(collection)
        except NotFound:
            self._make_database()
            super().create(collection)

    def _make_database(self) -> None:
        """The database, from the one that every server has, and the schema."""
        timeout = self._options.timeout
        with translated(self.id, None, timeout):
            parameters = {**self._settings.connection_parameters(), "dbname": "postgres"}
            with opened(self.id, parameters, timeout=timeout) as connection:
                self._unless_there(connection, f"CREATE DATABASE {quoted(self._settings.database)}")
        with self._connection() as connection:
            connection.execute(f"CREATE SCHEMA IF NOT EXISTS {quoted(self._statements.schema)}")
            if self._settings.vendor_ddl:
                for statement in _ZHPARSER:
                    self._unless_there(connection, statement)
                connection.execute(_QUERY_FUNCTION)

    def _unless_there(self, connection: Connection, statement: str) -> None:
        errors = driver(self.id).errors
        try:
            connection.execute(statement)
        except (errors.DuplicateDatabase, errors.DuplicateObject, errors.UniqueViolation):
            return

    def _prepare(self, connection: Connection) -> None:
        found = connection.execute(
            "SELECT 1 FROM pg_namespace WHERE nspname = %s", [self._statements.schema]
        ).fetchone()
        if found is None:
            raise NotFound(f"there is no schema {self._statements.schema}")

    def _ann(self, collection: Collection) -> list[str]:
        table = self._statements.table(collection.name)
        made = super()._ann(collection)
        if made:
            made.insert(0, f"ALTER TABLE {table} ALTER COLUMN vector SET STORAGE PLAIN")
        return made
