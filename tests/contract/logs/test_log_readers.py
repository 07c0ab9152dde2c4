"""One suite for every log store: what is asked is found, all of it, once, in order, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from log_rigs import DOUBLES, RIGS, Running

from cloudberth.errors import BackendError, Kind, NotFound, PermissionDenied, Unavailable
from cloudberth.logs.analysis import saved
from cloudberth.logs.cloudwatch import CloudWatch
from cloudberth.logs.filter import Condition, Filter
from cloudberth.logs.following import follow
from cloudberth.logs.record import Record, record_of
from cloudberth.logs.severity import Severity

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
XRAY = "1-4bf92f35-77b34da6a3ce929d0e0e4736"
BASE = (datetime.now(UTC) - timedelta(hours=2)).replace(microsecond=0)
# Each a second after the one before.
LINES = (
    ("api", '{"severity":"INFO","message":"started","status":200,"app_id":"7"}'),
    ("api", '{"severity":"ERROR","message":"Time Out of the model","status":500,"trace_id":"' + TRACE + '"}'),
    ("worker", '{"level":"error","severity":"ERROR","msg":"job failed","job":{"kind":"index","tries":3}}'),
    ("worker", '{"severity":"WARNING","message":"said \\"no\\" \\\\ and left","odd-name":"x*y"}'),
    ("router", '{"path":"/v1/chat","status":504,"seconds":61.2}'),
    (
        "router",
        '{"path":"/v1/chat","status":200,"seconds":0.25,"trace":"Root=' + XRAY + '"}',
    ),
    ("api", "plain text, no JSON, a time out"),
    ("api", '{"severity":"ERROR","message":"cut in the mid'),
    (
        "plugin_daemon",
        '{"level":"FATAL","severity":"CRITICAL","msg":"plugin died","plugin":"语言/模型","status":""}',
    ),
    ("api", '{"severity":"CRITICAL","message":"last","app_id":"8","done":true,"status":null}'),
)
WHOLE = Filter(BASE, BASE + timedelta(minutes=1))
FILTERS = {
    "all": WHOLE,
    "errors": replace(WHOLE, level=Severity.ERROR, services=("worker", "plugin_daemon", "router")),
    "service": replace(WHOLE, services=("router",)),
    "services": replace(WHOLE, services=("worker", "router")),
    "trace": replace(WHOLE, trace=TRACE),
    "trace of x-ray": replace(WHOLE, trace=XRAY),
    "text in any case": replace(WHOLE, text=("TIME OUT",)),
    "two texts": replace(WHOLE, text=("time", "plain")),
    "text with quotes": replace(WHOLE, text=('"no" \\',)),
    "chinese": replace(WHOLE, text=("语言",)),
    "equal number": replace(WHOLE, conditions=(Condition("status", "=", "500"),)),
    "at least": replace(WHOLE, conditions=(Condition("status", ">=", "500"),)),
    "nested": replace(WHOLE, conditions=(Condition("job.kind", "=", "index"),)),
    "wildcards are signs": replace(WHOLE, conditions=(Condition("odd-name", "=", "x*y"),)),
    "a wildcard finds nothing": replace(WHOLE, conditions=(Condition("odd-name", "=", "x*"),)),
    "different": replace(WHOLE, services=("api",), conditions=(Condition("app_id", "!=", "7"),)),
    "an empty text": replace(WHOLE, conditions=(Condition("status", "=", ""),)),
    "no empty text": replace(WHOLE, conditions=(Condition("status", "!=", ""),)),
    "true": replace(WHOLE, conditions=(Condition("done", "=", "true"),)),
    "a part of the time": Filter(BASE + timedelta(seconds=2), BASE + timedelta(seconds=5)),
    "all at once": replace(
        WHOLE, level=Severity.ERROR, services=("api",), trace=TRACE, text=("time",),
        conditions=(Condition("status", ">", "499"),),
    ),
}  # fmt: skip


@contextmanager
def running(name: str, folder: Path, patch: pytest.MonkeyPatch) -> Iterator[Running]:
    with RIGS[name](folder, patch) as found:
        for index, (service, raw) in enumerate(LINES):
            found.add(BASE + timedelta(seconds=index), service, raw)
        yield found
        found.reader.close()


@pytest.fixture(params=RIGS)
def rig(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Running]:
    with running(request.param, tmp_path, monkeypatch) as found:
        yield found


@pytest.fixture(params=DOUBLES)
def double(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Running]:
    with running(request.param, tmp_path, monkeypatch) as found:
        yield found


def numbers(records: list[Record]) -> list[float]:
    """Which lines they are: each has its own second."""
    return [(record.time - BASE).total_seconds() for record in records]


def meant(filter: Filter) -> list[float]:
    return [
        float(index)
        for index, (service, raw) in enumerate(LINES)
        if filter.matches(record_of(raw, time=BASE + timedelta(seconds=index), service=service))
    ]


@pytest.mark.parametrize("name", FILTERS)
def test_a_query_finds_what_is_meant(rig: Running, name: str) -> None:
    filter = FILTERS[name]
    found = rig.reader.query(filter, 100)
    assert numbers(found) == meant(filter)
    assert [record.service for record in found] == [LINES[int(index)][0] for index in numbers(found)]


def test_the_filters_of_this_suite_tell_lines_apart() -> None:
    found = {name: meant(filter) for name, filter in FILTERS.items()}
    assert [name for name, lines in found.items() if not lines] == ["a wildcard finds nothing"]
    assert [name for name, lines in found.items() if len(lines) == len(LINES)] == ["all"]


def test_a_record_says_what_the_line_says(rig: Running) -> None:
    (record,) = rig.reader.query(replace(WHOLE, text=("of the model",)), 10)
    assert record.severity is Severity.ERROR
    assert (record.service, record.message, record.trace) == ("api", "Time Out of the model", TRACE)
    assert str(record.fields["status"]) == "500"


@pytest.mark.parametrize("limit", [1, 4])
def test_a_limit_takes_the_newest(rig: Running, limit: int) -> None:
    assert numbers(rig.reader.query(WHOLE, limit)) == [float(n) for n in range(len(LINES))][-limit:]


def test_a_store_that_gives_little_at_once_is_asked_again(
    double: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert double.store
    double.store.page = 3
    for limit in ("languages.insights.MOST_ROWS", "languages.kql.MOST_ROWS", "aliyun_sls._PAGE"):
        monkeypatch.setattr(f"cloudberth.logs.{limit}", 3)
    remarks: list[str] = []
    double.reader.remark = remarks.append  # type: ignore[method-assign]
    wanted = replace(WHOLE, services=("api",))
    assert numbers(double.reader.query(WHOLE, 100)) == meant(WHOLE)
    assert numbers(double.reader.query(WHOLE, 7)) == meant(WHOLE)[-7:]
    assert double.reader.query(wanted, 100)
    if double.reader.capabilities.language != "KQL":
        assert sorted(numbers(list(double.reader.window(wanted)))) == meant(wanted)
    assert not remarks


def test_a_store_that_is_busy_is_asked_again(double: Running) -> None:
    assert double.store
    double.store.busy = 2
    assert numbers(double.reader.query(WHOLE, 100)) == meant(WHOLE)
    assert double.store.busy < 0


def test_wrong_credentials_are_said_without_them(double: Running) -> None:
    if double.wrong is None:
        pytest.skip("the double of CloudWatch knows every key")
    with pytest.raises(PermissionDenied) as caught:
        double.wrong.query(WHOLE, 10)
    said = f"{caught.value} {caught.value.hint} {caught.value!r}"
    assert "secret-2" not in said and caught.value.hint


def test_a_broken_native_query_is_the_users_fault(double: Running) -> None:
    with pytest.raises(BackendError) as caught:
        double.reader.raw('filter "', WHOLE.since, WHOLE.until, 10)
    assert caught.value.kind is Kind.INVALID
    assert not caught.value.retryable


def test_the_retention_is_what_the_store_says(rig: Running, request: pytest.FixtureRequest) -> None:
    name = request.node.callspec.params["rig"]
    if name in ("files", "cloudwatch"):
        pytest.skip("nobody keeps files for a time; the double of CloudWatch has no groups to describe")
    kept = rig.reader.retention()
    assert {each.days for each in kept} == ({60} if name == "moto" else {45})
    assert len(kept) == (4 if name == "moto" else 1)


ROWS: dict[str, list[dict[str, Any]]] = {
    "cloudwatch": [{"@log": "123456789012:/cloudberth/shop/api", "errors": "2"}],
    "azure": [{"service": "api", "errors": 2}],
    "sls-v4": [{"service": "api", "errors": "2"}],
}


def test_an_analysis_counts(double: Running, request: pytest.FixtureRequest) -> None:
    """In the store where it can; from the records of Google's."""
    assert double.store
    name = request.node.callspec.params["double"]
    double.store.rows = ROWS.get(name, [])
    found = double.reader.analyse(saved("errors-by-service"), WHOLE.since, WHOLE.until)
    counted = {str(row["service"]): int(row["errors"]) for row in found}
    if double.reader.capabilities.counts:
        assert counted == {"api": 2}
        assert double.store.queries == [double.reader.compiled_analysis(saved("errors-by-service"))]
    else:
        assert counted == {"api": 2, "worker": 1, "plugin_daemon": 1}


class Enough(Exception):
    """The follower has looked often enough."""


def test_a_follower_shows_each_record_once_and_late_ones_too(double: Running) -> None:
    """Records come between two looks: new ones, late ones, and two equal ones of one moment."""
    late, equal = '{"message":"late"}', '{"message":"equal"}'
    looks = count()

    def sleep(_seconds: float) -> None:
        look = next(looks)
        if look == 0:
            double.add(BASE + timedelta(seconds=20), "api", '{"message":"new"}')
        if look == 1:
            double.add(BASE + timedelta(seconds=18), "worker", late)
            double.add(BASE + timedelta(seconds=21), "api", equal)
        if look == 2:
            double.add(BASE + timedelta(seconds=21), "api", equal)
        if look == 5:
            raise Enough

    shown: list[str] = []
    ticks = count(30)
    clock = lambda: BASE + timedelta(seconds=next(ticks))  # noqa: E731
    with pytest.raises(Enough):
        for record in follow(
            double.reader, replace(WHOLE, services=("api", "worker")), clock=clock, sleep=sleep
        ):
            shown.append(record.message)
    assert shown[-4:] == ["new", "late", "equal", "equal"]
    assert len(shown) == 4 + sum(service in ("api", "worker") for service, _ in LINES)


def test_a_follower_survives_a_busy_store(double: Running) -> None:
    assert double.store
    looks, remarks = count(), list[str]()
    double.reader.remark = remarks.append  # type: ignore[method-assign]
    window = double.reader.window
    failures = iter([Unavailable("gone"), Unavailable("gone"), None])

    def flaky(filter: Filter) -> Iterator[Record]:
        failure = next(failures, None)
        if failure:
            raise failure
        return window(filter)

    double.reader.window = flaky  # type: ignore[method-assign]

    def sleep(_seconds: float) -> None:
        if next(looks) == 3:
            raise Enough

    found: list[Record] = []
    with pytest.raises(Enough):
        for record in follow(double.reader, WHOLE, clock=lambda: BASE + timedelta(seconds=30), sleep=sleep):
            found.append(record)
    assert numbers(found) == meant(WHOLE)
    assert remarks == ["gone; asking again"] * 2


def test_a_group_that_is_not_there_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with RIGS["moto"](tmp_path, monkeypatch) as _:
        reader = CloudWatch({"api": "/cloudberth/nowhere/api"}, "eu-central-1", pause=0.001)
        with pytest.raises(NotFound, match="nowhere"):
            reader.retention()
        with pytest.raises(NotFound):
            list(reader.window(WHOLE))


def test_a_query_that_fails_or_is_left_is_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with RIGS["cloudwatch"](tmp_path, monkeypatch) as found:
        store: Any = found.store
        store.fails = "Timeout"
        with pytest.raises(BackendError, match="ended as Timeout"):
            found.reader.query(WHOLE, 10)
        store.fails, store.endless = "", True
        monkeypatch.setattr("cloudberth.logs.cloudwatch._QUERY_SECONDS", 0.05)
        with pytest.raises(Unavailable, match="still runs"):
            found.reader.query(WHOLE, 10)
        assert len(store.stopped) == 2


def test_azure_says_that_an_answer_is_a_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with running("azure", tmp_path, monkeypatch) as found:
        store: Any = found.store
        store.partial = True
        remarks: list[str] = []
        found.reader.remark = remarks.append  # type: ignore[method-assign]
        assert numbers(found.reader.query(WHOLE, 100)) == meant(WHOLE)
        assert remarks == ["the answer is not complete: the result is too large"]


def test_sls_is_asked_until_the_search_is_complete(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with running("sls-v4", tmp_path, monkeypatch) as found:
        store: Any = found.store
        store.incomplete = 2
        assert numbers(found.reader.query(WHOLE, 100)) == meant(WHOLE)
