"""The table of spans and the questions to it, the same on SQLite and on a real PostgreSQL."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from cloudberth.errors import InvalidInput, NotFound, PreconditionFailed
from cloudberth.tracing import charts, summaries, wire
from cloudberth.tracing.batches import Progress as Step
from cloudberth.tracing.batches import advance, owner_name, read_batch, read_position, take_lease
from cloudberth.tracing.ciphers import KeyRing
from cloudberth.tracing.destinations import Destinations, Draft
from cloudberth.tracing.health import read_health
from cloudberth.tracing.keys import IngestKeys
from cloudberth.tracing.reading import TraceFilter, list_traces, read_trace
from cloudberth.tracing.retention import Retention, apply_retention, stored_bytes
from cloudberth.tracing.store import Feedback, SpanRow, TraceStore, now_ns

SECOND = 10**9
BASE = 1_764_000_000 * SECOND


def span(trace: int, number: int, parent: int | None = None, **given: Any) -> SpanRow:
    """A row; numbers become ids. given: columns, and `text` for input and output of the span."""
    text = given.pop("text", f"question {trace}")
    start = given.pop("start_ns", BASE + trace * SECOND)
    trace_id, span_id = trace.to_bytes(16, "big"), number.to_bytes(8, "big")
    parent_id = None if parent is None else parent.to_bytes(8, "big")
    attributes = {"input.value": text, "output.value": f"answer {trace}"}
    duration = given.get("duration_ns", SECOND)
    data = wire.span(trace_id, span_id, parent_id, f"s{number}", start, start + duration, attributes)
    columns: dict[str, Any] = {
        "tenant": "acme", "app": "shop", "service": "api", "trace_id": trace_id, "span_id": span_id,
        "parent_id": parent_id, "name": f"s{number}", "kind": "CHAIN", "start_ns": start,
        "duration_ns": duration,
        "status": 0, "session": None, "user": None, "model": None, "provider": None, "input_tokens": None,
        "output_tokens": None, "cached_tokens": None, "reasoning_tokens": None, "cost": None,
        "first_token_ns": None, "resource": b"", "data": data,
    }  # fmt: skip
    return SpanRow(**{**columns, **given})


def model_call(trace: int, number: int, parent: int, **given: Any) -> SpanRow:
    columns = {"kind": "LLM", "model": "gpt-4o", "input_tokens": 10, "output_tokens": 5, "cost": 0.25}
    return span(trace, number, parent, **{**columns, **given})


def ids(store: TraceStore, **wanted: Any) -> list[int]:
    return [int(each.trace_id, 16) for each in list_traces(store.database, TraceFilter(**wanted)).traces]


@pytest.fixture
def filled(any_store: TraceStore) -> TraceStore:
    any_store.append(
        [
            span(1, 11, session="s1", user="ann", text="Where is my parcel? 50% off_"),
            model_call(1, 12, 11),
            span(2, 21, session="s1", app="other", duration_ns=5 * SECOND),
            model_call(2, 22, 21, app="other", model="qwen", status=2, cost=1.0),
            span(3, 31, tenant="rival", session="s9", text="退货 policy", status=1),
            model_call(3, 32, 31, tenant="rival", input_tokens=1000),
        ]
    )
    return any_store


def test_a_list_is_filtered_by_everything(filled: TraceStore) -> None:
    assert ids(filled) == [3, 2, 1]
    assert ids(filled, tenant="acme") == [2, 1]
    assert ids(filled, app="other") == [2]
    assert ids(filled, session="s1") == [2, 1]
    assert ids(filled, user="ann") == [1]
    assert ids(filled, status="error") == [2]
    assert ids(filled, status="ok") == [3, 1]
    assert ids(filled, model="gpt") == [3, 1]
    assert ids(filled, min_duration_ns=2 * SECOND) == [2]
    assert ids(filled, max_duration_ns=2 * SECOND) == [3, 1]
    assert ids(filled, min_tokens=100) == [3]
    assert ids(filled, min_cost=0.5) == [2]
    assert ids(filled, since_ns=BASE + 2 * SECOND, until_ns=BASE + 3 * SECOND) == [2]
    assert ids(filled, text="PARCEL") == [1]
    assert ids(filled, text="退货") == [3]
    assert ids(filled, text="50%") == [1]
    assert ids(filled, text="f_") == [1]
    assert ids(filled, text="%") == [1]
    assert ids(filled, tenant="acme", text="policy") == []
    with pytest.raises(InvalidInput, match="no status 'bad'"):
        ids(filled, status="bad")


def test_a_line_sums_its_trace_up(filled: TraceStore) -> None:
    line = list_traces(filled.database, TraceFilter(app="other")).traces[0]
    assert (line.name, line.kind, line.spans, line.errors, line.status) == ("s21", "CHAIN", 2, 1, "error")
    assert (line.input_tokens, line.output_tokens, line.cost, line.models) == (10, 5, 1.0, "qwen")
    assert (line.duration_ns, line.is_complete) == (5 * SECOND, True)
    assert (line.input, line.output) == ("question 2", "answer 2")


def test_a_trace_that_comes_in_pieces_is_one_line(any_store: TraceStore) -> None:
    any_store.append([model_call(1, 12, 11, start_ns=BASE + SECOND)])
    [line] = list_traces(any_store.database, TraceFilter()).traces
    assert (line.name, line.is_complete, line.spans) == ("s12", False, 1)
    any_store.append([span(1, 11, start_ns=BASE, duration_ns=3 * SECOND)])
    [line] = list_traces(any_store.database, TraceFilter()).traces
    assert (line.name, line.is_complete, line.spans, line.cost) == ("s11", True, 2, 0.25)
    assert (line.start_ns, line.duration_ns) == (BASE, 3 * SECOND)
    assert summaries.catch_up(any_store.database) == 0


def test_pages_show_every_trace_once(any_store: TraceStore) -> None:
    any_store.append([span(number, number, start_ns=BASE + number // 3) for number in range(1, 26)])
    for text in (None, "question"):
        seen: list[int] = []
        mark = None
        while True:
            page = list_traces(any_store.database, TraceFilter(limit=7, before=mark, text=text))
            seen += [int(each.trace_id, 16) for each in page.traces]
            mark = page.next
            if mark is None:
                break
        assert seen == list(range(25, 0, -1))
    for bad in ("x", "1", "1-", "-1-2", "1-2-3", "9" * 30 + "-1"):
        with pytest.raises(InvalidInput, match="mark of a page"):
            list_traces(any_store.database, TraceFilter(before=bad))


def test_a_trace_is_a_tree_in_the_order_of_time(filled: TraceStore) -> None:
    filled.add_feedback([Feedback("acme", "shop", (1).to_bytes(16, "big"), None, "good", 1.0, None, "yes")])
    trace = read_trace(filled.database, f"{1:032x}")
    assert trace is not None
    assert [(each.name, each.depth, each.kind) for each in trace.walk()] == [
        ("s11", 0, "CHAIN"),
        ("s12", 1, "LLM"),
    ]
    assert trace.roots[0].attributes["input.value"] == "Where is my parcel? 50% off_"
    assert [each.comment for each in trace.feedback] == ["yes"]
    assert read_trace(filled.database, f"{1:032x}", "rival") is None
    assert read_trace(filled.database, f"{99:032x}") is None
    for bad in ("", "zz", "1" * 31, "1" * 33, "é" * 32):
        with pytest.raises(InvalidInput, match="no id"):
            read_trace(filled.database, bad)


def test_a_circle_of_parents_is_shown_all_the_same(any_store: TraceStore) -> None:
    any_store.append([span(1, 1, 2), span(1, 2, 3), span(1, 3, 1), span(1, 4, 4), span(1, 5, 77)])
    trace = read_trace(any_store.database, f"{1:032x}")
    assert trace is not None
    assert sorted(each.name for each in trace.walk()) == ["s1", "s2", "s3", "s4", "s5"]
    assert [each.name for each in trace.roots] == ["s1", "s4", "s5"]


def test_two_tenants_with_one_trace_id_see_their_own(any_store: TraceStore) -> None:
    any_store.append([span(1, 1, text="mine"), span(1, 2, tenant="rival", text="theirs")])
    assert [each.input for each in list_traces(any_store.database, TraceFilter(tenant="acme")).traces] == [
        "mine"
    ]
    trace = read_trace(any_store.database, f"{1:032x}", "acme")
    assert trace is not None
    assert [each.name for each in trace.walk()] == ["s1"]


def test_charts_sum_up_hours_and_models(filled: TraceStore) -> None:
    seen = charts.read_overview(filled.database, BASE, BASE + 2 * 3600 * SECOND, points=2)
    total = seen.total
    assert (total.traces, total.spans, total.errors) == (3, 6, 0)
    assert (total.input_tokens, total.output_tokens, total.cost) == (1020, 15, 1.5)
    assert total.p50_ns is not None
    assert abs(total.p50_ns / SECOND - 1) < 0.06
    assert total.p99_ns is not None
    assert abs(total.p99_ns / SECOND - 5) < 0.3
    assert len(seen.points) == 2
    assert sum(point.traces for point in seen.points) == 3
    assert [(use.model, use.calls, use.errors) for use in seen.models] == [("qwen", 1, 1), ("gpt-4o", 2, 0)]
    mine = charts.read_overview(filled.database, BASE, BASE + 3600 * SECOND, tenant="acme", app="shop")
    assert (mine.total.traces, mine.total.cost) == (1, 0.25)
    empty = charts.read_overview(filled.database, 0, SECOND)
    assert (empty.total.traces, empty.total.p95_ns, empty.models) == (0, None, ())


def test_sessions_and_what_a_filter_can_be_set_to(filled: TraceStore) -> None:
    found = charts.list_sessions(filled.database)
    assert [(each.session, each.traces, each.errors, each.cost) for each in found] == [
        ("s9", 1, 0, 0.25), ("s1", 2, 1, 1.25),
    ]  # fmt: skip
    assert [each.session for each in charts.list_sessions(filled.database, tenant="acme")] == ["s1"]
    choices = charts.read_choices(filled.database)
    assert choices == (("acme", "rival"), ("other", "shop"), ("gpt-4o", "qwen"))
    assert charts.read_choices(filled.database, tenant="rival").apps == ("shop",)


def test_resources_are_kept_once(any_store: TraceStore) -> None:
    resource = wire.attributes(wire.RESOURCE_ATTRIBUTE, {"service.name": "api", "host": "h1"})
    any_store.append([span(1, number, resource=resource) for number in range(1, 6)])
    any_store.append([span(2, 9, resource=resource)])
    with any_store.database.connection() as connection:
        assert connection.rows("SELECT COUNT(*) FROM trace_resources") == [(1,)]
    trace = read_trace(any_store.database, f"{2:032x}")
    assert trace is not None
    assert trace.roots[0].resource == {"service.name": "api", "host": "h1"}


def test_many_writers_and_a_reader_that_misses_nothing(any_store: TraceStore) -> None:
    """A cursor that follows the numbers sees every row, also while several processes write at once."""
    destination = Destinations(any_store.database, ring()).create(
        Draft("otlp", settings={"url": "https://x.io"})
    )
    stop = threading.Event()
    seen: list[int] = []

    def write(writer: int) -> None:
        with TraceStore.open(any_store.database._url) as mine:
            for number in range(40):
                mine.append([span(writer * 1000 + number + 1, 1), span(writer * 1000 + number + 1, 2, 1)])

    def read() -> None:
        at = 0
        while True:
            done = stop.is_set()
            batch = read_batch(any_store.database, destination, at, 50)
            seen.extend(seq for seq, _ in batch.rows)
            if batch.upto == at and done:
                return
            at = batch.upto

    reader = threading.Thread(target=read)
    writers = [threading.Thread(target=write, args=(number,)) for number in range(3)]
    reader.start()
    for each in writers:
        each.start()
    for each in writers:
        each.join()
    stop.set()
    reader.join()
    assert len(seen) == len(set(seen)) == 240


def ring(*names: str) -> KeyRing:
    return KeyRing({name: name.encode().ljust(32, b".") for name in names or ("k1",)})


def test_a_lease_belongs_to_one(any_store: TraceStore) -> None:
    database = any_store.database
    made = Destinations(database, ring()).create(Draft("otlp", settings={"url": "https://x.io"}))
    first, second = owner_name(), "elsewhere/1/abcd"
    assert take_lease(database, made.id, first) is not None
    assert take_lease(database, made.id, second) is None
    assert read_position(database, made.id, second) is None
    assert advance(database, made.id, second, Step(0, 5, sent=5)) is False
    assert advance(database, made.id, first, Step(0, 5, sent=5)) is True
    position = read_position(database, made.id, first)
    assert position is not None
    assert position.seq == 5
    # Somebody moved the cursor while a request was under way: what was meant stays.
    assert advance(database, made.id, first, Step(3, 9, sent=1)) is True
    again = read_position(database, made.id, first)
    assert again is not None
    assert again.seq == 5
    assert take_lease(database, "nothing", first) is None


def test_destinations_are_kept_changed_and_removed(any_store: TraceStore) -> None:
    found = Destinations(any_store.database, ring("k1"))
    draft = Draft("langfuse", settings={"public_key": "pk-1", "secret_key": "sk-lf-0123456789abcdef"})
    made = found.create(draft, by="ann")
    assert made.shown()["secrets"] == {"secret_key": {"set": True, "hint": "…cdef"}}
    assert found.complete_settings(made.id)["secret_key"] == "sk-lf-0123456789abcdef"
    changed = found.update(
        made.id, Draft("langfuse", name="L", settings={"public_key": "pk-2"}), by="bob", version=1
    )
    assert (changed.version, changed.updated_by, changed.settings["public_key"]) == (2, "bob", "pk-2")
    assert found.complete_settings(made.id)["secret_key"] == "sk-lf-0123456789abcdef"
    with pytest.raises(PreconditionFailed, match="meanwhile"):
        found.update(made.id, draft, version=1)
    with pytest.raises(InvalidInput, match="needs Secret key"):
        found.update(made.id, Draft("langfuse", settings={"public_key": "pk-2", "secret_key": ""}))
    with pytest.raises(InvalidInput, match="stays with its provider"):
        found.update(made.id, Draft("otlp", settings={"url": "https://x.io"}))
    assert found.enable(made.id, False).enabled is False
    found.delete(made.id)
    assert found.list() == ()
    with pytest.raises(NotFound):
        found.get(made.id)


def test_a_tenant_sees_and_changes_only_its_own_destinations(any_store: TraceStore) -> None:
    found = Destinations(any_store.database, ring())
    settings = {"url": "https://x.io"}
    shared = found.create(Draft("otlp", settings=settings))
    mine = found.create(Draft("otlp", scope="tenant", tenant="acme", settings=settings))
    theirs = found.create(Draft("otlp", scope="app", tenant="rival", app="a", settings=settings))
    assert [each.id for each in found.list("acme")] == [mine.id]
    for other in (shared.id, theirs.id):
        for act in (found.get, lambda each, tenant: found.delete(each, tenant=tenant)):
            with pytest.raises(NotFound):
                act(other, "acme")
        with pytest.raises(NotFound):
            found.enable(other, False, tenant="acme")
        with pytest.raises(NotFound):
            found.update(other, Draft("otlp", settings=settings), tenant="acme")
    for wrong in (
        Draft("otlp", scope="tenant", settings=settings), Draft("otlp", tenant="acme", settings=settings),
        Draft("otlp", scope="app", tenant="acme", settings=settings),
        Draft("otlp", scope="all", settings=settings),
        Draft("otlp", sample=1.5, settings=settings), Draft("otlp", name="a\nb", settings=settings),
    ):  # fmt: skip
        with pytest.raises(InvalidInput):
            found.create(wrong)
    assert len(found.list()) == 3


def test_a_secret_belongs_to_its_row(any_store: TraceStore) -> None:
    """Put into another row (another tenant's, another provider's), it cannot be read."""
    found = Destinations(any_store.database, ring())
    settings = {"url": "https://x.io", "headers": "x-key: 0123456789abcdef"}
    one = found.create(Draft("otlp", scope="tenant", tenant="acme", settings=settings))
    two = found.create(Draft("otlp", scope="tenant", tenant="rival", settings=settings))
    with any_store.database.transaction() as connection:
        connection.run(
            "UPDATE trace_destinations SET secrets = (SELECT secrets FROM trace_destinations WHERE id = ?) "
            "WHERE id = ?",
            (one.id, two.id),
        )
    assert found.complete_settings(one.id)["headers"] == settings["headers"]
    with pytest.raises(InvalidInput, match="cannot be decrypted") as caught:
        found.complete_settings(two.id)
    assert "0123456789abcdef" not in str(caught.value)


def test_keys_are_rotated(any_store: TraceStore) -> None:
    old = Destinations(any_store.database, ring("k1"))
    made = [old.create(Draft("langsmith", settings={"api_key": f"key-{n}-0123456789"})) for n in range(3)]
    both = Destinations(any_store.database, KeyRing({"k2": b"2" * 32, "k1": b"k1".ljust(32, b".")}))
    assert both.complete_settings(made[0].id)["api_key"] == "key-0-0123456789"
    assert both.rotate() == 3
    assert both.rotate() == 0
    new = Destinations(any_store.database, KeyRing({"k2": b"2" * 32}))
    assert [new.complete_settings(each.id)["api_key"] for each in made] == [
        f"key-{n}-0123456789" for n in range(3)
    ]
    with pytest.raises(InvalidInput, match="the key 'k2', which is not here"):
        old.complete_settings(made[0].id)


def test_keys_of_senders(any_store: TraceStore) -> None:
    keys = IngestKeys(any_store.database)
    key = keys.create("acme", "shop", "the web shop")
    assert keys.sender(key) == ("acme", "shop")
    assert keys.sender(key + "x") is None
    assert keys.sender("") is None
    [record] = keys.list("acme")
    assert key not in repr(record)
    assert record.used_ns is not None
    with pytest.raises(NotFound):
        keys.revoke(record.id, "rival")
    keys.revoke(record.id, "acme")
    assert keys.sender(key) is None
    with pytest.raises(NotFound):
        keys.revoke("nothing")


def test_what_is_too_old_goes_and_losses_are_counted(
    any_store: TraceStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = Destinations(any_store.database, ring())
    settings = {"url": "https://x.io"}
    late = found.create(Draft("otlp", settings=settings))
    mine = found.create(Draft("otlp", scope="tenant", tenant="rival", settings=settings))
    done = found.create(Draft("otlp", settings=settings))
    long_ago = now_ns() - 10 * 86_400 * SECOND
    monkeypatch.setattr("cloudberth.tracing.store.now_ns", lambda: long_ago)
    any_store.append(
        [span(n, n, start_ns=long_ago, tenant="rival" if n % 2 else "acme") for n in range(1, 11)]
    )
    monkeypatch.undo()
    monkeypatch.setenv("BERTH_TRACES_ALLOW", "127.0.0.1/32")
    owner = owner_name()
    take_lease(any_store.database, done.id, owner)
    advance(any_store.database, done.id, owner, Step(0, 10, sent=10))
    any_store.append([span(99, 99, start_ns=now_ns())])
    before = charts.read_overview(any_store.database, long_ago, now_ns()).total.traces
    removed = apply_retention(any_store.database, Retention(days=7))
    assert (removed.by_age, removed.by_size, removed.lost) == (10, 0, 15)
    health = read_health(any_store.database)
    assert {name: health.destinations[name].lost for name in (late.id, mine.id, done.id)} == {
        late.id: 10, mine.id: 5, done.id: 0,
    }  # fmt: skip
    assert (health.spans, health.stored, health.losses["lost.retention"]) == (11, 1, 15)
    assert ids(any_store) == [99]
    # The sums stay longer than the spans.
    assert charts.read_overview(any_store.database, long_ago, now_ns()).total.traces == before == 11


def test_what_is_too_much_goes_the_oldest_first(any_store: TraceStore) -> None:
    for part in range(10):
        any_store.append([span(part * 10 + n, n + 1, text="x" * 200_000) for n in range(1, 6)])
    assert stored_bytes(any_store.database) > 9 << 20
    removed = apply_retention(any_store.database, Retention(megabytes=5))
    assert removed.by_size >= 24
    assert stored_bytes(any_store.database) <= 5 << 20
    assert max(ids(any_store)) == 95
    assert apply_retention(any_store.database, Retention(megabytes=5)).by_size == 0


def test_a_database_of_a_later_version_is_left_alone(any_store: TraceStore) -> None:
    from cloudberth.errors import Refused

    with any_store.database.transaction() as connection:
        connection.run("UPDATE trace_schema SET version = 99")
    with pytest.raises(Refused, match="another version"):
        TraceStore.open(any_store.database._url)
