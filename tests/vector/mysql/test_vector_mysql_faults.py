"""What goes wrong with a server of the MySQL family, and what a user sees of it."""

from __future__ import annotations

import os
import signal
import socket
import ssl
import threading
from collections.abc import Iterator
from typing import Any

import numpy
import pytest
from vector_servers import mariadb

from cloudberth import vector
from cloudberth.errors import (
    BackendError,
    InvalidInput,
    Mismatch,
    NotFound,
    PermissionDenied,
    TimedOut,
    Unavailable,
)
from cloudberth.vector import Options, Record
from cloudberth.vector._mysql.connecting import as_ours
from cloudberth.vector.mariadb import MariaDbSettings
from cloudberth.vector.tidb_vector import TiDbVectorSettings

PATIENT = Options()
HASTY = Options(timeout=1.0, deadline=3.0, retries=0)
SECRET = "hunter2-of-tests"


def store_at(
    server: Any, database: str, options: Options = PATIENT, password: str = ""
) -> vector.VectorStore:
    return vector.open(
        f"mariadb://root@{server.host}:{server.port}/{database}",
        {"MARIADB_PASSWORD": password or server.password},
        options,
    )


@pytest.fixture(scope="module")
def own_server() -> Iterator[mariadb.MariaDbServer]:
    """One that a test may stop."""
    if reason := mariadb.missing():
        pytest.skip(reason)
    server = mariadb.MariaDbServer()
    yield server
    server.remove()


@pytest.mark.server
def test_a_server_that_was_restarted_is_found_again(own_server: mariadb.MariaDbServer) -> None:
    with own_server.sql.database() as database, store_at(own_server.sql, database) as store:
        store.create("notes", 2)
        # More idle connections than there are retries.
        _at_once(8, lambda: store.count("notes"))
        own_server.stop()
        own_server.start()
        assert store.count("notes") == 0
        store.upsert("notes", [Record("a", numpy.array([1, 0], numpy.float32))])
        assert store.search("notes", [1, 0])[0].id == "a"


def _at_once(number: int, call: Any) -> None:
    barrier = threading.Barrier(number)

    def run() -> None:
        barrier.wait()
        call()

    threads = [threading.Thread(target=run) for _ in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


@pytest.mark.server
def test_a_server_that_hangs_is_given_up_in_time(own_server: mariadb.MariaDbServer) -> None:
    with own_server.sql.database() as database, store_at(own_server.sql, database, HASTY) as store:
        store.create("notes", 2)
        own_server.signal(signal.SIGSTOP)
        try:
            with pytest.raises(TimedOut):
                store.count("notes")
        finally:
            own_server.signal(signal.SIGCONT)
        assert store.count("notes") == 0


@pytest.mark.server
def test_a_wrong_password_is_a_refusal_without_it(on_mariadb: tuple[Any, str]) -> None:
    server, database = on_mariadb
    with store_at(server, database, password=SECRET) as store:
        with pytest.raises(PermissionDenied) as raised:
            store.health()
        assert SECRET not in f"{raised.value} {raised.value!r} {store!r} {vars(store.backend)!r}"


@pytest.mark.server
def test_a_missing_database_is_said(on_mariadb: tuple[Any, str]) -> None:
    server, _ = on_mariadb
    with (
        store_at(server, "nowhere") as store,
        pytest.raises(BackendError, match="Unknown database") as raised,
    ):
        store.exists("notes")
    assert not isinstance(raised.value, NotFound), "a wrong setting is no missing collection"
    assert "create the database" in raised.value.hint


@pytest.mark.server
def test_a_collection_made_again_with_another_dimension_is_a_mismatch(on_mariadb: tuple[Any, str]) -> None:
    server, database = on_mariadb
    with store_at(server, database) as store, store_at(server, database) as other:
        store.create("notes", 2)
        other.drop("notes")
        other.create("notes", 3)
        with pytest.raises(Mismatch):
            store.upsert("notes", [Record("a", numpy.array([1, 0], numpy.float32))])


def test_nobody_at_the_address_is_unavailable() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        store = vector.open(
            f"mariadb://root@127.0.0.1:{taken.getsockname()[1]}/d", {"MARIADB_PASSWORD": SECRET}, HASTY
        )
        with store, pytest.raises(Unavailable) as raised:
            store.health()
    assert raised.value.retryable
    assert SECRET not in f"{raised.value}"


def test_a_server_that_says_nothing_is_given_up_in_time() -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        store = vector.open(f"mariadb://root@127.0.0.1:{silent.getsockname()[1]}/d", {}, HASTY)
        with store, pytest.raises(Unavailable):
            store.health()


@pytest.mark.parametrize(
    ("number", "said", "kind", "retryable"),
    [
        (1146, "Table 'd.t' doesn't exist", NotFound, False),
        (1045, "Access denied", PermissionDenied, False),
        (1142, "INSERT command denied", PermissionDenied, False),
        (1213, "Deadlock found", Unavailable, True),
        (1020, "Record has changed since last read", Unavailable, True),
        (1040, "Too many connections", Unavailable, True),
        (2013, "Lost connection (timed out)", TimedOut, True),
        (3024, "maximum statement execution time exceeded", TimedOut, True),
        (2006, "gone away", Unavailable, True),
        (9005, "Region is unavailable", Unavailable, True),
        (7600, "inconsistent dimension: expected 4 got 2", Mismatch, False),
        (1406, "Data too long for column 'text'", BackendError, False),
        (4711, "something new", BackendError, False),
    ],
)
def test_errors_of_the_server_have_their_place_in_the_tree(
    number: int, said: str, kind: type[BackendError], retryable: bool
) -> None:
    found = as_ours(RuntimeError(number, said), "notes")
    assert isinstance(found, kind)
    assert isinstance(found, BackendError)
    assert (found.retryable, found.code) == (retryable, str(number))


def test_names_longer_than_a_server_takes_are_refused() -> None:
    store = vector.open("mariadb://root@127.0.0.1:1/d", {}, HASTY)
    with store, pytest.raises(InvalidInput, match="at most 64"):
        store.create("a" * 65, 2)


def test_what_does_not_fit_into_a_note_is_refused() -> None:
    store = vector.open("mariadb://root@127.0.0.1:1/d", {}, HASTY)
    fields = {f"field {at} {'x' * 100}": vector.FieldType.KEYWORD for at in range(40)}
    with store, pytest.raises(InvalidInput, match="2048"):
        store.create("a", 2, fields=fields)


def test_a_secret_in_a_location_is_refused() -> None:
    with pytest.raises(InvalidInput, match="secret") as raised:
        vector.open(f"mariadb://root:{SECRET}@127.0.0.1/d", {})
    assert SECRET not in f"{raised.value} {raised.value.hint}"


def test_a_certificate_file_that_is_not_there_is_said() -> None:
    with pytest.raises(InvalidInput, match="there is no file"):
        vector.open(f"mariadb://root@127.0.0.1/d?ca_file={os.devnull}x", {})


@pytest.mark.parametrize(
    ("tls", "verified", "named"),
    [
        ("require", ssl.CERT_NONE, False),
        ("verify-ca", ssl.CERT_REQUIRED, False),
        ("verify-full", ssl.CERT_REQUIRED, True),
    ],
)
def test_encryption_verifies_what_it_says(tls: str, verified: ssl.VerifyMode, named: bool) -> None:
    context = MariaDbSettings.from_environment({"MARIADB_TLS": tls}).connection_parameters()["ssl"]
    assert (context.verify_mode, context.check_hostname) == (verified, named)


def test_tidb_is_verified_unless_that_is_switched_off() -> None:
    variables = {"TIDB_VECTOR_HOST": "h", "TIDB_VECTOR_USER": "u", "TIDB_VECTOR_DATABASE": "d"}
    assert TiDbVectorSettings.from_environment(variables).connection_parameters()["ssl"].check_hostname
    off = TiDbVectorSettings.from_environment({**variables, "TIDB_VECTOR_TLS": "disable"})
    assert (off.connection_parameters()["ssl"], off.connection_parameters()["ssl_disabled"]) == (None, True)


@pytest.mark.server
def test_a_server_without_a_trusted_certificate_is_not_trusted(on_mariadb: tuple[Any, str]) -> None:
    server, database = on_mariadb
    location = f"mariadb://root@{server.host}:{server.port}/{database}?tls=verify-full"
    with (
        vector.open(location, {"MARIADB_PASSWORD": server.password}, HASTY) as store,
        pytest.raises(BackendError, match="CERTIFICATE_VERIFY_FAILED") as raised,
    ):
        store.health()
    assert not raised.value.retryable
    assert "ca_file" in raised.value.hint


def test_what_is_not_set_is_named_by_its_variable() -> None:
    with pytest.raises(InvalidInput, match="OCEANBASE_VECTOR_HOST is not set"):
        vector.open("", {"VECTOR_STORE": "oceanbase"})
    with pytest.raises(InvalidInput, match="TIDB_VECTOR_USER is not set"):
        vector.open("", {"VECTOR_STORE": "tidb_vector"})
