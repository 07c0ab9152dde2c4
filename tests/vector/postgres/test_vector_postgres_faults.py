"""What goes wrong with a server (gone, silent, forbidding, read-only, full), and what is said of it."""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import numpy
import psycopg
import pytest
from vector_servers import postgres

from cloudberth import vector
from cloudberth.errors import (
    NotFound,
    PermissionDenied,
    Throttled,
    TimedOut,
    Unavailable,
    Unsupported,
)
from cloudberth.vector.contract import Record
from cloudberth.vector.options import Options
from cloudberth.vector.store import VectorStore

ONCE = Options(retries=0)
QUERY = numpy.array([1, 0, 0], numpy.float32)


def opened(
    server: postgres.PostgresServer, database: str, options: Options = ONCE, **more: str
) -> VectorStore:
    """The store with settings beyond those of the server."""
    variables = {
        "VECTOR_STORE": "pgvector",
        "PGVECTOR_HOST": server.host,
        "PGVECTOR_PORT": "5432",
        "PGVECTOR_DATABASE": database,
    }
    return vector.open("", {**variables, **more}, options)


@contextmanager
def filled(
    server: postgres.PostgresServer, database: str, options: Options = ONCE, **more: str
) -> Iterator[VectorStore]:
    with opened(server, database, options, **more) as store:
        store.create("docs", 3)
        store.upsert("docs", [Record("a", QUERY, "first")])
        yield store


def _end_sessions(server: postgres.PostgresServer, database: str) -> None:
    """What a restart of the server does to those who are connected."""
    server.execute(
        "postgres", f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{database}'"
    )


def test_idle_connections_that_the_server_ended_are_not_used(
    server: postgres.PostgresServer, database: str
) -> None:
    """No repeat is spent on them: that they are gone is seen before they are lent out."""
    with filled(server, database) as store:
        for _ in range(3):
            _end_sessions(server, database)
            _until_ended(server, database)
            assert [hit.id for hit in store.search("docs", QUERY, 1)] == ["a"]
        assert not store.metrics.retries


def _until_ended(server: postgres.PostgresServer, database: str) -> None:
    ends = time.monotonic() + 10
    while server.execute(
        "postgres",
        f"SELECT 1 FROM pg_stat_activity WHERE datname = '{database}' AND backend_type LIKE 'client%'",
    ):
        assert time.monotonic() < ends
        time.sleep(0.02)


def test_a_connection_that_ends_in_a_call_is_repeated(server: postgres.PostgresServer, database: str) -> None:
    with filled(server, database, Options(retries=3)) as store:
        with psycopg.connect(host=server.host, user="postgres", dbname=database) as blocker:
            blocker.execute("LOCK TABLE embedding_docs IN ACCESS EXCLUSIVE MODE")
            found: list[int] = []
            waiting = threading.Thread(target=lambda: found.append(store.count("docs")))
            waiting.start()
            _until_waiting(server, database)
            server.execute(
                "postgres",
                f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{database}' "
                "AND wait_event_type = 'Lock'",
            )
            blocker.rollback()
            waiting.join(20)
        assert found == [1]
        assert store.metrics.retries["count"] >= 1


def _until_waiting(server: postgres.PostgresServer, database: str) -> None:
    ends = time.monotonic() + 10
    while not server.execute(
        "postgres",
        f"SELECT 1 FROM pg_stat_activity WHERE datname = '{database}' AND wait_event_type = 'Lock'",
    ):
        assert time.monotonic() < ends
        time.sleep(0.02)


def test_a_statement_that_takes_too_long_is_given_up_by_the_server(
    server: postgres.PostgresServer, database: str
) -> None:
    with filled(server, database, Options(timeout=0.5, retries=0)) as store:
        store.count("docs")
        with psycopg.connect(host=server.host, user="postgres", dbname=database) as blocker:
            blocker.execute("LOCK TABLE embedding_docs IN ACCESS EXCLUSIVE MODE")
            with pytest.raises(TimedOut, match="statement timeout"):
                store.count("docs")
            blocker.rollback()
        assert store.count("docs") == 1


def test_a_server_that_says_nothing_more_is_given_up(server: postgres.PostgresServer, database: str) -> None:
    """Its process is stopped, so that not even its own limit of time runs out."""
    with filled(server, database, Options(timeout=0.3, retries=0)) as store:
        store.search("docs", QUERY, 1)
        rows = server.execute(
            "postgres",
            f"SELECT pid FROM pg_stat_activity WHERE datname = '{database}' AND backend_type LIKE 'client%'",
        )
        stopped = [pid for (pid,) in rows]
        for pid in stopped:
            os.kill(pid, signal.SIGSTOP)
        try:
            began = time.monotonic()
            with pytest.raises(TimedOut, match="no answer"):
                store.search("docs", QUERY, 1)
            assert time.monotonic() - began < 5
            # A new connection is another process.
            assert [hit.id for hit in store.search("docs", QUERY, 1)] == ["a"]
        finally:
            for pid in stopped:
                os.kill(pid, signal.SIGCONT)


def test_who_may_not_come_in_is_told_so(server: postgres.PostgresServer, database: str) -> None:
    with opened(server, database, PGVECTOR_USER="nobody", PGVECTOR_PASSWORD="secret-word") as store:
        with pytest.raises(PermissionDenied, match="nobody") as caught:
            store.health()
        assert "secret-word" not in str(caught.value)
    with opened(server, "nowhere") as store, pytest.raises(NotFound, match="nowhere"):
        store.health()


def test_who_may_not_write_is_told_so(server: postgres.PostgresServer, database: str) -> None:
    with filled(server, database):
        server.execute(
            database, "DROP ROLE IF EXISTS reader", "CREATE ROLE reader LOGIN",
            "GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader",
        )  # fmt: skip
        with opened(server, database, PGVECTOR_USER="reader") as store:
            assert store.count("docs") == 1
            with pytest.raises(PermissionDenied):
                store.upsert("docs", [Record("b", QUERY)])
            with pytest.raises(PermissionDenied):
                store.create("more", 3)


def test_an_extension_that_the_user_may_not_install(server: postgres.PostgresServer, database: str) -> None:
    server.execute(
        database,
        "DROP ROLE IF EXISTS plain",
        "CREATE ROLE plain LOGIN",
        "GRANT ALL ON SCHEMA public TO plain",
    )
    with opened(server, database, PGVECTOR_USER="plain") as store:
        with pytest.raises(Unsupported) as caught:
            store.create("docs", 3)
        assert "CREATE EXTENSION vector" in caught.value.hint
    server.execute(database, "DROP OWNED BY plain")


def test_a_replica_is_unavailable_for_writing(server: postgres.PostgresServer, database: str) -> None:
    with filled(server, database) as store:
        server.execute("postgres", f"ALTER DATABASE {database} SET default_transaction_read_only = on")
        _end_sessions(server, database)
        _until_ended(server, database)
        assert store.count("docs") == 1
        with pytest.raises(Unavailable) as caught:
            store.upsert("docs", [Record("b", QUERY)])
        assert "replica" in caught.value.hint


def test_no_place_for_more_connections(server: postgres.PostgresServer, database: str) -> None:
    with filled(server, database) as store:
        server.execute("postgres", f"ALTER DATABASE {database} CONNECTION LIMIT 0")
        server.execute(database, "DROP ROLE IF EXISTS many", "CREATE ROLE many LOGIN")
        with opened(server, database, PGVECTOR_USER="many") as other, pytest.raises(Throttled):
            other.health()
        assert store.count("docs") == 1


def test_busy_connections_are_waited_for_and_then_refused(
    server: postgres.PostgresServer, database: str
) -> None:
    with filled(server, database, Options(timeout=0.3, retries=0, connections=1)) as store:
        backend = store.backend
        with backend._pool.lend(), pytest.raises(TimedOut, match="all 1 connections were busy"):  # type: ignore[attr-defined]
            store.count("docs")
        assert store.count("docs") == 1


def test_a_port_where_nobody_listens() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    variables = {"VECTOR_STORE": "pgvector", "PGVECTOR_HOST": "127.0.0.1", "PGVECTOR_PORT": str(port)}
    with vector.open("", variables, ONCE) as store, pytest.raises(Unavailable, match="refused"):
        store.health()


def test_a_pooler_gets_no_session(server: postgres.PostgresServer, database: str) -> None:
    """Nothing is prepared, and every setting ends with its transaction."""
    with filled(server, database, PGVECTOR_POOLER="true") as store:
        for _ in range(8):
            assert [hit.id for hit in store.search("docs", QUERY, 1)] == ["a"]
        with store.backend._pool.lend() as connection:  # type: ignore[attr-defined]
            prepared = connection.execute("SELECT count(*) FROM pg_prepared_statements").fetchone()
            ef = connection.execute("SELECT current_setting('hnsw.ef_search')").fetchone()
        assert (prepared, ef) == ((0,), ("40",))


def test_a_filtered_search_is_not_cut_short_by_the_index(
    server: postgres.PostgresServer, database: str
) -> None:
    """One in a hundred of 2,000: the index's first candidates have none of them."""
    made = numpy.random.default_rng(9).standard_normal((2000, 8)).astype(numpy.float32)
    with opened(server, database) as store:
        store.create("rare", 8)
        with store.bulk("rare"):
            store.upsert(
                "rare", [Record(str(at), row, "", {"rare": at % 100 == 0}) for at, row in enumerate(made)]
            )
        hits = store.search("rare", made[1], 15, filter="rare == true")
        exact = store.search("rare", made[1], 15, filter="rare == true", exact=True)
        assert [hit.id for hit in hits] == [hit.id for hit in exact]
        assert len(hits) == 15
