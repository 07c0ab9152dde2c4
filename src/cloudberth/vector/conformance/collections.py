"""Checks: collections are made, described, listed and removed."""

from __future__ import annotations

from cloudberth.errors import InvalidInput, Mismatch, NotFound, PreconditionFailed, Unsupported
from cloudberth.vector.conformance.model import (
    DIMENSION,
    Subject,
    check,
    expect,
    expect_equal,
    expect_error,
    records,
    vectors,
)
from cloudberth.vector.contract import FieldType, Index, Metric


@check("collections")
def a_new_collection_is_described_and_listed(subject: Subject) -> None:
    with subject.collection() as name:
        found = subject.store.describe(name)
        expect_equal(
            (found.name, found.dimension, found.metric), (name, DIMENSION, subject.metric), "description"
        )
        expect(name in subject.store.collections(), f"{name} is listed")
        expect_equal(subject.store.count(name), 0, "records in a new collection")
    expect(name not in subject.store.collections(), "a removed collection is not listed")


@check("collections", needs=lambda capabilities: capabilities.notes)
def model_fields_and_index_are_remembered(subject: Subject) -> None:
    fields = {"year": FieldType.INTEGER, "kind of text": FieldType.KEYWORD}
    index = Index("hnsw", 8, 50, 70)
    with subject.collection(fields=fields, model='model "x" v1; 2\'s', index=index) as name:
        found = subject.store.describe(name)
        expect_equal(found.model, 'model "x" v1; 2\'s', "model")
        expect_equal(dict(found.fields), fields, "fields")
        expect_equal(found.index, index, "index")
        expect(not found.dify, "a collection with a note is ours")


@check("collections")
def every_metric_is_kept_or_refused(subject: Subject) -> None:
    for metric in Metric:
        if metric in subject.capabilities.metrics:
            with subject.collection(records(3), metric=metric) as name:
                expect_equal(subject.store.describe(name).metric, metric, "metric")
        else:
            with expect_error(Unsupported):
                subject.store.create(subject.name(), DIMENSION, metric)


@check("collections")
def making_it_twice_is_an_error_or_the_same(subject: Subject) -> None:
    with subject.collection(records(2)) as name:
        with expect_error(PreconditionFailed):
            subject.store.create(name, DIMENSION, subject.metric)
        subject.store.create(name, DIMENSION, subject.metric, exist_ok=True)
        expect_equal(subject.store.count(name), 2, "records after making it again")
        with expect_error(Mismatch):
            subject.store.create(name, DIMENSION + 1, subject.metric, exist_ok=True)


@check("collections")
def what_is_missing_is_not_found(subject: Subject) -> None:
    name = subject.name()
    with expect_error(NotFound):
        subject.store.describe(name)
    with expect_error(NotFound):
        subject.store.drop(name)
    with expect_error(NotFound):
        subject.store.count(name)
    with expect_error(NotFound):
        subject.store.search(name, vectors(1)[0])
    with expect_error(NotFound):
        subject.store.upsert(name, records(1))
    expect(not subject.store.exists(name), "it does not exist")


@check("collections")
def a_collection_dropped_elsewhere_is_not_found(subject: Subject) -> None:
    """The facade remembers what a collection is; a store that lost it must not answer with nothing."""
    with subject.collection(records(2)) as name:
        subject.store.backend.drop(name)
        with expect_error(NotFound):
            subject.store.search(name, vectors(1)[0])
        with expect_error(NotFound):
            subject.store.upsert(name, records(1))
        with expect_error(NotFound):
            list(subject.store.scan_page(name).records) if subject.capabilities.scan else subject.store.get(
                name, ["r0"]
            )


@check("collections")
def collections_are_apart(subject: Subject) -> None:
    with subject.collection(records(4)) as first, subject.collection(records(2, seed=5)) as second:
        subject.store.delete(first, ["r0"])
        subject.until(lambda: subject.store.count(first) == 3, "one record is gone")
        expect_equal(subject.store.count(second), 2, "records of the other collection")
        hits = subject.store.search(second, vectors(1)[0], 10)
        expect_equal({hit.id for hit in hits}, {"r0", "r1"}, "hits of the other collection")


@check("collections")
def names_like_those_of_dify_work(subject: Subject) -> None:
    name = "Vector_index_0f3c5a5e_1d2b_4a8e_9c1f_0123456789ab_Node"
    if subject.store.exists(name):
        subject.store.drop(name)
    made = subject.store.create(name, DIMENSION, subject.metric).name
    try:
        subject.store.upsert(name, records(2))
        subject.settle(name, 2)
        expect(made in subject.store.collections(), f"{made} is listed")
        expect_equal(subject.store.count(name), 2, "records")
    finally:
        subject.store.drop(name)


@check("collections")
def names_that_mean_something_else_are_refused(subject: Subject) -> None:
    for name in ("", "a b", "x;drop table y", 'a"b', "a.b", "1a", "ü", "a" * 121):
        with expect_error(InvalidInput):
            subject.store.create(name, DIMENSION, subject.metric)


@check("collections")
def dimensions_out_of_range_are_refused(subject: Subject) -> None:
    for dimension in (0, -1, subject.capabilities.dimensions + 1):
        with expect_error(InvalidInput):
            subject.store.create(subject.name(), dimension, subject.metric)


@check("health")
def a_store_that_is_up_is_healthy(subject: Subject) -> None:
    expect(subject.store.health().version, "a version")
