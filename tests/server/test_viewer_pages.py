"""The viewer: lists and their filters, the waterfall, one span, sessions, charts."""

from __future__ import annotations

import html
import re
import time
from urllib.parse import quote

import pytest

from cloudberth.server.viewer.content import LONGEST
from cloudberth.server.viewer.waterfall import waterfall
from cloudberth.tracing import wire
from cloudberth.tracing.reading import read_trace
from cloudberth.tracing.store import Feedback
from doubles.rag_spans import SECOND, rag_trace


def trace_links(page: str) -> list[str]:
    return [html.unescape(one) for one in re.findall(r'href="(/traces/[0-9a-f]{32}\?tenant=[^"&]*)"', page)]


def trace_id(number: int) -> str:
    return rag_trace(number)[0].trace_id.hex()


def test_the_list_shows_what_people_look_for(filled) -> None:
    page = filled.get("/traces?range=all")
    assert len(trace_links(page)) == 30
    assert "怎样把对象存储从阿里云迁移到 AWS?" in page
    assert "Open Secrets, choose the database, press Rotate." in page
    assert page.count("2 errors") == 3
    assert "gpt-4.1-mini" in page and "user-3" in page and "support-bot" in page


def test_one_error_is_one(console) -> None:
    trace = rag_trace(77, failed=True)
    console.services.store.append(trace[:5])  # without the tool, which failed first
    link = trace_links(console.get("/traces?range=all"))[0]
    for page in (console.get("/traces?range=all"), console.get(link)):
        assert "1 error<" in page
        assert "1 errors" not in page


@pytest.mark.parametrize(
    ("query", "numbers"),
    [
        ("status=error", {0, 10, 20}),
        ("session=session-4", {12, 13, 14}),
        ("user=user-6", {6, 13, 20, 27}),
        ("user=user-6&status=error", {20}),
        ("text=GPU", set(range(2, 30, 4))),
        ("text=%E8%BF%81%E7%A7%BB", set(range(1, 30, 4))),
        ("model=qwen-max", set(range(1, 30, 3))),
        ("app=support-bot&tenant=acme&user=user-1", {1, 8, 15, 22, 29}),
        ("app=nobody", set()),
        ("tenant=other", set()),
        ("min_ms=100000000", set()),
        ("min_cost=999", set()),
        ("min_tokens=999999", set()),
    ],
)
def test_filters_leave_what_fits(filled, query: str, numbers: set[int]) -> None:
    found = {link[8:40] for link in trace_links(filled.get(f"/traces?range=all&{query}"))}
    assert found == {trace_id(number) for number in numbers}


def test_latency_and_tokens_and_cost_split_the_traces(filled) -> None:
    rows = [rag_trace(number) for number in range(30)]
    longest = max(trace[0].duration_ns for trace in rows) / 1e6
    for low, high, expected in ((0, longest / 2, False), (longest * 0.999, 1e9, True)):
        page = filled.get(f"/traces?range=all&min_ms={low}&max_ms={high}")
        links = trace_links(page)
        assert 0 < len(links) < 30
        top = max(rows, key=lambda trace: trace[0].duration_ns)[0].trace_id.hex()
        assert (top in {link[8:40] for link in links}) is expected
    tokens = sorted(int(trace[4].input_tokens or 0) + int(trace[4].output_tokens or 0) for trace in rows)
    assert len(trace_links(filled.get(f"/traces?range=all&min_tokens={tokens[-5]}"))) == 5
    costs = sorted(float(trace[4].cost or 0) for trace in rows)
    assert len(trace_links(filled.get(f"/traces?range=all&min_cost={costs[-3] - 1e-9:.12f}"))) == 3


def test_the_time_range_is_the_readers(filled) -> None:
    noon = int(time.time()) // 86_400 * 86_400 - 5 * 86_400
    filled.services.store.append(rag_trace(500, start_ns=noon * SECOND))
    day = time.strftime("%Y-%m-%d", time.gmtime(noon))
    assert trace_id(500) in filled.get(f"/traces?since={day}T00:00&until={day}T00:01")
    # In Shanghai that moment is eight o'clock.
    filled.client.cookies.set("berth_zone", "Asia/Shanghai")
    assert trace_id(500) not in filled.get(f"/traces?since={day}T00:00&until={day}T00:01")
    page = filled.get(f"/traces?since={day}T08:00&until={day}T08:01")
    assert trace_id(500) in page and f"{day} 08:00:00" in page and "Asia/Shanghai" in page
    assert trace_id(500) not in filled.get("/traces?range=24h")


def test_pages_follow_each_other_without_gap_or_repeat(console) -> None:
    moment = time.time_ns() - 3600 * SECOND
    for number in range(130):
        # Many at the same instant: the order must still be one.
        console.services.store.append(rag_trace(number, start_ns=moment + number // 40))
    seen: list[str] = []
    path = "/traces?range=24h&app=support-bot"
    for _ in range(3):
        page = console.get(path)
        seen += [link[8:40] for link in trace_links(page)]
        onward = re.search(r'rel="next" href="([^"]+)"', page)
        path = html.unescape(onward[1]) if onward else ""
    assert path == "" and len(seen) == 130 and len(set(seen)) == 130
    assert set(seen) == {trace_id(number) for number in range(130)}


@pytest.mark.parametrize(
    "query",
    [
        "min_ms=x",
        "min_cost=-1",
        "max_ms=nan",
        "since=yesterday",
        "range=3y",
        "status=odd",
        "before=1",
        "user=" + "a" * 400,
    ],
)
def test_a_filter_that_cannot_be_is_explained(filled, query: str) -> None:
    answer = filled.client.get(f"/traces?{query}")
    assert answer.status_code == 400
    assert "That did not work" in answer.text


def test_a_trace_is_a_waterfall_with_its_spans_in_order(filled) -> None:
    page = filled.get(f"/traces/{trace_id(10)}")
    names = re.findall(r'data-part="#span">([^<]+)</a>', page)
    assert names == ["answer question", "embed query", "search knowledge", "rerank", "chat", "send ticket"]
    assert page.count("<details open>") == 2
    assert page.count("</details>") == page.count("<details")
    assert page.count('hidden-label">failed') == 2
    assert "the ticket system did not answer" in page


def test_bars_stand_where_the_spans_were(filled) -> None:
    trace = read_trace(filled.services.store.database, trace_id(1))
    assert trace is not None
    lines = {line.span.name: line for line in waterfall(trace, 100).lines}
    root, chat, rerank = lines["answer question"], lines["chat"], lines["rerank"]
    assert (root.left, root.width, root.indent, root.opens) == (0, 1, 0, True)
    assert chat.left == pytest.approx(0.55 / 2.4, abs=0.001) and chat.width == pytest.approx(
        1.6 / 2.4, abs=0.001
    )
    assert chat.first_token is not None and chat.left < chat.first_token < chat.left + chat.width
    assert (rerank.indent, rerank.closes, rerank.kind) == (2, 1, "reranker")
    assert lines["send ticket"].closes == 1


def test_a_span_shows_messages_documents_tokens_and_attributes(filled) -> None:
    rows = rag_trace(1)
    chat = filled.get(f"/traces/{trace_id(1)}?span={rows[4].span_id.hex()}")
    assert "Answer from the documents only." in chat and "先运行 berth storage migrate" in chat
    assert f"{rows[4].input_tokens:,} in" in chat and "128 cached" in chat and "first token after" in chat
    retriever = filled.get(f"/traces/{trace_id(1)}?span={rows[2].span_id.hex()}")
    assert "迁移分三步" in retriever and "0.91" in retriever and "kb-12.md" in retriever
    assert "service.version" in retriever
    part = filled.client.get(f"/traces/{trace_id(1)}?span={rows[2].span_id.hex()}", headers={"X-Part": "1"})
    assert "迁移分三步" in part.text and "<html" not in part.text


def test_feedback_is_shown_with_its_trace(filled) -> None:
    rows = rag_trace(2)
    given = Feedback(
        "acme", "support-bot", rows[0].trace_id, None, "thumbs", 1.0, "up", "正是我要的", user="user-2"
    )
    filled.services.store.add_feedback([given])
    page = filled.get(f"/traces/{trace_id(2)}")
    assert "thumbs" in page and "正是我要的" in page


def test_json_has_everything(filled) -> None:
    document = filled.client.get(f"/traces/{trace_id(1)}.json").json()
    assert document["spans"][0]["name"] == "answer question"
    assert len(document["spans"]) == 6
    chat = rag_trace(1)[4].span_id.hex()
    span = filled.client.get(f"/traces/{trace_id(1)}/spans/{chat}.json").json()
    assert span["attributes"]["llm.input_messages.1.message.content"] == "怎样把对象存储从阿里云迁移到 AWS?"
    assert span["parent_id"] == document["spans"][0]["span_id"]


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/traces/" + "0" * 32, 404),
        ("/traces/nothex", 400),
        ("/traces/" + "0" * 31, 400),
        ("/sessions/unknown", 404),
        ("/traces/{known}?span=ffff", 404),
        ("/traces/{known}?tenant=other", 404),
        ("/nowhere", 404),
    ],
)
def test_what_is_not_there_is_said_on_a_page(filled, path: str, status: int) -> None:
    answer = filled.client.get(path.replace("{known}", trace_id(1)))
    assert answer.status_code == status
    assert "That did not work" in answer.text and "<nav" in answer.text


def test_two_tenants_with_the_same_trace_id_are_kept_apart(filled) -> None:
    filled.services.store.append(rag_trace(1, tenant="other", secret=" of the other tenant"))
    mine = filled.get(f"/traces/{trace_id(1)}?tenant=acme")
    theirs = filled.get(f"/traces/{trace_id(1)}?tenant=other")
    assert "of the other tenant" in theirs and "of the other tenant" not in mine


def test_a_session_is_a_conversation_in_order(filled) -> None:
    page = filled.get("/sessions/session-4?tenant=acme")
    assert page.count('class="card turn"') == 3
    moments = re.findall(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", page)
    assert moments == sorted(moments)
    listed = filled.get("/sessions?range=all")
    assert listed.count("/sessions/session-") == 10
    only = filled.get("/sessions?range=all&user=user-6")
    assert 0 < only.count("/sessions/session-") < 10


def test_a_session_of_any_name_can_be_opened(console) -> None:
    name = 'a/b?c="d" <e> 会话'
    rows = rag_trace(7)
    console.services.store.append([row._replace(session=name) for row in rows])
    listed = console.get("/sessions?range=all")
    assert f"/sessions/{quote(name)}" in listed
    page = console.get(f"/sessions/{quote(name, safe='')}?tenant=acme")
    assert "&lt;e&gt;" in page and "<e>" not in page


def test_the_overview_sums_up(filled) -> None:
    page = filled.get("/")
    tiles = dict(re.findall(r"<dt>([^<]+)</dt><dd>([^<]+)</dd>", page))
    assert tiles["Traces"] == "30" and tiles["Spans"] == "180" and tiles["Errors"] == "10%"
    tokens = sum(
        int(row.input_tokens or 0) + int(row.output_tokens or 0) for n in range(30) for row in rag_trace(n)
    )
    assert tiles["Tokens"] == f"{tokens / 1000:.1f}k"
    assert page.count('<svg class="chart"') == 4
    drawn = sum(int(one) for one in re.findall(r"without error: (\d+)<", page))
    assert drawn == 27, "the bars add up to the traces without error"
    for model in ("gpt-4.1-mini", "qwen-max", "claude-sonnet-4-5"):
        assert model in page
    assert "dd>0</dd" in filled.get("/?app=other")


def test_nothing_yet_says_what_to_do(console) -> None:
    assert "/v1/traces" in console.get("/")
    assert "No trace fits." in console.get("/traces")
    assert "No sessions in this time." in console.get("/sessions")


def test_what_senders_write_is_shown_and_never_run(console) -> None:
    attack = '"><script>alert(1)</script><img src=x onerror=alert(1)>'
    rows = [
        row._replace(name=attack, session=attack, user=attack, model=attack, app=attack, service=attack)
        for row in rag_trace(3, secret=attack)
    ]
    console.services.store.append(rows)
    identifier = rows[0].trace_id.hex()
    pages = [
        "/",
        "/traces?range=all",
        f"/traces/{identifier}",
        "/sessions?range=all",
        f"/sessions/{quote(attack, safe='')}",
    ]
    pages += [f"/traces/{identifier}?span={row.span_id.hex()}" for row in rows]
    for path in pages:
        page = console.get(path)
        assert "<script>alert" not in page and "<img src=x" not in page, path
    assert "&lt;script&gt;" in console.get("/traces?range=all")
    answer = console.client.get(f"/traces/{identifier}.json")
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_long_texts_are_cut_on_the_page_and_whole_in_the_json(console) -> None:
    row = rag_trace(4)[0]
    data = wire.span(
        row.trace_id,
        row.span_id,
        None,
        "long",
        row.start_ns,
        row.start_ns + 5,
        {"input.value": "x" * 300_000},
    )
    console.services.store.append([row._replace(data=data)])
    page = console.get(f"/traces/{row.trace_id.hex()}")
    assert len(page) < LONGEST + 20_000 and "280,000 characters more" in page
    whole = console.client.get(f"/traces/{row.trace_id.hex()}.json").json()
    assert len(whole["spans"][0]["attributes"]["input.value"]) == 300_000


def test_a_trace_of_thousands_of_spans_is_shown_in_part(console) -> None:
    root = rag_trace(5)[0]
    rows = [root]
    for number in range(2500):
        identifier = (number + 1).to_bytes(8, "big")
        data = wire.span(
            root.trace_id, identifier, root.span_id, f"step {number}", root.start_ns, root.start_ns + 9, {}
        )
        rows.append(
            root._replace(span_id=identifier, parent_id=root.span_id, name=f"step {number}", data=data)
        )
    console.services.store.append(rows)
    path = f"/traces/{root.trace_id.hex()}"
    page = console.get(path)
    assert page.count('data-part="#span"') == 1000 and "Show 1501 more spans" in page
    assert console.get(f"{path}?all=1").count('data-part="#span"') == 2501


def test_a_trace_of_large_spans_is_shown_without_reading_them(console, monkeypatch) -> None:
    """Forty spans of a megabyte: the page decodes the one that it shows."""
    from cloudberth.server.viewer import trace_page
    from cloudberth.tracing import reading

    root = rag_trace(8)[0]
    rows = []
    for number in range(40):
        identifier = (number + 1).to_bytes(8, "big")
        parent = rows[0].span_id if rows else None
        values = {"input.value": "x" * 1_000_000}
        data = wire.span(root.trace_id, identifier, parent, "big", root.start_ns, root.start_ns + 9, values)
        rows.append(root._replace(span_id=identifier, parent_id=parent, name="big", data=data))
    console.services.store.append(rows)
    console.get("/traces")
    decoded = 0
    real = reading.read_span

    def counted(data: bytes):
        nonlocal decoded
        decoded += 1
        return real(data)

    monkeypatch.setattr(reading, "read_span", counted)
    page = console.get(f"/traces/{root.trace_id.hex()}")
    assert page.count('data-part="#span"') == 40 and decoded == 1
    assert len(console.client.get(f"/traces/{root.trace_id.hex()}.json").json()["spans"]) == 40
    monkeypatch.setattr(trace_page, "MOST_JSON", 10 << 20)
    refused = console.client.get(f"/traces/{root.trace_id.hex()}.json")
    assert refused.status_code == 400 and re.search(r"this trace has 38\.\d MiB", refused.text)


def test_a_deep_trace_is_folded_right(console) -> None:
    root = rag_trace(6)[0]
    rows, parent = [root], root.span_id
    for number in range(300):
        identifier = (number + 1).to_bytes(8, "big")
        data = wire.span(
            root.trace_id, identifier, parent, f"level {number}", root.start_ns, root.start_ns + 9, {}
        )
        rows.append(root._replace(span_id=identifier, parent_id=parent, name=f"level {number}", data=data))
        parent = identifier
    console.services.store.append(rows)
    page = console.get(f"/traces/{root.trace_id.hex()}")
    fall = page[page.index("waterfall") : page.index('id="span"')]
    assert fall.count("<details open>") == 300 == fall.count("</details>")
