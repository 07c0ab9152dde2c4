"""Checks: everything can be read out again, and several threads may work at once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from cloudberth.errors import Unsupported
from cloudberth.vector.conformance.model import (
    Subject,
    check,
    expect,
    expect_equal,
    records,
    vector_of,
    vectors,
)
from cloudberth.vector.contract import Capabilities, Page


def _scans(capabilities: Capabilities) -> bool:
    return capabilities.scan


def _refused(subject: Subject) -> None:
    with subject.collection(records(1)) as name:
        subject.store.scan_page(name)


@check("scan", needs=_scans, refused=_refused)
def a_scan_gives_every_record_once_with_its_vector(subject: Subject) -> None:
    import numpy

    made = {record.id: record for record in records(107)}
    with subject.collection(list(made.values())) as name:
        found = list(subject.store.scan(name, page=10))
        expect_equal(len(found), 107, "records")
        expect_equal({record.id for record in found}, set(made), "ids")
        for record in found:
            expect_equal(record.text, made[record.id].text, f"text of {record.id}")
            expect_equal(dict(record.metadata), dict(made[record.id].metadata), f"metadata of {record.id}")
            same = numpy.allclose(vector_of(record), vector_of(made[record.id]), rtol=1e-5, atol=1e-6)
            expect(same, f"the vector of {record.id}")


@check("scan", needs=_scans, refused=_refused)
def a_scan_goes_on_where_it_was_left(subject: Subject) -> None:
    with subject.collection(records(35)) as name:
        seen: list[str] = []
        after: str | None = None
        while True:
            page: Page = subject.store.scan_page(name, after=after, limit=10, vectors=False)
            expect(len(page.records) <= 10, "a page is no larger than its limit")
            seen += [record.id for record in page.records]
            if page.next is None:
                break
            after = page.next
        expect_equal(len(seen), 35, "records")
        expect_equal(len(set(seen)), 35, "different records")
        again = subject.store.scan_page(name, limit=10, vectors=False)
        expect_equal([record.id for record in again.records], seen[:10], "the first page again")
        expect(all(record.vector is None for record in again.records), "no vectors")


@check("scan", needs=_scans, refused=_refused)
def a_scan_obeys_its_filter(subject: Subject) -> None:
    with subject.collection(records(50)) as name:
        found = {record.id for record in subject.store.scan(name, filter='group == "odd"', page=7)}
        expect_equal(found, {f"r{at}" for at in range(1, 50, 2)}, "ids")
    with subject.collection() as name:
        expect_equal(list(subject.store.scan(name)), [], "an empty collection")


@check("scan", needs=_scans, refused=_refused)
def records_deleted_between_pages_lose_no_others(subject: Subject) -> None:
    with subject.collection(records(40)) as name:
        first = subject.store.scan_page(name, limit=10, vectors=False)
        gone = [record.id for record in first.records]
        subject.store.delete(name, gone)
        subject.until(lambda: subject.store.count(name) == 30, "ten records are gone")
        seen = set()
        after = first.next
        while after is not None:
            page: Page = subject.store.scan_page(name, after=after, limit=10, vectors=False)
            seen |= {record.id for record in page.records}
            after = page.next
        expect_equal(seen, {f"r{at}" for at in range(40)} - set(gone), "ids of the later pages")


@check("scan", needs=lambda capabilities: not capabilities.scan)
def a_store_that_cannot_scan_says_so(subject: Subject) -> None:
    with subject.collection(records(1)) as name:
        try:
            subject.store.scan_page(name)
        except Unsupported:
            return
    expect(False, "Unsupported is raised")


@check("together")
def several_threads_write_and_search_at_once(subject: Subject) -> None:
    made = records(160)
    with subject.collection() as name:

        def work(part: int) -> int:
            mine = made[part * 40 : (part + 1) * 40]
            for start in range(0, 40, 10):
                subject.store.upsert(name, mine[start : start + 10])
                subject.store.search(name, vectors(1, seed=part)[0], 5)
            subject.store.delete(name, [mine[0].id])
            return len(mine) - 1

        with ThreadPoolExecutor(4) as pool:
            total = sum(pool.map(work, range(4)))
        subject.settle(name, total)
        expect_equal(subject.store.count(name), total, "records")
        expect_equal(subject.store.search(name, vector_of(made[41]), 1)[0].id, "r41", "nearest to itself")
