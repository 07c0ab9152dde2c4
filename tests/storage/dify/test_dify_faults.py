"""A migration that dies: kill -9 at every step, and a database that goes away."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from dify_installation import Installation, Postgres, copy_all, fill, installed
from test_dify_migration import AsS3, migrate, tree

from cloudberth.errors import InvalidInput, PermissionDenied, Unavailable
from cloudberth.storage import Storage
from cloudberth.storage.dify.database import DifyDatabase
from cloudberth.storage.dify.migration import Migration
from cloudberth.storage.dify.outcome import Choices, Moved
from cloudberth.storage.dify.report import ROLLBACK, Report

pytestmark = pytest.mark.server

# A migration in a process of its own that can be killed. `after` says where it kills itself, if anywhere.
SCRIPT = """
import json, os, signal, sys
from pathlib import Path
from dify_installation import copy_all
from test_dify_migration import AsS3
from cloudberth import storage
from cloudberth.storage.dify.connection import DatabaseSettings
from cloudberth.storage.dify.database import DifyDatabase
from cloudberth.storage.dify.migration import Migration
from cloudberth.storage.dify.report import Report

told = json.load(sys.stdin)
after = told["after"]

def die(step):
    if after == step:
        os.kill(os.getpid(), signal.SIGKILL)

def move(source, destination, *, dry_run):
    moved = copy_all(source, destination, dry_run=dry_run)
    die("move")
    return moved

class Dying(Report):
    def rollback(self, rows, new):
        count = super().rollback(rows, new)
        die("rollback file")
        return count

def opened(name):
    return storage.open({"STORAGE_TYPE": "local", "STORAGE_LOCAL_PATH": str(Path(told["folder"]) / name)})

source, destination = opened("source"), opened("destination")
destination = AsS3(destination.backend, destination.options)
settings = DatabaseSettings.from_environment(told["environment"])
with DifyDatabase.open(settings) as database:
    Migration(source, destination, database, move, Dying(Path(told["folder"]) / "report")).run()
    die("commit")
"""


def in_a_process(dify: Installation, after: str = "") -> subprocess.Popen[str]:
    here = Path(__file__).parent
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=here,
        env={**os.environ, "PYTHONPATH": f"{here}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"},
    )  # fmt: skip
    assert process.stdin is not None
    json.dump({"folder": str(dify.folder), "environment": dify.environment, "after": after}, process.stdin)
    process.stdin.close()
    return process


@pytest.mark.parametrize("step", ["move", "rollback file", "commit"])
def test_killed_at_a_step_it_goes_on(dify: Installation, step: str) -> None:
    process = in_a_process(dify, step)
    assert process.wait(60) == -signal.SIGKILL, process.stdout and process.stdout.read()
    assert dify.types() == ({"s3": 6} if step == "commit" else {"local": 6})
    outcome = migrate(dify)
    assert outcome.moved.objects == 0, "what was there was not moved again"
    assert outcome.changed == (0 if step == "commit" else 6)
    assert dify.types() == {"s3": 6}
    assert tree(dify.destination) == tree(dify.source)


def test_killed_inside_the_change_no_row_is_changed(dify: Installation) -> None:
    """A trigger keeps the update busy at its fourth row until the process is dead."""
    dify.ask("CREATE SEQUENCE updates")
    dify.ask(
        "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        "IF nextval('updates') = 4 THEN PERFORM pg_sleep(60); END IF; RETURN NEW; END $$"
    )
    dify.ask("CREATE TRIGGER slow BEFORE UPDATE ON upload_files FOR EACH ROW EXECUTE FUNCTION slow()")
    process = in_a_process(dify)
    try:
        wait_until(lambda: bool(dify.ask("SELECT 1 FROM pg_stat_activity WHERE wait_event = 'PgSleep'")))
        assert (dify.folder / "report" / ROLLBACK).read_text().count("'local'") == 1
    finally:
        process.kill()
        process.wait(20)
    # The server notices the dead client when it writes to it: not before the trigger is done.
    dify.ask("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event = 'PgSleep'")
    wait_until(lambda: not dify.ask("SELECT 1 FROM pg_locks WHERE mode = 'ShareRowExclusiveLock'"))
    assert dify.types() == {"local": 6}
    dify.ask("DROP TRIGGER slow ON upload_files")
    assert migrate(dify).changed == 6


def test_a_session_that_is_ended_inside_the_change_changes_nothing(dify: Installation) -> None:
    class Ended(Report):
        def rollback(self, rows: object, new: str) -> int:
            count = super().rollback(rows, new)  # type: ignore[arg-type]
            dify.ask(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE application_name = 'cloudberth' AND datname = current_database()"
            )
            return count

    with DifyDatabase.open(dify.settings) as database, pytest.raises(Unavailable) as caught:
        destination = AsS3(dify.destination.backend, dify.destination.options)
        Migration(dify.source, destination, database, copy_all, Ended(None)).run()
    assert "run the same command again" in caught.value.hint
    assert dify.types() == {"local": 6}
    assert migrate(dify).changed == 6


def test_an_error_while_the_way_back_is_written_undoes_the_change(
    dify: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("cloudberth.storage.dify.report.os.fsync", full)
    with pytest.raises(InvalidInput, match="report cannot be written there: No space left"):
        migrate(dify, folder=dify.folder / "report")
    assert dify.types() == {"local": 6}


def test_a_writer_that_holds_the_table_is_waited_for_and_then_named(
    dify: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cloudberth.storage.dify.database.LOCK_TIMEOUT", "200ms")
    with dify.postgres.connect(dify.database) as other, other.transaction():
        other.execute("UPDATE upload_files SET used = true")
        with pytest.raises(Unavailable, match="locked by somebody else"):
            migrate(dify)
    assert dify.types() == {"local": 6}
    assert migrate(dify).changed == 6


def test_a_row_whose_change_is_refused_undoes_all(dify: Installation) -> None:
    dify.ask(
        "CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        "IF NEW.name = 'last' THEN RAISE EXCEPTION 'not this one'; END IF; RETURN NEW; END $$"
    )
    dify.upload()
    dify.ask(
        "UPDATE upload_files SET name = 'last' WHERE id = (SELECT max(id::text) FROM upload_files)::uuid"
    )
    dify.ask("CREATE TRIGGER no BEFORE UPDATE ON upload_files FOR EACH ROW EXECUTE FUNCTION no()")
    with pytest.raises(Exception, match="not this one"):
        migrate(dify)
    assert dify.types() == {"local": 7}


def test_a_user_who_may_only_read_is_told_so(dify: Installation) -> None:
    name = f"reader_{dify.database}"
    dify.ask(f"CREATE ROLE {name} LOGIN PASSWORD 'reader'")
    dify.ask(f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {name}")
    dify.environment |= {"DB_USERNAME": name, "DB_PASSWORD": "reader"}
    assert not migrate(dify, Choices(dry_run=True)).keys, "reading is enough for a dry run"
    with pytest.raises(PermissionDenied, match="permission denied for table upload_files") as caught:
        migrate(dify)
    assert "owner" in caught.value.hint


@pytest.fixture
def mortal(tmp_path: Path) -> Iterator[Installation]:
    """A Dify on a server that can be killed without other tests minding."""
    server = Postgres()
    try:
        server.start()
        with installed(server, tmp_path) as found:
            fill(found)
            yield found
    finally:
        server.close()


def test_the_database_dies_while_objects_are_moved(mortal: Installation) -> None:
    def crash(source: Storage, destination: Storage, *, dry_run: bool) -> Moved:
        mortal.postgres.kill()
        return copy_all(source, destination, dry_run=dry_run)

    folder = mortal.folder / "report"
    with pytest.raises(Unavailable):
        migrate(mortal, mover=crash, folder=folder)
    assert json.loads((folder / "report.json").read_text())["result"].startswith("failed")
    mortal.postgres.start()
    assert mortal.types() == {"local": 6}
    outcome = migrate(mortal)
    assert (outcome.moved.objects, outcome.changed) == (0, 6)


def test_the_database_dies_while_rows_are_read(mortal: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    tenant = mortal.tenants[0]
    mortal.ask(
        "INSERT INTO upload_files (tenant_id, storage_type, key, name, size, extension, created_by) "
        "SELECT %s, 'local', 'tools/' || %s || '/a.png', 'n', 52, '', %s FROM generate_series(1, 9000)",
        *(tenant, tenant, tenant),
    )
    original = DifyDatabase.remember
    batches: list[int] = []

    def remember(self: DifyDatabase, rows: object) -> None:
        batches.append(1)
        if len(batches) == 6:
            threading.Thread(target=mortal.postgres.kill).start()
            time.sleep(0.5)
        original(self, rows)  # type: ignore[arg-type]

    monkeypatch.setattr(DifyDatabase, "remember", remember)
    with pytest.raises(Unavailable):
        migrate(mortal)
    monkeypatch.undo()
    mortal.postgres.start()
    assert mortal.types() == {"local": 9006}
    assert migrate(mortal).changed == 9006


def wait_until(happened: object) -> None:
    assert callable(happened)
    for _ in range(600):
        if happened():
            return
        time.sleep(0.05)
    pytest.fail("it did not happen within 30 seconds")
