"""Moving collections: killed and resumed, changed meanwhile, verified record by record, embedded anew."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy
import pytest

from cloudberth import vector
from cloudberth.errors import InvalidInput, Refused, Unsupported
from cloudberth.vector import FullText, Metric, Record, VectorStore
from cloudberth.vector.conformance.model import records, vector_of
from cloudberth.vector.migration import Journal, Phase, copy, mend, plan, verify

MIGRATE = """
import sys, time
from pathlib import Path
from cloudberth import vector
from cloudberth.vector.migration import Journal, copy, plan
source, target, journals = sys.argv[1:4]
with vector.open(source) as one, vector.open(target) as other:
    todo = plan(one, "c", other)
    with Journal.beside(Path(journals), todo) as journal:
        def slowly(done):
            print(done, flush=True)
            time.sleep(0.02)
        copy(one, other, todo, journal, progress=slowly)
"""


@pytest.fixture
def source(tmp_path: Path) -> Iterator[VectorStore]:
    with vector.open(str(tmp_path / "source.db")) as store:
        store.create("c", 16, model="m", fields={"number": vector.FieldType.INTEGER})
        store.upsert("c", records(2600))
        yield store


@pytest.fixture
def target(tmp_path: Path) -> Iterator[VectorStore]:
    with vector.open(str(tmp_path / "target.db")) as store:
        yield store


def moved(source: VectorStore, target: VectorStore, folder: Path, **wishes: Any) -> tuple[Any, Any]:
    todo = plan(source, "c", target, **wishes)
    with Journal.beside(folder, todo) as journal:
        copy(source, target, todo, journal, embedder=wishes.get("embedder"))
        return todo, journal.state


def test_everything_arrives(source: VectorStore, target: VectorStore, tmp_path: Path) -> None:
    todo, state = moved(source, target, tmp_path / "j")
    assert (todo.records, todo.found, todo.remarks) == (2600, 0, ())
    assert (state.phase, state.written) == (Phase.COPIED, 2600)
    result = verify(source, "c", target, "c")
    assert result.equal
    assert (result.compared, result.neighbours, result.sampled) == (2600, 1.0, 50)
    assert target.describe("c") == source.describe("c")


def test_killed_at_random_moments_it_goes_on_and_loses_nothing(
    source: VectorStore, target: VectorStore, tmp_path: Path
) -> None:
    command = [sys.executable, "-c", MIGRATE, str(tmp_path / "source.db"), str(tmp_path / "target.db")]
    choice = random.Random(4)
    kills = 0
    for _ in range(5):
        process = subprocess.Popen([*command, str(tmp_path / "j")], stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        for _ in range(choice.randint(0, 2)):
            process.stdout.readline()
        time.sleep(choice.random() * 0.02)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        kills += process.returncode == -signal.SIGKILL
    assert kills >= 2
    subprocess.run([*command, str(tmp_path / "j")], check=True, capture_output=True)
    assert verify(source, "c", target, "c").equal
    journal = next((tmp_path / "j").glob("*.json"))
    assert json.loads(journal.read_text())["starts"] >= 2


def test_what_differs_is_named_and_mended(source: VectorStore, target: VectorStore, tmp_path: Path) -> None:
    todo, _ = moved(source, target, tmp_path / "j")
    made = records(10)
    target.delete("c", ["r1"])
    target.upsert("c", [replace(made[2], text="other"), replace(made[3], metadata={"number": 3})])
    target.upsert("c", [replace(made[4], vector=-vector_of(made[4])), Record("new", vector_of(made[5]))])
    result = verify(source, "c", target, "c")
    assert not result.equal
    assert result.missing == ("r1",)
    assert set(result.different) == {"r2", "r3", "r4"}
    assert result.extra == ("new",)
    assert mend(source, target, todo, [*result.missing, *result.different]) == 4
    target.delete("c", ["new"])
    assert verify(source, "c", target, "c").equal


def test_an_extra_record_does_not_hide_a_missing_one(
    source: VectorStore, target: VectorStore, tmp_path: Path
) -> None:
    moved(source, target, tmp_path / "j")
    target.delete("c", ["r7"])
    target.upsert("c", [Record("new", vector_of(records(1)[0]))])
    result = verify(source, "c", target, "c")
    assert (result.missing, result.extra, result.equal) == (("r7",), ("new",), False)


def test_a_part_can_be_moved_under_another_name(
    source: VectorStore, target: VectorStore, tmp_path: Path
) -> None:
    todo, state = moved(source, target, tmp_path / "j", name="part", filter="number < 100")
    assert state.written == target.count("part") == 100
    assert "the collection is called part there" in todo.remarks
    assert verify(source, "c", target, "part", filter=todo.filter).equal


class Lengths:
    """A model that knows how long a text is."""

    fingerprint = "lengths-1"
    dimension = 3

    def embed_documents(self, texts: Sequence[str]) -> Any:
        rows = numpy.array([[len(text), 1, 2] for text in texts], numpy.float32)
        return rows / numpy.linalg.norm(rows, axis=1, keepdims=True)


def test_vectors_are_made_anew_by_another_model(
    source: VectorStore, target: VectorStore, tmp_path: Path
) -> None:
    todo, _ = moved(source, target, tmp_path / "j", embedder=Lengths())
    found = target.describe("c")
    assert (found.dimension, found.model, todo.model) == (3, "lengths-1", "lengths-1")
    result = verify(source, "c", target, "c", vectors=False)
    assert result.equal
    assert result.neighbours is None
    source.upsert("c", [Record("blank", vector_of(records(1)[0]), " ")])
    with pytest.raises(InvalidInput, match="no text that could be embedded"):
        moved(source, target, tmp_path / "j2", embedder=Lengths(), name="other")


def test_what_cannot_be_is_refused_before_anything_is_written(
    source: VectorStore, target: VectorStore, tmp_path: Path
) -> None:
    with pytest.raises(Refused, match="the same collection"):
        plan(source, "c", source)
    target.create("c", 5)
    with pytest.raises(InvalidInput, match="with 5 dimensions"):
        plan(source, "c", target)
    target.drop("c")
    able = target.capabilities
    target.capabilities = replace(able, metrics=frozenset({Metric.L2}))
    with pytest.raises(Unsupported, match="does not measure cosine"):
        plan(source, "c", target)
    assert "the metric becomes l2" in plan(source, "c", target, metric=Metric.L2).remarks[0]
    target.capabilities = replace(able, full_text=FullText.NONE, processes=False, notes=False, ids="uuid")
    assert len(plan(source, "c", target).remarks) == 4
    target.capabilities = replace(able, dimensions=8)
    with pytest.raises(Unsupported, match="at most 8 dimensions"):
        plan(source, "c", target)
    source.capabilities = replace(source.capabilities, scan=False)
    with pytest.raises(Unsupported, match="does not give back"):
        plan(source, "c", target)
    assert target.collections() == ()


def test_a_second_process_is_kept_out_and_a_foreign_journal_refused(
    source: VectorStore, target: VectorStore, tmp_path: Path
) -> None:
    todo = plan(source, "c", target)
    with (
        Journal.beside(tmp_path / "j", todo) as first,
        pytest.raises(Refused, match="under way in another process"),
        Journal(first.path, todo),
    ):
        pass
    other = plan(source, "c", target, name="d")
    with pytest.raises(InvalidInput, match="belongs to another migration"), Journal(first.path, other):
        pass
    first.path.write_text("{")
    with pytest.raises(InvalidInput, match="no journal"), Journal(first.path, todo):
        pass
