"""Dify's datasets are moved to another store and switched over, in a real PostgreSQL."""

from __future__ import annotations

import json
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from cloudberth import vector
from cloudberth.cli.main import run
from cloudberth.errors import PreconditionFailed
from cloudberth.vector.conformance.model import records
from cloudberth.vector.migration.dify import Move, datasets_of, switch

sys.path.insert(0, str(Path(__file__).parents[2] / "storage" / "dify"))
from dify_installation import PASSWORD, Postgres

pytestmark = pytest.mark.server
# The columns of Dify 1.15 (api/models/dataset.py) that a switch sees.
TABLES = """
CREATE TABLE datasets (
  id uuid PRIMARY KEY, name varchar(255) NOT NULL, indexing_technique varchar(255), index_struct text,
  collection_binding_id uuid, created_at timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP(0));
CREATE TABLE dataset_collection_bindings (id uuid PRIMARY KEY, collection_name varchar(64) NOT NULL);
"""


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    started = Postgres()
    started.start()
    yield started
    started.close()


@pytest.fixture
def variables(server: Postgres) -> Iterator[dict[str, str]]:
    name = f"dify{uuid.uuid4().hex[:8]}"
    with server.connect("postgres") as connection:
        connection.execute(f"CREATE DATABASE {name}")  # type: ignore[call-overload]
    with server.connect(name) as connection:
        connection.execute(TABLES)  # type: ignore[call-overload]
        for number in range(3):
            struct = {"type": "local", "vector_store": {"class_prefix": f"Vector_index_{number}_Node"}}
            connection.execute(
                "INSERT INTO datasets (id, name, indexing_technique, index_struct) VALUES (%s, %s, %s, %s)",
                (uuid.UUID(int=number), f"set {number}", "high_quality", json.dumps(struct)),
            )
        connection.execute(
            "INSERT INTO datasets (id, name, indexing_technique, index_struct)"
            " VALUES (%s, 'x', 'economy', '{}')",
            (uuid.UUID(int=9),),
        )
    yield {
        "DB_HOST": "127.0.0.1", "DB_PORT": str(server.port), "DB_USERNAME": "dify", "DB_PASSWORD": PASSWORD,
        "DB_DATABASE": name,
    }  # fmt: skip


def test_datasets_are_read_and_switched_together(variables: dict[str, str]) -> None:
    found = datasets_of(variables)
    assert [(each.name, each.type, each.collection) for each in found] == [
        (f"set {number}", "local", f"Vector_index_{number}_Node") for number in range(3)
    ]
    assert switch(variables, [Move(each, "pgvector", each.collection) for each in found]) == 3
    assert {each.type for each in datasets_of(variables)} == {"pgvector"}
    assert json.loads(datasets_of(variables)[0].index_struct) == {
        "type": "pgvector", "vector_store": {"class_prefix": "Vector_index_0_Node"},
    }  # fmt: skip


def test_all_or_none(server: Postgres, variables: dict[str, str]) -> None:
    found = datasets_of(variables)
    with server.connect(variables["DB_DATABASE"]) as connection:
        connection.execute("DELETE FROM datasets WHERE name = 'set 2'")
    with pytest.raises(PreconditionFailed, match="'set 2' was changed meanwhile"):
        switch(variables, [Move(each, "pgvector", each.collection) for each in found])
    assert {each.type for each in datasets_of(variables)} == {"local"}


def test_one_command_moves_verifies_and_switches(
    variables: dict[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("dify.env").write_text("".join(f'{name}="{value}"\n' for name, value in variables.items()))
    with vector.open("source.db") as store:
        for number in range(3):
            store.create(f"Vector_index_{number}_Node", 16)
            store.upsert(f"Vector_index_{number}_Node", records(30, seed=number))
    arguments = ["vector", "migrate", "source.db", "target.db", "--dify", "dify.env", "--switch", "--yes"]
    assert run(arguments) == 0
    said = capfd.readouterr()
    assert said.out.count("equal: 30 records, 100.0% of the nearest the same") == 3
    assert "Dify uses local for 3 datasets from now on" in said.err
    assert PASSWORD not in said.out + said.err
    with vector.open("target.db") as store:
        assert len(store.collections()) == 3
