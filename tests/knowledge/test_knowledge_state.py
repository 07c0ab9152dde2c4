"""Tables, steps between their versions, keys, events: on SQLite and on a real PostgreSQL."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from cloudberth.database import Database
from cloudberth.errors import InvalidInput, NotFound, PreconditionFailed, Refused
from cloudberth.knowledge.model import Chunk, Mode, RetrievalSettings, Scope
from cloudberth.knowledge.settings import DatabaseVariables, KnowledgeSettings, database_url
from cloudberth.knowledge.state import keys as key_state
from cloudberth.knowledge.state.chunks import Chunks, chunk_id
from cloudberth.knowledge.state.datasets import Datasets, Vectors
from cloudberth.knowledge.state.documents import Content, Documents
from cloudberth.knowledge.state.events import Events
from cloudberth.knowledge.state.keys import Keys
from cloudberth.knowledge.state.schema import STEPS, migrate, open_database
from cloudberth.knowledge.state.values import checked_metadata, checked_name, like, storable

VECTORS = Vectors("hash", "hash/1", 8, "c")


@pytest.fixture
def database(any_database: str) -> Iterator[Database]:
    found = open_database(any_database)
    yield found
    found.close()


def make_dataset(database: Database, name: str = "books") -> str:
    with database.transaction(alone=True) as connection:
        return Datasets(database).create(connection, name, "", VECTORS, RetrievalSettings(), {}).id


def _open(url: str) -> int:
    database = open_database(url)
    with database.connection() as connection:
        rows = connection.rows("SELECT COUNT(*) FROM knowledge_schema")
    database.close()
    return int(rows[0][0])


def test_processes_that_start_at_once_do_the_steps_once(any_database: str) -> None:
    with multiprocessing.get_context("spawn").Pool(3) as pool:
        assert pool.map(_open, [any_database] * 6) == [len(STEPS)] * 6


def test_a_later_step_is_done_on_what_is_there(any_database: str) -> None:
    first = open_database(any_database)
    dataset_id = make_dataset(first)
    steps = (
        *STEPS,
        "ALTER TABLE knowledge_datasets ADD COLUMN colour TEXT; CREATE TABLE knowledge_more (id {serial})",
    )
    assert migrate(first, steps) == 1
    assert migrate(first, steps) == 0
    with first.connection() as connection:
        assert connection.rows("SELECT id, colour FROM knowledge_datasets") == [(dataset_id, None)]
    first.close()


def test_a_step_that_fails_leaves_nothing_behind(any_database: str) -> None:
    first = open_database(any_database)
    with pytest.raises(Exception, match=r"nonsense|syntax"):
        migrate(first, (*STEPS, "CREATE TABLE knowledge_half (id TEXT); nonsense"))
    assert migrate(first, (*STEPS, "CREATE TABLE knowledge_half (id TEXT)")) == 1
    first.close()


def test_tables_of_a_newer_version_are_refused(any_database: str) -> None:
    first = open_database(any_database)
    migrate(first, (*STEPS, "CREATE TABLE knowledge_future (id TEXT)"))
    first.close()
    with pytest.raises(Refused, match="newer Cloudberth"):
        open_database(any_database)


def test_commits_wait_for_the_disk(tmp_path: Path) -> None:
    """What was acknowledged survives a power failure: 2 is FULL."""
    database = open_database(str(tmp_path / "state.db"))
    with database.connection() as connection:
        assert connection.rows("PRAGMA synchronous") == [(2,)]
    database.close()


def test_datasets_have_names_of_their_own(database: Database) -> None:
    first = make_dataset(database, " Büro %_! ")
    with pytest.raises(PreconditionFailed, match="Büro"):
        make_dataset(database, "Büro %_!")
    datasets = Datasets(database)
    make_dataset(database, "other")
    assert [each.id for each in datasets.list("%_!", 1, 10).items] == [first]
    assert datasets.list("nothing%", 1, 10).items == ()
    with database.transaction(alone=True) as connection:
        datasets.mark_deleted(connection, first)
    with pytest.raises(NotFound):
        datasets.read(first)
    assert make_dataset(database, "Büro %_!") != first


def test_settings_of_a_dataset_come_back_as_they_were(database: Database) -> None:
    settings = RetrievalSettings(Mode.TEXT, 7, 0.25, {"year": {"$gte": 2024}}, "", 40)
    datasets = Datasets(database)
    with database.transaction(alone=True) as connection:
        made = datasets.create(connection, "a", "ü\0", VECTORS, settings, {"max_tokens": 99})
    assert made.retrieval == settings
    assert (made.description, made.chunking, made.version) == ("ü", {"max_tokens": 99}, 0)


def test_only_the_searchable_generation_of_living_documents_is_found(database: Database) -> None:
    dataset_id = make_dataset(database)
    documents, chunks = Documents(database), Chunks(database)
    document_id = "7b0e0a6e-5a77-4a5e-9d5e-1c1c5b8d9a01"

    def written(generation: int) -> str:
        chunk = Chunk(chunk_id(document_id, generation, 0), document_id, 0, f"text {generation}\0", 0, 6)
        with database.transaction(alone=True) as connection:
            chunks.replace(connection, dataset_id, document_id, generation, [chunk])
        return chunk.id

    with database.transaction(alone=True) as connection:
        documents.insert(
            connection,
            document_id,
            dataset_id,
            "a.md",
            Content("k", 3, "d", ""),
            {"year": 2024, "ok": True},
            None,
        )
    first = written(1)
    assert chunks.locate(dataset_id, [first]) == {}
    with database.transaction(alone=True) as connection:
        assert documents.switch(connection, document_id, 1, 1, 6)
        assert documents.want(connection, document_id) == 2
        assert not documents.switch(connection, document_id, 1, 1, 6)
    second = written(2)
    found = chunks.locate(dataset_id, [first, second, "no such"])
    assert set(found) == {first}
    assert found[first].metadata == {"year": 2024, "ok": True}
    assert found[first].chunk.text == "text 1"
    assert chunks.locate("another dataset", [first]) == {}
    with database.transaction(alone=True) as connection:
        documents.mark_deleted(connection, document_id)
    assert chunks.locate(dataset_id, [first, second]) == {}


def test_events_are_read_in_their_order(database: Database) -> None:
    events = Events(database)
    assert events.after("", None, 0, 10) == ()
    for number in range(5):
        with database.transaction(alone=True) as connection:
            events.add(connection, "a" if number % 2 else "b", "", f"status {number}", progress=number / 4)
    newest = events.after("", None, 0, 10)
    assert [each.status for each in newest] == ["status 4"]
    read = events.after("a", 0, 0, 10)
    assert [each.status for each in read] == ["status 1", "status 3"]
    assert events.after("", newest[0].sequence, 0, 10) == ()
    began = time.monotonic()
    assert events.after("", newest[0].sequence, 0.3, 10) == ()
    assert 0.25 < time.monotonic() - began < 5


def test_old_events_are_forgotten_but_the_newest(database: Database) -> None:
    events = Events(database)
    with database.transaction(alone=True) as connection:
        for status in ("old", "older"):
            events.add(connection, "a", "", status)
        connection.run("UPDATE knowledge_events SET at = at - 7200")
    assert events.forget() == 1
    assert [each.status for each in events.after("", 0, 0, 10)] == ["older"]


def test_a_key_opens_its_dataset_and_no_other(database: Database) -> None:
    keys = Keys(database)
    record, text = keys.create("app", "d1", Scope.READ, None)
    access = keys.authenticate(text)
    assert access is not None
    assert access.allows(Scope.READ, "d1")
    assert not access.allows(Scope.WRITE, "d1")
    assert not access.allows(Scope.READ, "d2")
    assert not access.allows(Scope.READ)
    everything = keys.authenticate(keys.create("all", "", Scope.WRITE, None)[1])
    assert everything is not None
    assert everything.allows(Scope.WRITE, "d2")
    assert everything.allows(Scope.READ)
    assert text.endswith(record.ending)
    assert record.ending != text
    assert keys.authenticate(text + "x") is None
    assert keys.authenticate("") is None


def test_only_digests_of_keys_are_kept(tmp_path: Path) -> None:
    database = open_database(str(tmp_path / "state.db"))
    _, text = Keys(database).create("app", "", Scope.READ, None)
    database.close()
    kept = b"".join(each.read_bytes() for each in tmp_path.iterdir())
    assert text[3:].encode() not in kept


def test_a_key_ends_when_it_is_revoked_rotated_or_expired(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = Keys(database)
    first, text = keys.create("app", "d1", Scope.WRITE, None)
    second, new = keys.rotate(first.id, timedelta(hours=1))
    assert (second.scope, second.dataset_id, second.label) == (Scope.WRITE, "d1", "app")
    assert keys.authenticate(text) is not None
    assert keys.authenticate(new) is not None
    keys.revoke(first.id)
    assert keys.authenticate(text) is None
    third, newest = keys.rotate(second.id, timedelta(0))
    assert keys.authenticate(new) is None
    with pytest.raises(InvalidInput, match="ended"):
        keys.rotate(second.id, timedelta(0))
    with pytest.raises(NotFound):
        keys.revoke("key-none")
    soon = datetime.now(UTC) + timedelta(seconds=0.3)
    _, short = keys.create("short", "", Scope.READ, soon)
    assert keys.authenticate(short) is not None
    time.sleep(0.35)
    # Also while the answer of the database still counts.
    assert keys.authenticate(short) is None
    other = Keys(database)
    assert other.authenticate(newest) is not None
    keys.revoke(third.id)
    monkeypatch.setattr(key_state, "_FRESH", 0.0)
    assert other.authenticate(newest) is None


@pytest.mark.parametrize(
    ("metadata", "what"),
    [
        pytest.param({"document_id": "x"}, "service's own", id="reserved"),
        pytest.param({"a b": 1}, "letters", id="name"),
        pytest.param({"a": None}, "leave null out", id="null"),
        pytest.param({"a": [1]}, "true or false", id="list"),
        pytest.param({"a": float("nan")}, "none", id="nan"),
        pytest.param({"a": 2**60}, "too large", id="integer"),
        pytest.param({"a": "x" * 20_000}, "bytes", id="size"),
    ],
)
def test_metadata_that_stores_cannot_keep_are_refused(metadata: dict[str, object], what: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        checked_metadata(metadata)
    assert what in f"{caught.value} {caught.value.hint}"


def test_texts_become_what_databases_take() -> None:
    assert storable("a\0b\ud800c") == "ab?c"
    assert like("50%_!") == "%50!%!_!!%"
    with pytest.raises(InvalidInput):
        checked_name("two\nlines", "document")
    assert checked_name(" 手册.pdf ", "document") == "手册.pdf"


def test_the_database_is_that_of_the_variables(tmp_path: Path) -> None:
    password = "p'ss w%rd@/:ö"
    variables = {"DB_HOST": "db", "DB_PASSWORD": password, "DB_EXTRAS": "sslmode=verify-full"}
    found = database_url(KnowledgeSettings.from_environment({}), variables, tmp_path)
    assert found == "postgresql://postgres:p%27ss%20w%25rd%40%2F%3A%C3%B6@db:5432/dify?sslmode=verify-full"
    assert password not in repr(DatabaseVariables.from_environment(variables))
    assert (
        database_url(KnowledgeSettings.from_environment({}), {}, tmp_path)
        == f"sqlite:///{tmp_path}/knowledge.db"
    )
    own = KnowledgeSettings.from_environment({"BERTH_KNOWLEDGE_DATABASE": "postgresql://a:secret@b/c"})
    assert database_url(own, variables, tmp_path) == "postgresql://a:secret@b/c"
    assert "secret" not in repr(own)
    with pytest.raises(InvalidInput, match="mysql"):
        database_url(KnowledgeSettings.from_environment({}), {"DB_HOST": "db", "DB_TYPE": "mysql"}, tmp_path)
