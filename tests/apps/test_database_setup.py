"""The step that makes databases and extensions, against a real PostgreSQL."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from app_cases import dify
from real_servers import free_port, postgres_programs, running

from cloudberth.apps.database_setup import NAME, setup_script

pytestmark = pytest.mark.server


class Database:
    def __init__(self, folder: Path, port: int) -> None:
        self.folder = folder
        self.environment = {
            **os.environ,
            "PGHOST": "127.0.0.1",
            "PGPORT": str(port),
            "PGUSER": "cloudberth",
            "PGDATABASE": "postgres",
        }

    def psql(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [shutil.which("psql") or "psql", *arguments],
            env=self.environment,
            capture_output=True,
            text=True,
        )

    def run_step(self, script: str) -> subprocess.CompletedProcess[str]:
        """With the command of the container, but for the place of the file."""
        path = self.folder / "databases.sql"
        path.write_text(script)
        command = dify()[0].services[NAME].command
        return self.psql(*(argument.replace("/setup", str(self.folder)) for argument in command[1:]))

    def ask(self, query: str, database: str = "postgres") -> list[str]:
        return self.psql("-Atq", "-d", database, "-c", query).stdout.split()


@pytest.fixture(scope="module")
def database() -> Iterator[Database]:
    programs = postgres_programs()
    port = free_port()
    with ExitStack() as servers:
        folder = Path(servers.enter_context(TemporaryDirectory()))
        as_user: list[str] = []
        if os.geteuid() == 0:  # PostgreSQL refuses to run as root
            user = pwd.getpwnam("postgres")
            os.chown(folder, user.pw_uid, user.pw_gid)
            as_user = ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]
        data = folder / "data"
        initdb = [str(programs / "initdb"), "-D", str(data), "-U", "cloudberth", "-A", "trust", "-E", "UTF8"]
        subprocess.run([*as_user, *initdb], check=True, capture_output=True)
        server = [str(programs / "postgres"), "-D", str(data), "-p", str(port), "-k", str(folder)]
        servers.enter_context(running([*as_user, *server, "-h", "127.0.0.1"], port, folder / "log"))
        yield Database(folder, port)


def test_databases_and_extensions_are_made(database: Database) -> None:
    done = database.run_step(setup_script(("dify", "dify_plugin"), ("uuid-ossp", "pg_trgm")))
    assert done.returncode == 0, done.stderr
    assert {"dify", "dify_plugin"} <= set(database.ask("SELECT datname FROM pg_database"))
    for name in ("dify", "dify_plugin"):
        assert {"uuid-ossp", "pg_trgm"} <= set(database.ask("SELECT extname FROM pg_extension", name))


def test_it_can_run_again(database: Database) -> None:
    script = setup_script(("again",), ("uuid-ossp",))
    assert database.run_step(script).returncode == 0
    database.psql("-d", "again", "-c", "CREATE TABLE kept (id int)")
    assert database.run_step(script).returncode == 0
    assert database.ask("SELECT count(*) FROM kept", "again") == ["0"]


def test_an_extension_that_does_not_exist_is_an_error(database: Database) -> None:
    done = database.run_step(setup_script(("third",), ("no_such_thing",)))
    assert done.returncode != 0
    assert "no_such_thing" in done.stderr


def test_names_are_quoted(database: Database) -> None:
    done = database.run_step(setup_script(("order",), ('we"ird',)))
    assert 'extension "we""ird"' in done.stderr or 'we"ird' in done.stderr
    assert "order" in database.ask("SELECT datname FROM pg_database")
