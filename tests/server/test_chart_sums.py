"""The sums behind charts and choices, held against the rows themselves: by hour and day, tenant and app."""

from __future__ import annotations

import pytest

from cloudberth.tracing import charts
from cloudberth.tracing.charts import list_sessions, read_choices, read_model_hours, read_overview
from cloudberth.tracing.store import SpanRow
from doubles.rag_spans import SECOND, rag_trace

HOUR = 3600 * SECOND
DAY = 24 * HOUR
# Midnight UTC.
BEGUN = 1_764_028_800 * SECOND
OWNERS = (("acme", "bot"), ("acme", "search"), ("other", "bot"), ("other", ""))


@pytest.fixture
def rows(services) -> list[SpanRow]:
    """Four apps of two tenants over twenty days."""
    found: list[SpanRow] = []
    for number in range(200):
        tenant, app = OWNERS[number % 4]
        start = BEGUN + number * 20 * DAY // 200
        found += rag_trace(number, start_ns=start, tenant=tenant, app=app, failed=number % 7 == 0)
    services.store.append(found)
    return found


@pytest.mark.parametrize("days", [1, 8, 9, 20])
@pytest.mark.parametrize("tenant", [None, "acme", "other", "nobody"])
@pytest.mark.parametrize("app", [None, "bot", "nothing"])
def test_the_overview_is_the_sum_of_its_spans(services, rows, days: int, tenant, app) -> None:
    """Eight days are told by the hour, nine by the day; both say the same."""
    until = BEGUN + days * DAY
    inside = [
        row
        for row in rows
        if BEGUN <= row.start_ns < until and tenant in (None, row.tenant) and app in (None, row.app)
    ]
    found = read_overview(services.store.database, BEGUN, until, tenant=tenant, app=app, points=48)
    roots = [row for row in inside if row.parent_id is None]
    assert (found.total.spans, found.total.traces) == (len(inside), len(roots))
    assert found.total.errors == sum(row.status == 2 for row in roots)
    assert found.total.input_tokens == sum(row.input_tokens or 0 for row in inside)
    assert found.total.cost == pytest.approx(sum(row.cost or 0 for row in inside))
    assert len(found.points) <= 48
    assert sum(point.spans for point in found.points) == len(inside)
    assert {use.model: use.calls for use in found.models} == {
        model: sum(row.model == model for row in inside)
        for model in {row.model for row in inside if row.model}
    }
    if roots:
        middle = sorted(row.duration_ns for row in roots)[(len(roots) - 1) // 2]
        assert found.total.p50_ns == pytest.approx(middle, rel=0.1)


def test_steps_hold_what_began_in_them(services, rows) -> None:
    found = read_overview(services.store.database, BEGUN, BEGUN + 20 * DAY, points=48)
    assert [point.start_ns for point in found.points] == [BEGUN + day * DAY for day in range(20)]
    for point in found.points:
        inside = [row for row in rows if point.start_ns <= row.start_ns < point.start_ns + DAY]
        assert point.spans == len(inside) > 0


def test_choices_are_what_there_is(services, rows) -> None:
    found = read_choices(services.store.database)
    assert (found.tenants, found.apps) == (("acme", "other"), ("bot", "search"))
    assert set(found.models) == {row.model for row in rows if row.model}
    mine = read_choices(services.store.database, tenant="acme")
    assert (mine.tenants, mine.apps) == (("acme",), ("bot", "search"))
    assert read_choices(services.store.database, tenant="nobody") == ((), (), ())


def test_an_app_of_a_strange_name_is_no_sum_of_others(services) -> None:
    for number, app in enumerate(("*", "", "%", "a'b")):
        services.store.append(rag_trace(number, start_ns=BEGUN, app=app, tenant="*"))
    found = read_overview(services.store.database, BEGUN, BEGUN + DAY, tenant="*", app="*")
    assert found.total.traces == 1
    assert read_overview(services.store.database, BEGUN, BEGUN + DAY).total.traces == 4


def test_model_hours_are_of_everybody(services, rows) -> None:
    first = BEGUN // HOUR
    found = read_model_hours(services.store.database, first, first + 20 * 24)
    assert sum(one.calls for one in found) == sum(1 for row in rows if row.model)
    half = read_model_hours(services.store.database, first, first + 10 * 24)
    assert 0 < sum(one.calls for one in half) < sum(one.calls for one in found)


def test_sessions_are_found_by_their_latest_trace(services, rows, monkeypatch) -> None:
    """Also when few traces are looked through at a time."""
    monkeypatch.setattr(charts, "_WALKED", 7)
    database = services.store.database
    latest: dict[tuple[str, str], int] = {}
    for row in rows:
        key = (row.tenant, str(row.session))
        latest[key] = max(latest.get(key, 0), row.start_ns if row.parent_id is None else 0)
    expected = sorted(latest, key=lambda key: -latest[key])
    found = [
        page for offset in range(0, 300, 20) for page in list_sessions(database, limit=20, offset=offset)
    ]
    assert [(one.tenant, one.session) for one in found] == expected
    mine = list_sessions(database, tenant="acme", app="bot", since_ns=BEGUN + 10 * DAY, limit=500)
    roots = [
        row
        for row in rows
        if row.parent_id is None
        and (row.tenant, row.app) == ("acme", "bot")
        and row.start_ns >= BEGUN + 10 * DAY
    ]
    assert {one.session for one in mine} == {row.session for row in roots}
    assert sum(one.traces for one in mine) == len(roots)
