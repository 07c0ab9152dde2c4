"""Dify's DB_* variables, the errors of a connection, and that its password is nowhere to be seen."""

from __future__ import annotations

import os
import traceback
from pathlib import Path

import psycopg
import pytest
from dify_installation import PASSWORD, Installation

from cloudberth.errors import CloudberthError, InvalidInput, PermissionDenied, Unavailable
from cloudberth.storage.dify.connection import DatabaseSettings, connect
from cloudberth.storage.dify.database import DifyDatabase


def test_the_defaults_are_dify_s() -> None:
    settings = DatabaseSettings.from_environment({"DB_HOST": " ", "UNKNOWN": "x"})
    assert settings.place == "postgresql://postgres@localhost:5432/dify"
    assert settings.password is None


def test_extras_are_parameters_of_libpq() -> None:
    extras = "?sslmode=verify-full&sslrootcert=/etc/ca%20bundle.pem"
    settings = DatabaseSettings.from_environment({"DB_EXTRAS": extras})
    assert settings.parameters() == {"sslmode": "verify-full", "sslrootcert": "/etc/ca bundle.pem"}


@pytest.mark.parametrize("name", ["host", "password", "dbname", "service", "passfile"])
def test_extras_cannot_name_another_database(name: str) -> None:
    with pytest.raises(InvalidInput, match=f"DB_EXTRAS: {name} cannot be set here"):
        DatabaseSettings.from_environment({"DB_EXTRAS": f"sslmode=require&{name}=x"})


@pytest.mark.parametrize("kind", ["mysql", "oceanbase", "seekdb"])
def test_other_databases_are_refused_with_a_way_out(kind: str) -> None:
    with pytest.raises(InvalidInput, match=f"DB_TYPE: Dify's database is {kind}; only PostgreSQL") as caught:
        DatabaseSettings.from_environment({"DB_TYPE": kind})
    assert "without --dify" in caught.value.hint


def test_a_port_that_is_none_names_the_variable() -> None:
    with pytest.raises(InvalidInput, match="DB_PORT"):
        DatabaseSettings.from_environment({"DB_PORT": "many"})


def test_the_password_is_in_no_repr() -> None:
    settings = DatabaseSettings.from_environment({"DB_PASSWORD": PASSWORD})
    assert PASSWORD not in repr(settings) + str(settings) + settings.place


def test_nobody_answers() -> None:
    with pytest.raises(Unavailable, match="refused"):
        connect(DatabaseSettings.from_environment({"DB_HOST": "127.0.0.1", "DB_PORT": "1"}))


def test_a_parameter_that_libpq_does_not_know() -> None:
    settings = DatabaseSettings.from_environment({"DB_EXTRAS": "charset=utf8", "DB_HOST": "127.0.0.1"})
    with pytest.raises(InvalidInput, match=r'DB_EXTRAS: .*"charset"'):
        connect(settings)


pytest_server = pytest.mark.server


@pytest_server
@pytest.mark.parametrize(
    ("change", "kind", "said"),
    [
        ({"DB_PASSWORD": "wrong one"}, PermissionDenied, "password authentication failed"),
        ({"DB_USERNAME": "nobody"}, PermissionDenied, "password authentication failed"),
        ({"DB_DATABASE": "no_such"}, InvalidInput, "does not exist"),
        ({"DB_EXTRAS": "sslmode=require"}, Unavailable, "SSL"),
        ({"DB_DATABASE": "postgres"}, InvalidInput, "has no table upload_files: it is not Dify's"),
    ],
    ids=["password", "user", "database", "tls", "not dify"],
)
def test_errors_are_typed_and_keep_the_secret(
    dify: Installation, change: dict[str, str], kind: type[CloudberthError], said: str
) -> None:
    environment = {**dify.environment, **change}
    with pytest.raises(kind, match=said) as caught:
        DifyDatabase.open(DatabaseSettings.from_environment(environment))
    shown = "".join(traceback.format_exception(caught.value)) + caught.value.hint
    assert environment["DB_PASSWORD"] not in shown
    assert not isinstance(caught.value, psycopg.Error)


@pytest_server
def test_a_server_s_error_that_quotes_the_password_is_cleaned(dify: Installation) -> None:
    settings = dify.settings
    with DifyDatabase.open(settings) as database, pytest.raises(CloudberthError) as caught:
        database._all("SELECT CAST('" + PASSWORD.replace("'", "''") + "' AS integer)")  # type: ignore[arg-type]
    assert PASSWORD not in str(caught.value)
    assert "***" in str(caught.value)


@pytest_server
def test_the_password_is_in_no_command_line(dify: Installation) -> None:
    with DifyDatabase.open(dify.settings):
        shown = Path(f"/proc/{os.getpid()}/cmdline").read_bytes()
        servers = [
            path.read_bytes()
            for path in Path("/proc").glob("[0-9]*/cmdline")
            if path.exists() and b"postgres" in path.read_bytes()
        ]
    assert servers
    assert all(PASSWORD.encode() not in text for text in [shown, *servers])


@pytest_server
def test_a_release_without_the_newer_tables_is_fine(dify: Installation) -> None:
    dify.ask("DROP TABLE workflow_pauses, dataset_keyword_tables, datasets")
    dify.ask("ALTER TABLE tool_files DROP COLUMN size")
    with DifyDatabase.open(dify.settings) as database:
        assert [source.table for source in database.sources] == ["upload_files"]
        assert sum(1 for _ in database.references()) == 6


@pytest_server
def test_rows_come_in_the_byte_order_of_their_keys(dify: Installation) -> None:
    for key in ("z", "Z", "é", "e", "\U0001f600", "\uffff", "a/b", "a-b", "a b", "a.b"):
        dify.ask(
            "INSERT INTO tool_files (user_id, tenant_id, file_key, mimetype) VALUES (%s, %s, %s, 'x')",
            *(dify.tenants[0], dify.tenants[0], key),
        )
    with DifyDatabase.open(dify.settings) as database:
        keys = [reference.key for reference in database.references()]
    assert keys == sorted(keys, key=lambda key: key.encode())
