"""Checks: searches find the right records, as many as there are, with scores on the one scale."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from cloudberth.errors import InvalidInput, Unsupported
from cloudberth.vector.comparing import measured
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
from cloudberth.vector.contract import Capabilities, FullText, Metric, Record
from cloudberth.vector.scores import dense_score

if TYPE_CHECKING:
    from cloudberth.vector.contract import Vector

_ENGLISH = {
    "e1": "The quick brown fox jumps over the lazy dog",
    "e2": "A managed database keeps its backups for seven days",
    "e3": "Load balancers spread requests over healthy machines",
    "e4": "Backups of the database are encrypted; backups are tested every month",
}
_CHINESE = {
    "c1": "向量数据库用于检索增强生成",
    "c2": "负载均衡器把请求分发到健康的机器",
    "c3": "数据库备份保留七天",
    "c4": "今天天气很好，我们去公园散步",
}


def _words(capabilities: Capabilities) -> bool:
    return capabilities.full_text is not FullText.NONE


def _text_refused(subject: Subject) -> None:
    with subject.collection(records(2)) as name:
        subject.store.search_text(name, "text")


def _hybrid_refused(subject: Subject) -> None:
    with subject.collection(records(2)) as name:
        subject.store.search_hybrid(name, vectors(1)[0], "text")


def _texts() -> list[Record]:
    both = {**_ENGLISH, **_CHINESE}
    return [
        Record(id, vector, text, {"language": id[0], "place": at})
        for at, ((id, text), vector) in enumerate(zip(both.items(), vectors(len(both)), strict=True))
    ]


@check("dense")
def the_nearest_come_first(subject: Subject) -> None:
    made = records(60)
    name = subject.shared("sixty", lambda: made)
    query = vectors(1, seed=99)[0]
    hits = subject.store.search(name, query, 10, exact=subject.capabilities.exact)
    order = _order(subject.metric, query, made)
    expect_equal([hit.id for hit in hits], order[:10], "the ten nearest")
    scores = [hit.score for hit in hits]
    expect_equal(scores, sorted(scores, reverse=True), "scores in order")
    expect(all(hit.source == "dense" and hit.record.vector is None for hit in hits), "dense hits")
    expect(all(hit.record.text and "number" in hit.record.metadata for hit in hits), "text and metadata")


def _order(metric: Metric, query: Vector, made: list[Record]) -> list[str]:
    import numpy

    matrix = numpy.stack([vector_of(record) for record in made])
    near = measured(metric, query, matrix)
    order = numpy.argsort(near if metric is Metric.L2 else -near, kind="stable")
    return [made[at].id for at in order]


@check("dense")
def scores_are_on_the_one_scale(subject: Subject) -> None:
    """Larger is better under every metric, and the number is that of scores.py."""
    import numpy

    made = records(20)
    long = [
        Record(record.id, vector_of(record) * numpy.float32(1 + at / 7), "x")
        for at, record in enumerate(made)
    ]
    query = vectors(1, seed=42)[0] * 2
    for metric in sorted(subject.capabilities.metrics):
        with subject.collection(long, metric=metric) as name:
            hits = subject.store.search(name, query, 20)
            expect_equal(len(hits), 20, f"hits with {metric}")
            by_id = {record.id: vector_of(record) for record in long}
            for hit in hits:
                near = float(measured(metric, query, by_id[hit.id].reshape(1, DIMENSION))[0])
                wanted = dense_score(metric, near)
                expect(
                    math.isclose(hit.score, wanted, rel_tol=2e-3, abs_tol=2e-3),
                    f"the score of {metric} is {wanted:.4f}, not {hit.score:.4f}",
                )
            scores = [hit.score for hit in hits]
            expect_equal(scores, sorted(scores, reverse=True), f"order with {metric}")


@check("dense")
def a_record_is_nearest_to_itself(subject: Subject) -> None:
    made = records(60)
    name = subject.shared("sixty", lambda: made)
    found = [subject.store.search(name, vector_of(record), 1)[0] for record in made[:20]]
    expect_equal([hit.id for hit in found], [record.id for record in made[:20]], "nearest")
    if subject.metric is Metric.COSINE:
        expect(all(abs(hit.score - 1) < 2e-3 for hit in found), "the score of the same vector is 1")


@check("dense")
def k_is_the_number_of_hits(subject: Subject) -> None:
    name = subject.shared("sixty", lambda: records(60))
    query = vectors(1, seed=3)[0]
    for k, wanted in ((1, 1), (7, 7), (60, 60), (100, 60)):
        hits = subject.store.search(name, query, k)
        expect_equal(len({hit.id for hit in hits}), wanted, f"different hits for k={k}")
    for k in (0, -1, 10_001):
        with expect_error(InvalidInput):
            subject.store.search(name, query, k)


@check("dense")
def an_empty_collection_has_no_hits(subject: Subject) -> None:
    with subject.collection() as name:
        expect_equal(subject.store.search(name, vectors(1)[0]), [], "hits")


@check("dense")
def a_filtered_search_finds_k_where_k_exist(subject: Subject) -> None:
    """One in a hundred fits, far from the query: an index that filters afterwards finds none of them."""
    import numpy

    base = vectors(1, seed=1)[0]
    noise = vectors(600, seed=2) * 0.2
    made = [
        Record(f"r{at}", (-base if at % 60 == 0 else base) + noise[at], "x", {"rare": at % 60 == 0, "at": at})
        for at in range(600)
    ]
    name = subject.shared("rare", lambda: made)
    for filter, number in (("rare == true", 10), ("at < 7", 7), ("at >= 598", 2), ("at > 10000", 0)):
        hits = subject.store.search(name, base, 10, filter=filter)
        expect_equal(len(hits), number, f"hits with {filter}")
    rare = [record for record in made if record.metadata["rare"]]
    found = [hit.id for hit in subject.store.search(name, base, 3, filter="rare == true")]
    expect_equal(found, _order(subject.metric, numpy.asarray(base), rare)[:3], "nearest of the rare")


@check("dense")
def a_threshold_cuts_off(subject: Subject) -> None:
    made = records(60)
    name = subject.shared("sixty", lambda: made)
    if subject.metric is Metric.INNER:
        with expect_error(InvalidInput):
            subject.store.search(name, vectors(1)[0], threshold=0.5)
        return
    query = vectors(1, seed=8)[0]
    everything = subject.store.search(name, query, 60)
    middle = everything[20].score
    cut = subject.store.search(name, query, 60, threshold=middle)
    expect_equal([hit.id for hit in cut], [hit.id for hit in everything if hit.score >= middle], "hits")


# ── words


@check("text", needs=_words, refused=_text_refused)
def words_are_found_in_their_order(subject: Subject) -> None:
    name = subject.shared("texts", _texts)
    expect_equal([hit.id for hit in subject.store.search_text(name, "fox")], ["e1"], "fox")
    found = [hit.id for hit in subject.store.search_text(name, "database backups")]
    expect_equal(set(found[:2]), {"e2", "e4"}, "both texts with the words come first")
    hits = subject.store.search_text(name, "backups")
    scores = [hit.score for hit in hits]
    expect_equal(scores, sorted(scores, reverse=True), "scores in order")
    expect(all(0 < score <= 1 for score in scores), f"scores between 0 and 1: {scores}")
    expect(all(hit.source == "text" and hit.record.text for hit in hits), "hits with their text")
    expect_equal([hit.id for hit in subject.store.search_text(name, "FOX")], ["e1"], "capitals")


@check("text", needs=lambda capabilities: capabilities.full_text is FullText.CJK)
def chinese_words_are_found(subject: Subject) -> None:
    name = subject.shared("texts", _texts)
    for words, wanted in (("向量数据库", "c1"), ("负载均衡", "c2"), ("备份", "c3"), ("公园", "c4")):
        hits = subject.store.search_text(name, words)
        expect(hits, f"{words} is found")
        expect_equal(hits[0].id, wanted, f"best for {words}")
    expect_equal(subject.store.search_text(name, "飞机"), [], "a word that is nowhere")


@check("text", needs=_words, refused=_text_refused)
def words_and_a_filter_both_count(subject: Subject) -> None:
    name = subject.shared("texts", _texts)
    hits = subject.store.search_text(name, "database backups", filter="place > 1")
    expect_equal([hit.id for hit in hits], ["e4"], "hits")
    expect_equal(subject.store.search_text(name, "fox", filter='language == "c"'), [], "no hits")


@check("text", needs=_words, refused=_text_refused)
def a_query_of_words_is_no_program(subject: Subject) -> None:
    """Signs that query languages know are words, or nothing; never an error, never everything."""
    name = subject.shared("texts", _texts)
    for text in (
        'fox" OR "1"="1', "fox AND (", "*", '"', "'; DROP TABLE x; --", "fox:*", "NOT fox -dog", "title:fox",
        "%", "\\", "{", "fox & | !", "~fox^2", "NEAR(fox)", "!!!", "<script>", "((((", "fox\x01", "👩‍👩‍👧",
    ):  # fmt: skip
        hits = subject.store.search_text(name, text)
        expect(len(hits) < len(_texts()), f"{text!r} does not find everything")
    expect_equal(subject.store.search_text(name, "   "), [], "an empty query")
    expect_equal(subject.store.search_text(name, "xyzzy"), [], "an unknown word")


@check("text", needs=_words, refused=_text_refused)
def changed_and_deleted_texts_are_not_found_by_old_words(subject: Subject) -> None:
    made = _texts()
    with subject.collection(made) as name:
        subject.store.upsert(name, [Record("e1", made[0].vector, "an elephant", {})])
        subject.until(lambda: bool(subject.store.search_text(name, "elephant")), "the new word is found")
        expect_equal(subject.store.search_text(name, "fox"), [], "the old word")
        subject.store.delete(name, ["e1"])
        subject.until(lambda: not subject.store.search_text(name, "elephant"), "the word is gone")


# ── both


@check("hybrid", needs=_words, refused=_hybrid_refused)
def a_hybrid_search_finds_what_either_finds(subject: Subject) -> None:
    made = _texts()
    name = subject.shared("texts", _texts)
    by_id = {record.id: record for record in made}
    hits = subject.store.search_hybrid(name, vector_of(by_id["c4"]), "fox", 3)
    ids = [hit.id for hit in hits]
    expect("e1" in ids and "c4" in ids, f"both are found: {ids}")
    best = subject.store.search_hybrid(name, vector_of(by_id["e1"]), "fox", 3)[0]
    expect_equal((best.id, best.source), ("e1", "fused"), "best of both")
    expect(math.isclose(best.score, 1.0), "first in both lists has the score 1")
    expect(best.dense is not None and best.text is not None, "both scores are shown")


@check("hybrid", needs=_words, refused=_hybrid_refused)
def a_hybrid_search_obeys_its_filter(subject: Subject) -> None:
    name = subject.shared("texts", _texts)
    hits = subject.store.search_hybrid(name, vectors(1)[0], "database", 8, filter='language == "e"')
    expect_equal({hit.id[0] for hit in hits}, {"e"}, "languages of the hits")
    expect_equal(len(hits), 4, "hits")


@check("hybrid", needs=lambda capabilities: not _words(capabilities))
def what_a_store_lacks_is_refused_by_name(subject: Subject) -> None:
    with subject.collection(records(2)) as name:
        with expect_error(Unsupported):
            subject.store.search_text(name, "text")
        with expect_error(Unsupported):
            subject.store.search_hybrid(name, vectors(1)[0], "text")
