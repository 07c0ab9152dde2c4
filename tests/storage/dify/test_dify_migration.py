"""Moving a whole Dify: what has to happen, and what has to be refused, against a real PostgreSQL."""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from dify_installation import PASSWORD, Installation, copy_all, key_pair

from cloudberth.errors import InvalidInput, Refused
from cloudberth.storage import Storage
from cloudberth.storage.dify.checking import Trouble
from cloudberth.storage.dify.database import DifyDatabase
from cloudberth.storage.dify.migration import Migration, Mover
from cloudberth.storage.dify.outcome import Choices, Facts, Moved, Outcome
from cloudberth.storage.dify.report import PROBLEMS, ROLLBACK, Report
from cloudberth.storage.dify.tenant_keys import KeyState

pytestmark = pytest.mark.server
DEFAULT = Choices()
PLAIN = Facts()


class AsS3(Storage):
    """A folder that says it is an S3 bucket: what the database is to be told."""

    @property
    def type(self) -> str:
        return "s3"


def migrate(
    dify: Installation,
    choices: Choices = DEFAULT,
    mover: Mover = copy_all,
    facts: Facts = PLAIN,
    folder: Path | None = None,
) -> Outcome:
    destination = AsS3(dify.destination.backend, dify.destination.options)
    with DifyDatabase.open(dify.settings) as database:
        report = Report(folder)
        return Migration(dify.source, destination, database, mover, report, choices, facts).run()


def tree(store: Storage) -> dict[str, bytes]:
    return {info.key: store.load(info.key) for info in store.list()}


def everything(dify: Installation) -> object:
    return dify.ask("SELECT * FROM upload_files ORDER BY id"), tree(dify.source), tree(dify.destination)


# -- that it works -------------------------------------------------------------------------------------------


def test_everything_is_moved_and_the_rows_say_so(dify: Installation) -> None:
    outcome = migrate(dify, Choices(deep=True))
    assert tree(dify.destination) == tree(dify.source)
    assert dify.types() == {"s3": 6}
    assert outcome.changed == 6
    assert outcome.checked.rows == {
        "upload_files": 6, "tool_files": 1, "workflow_pauses": 1, "dataset_keyword_tables": 1,
    }  # fmt: skip
    assert outcome.checked.hashed == 5
    assert (outcome.tenants, outcome.keys) == (1, [])


def test_a_second_run_changes_nothing(dify: Installation) -> None:
    migrate(dify)
    before = everything(dify)
    again = migrate(dify)
    assert everything(dify) == before
    assert (again.moved.objects, again.changed, again.to_change) == (0, 0, 0)
    assert again.moved.present == 21


def test_rows_of_files_that_were_there_already_are_changed_too(dify: Installation) -> None:
    copy_all(dify.source, dify.destination, dry_run=False)
    assert migrate(dify).changed == 6


def test_both_names_that_dify_had_for_a_folder_are_changed(dify: Installation) -> None:
    dify.upload(kind="opendal")
    outcome = migrate(dify)
    assert outcome.old_types == ("local", "opendal")
    assert dify.types() == {"s3": 7}


def test_rows_of_another_type_are_checked_and_left(dify: Installation) -> None:
    dify.upload(kind="azure-blob")
    outcome = migrate(dify)
    assert dify.types() == {"s3": 6, "azure-blob": 1}
    assert any("azure-blob" in warning for warning in outcome.warnings)


def test_the_storage_type_can_be_kept(dify: Installation) -> None:
    assert migrate(dify, Choices(keep_storage_type=True)).changed == 0
    assert dify.types() == {"local": 6}
    assert tree(dify.destination) == tree(dify.source)


def test_a_dry_run_tells_everything_and_changes_nothing(dify: Installation, tmp_path: Path) -> None:
    dify.upload(b"lost", stored=False)
    dify.source.delete(f"privkeys/{dify.tenants[0]}/private.pem")
    before = everything(dify)
    outcome = migrate(dify, Choices(dry_run=True, deep=True))
    assert everything(dify) == before
    kinds = {kind.name: tally.objects for kind, tally in outcome.census.rows}
    assert kinds["upload_files"] == 6 and kinds["secret key"] == 1 and kinds["unknown"] == 2
    assert outcome.census.unknown == ["export-2026.jsonl.gz", "upload_files2/not-dify's.txt"]
    assert outcome.moved.objects == 20
    assert outcome.to_change == 7
    assert outcome.checked.troubles == {Trouble.LOST: 1, Trouble.ODD_SIZE: 1}
    assert [(found.tenant, found.state) for found in outcome.keys] == [(dify.tenants[0], KeyState.MISSING)]
    with dify.postgres.connect(dify.database) as connection:
        locks = connection.execute("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'").fetchone()
    assert locks == (0,)


def test_a_dry_run_counts_what_the_destination_has_alone(dify: Installation) -> None:
    """An installation that uploaded to the new store already: nothing is missing."""
    key = dify.upload(b"new", stored=False, kind="s3")
    dify.destination.save(key, b"new")
    assert not migrate(dify, Choices(dry_run=True)).checked.troubles[Trouble.LOST]


# -- what is refused -----------------------------------------------------------------------------------------


def test_a_row_without_an_object_is_refused(dify: Installation, tmp_path: Path) -> None:
    key = dify.upload(b"lost", stored=False)
    with pytest.raises(Refused, match="1 rows: the object is in neither store") as caught:
        migrate(dify, folder=tmp_path / "report")
    assert caught.value.exit_code == 3
    assert "--allow-lost" in caught.value.hint
    assert dify.types() == {"local": 7}
    lines = [json.loads(line) for line in (tmp_path / "report" / PROBLEMS).read_text().splitlines()]
    assert [line["key"] for line in lines if line["trouble"] == Trouble.LOST] == [key]


def test_lost_objects_can_be_accepted_and_keep_their_type(dify: Installation) -> None:
    dify.upload(b"lost", stored=False)
    assert migrate(dify, Choices(allow_lost=True)).changed == 6
    assert dify.types() == {"s3": 6, "local": 1}


def test_a_missing_private_key_is_refused_even_when_losses_are_accepted(dify: Installation) -> None:
    dify.source.delete(f"privkeys/{dify.tenants[0]}/private.pem")
    for choices in (Choices(allow_lost=True), Choices(keep_storage_type=True)):
        with pytest.raises(Refused, match=f"{dify.tenants[0]}: the private key is missing") as caught:
            migrate(dify, choices)
        assert caught.value.exit_code == 3
    assert dify.types() == {"local": 6}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (lambda: key_pair(1)[0], "does not belong to the workspace's public key"),
        (
            lambda: b"-----BEGIN RSA PRIVATE KEY-----\nbm8=\n-----END RSA PRIVATE KEY-----\n",
            "no RSA private key",
        ),
        (lambda: b"", "no RSA private key"),
        (lambda: key_pair(0)[1].encode(), "no RSA private key"),
    ],
    ids=["another pair", "damaged", "empty", "a public key"],
)
def test_a_wrong_private_key_is_refused(dify: Installation, content: Callable[[], bytes], said: str) -> None:
    dify.source.save(f"privkeys/{dify.tenants[0]}/private.pem", content())
    with pytest.raises(Refused, match=said) as caught:
        migrate(dify)
    assert b"BEGIN" not in str(caught.value).encode()
    assert dify.types() == {"local": 6}


def test_a_workspace_that_never_had_keys_does_not_stop_it(dify: Installation) -> None:
    dify.ask("INSERT INTO tenants (name) VALUES ('without')")
    outcome = migrate(dify)
    assert [problem.state for problem in outcome.keys] == [KeyState.NO_PUBLIC_KEY]
    assert outcome.changed == 6


def test_keys_in_a_vault_are_not_looked_for(dify: Installation) -> None:
    dify.source.delete(f"privkeys/{dify.tenants[0]}/private.pem")
    outcome = migrate(dify, facts=Facts(keys_elsewhere="azure-keyvault"))
    assert outcome.changed == 6
    assert any("azure-keyvault" in warning for warning in outcome.warnings)


def test_another_secret_key_at_the_destination_is_refused(dify: Installation) -> None:
    def keeps_what_is_there(source: Storage, destination: Storage, *, dry_run: bool) -> Moved:
        moved = copy_all(source, destination, dry_run=dry_run)
        destination.save(".dify_secret_key", b"made by a Dify that was started too early")
        return moved

    with pytest.raises(Refused, match="dify_secret_key is another one"):
        migrate(dify, mover=keeps_what_is_there)
    assert dify.types() == {"local": 6}


def test_objects_that_could_not_be_moved_are_refused_but_for_passing_ones(dify: Installation) -> None:
    def failing(*keys: str) -> Mover:
        def move(source: Storage, destination: Storage, *, dry_run: bool) -> Moved:
            copy_all(source, destination, dry_run=dry_run)
            return Moved(failed=[(key, "gone") for key in keys])

        return move

    with pytest.raises(Refused, match="1 objects could not be moved, the first of them export"):
        migrate(dify, mover=failing("ops_trace/app/1.json", "export-2026.jsonl.gz"))
    assert migrate(dify, mover=failing("ops_trace/app/1.json")).changed == 6


def test_a_mover_that_damages_an_object_is_found_out(dify: Installation) -> None:
    key = dify.upload(b"abcdef")

    def damaging(replacement: bytes) -> Mover:
        def move(source: Storage, destination: Storage, *, dry_run: bool) -> Moved:
            moved = copy_all(source, destination, dry_run=dry_run)
            destination.save(key, replacement)
            return moved

        return move

    with pytest.raises(Refused, match="different sizes"):
        migrate(dify, mover=damaging(b"abcde"))
    with pytest.raises(Refused, match="different contents"):
        migrate(dify, Choices(deep=True), mover=damaging(b"abcdeF"))
    assert dify.types() == {"local": 7}


def test_what_was_wrong_before_is_a_note(dify: Installation) -> None:
    key = dify.upload(b"abcdef")
    dify.source.save(key, b"other!")
    outcome = migrate(dify, Choices(deep=True))
    assert outcome.checked.troubles == {Trouble.ODD_SIZE: 1, Trouble.ODD_CONTENT: 1}
    assert outcome.changed == 7


def test_the_same_place_is_refused(dify: Installation) -> None:
    with DifyDatabase.open(dify.settings) as database, pytest.raises(InvalidInput, match="the same place"):
        Migration(dify.source, dify.source, database, copy_all, Report(None))


# -- while Dify runs -----------------------------------------------------------------------------------------


def test_uploads_during_the_move_are_moved_and_changed(dify: Installation) -> None:
    late: list[str] = []

    def while_uploading(source: Storage, destination: Storage, *, dry_run: bool) -> Moved:
        moved = copy_all(source, destination, dry_run=dry_run)
        if len(late) < 2:
            late.append(dify.upload(b"late"))
        return moved

    outcome = migrate(dify, mover=while_uploading)
    assert all(dify.destination.exists(key) for key in late)
    assert dify.types() == {"s3": 8}
    assert outcome.passes == 3
    assert any("wrote 2 files" in warning for warning in outcome.warnings)


def test_a_row_that_appears_between_check_and_change_is_seen(
    dify: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The object was saved and the row written after every row had been checked."""
    original = DifyDatabase.change
    late: list[str] = []

    def change(self: DifyDatabase, *arguments: object) -> object:
        if not late:
            late.append(dify.upload(b"in between"))
        return original(self, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(DifyDatabase, "change", change)
    outcome = migrate(dify)
    assert outcome.passes == 2
    assert dify.destination.load(late[0]) == b"in between"
    assert dify.types() == {"s3": 7}


def test_uploads_without_end_are_refused(dify: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    original = DifyDatabase.change

    def change(self: DifyDatabase, *arguments: object) -> object:
        dify.upload(b"again")
        return original(self, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(DifyDatabase, "change", change)
    with pytest.raises(Refused, match="uploaded faster") as caught:
        migrate(dify)
    assert "stop Dify" in caught.value.hint
    assert dify.types() == {"local": 11}


def test_other_sessions_are_pointed_out(dify: Installation) -> None:
    with dify.postgres.connect(dify.database):
        outcome = migrate(dify, Choices(dry_run=True))
    assert any("1 other sessions" in warning for warning in outcome.warnings)
    assert not any("other sessions" in warning for warning in migrate(dify, Choices(dry_run=True)).warnings)


def test_two_runs_exclude_each_other(dify: Installation) -> None:
    inside, go_on = threading.Event(), threading.Event()

    def slow(source: Storage, destination: Storage, *, dry_run: bool) -> Moved:
        inside.set()
        assert go_on.wait(20)
        return copy_all(source, destination, dry_run=dry_run)

    first = threading.Thread(target=migrate, args=(dify,), kwargs={"mover": slow})
    first.start()
    try:
        assert inside.wait(20)
        with pytest.raises(Refused, match="another migration of this database is running"):
            migrate(dify)
        migrate(dify, Choices(dry_run=True))
    finally:
        go_on.set()
        first.join(30)
    assert dify.types() == {"s3": 6}


# -- the way back --------------------------------------------------------------------------------------------


def test_the_rollback_gives_every_row_its_type_back(dify: Installation, tmp_path: Path) -> None:
    dify.upload(kind="opendal")
    dify.upload(kind="it's s3")
    before = dify.ask("SELECT id, storage_type FROM upload_files ORDER BY id")
    folder = tmp_path / "report"
    migrate(dify, folder=folder)
    assert dify.types() == {"s3": 7, "it's s3": 1}
    psql = [
        str(dify.postgres.programs / "psql"),
        "-X",
        "-q",
        "-h",
        "127.0.0.1",
        "-p",
        str(dify.postgres.port),
    ]
    for _ in range(2):
        subprocess.run(
            [*psql, "-U", "dify", "-d", dify.database, f"--file={folder / ROLLBACK}"],
            env={"PGPASSWORD": PASSWORD, "PATH": "/usr/bin:/bin"},
            check=True,
        )
        assert dify.ask("SELECT id, storage_type FROM upload_files ORDER BY id") == before


def test_many_rows_take_the_same_memory(dify: Installation, tmp_path: Path) -> None:
    """50,000 rows: read in batches, remembered and changed on the server."""
    import tracemalloc

    tenant = dify.tenants[0]
    for number in range(3):
        dify.source.save(f"upload_files/{tenant}/many-{number}", b"x" * number)
    dify.ask(
        "INSERT INTO upload_files (tenant_id, storage_type, key, name, size, extension, created_by) "
        "SELECT %s, 'local', 'upload_files/' || %s || '/many-' || n %% 3, 'n', n %% 3, '', %s "
        "FROM generate_series(0, 49999) n",
        *(tenant, tenant, tenant),
    )
    tracemalloc.start()
    try:
        outcome = migrate(dify, folder=tmp_path / "report")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert outcome.changed == 50_006
    assert dify.types() == {"s3": 50_006}
    # One row kept in Python would be some 500 bytes: all of them 25 MB.
    assert peak < 8_000_000
