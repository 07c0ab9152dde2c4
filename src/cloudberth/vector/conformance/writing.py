"""Checks: records are written, replaced, read and removed, and stay what they were."""

from __future__ import annotations

import uuid
from dataclasses import replace
from typing import Any

from cloudberth.errors import InvalidInput, Mismatch
from cloudberth.vector.conformance.model import (
    DIMENSION,
    Subject,
    check,
    expect,
    expect_equal,
    expect_error,
    records,
    vector_of,
    vectors,
)
from cloudberth.vector.contract import Metric, Record

_TEXTS = (
    "",
    " ",
    "向量数据库与检索增强生成",
    "emoji 👩‍👩‍👧 and right-to-left שלום",
    "quotes ' \" ` \\ and %s {x} $1 ?",
    "lines\nand\ttabs\r\n",
    "'); DROP TABLE records; --",
    "long " * 2000,
)
_METADATA: tuple[dict[str, Any], ...] = (
    {},
    {"text": "a", "whole": 3, "half": 0.5, "yes": True, "no": False},
    {"nested": {"a": [1, "b", {"c": None}]}, "list": [1, 2], "empty list": [], "empty": {}},
    {"中文": "值", "with space": 1, "dots.in.it": 2, "quote'\"": "x", "UPPER": 1, "upper": 2},
    {"large": 2**53, "negative": -5, "zero": 0, "empty": ""},
    {"text": "1", "and": "true", "null": "null"},
)


@check("records")
def what_is_written_is_read_back(subject: Subject) -> None:
    with subject.collection(records(5)) as name:
        found = subject.store.get(name, ["r3", "r0", "missing"], vectors=True)
        expect_equal([record.id for record in found], ["r3", "r0"], "ids in the order asked for")
        wanted = {record.id: record for record in records(5)}
        for record in found:
            expect_equal((record.text, dict(record.metadata)), _content(wanted[record.id]), record.id)
            _expect_same_vector(subject, record, wanted[record.id])
        expect(subject.store.get(name, ["r1"])[0].vector is None, "no vector where none was asked for")
        expect_equal(subject.store.get(name, []), [], "no ids")


def _content(record: Record) -> tuple[str, dict[str, object]]:
    return record.text, dict(record.metadata)


def _expect_same_vector(subject: Subject, found: Record, wanted: Record) -> None:
    """Bit for bit, but for stores that normalise to length 1 or go over text: then to float32's precision."""
    import numpy

    expect(
        numpy.allclose(vector_of(found), vector_of(wanted), rtol=1e-5, atol=1e-6),
        f"the vector of {found.id} is that which was written, in {subject.store.backend.id}",
    )


@check("records")
def texts_stay_what_they_were(subject: Subject) -> None:
    made = [Record(f"t{at}", vectors(1, seed=at)[0], text) for at, text in enumerate(_TEXTS)]
    with subject.collection(made) as name:
        found = subject.store.get(name, [record.id for record in made])
        expect_equal([record.text for record in found], list(_TEXTS), "texts")


@check("records")
def metadata_stays_what_it_was(subject: Subject) -> None:
    made = [Record(f"m{at}", vectors(1, seed=at)[0], "x", given) for at, given in enumerate(_METADATA)]
    with subject.collection(made) as name:
        for record, given in zip(
            subject.store.get(name, [record.id for record in made]), _METADATA, strict=True
        ):
            expect_equal(dict(record.metadata), given, f"metadata of {record.id}")
            for key, value in record.metadata.items():
                expect_equal(type(value), type(given[key]), f"type of {key}")


@check("records")
def null_is_the_same_as_absent(subject: Subject) -> None:
    made = [Record("n", vectors(1)[0], "x", {"a": None, "b": 1})]
    with subject.collection(made) as name:
        expect_equal(dict(subject.store.get(name, ["n"])[0].metadata), {"b": 1}, "metadata")


@check("records")
def ids_of_all_kinds_are_kept(subject: Subject) -> None:
    ids = [
        str(uuid.UUID(int=5)),
        "550E8400-E29B-41D4-A716-446655440000",
        "550e8400-e29b-41d4-a716-446655440000",
        "a",
        "A",
        "一个",
        "with space",
        "slash/and:colon",
        "quote'\"",
        "x" * 200,
        "%41",
        "123",
    ]
    made = [Record(id, vector, id) for id, vector in zip(ids, vectors(len(ids)), strict=True)]
    with subject.collection(made) as name:
        expect_equal(subject.store.count(name), len(ids), "records")
        expect_equal([record.text for record in subject.store.get(name, ids)], ids, "records by id")
        best = [subject.store.search(name, vector_of(record), 1)[0].id for record in made]
        expect_equal(best, ids, "ids of hits")
        expect_equal(subject.store.delete(name, ids[3:6]), 3, "removed")
        left = {record.id for record in subject.store.get(name, ids)}
        expect_equal(left, set(ids) - set(ids[3:6]), "ids left")


@check("records")
def writing_again_replaces_the_whole_record(subject: Subject) -> None:
    with subject.collection(records(3)) as name:
        changed = replace(records(3)[1], vector=-vectors(3)[1], text="new", metadata={"other": "x"})
        subject.store.upsert(name, [changed])
        subject.until(lambda: subject.store.get(name, ["r1"])[0].text == "new", "the new text is seen")
        found = subject.store.get(name, ["r1"], vectors=True)[0]
        expect_equal(_content(found), ("new", {"other": "x"}), "the record")
        _expect_same_vector(subject, found, changed)
        expect_equal(subject.store.count(name), 3, "records")
        # Some stores give back at once what their searches see later.
        near = -vectors(3)[1]
        subject.until(
            lambda: subject.store.search(name, near, 1)[0].id == "r1", "r1 is nearest to its new vector"
        )


@check("records")
def of_two_records_with_one_id_the_last_counts(subject: Subject) -> None:
    with subject.collection() as name:
        first, second = records(2)
        written = subject.store.upsert(name, [replace(first, id="same"), replace(second, id="same")])
        expect_equal(written, 1, "records written")
        subject.settle(name, 1)
        expect_equal(subject.store.get(name, ["same"])[0].text, second.text, "text")
        expect_equal(subject.store.count(name), 1, "records")


@check("records")
def many_batches_are_all_written(subject: Subject) -> None:
    number = min(2 * subject.capabilities.batch + 7, 1207)
    with subject.collection() as name:
        expect_equal(subject.store.upsert(name, iter(records(number))), number, "records written")
        subject.settle(name, number)
        expect_equal(subject.store.count(name), number, "records")
        ids = [f"r{at}" for at in range(number)]
        expect_equal(len(subject.store.get(name, ids)), number, "records by id")


@check("records")
def bulk_loading_leaves_a_whole_collection(subject: Subject) -> None:
    made = records(300)
    with subject.collection() as name:
        with subject.store.bulk(name):
            subject.store.upsert(name, made)
        subject.settle(name, 300)
        for at in (0, 150, 299):
            expect_equal(
                subject.store.search(name, vector_of(made[at]), 1)[0].id, f"r{at}", "nearest to itself"
            )
        with subject.store.bulk(name):
            subject.store.upsert(name, records(10, seed=3, start=300))
        subject.settle(name, 310)
        expect_equal(subject.store.count(name), 310, "records")


@check("records")
def vectors_that_do_not_fit_are_refused(subject: Subject) -> None:
    import numpy

    with subject.collection(records(1)) as name:
        for vector, error in (
            (numpy.zeros(DIMENSION + 1, numpy.float32) + 1, Mismatch),
            (numpy.full(DIMENSION, numpy.nan, numpy.float32), InvalidInput),
            (numpy.full(DIMENSION, numpy.inf, numpy.float32), InvalidInput),
        ):
            with expect_error(error):
                subject.store.upsert(name, [Record("bad", vector)])
            with expect_error(error):
                subject.store.search(name, vector)
        if subject.metric is Metric.COSINE:
            with expect_error(InvalidInput):
                subject.store.upsert(name, [Record("bad", numpy.zeros(DIMENSION, numpy.float32))])
        with expect_error(InvalidInput):
            subject.store.upsert(name, [Record("bad", None)])
        expect_equal(subject.store.count(name), 1, "records")


@check("records", needs=lambda capabilities: capabilities.notes)
def vectors_of_another_model_are_refused(subject: Subject) -> None:
    with subject.collection(model="one") as name:
        subject.store.upsert(name, records(1), model="one")
        with expect_error(Mismatch):
            subject.store.upsert(name, records(1), model="two")
        with expect_error(Mismatch):
            subject.store.search(name, vectors(1)[0], model="two")


# ── removing


@check("deleting")
def deleting_says_how_many_there_were(subject: Subject) -> None:
    with subject.collection(records(6)) as name:
        expect_equal(subject.store.delete(name, ["r1", "r2", "missing"]), 2, "removed")
        subject.until(lambda: subject.store.count(name) == 4, "two records are gone")
        expect_equal(subject.store.delete(name, ["r1"]), 0, "removed a second time")
        expect_equal(subject.store.delete(name, []), 0, "removed without ids")
        expect_equal(
            {record.id for record in subject.store.get(name, ["r0", "r1", "r2", "r3"])},
            {"r0", "r3"},
            "records left",
        )


@check("deleting")
def what_is_deleted_is_never_found_again(subject: Subject) -> None:
    made = records(40)
    with subject.collection(made) as name:
        gone = [f"r{at}" for at in range(0, 40, 2)]
        subject.store.delete(name, gone)
        subject.until(lambda: subject.store.count(name) == 20, "twenty records are gone")
        hits = subject.store.search(name, vector_of(made[0]), 40)
        expect_equal({hit.id for hit in hits}, {f"r{at}" for at in range(1, 40, 2)}, "hits")


@check("deleting")
def deleting_by_filter_removes_all_that_match(subject: Subject) -> None:
    """More than one page of them: some stores remove the first ten."""
    with subject.collection(records(130)) as name:
        expect_equal(subject.store.delete_where(name, 'group == "odd"'), 65, "removed")
        subject.until(lambda: subject.store.count(name) == 65, "the odd ones are gone")
        expect_equal(subject.store.count(name, 'group == "odd"'), 0, "odd ones left")
        expect_equal(subject.store.delete_where(name, 'group == "odd"'), 0, "removed a second time")
        expect_equal(subject.store.delete_where(name, "number < 10"), 5, "removed by number")
        with expect_error(InvalidInput):
            subject.store.delete_where(name, "")


@check("deleting")
def a_deleted_record_can_be_written_again(subject: Subject) -> None:
    with subject.collection(records(3)) as name:
        subject.store.delete(name, ["r1"])
        subject.store.upsert(name, [records(3)[1]])
        subject.until(lambda: len(subject.store.get(name, ["r1"])) == 1, "it is there again")
        expect_equal(subject.store.search(name, vectors(3)[1], 1)[0].id, "r1", "nearest")
        expect_equal(subject.store.count(name), 3, "records")
