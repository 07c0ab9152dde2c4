"""A Dify migration with the real transfer engine under it."""

from __future__ import annotations

from pathlib import Path

import pytest
from dify_installation import Installation
from test_dify_migration import AsS3, tree

from cloudberth.errors import PermissionDenied, Refused
from cloudberth.storage import Storage
from cloudberth.storage.contract import Attributes
from cloudberth.storage.dify.database import DifyDatabase
from cloudberth.storage.dify.migration import Migration
from cloudberth.storage.dify.mover import EngineMover
from cloudberth.storage.dify.outcome import Choices, Moved, Outcome
from cloudberth.storage.dify.report import Report
from cloudberth.storage.layers import bare_backend
from cloudberth.storage.transfer.engine import Execution
from cloudberth.storage.transfer.executor import Patience

pytestmark = pytest.mark.server


def execution(folder: Path) -> Execution:
    return Execution(state_folder=folder / "state", patience=Patience(rounds=1, pauses=()))


def migrate(dify: Installation, mover: EngineMover, dry_run: bool = False) -> Outcome:
    destination = AsS3(dify.destination.backend, dify.destination.options)
    with DifyDatabase.open(dify.settings) as database:
        choices = Choices(dry_run=dry_run)
        return Migration(dify.source, destination, database, mover, Report(None), choices).run()


def test_everything_is_moved_with_its_content_type(dify: Installation, tmp_path: Path) -> None:
    key = f"tools/{dify.tenants[0]}/typed.bin"
    dify.source.save(key, b"1", Attributes(content_type="image/png", metadata={"origin": "a tool"}))
    planned = migrate(dify, EngineMover(execution(tmp_path)), dry_run=True)
    assert not tree(dify.destination)
    assert planned.moved.objects == 22
    outcome = migrate(dify, EngineMover(execution(tmp_path)))
    assert (outcome.moved.objects, outcome.moved.bytes) == (22, planned.moved.bytes)
    assert tree(dify.destination) == tree(dify.source)
    kept = dify.destination.head(key).attributes
    assert (kept.content_type, kept.metadata) == ("image/png", {"origin": "a tool"})
    assert dify.types() == {"s3": 6}
    again = migrate(dify, EngineMover(execution(tmp_path)))
    assert (again.moved.objects, again.moved.present, again.changed) == (0, 22, 0)


def test_an_object_that_cannot_be_written_stops_it_before_the_database(
    dify: Installation, tmp_path: Path
) -> None:
    blocked = f"tools/{dify.tenants[0]}/blocked.bin"
    dify.source.save(blocked, b"1")
    kind = type(bare_backend(dify.destination.backend))
    original = kind.put

    def put(self: object, key: str, *arguments: object, **named: object) -> object:
        if key == blocked and self is bare_backend(dify.destination.backend):
            raise PermissionDenied("the policy does not allow this key", where=key)
        return original(self, key, *arguments, **named)  # type: ignore[arg-type]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kind, "put", put)
        with pytest.raises(Refused, match=r"1 objects could not be moved, the first of them tools/.*blocked"):
            migrate(dify, EngineMover(execution(tmp_path)))
    assert dify.types() == {"local": 6}


def test_uploads_while_it_runs_are_brought_by_later_passes(dify: Installation, tmp_path: Path) -> None:
    late: list[str] = []

    class WhileUploading(EngineMover):
        def __call__(self, source: Storage, destination: Storage, *, dry_run: bool) -> Moved:
            moved = super().__call__(source, destination, dry_run=dry_run)
            if len(late) < 2:
                late.append(dify.upload(b"late"))
            return moved

    outcome = migrate(dify, WhileUploading(execution(tmp_path)))
    assert outcome.passes == 3
    assert all(dify.destination.load(key) == b"late" for key in late)
    assert dify.types() == {"s3": 8}


def test_told_to_stop_while_rows_are_checked_the_database_is_left_alone(
    dify: Installation, tmp_path: Path
) -> None:
    told = execution(tmp_path)
    mover = EngineMover(told)
    destination = AsS3(dify.destination.backend, dify.destination.options)
    with DifyDatabase.open(dify.settings) as database, pytest.raises(KeyboardInterrupt):
        migration = Migration(dify.source, destination, database, mover, Report(None))
        migration.stopped = mover.stopped
        migration.tell = lambda line: told.stop.set() if "Checking" in line else None
        migration.run()
    assert tree(dify.destination) == tree(dify.source)
    assert dify.types() == {"local": 6}
    assert migrate(dify, EngineMover(execution(tmp_path))).changed == 6


def test_when_told_to_stop_the_next_run_goes_on(dify: Installation, tmp_path: Path) -> None:
    stopped = execution(tmp_path)
    stopped.stop.set()
    with pytest.raises(KeyboardInterrupt):
        migrate(dify, EngineMover(stopped))
    assert dify.types() == {"local": 6}
    assert migrate(dify, EngineMover(execution(tmp_path))).changed == 6
