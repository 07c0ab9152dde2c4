"""The HTTP interface of knowledge, as programs call it."""

from __future__ import annotations

import json
import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

NOBODY = "11111111-1111-4111-8111-111111111111"


def problem(answer: Any, status: int, code: str) -> dict[str, str]:
    """The one shape of every error."""
    assert answer.status_code == status, answer.text
    said = answer.json()
    assert set(said) == {"code", "message", "hint"} and said["code"] == code and said["message"], said
    assert "Traceback" not in answer.text and "/src/" not in answer.text
    return dict(said)


def test_a_dataset_from_its_beginning_to_its_end(api) -> None:
    made = api.call("POST", "/datasets", json={"name": "Life", "description": "一生"})
    assert made.status_code == 201
    one = made.json()
    assert made.headers["location"] == f"/v1/knowledge/datasets/{one['id']}"
    assert (one["documents"], one["embedding"], one["dimension"]) == (0, "hash", 64)
    problem(api.call("POST", "/datasets", json={"name": "Life"}), 409, "conflict")
    changed = api.call(
        "PATCH", f"/datasets/{one['id']}",
        json={"name": "Lives", "retrieval": {"mode": "text", "k": 3}, "chunking": {"max_tokens": 100}},
    ).json()  # fmt: skip
    assert (changed["name"], changed["retrieval"]["mode"], changed["retrieval"]["k"]) == ("Lives", "text", 3)
    assert changed["description"] == "一生" and changed["chunking"] == {"max_tokens": 100}
    listed = api.call("GET", "/datasets?search=live").json()
    assert [each["id"] for each in listed["items"]] == [one["id"]]
    assert api.call("DELETE", f"/datasets/{one['id']}").status_code == 204
    problem(api.call("GET", f"/datasets/{one['id']}"), 404, "not_found")
    problem(api.call("DELETE", f"/datasets/{one['id']}"), 404, "not_found")


def test_a_file_is_uploaded_indexed_found_and_deleted(api) -> None:
    dataset = api.dataset("files")
    file = ("报告.md", b"# Tea\n\nGreen tea is brewed at eighty degrees.\n", "text/markdown")
    made = api.call(
        "POST", f"/datasets/{dataset}/documents", files={"file": file}, data={"metadata": '{"year": 2026}'}
    )
    assert made.status_code == 202
    one = made.json()
    assert (one["name"], one["metadata"], one["content_type"]) == ("报告.md", {"year": 2026}, "text/markdown")
    api.settle(dataset)
    where = f"/datasets/{dataset}/documents/{one['id']}"
    found = api.call("GET", where).json()
    assert (found["status"], found["progress"], found["error"]) == ("ready", 1.0, "")
    chunks = api.call("GET", f"{where}/chunks").json()
    assert chunks["total"] == found["chunks"] >= 1 and "eighty" in chunks["items"][0]["text"]
    hit = api.call("POST", f"/datasets/{dataset}/search", json={"query": "green tea"}).json()["passages"][0]
    assert (
        hit["document_name"] == "报告.md" and hit["metadata"] == {"year": 2026} and hit["scores"]["final"] > 0
    )
    original = api.call("GET", f"{where}/original")
    assert original.content == file[1]
    assert original.headers["content-disposition"].startswith("attachment; filename*=UTF-8''%E6%8A%A5")
    assert original.headers["content-type"] == "application/octet-stream"
    changed = api.call("PATCH", where, json={"name": "tea.md", "metadata": {"kind": "drink"}}).json()
    assert (changed["name"], changed["metadata"]) == ("tea.md", {"kind": "drink"})
    api.settle(dataset)
    narrow = {"query": "green tea", "settings": {"filter": {"kind": "drink"}}}
    assert api.call("POST", f"/datasets/{dataset}/search", json=narrow).json()["passages"]
    narrow["settings"] = {"filter": 'kind == "food"'}
    assert not api.call("POST", f"/datasets/{dataset}/search", json=narrow).json()["passages"]
    assert api.call("POST", f"{where}/reindex", json={"chunking": {"mode": "sentences"}}).status_code == 202
    api.settle(dataset)
    assert api.call("GET", where).json()["chunking"] == {"mode": "sentences"}
    assert api.call("DELETE", where).status_code == 204
    problem(api.call("GET", where), 404, "not_found")
    after = {"query": "green tea"}
    assert api.call("POST", f"/datasets/{dataset}/search", json=after).json()["passages"] == []


def test_both_languages_are_found_with_their_sources(api, handbook) -> None:
    for question, name, says in (
        ("parental leave", "leave.md", "six months"),
        ("带薪年假", "nianjia.md", "十五天"),
    ):
        answer = api.call("POST", f"/datasets/{handbook}/search", json={"query": question})
        first = answer.json()["passages"][0]
        assert first["document_name"] == name and says in first["text"], first
        assert 0 < first["scores"]["final"] <= 1 and first["scores"]["text"] is not None


def test_an_answer_cites_what_it_is_made_of(api, handbook) -> None:
    said = api.call("POST", f"/datasets/{handbook}/answer", json={"question": "How long is parental leave?"})
    answer = said.json()
    assert "six months" in answer["text"] and answer["model"] == "extractive"
    cited = {one["number"]: one["passage"]["document_name"] for one in answer["citations"]}
    assert "leave.md" in cited.values() and all(f"[{number}]" in answer["text"] for number in cited)


def test_an_answer_comes_in_parts(api, handbook) -> None:
    body = {"question": "How long is parental leave?", "stream": True}
    answer = api.call("POST", f"/datasets/{handbook}/answer", json=body)
    assert answer.headers["content-type"].startswith("text/event-stream")
    events = [event_of(block) for block in answer.text.strip().split("\n\n")]
    names = [name for name, _ in events]
    assert names[0] == "found" and names[-1] == "answer" and "text" in names
    whole = "".join(data["text"] for name, data in events if name == "text")
    assert whole.strip() == events[-1][1]["text"].strip()
    # What is wrong is said with a status, not in the middle of a stream.
    body["settings"] = {"filter": "year >"}
    problem(api.call("POST", f"/datasets/{handbook}/answer", json=body), 400, "invalid_input")


def event_of(block: str) -> tuple[str, Any]:
    fields = dict(line.split(": ", 1) for line in block.splitlines() if ": " in line)
    return fields["event"], json.loads(fields["data"])


def test_a_failed_document_says_why(api) -> None:
    dataset = api.dataset("broken")
    made = api.call("POST", f"/datasets/{dataset}/documents", files={"file": ("x.pdf", b"%PDF-1.7 nothing")})
    one = made.json()
    for _ in range(500):
        found = api.call("GET", f"/datasets/{dataset}/documents/{one['id']}").json()
        if found["status"] == "failed":
            break
        threading.Event().wait(0.02)
    assert found["status"] == "failed" and found["error"]
    failed = api.call("GET", f"/datasets/{dataset}/documents?status=failed").json()
    assert failed["total"] == 1
    assert api.call("GET", f"/datasets/{dataset}").json()["failed"] == 1


def test_a_preview_keeps_nothing(api) -> None:
    dataset = api.dataset("previews", chunking={"max_tokens": 60, "overlap_tokens": 0})
    text = "\n\n".join(f"Paragraph {number} is about apples, pears and plums." for number in range(40))
    answer = api.call("POST", f"/datasets/{dataset}/preview", files={"file": ("a.txt", text.encode())})
    assert answer.status_code == 200 and answer.json()["total"] > 5
    fewer = api.call(
        "POST", f"/datasets/{dataset}/preview", files={"file": ("a.txt", text.encode())},
        data={"chunking": '{"max_tokens": 2000}'},
    )  # fmt: skip
    assert fewer.json()["total"] == 1
    assert api.call("GET", f"/datasets/{dataset}/documents").json()["total"] == 0


# -- errors


def test_every_error_has_one_shape(api, handbook) -> None:
    base = f"/datasets/{handbook}"
    problem(api.call("GET", f"/datasets/{NOBODY}"), 404, "not_found")
    problem(api.call("GET", "/datasets/nothing"), 422, "invalid_input")
    problem(api.call("GET", f"{base}/documents/{NOBODY}"), 404, "not_found")
    problem(api.call("POST", "/datasets", json={"nam": "x"}), 422, "invalid_input")
    problem(api.call("POST", "/datasets", content=b"{not json"), 422, "invalid_input")
    problem(api.call("POST", "/datasets", json={"name": "x" * 256}), 422, "invalid_input")
    problem(
        api.call("POST", "/datasets", json={"name": "x", "chunking": {"mode": "?"}}), 400, "invalid_input"
    )
    problem(api.call("POST", "/datasets", json={"name": "x", "embedding": "?"}), 400, "invalid_input")
    problem(api.call("POST", f"{base}/search", json={"query": ""}), 422, "invalid_input")
    problem(
        api.call("POST", f"{base}/search", json={"query": "x", "settings": {"k": 0}}), 422, "invalid_input"
    )
    bad = {"query": "x", "settings": {"k": True, "candidates": False}}
    assert (
        problem(api.call("POST", f"{base}/search", json=bad), 422, "invalid_input")["message"].count(";") == 1
    )
    problem(api.call("POST", f"{base}/answer", json={"question": "x", "stream": 0}), 422, "invalid_input")
    bad = {"query": "x", "settings": {"filter": {"year": {"$near": 1}}}}
    assert "$near" in problem(api.call("POST", f"{base}/search", json=bad), 400, "invalid_input")["message"]
    bad = {"query": "x", "settings": {"rerank": "nobody"}}
    problem(api.call("POST", f"{base}/search", json=bad), 400, "invalid_input")
    problem(api.call("GET", f"{base}/documents?page=0"), 422, "invalid_input")
    refused = api.call("PUT", "/datasets")
    problem(refused, 405, "not_allowed")
    assert refused.headers["allow"] == "GET, POST"
    problem(api.call("GET", "/nothing"), 404, "not_found")
    problem(api.call("POST", f"{base}/documents", json={}), 415, "unsupported_type")
    problem(api.call("POST", f"{base}/documents", files={"file": ("", b"x")}), 422, "invalid_input")
    problem(
        api.call("POST", f"{base}/documents", files={"file": ("a.txt", b"x")}, data={"metadata": "[1]"}),
        400, "invalid_input",
    )  # fmt: skip
    problem(
        api.call(
            "POST", f"{base}/documents", files={"file": ("a.txt", b"x")}, data={"metadata": '{"a-b": 1}'}
        ),
        400, "invalid_input",
    )  # fmt: skip
    problem(api.call("POST", f"{base}/documents", files={"file": ("a.txt", b"")}), 400, "invalid_input")
    broken = {"content-type": "multipart/form-data; boundary=x"}
    problem(api.call("POST", f"{base}/documents", content=b"--y\r\n", headers=broken), 400, "invalid_input")
    broken = {"content-type": "multipart/form-data"}
    problem(api.call("POST", f"{base}/documents", content=b"--y\r\n", headers=broken), 400, "invalid_input")


def test_too_large_is_refused_without_being_kept(api) -> None:
    dataset = api.dataset("large")
    big = api.call("POST", f"/datasets/{dataset}/documents", files={"file": ("a.txt", b"x" * (3 << 20))})
    assert "BERTH_KNOWLEDGE_MAX_BYTES" in problem(big, 413, "too_large")["hint"]
    # Nobody has to say how long it is.
    pieces = (b"x" * 65536 for _ in range(80))
    headers = {"content-type": "multipart/form-data; boundary=b"}
    endless = api.call("POST", f"/datasets/{dataset}/documents", content=pieces, headers=headers)
    assert endless.status_code in {400, 413}
    pieces = (b" " * 65536 for _ in range(160))
    headers = {"content-type": "application/json"}
    problem(api.call("POST", "/datasets", content=pieces, headers=headers), 413, "too_large")
    assert api.call("GET", f"/datasets/{dataset}/documents").json()["total"] == 0


def test_what_a_store_says_stays_inside(api, handbook, monkeypatch) -> None:
    from cloudberth.errors import Unavailable

    def away(*_: Any, **__: Any) -> Any:
        raise Unavailable("no answer", where="postgres://db.internal:5432", hint="psql -h db.internal")

    monkeypatch.setattr(type(api.service), "search", away)
    answer = api.call("POST", f"/datasets/{handbook}/search", json={"query": "x"})
    problem(answer, 503, "unavailable")
    assert "internal" not in answer.text and int(answer.headers["retry-after"]) >= 1
    monkeypatch.setattr(type(api.service), "search", lambda *_: 1 / 0)
    answer = api.call("POST", f"/datasets/{handbook}/search", json={"query": "x"})
    problem(answer, 500, "unexpected")
    assert "division" not in answer.text


# -- keys


def test_a_key_opens_what_it_says(api, handbook) -> None:
    other = api.dataset("not mine")
    made = api.call("POST", "/keys", json={"label": "reader", "dataset_id": handbook}).json()
    reader = made["key"]
    assert api.call("GET", f"/datasets/{handbook}", key=reader).status_code == 200
    assert (
        api.call("POST", f"/datasets/{handbook}/search", key=reader, json={"query": "x"}).status_code == 200
    )
    seen = api.call("GET", "/datasets", key=reader).json()
    assert [one["id"] for one in seen["items"]] == [handbook] and seen["total"] == 1
    problem(api.call("GET", f"/datasets/{other}", key=reader), 403, "forbidden")
    # Nobody learns from the answer whether there is such a dataset.
    problem(api.call("GET", f"/datasets/{NOBODY}", key=reader), 403, "forbidden")
    for method, path, body in (
        ("PATCH", f"/datasets/{handbook}", {"name": "x"}),
        ("DELETE", f"/datasets/{handbook}", None),
        ("POST", f"/datasets/{handbook}/documents/text", {"name": "a.txt", "text": "x"}),
        ("POST", "/datasets", {"name": "x"}),
        ("GET", "/keys", None),
        ("GET", "/health", None),
    ):
        problem(api.call(method, path, key=reader, json=body), 403, "forbidden")
    writer = api.call("POST", "/keys", json={"label": "w", "dataset_id": handbook, "scope": "write"}).json()
    body = {"description": "mine"}
    assert api.call("PATCH", f"/datasets/{handbook}", key=writer["key"], json=body).status_code == 200
    # Whoever may write a dataset may neither delete it nor make keys.
    problem(api.call("DELETE", f"/datasets/{handbook}", key=writer["key"]), 403, "forbidden")
    problem(api.call("POST", "/keys", key=writer["key"], json={"label": "more"}), 403, "forbidden")


def test_without_a_key_nothing_is_said(api, handbook) -> None:
    for key in ("", "wrong", "kb_" + "x" * 43):
        answer = api.call("GET", f"/datasets/{handbook}", key=key)
        problem(answer, 401, "unauthorized")
        assert answer.headers["www-authenticate"].startswith("Bearer")
    cookie = api.client.get(f"/v1/knowledge/datasets/{handbook}", headers={"authorization": "Basic eA=="})
    problem(cookie, 401, "unauthorized")


def test_keys_are_rotated_and_end(api) -> None:
    first = api.call("POST", "/keys", json={"label": "turns"}).json()
    second = api.call("POST", f"/keys/{first['id']}/rotate", json={"overlap_seconds": 60}).json()
    assert second["key"] != first["key"] and second["label"] == "turns"
    for one in (first, second):
        assert api.call("GET", "/embeddings", key=one["key"]).status_code == 200
    assert api.call("DELETE", f"/keys/{first['id']}").status_code == 204
    problem(api.call("GET", "/embeddings", key=first["key"]), 401, "unauthorized")
    assert api.call("GET", "/embeddings", key=second["key"]).status_code == 200
    problem(api.call("DELETE", "/keys/key-000000000000"), 404, "not_found")
    past = (datetime.now(UTC) - timedelta(hours=1)).isoformat()
    over = api.call("POST", "/keys", json={"label": "over", "expires": past}).json()
    problem(api.call("GET", "/embeddings", key=over["key"]), 401, "unauthorized")
    naive = api.call("POST", "/keys", json={"label": "x", "expires": "2030-01-01T00:00:00"})
    problem(naive, 400, "invalid_input")
    listed = api.call("GET", "/keys").text
    assert first["key"] not in listed and second["key"] not in listed


def test_who_calls_too_often_is_told_when_to_come_again(api) -> None:
    from cloudberth.cache.rate_limits import RateLimit

    part = api.services.knowledge
    slow = RateLimit(part.service.parts.cache.under("slow"), 3, 60.0)
    made = api.call("POST", "/keys", json={"label": "busy"}).json()
    before = part.calls
    object.__setattr__(part, "calls", slow)
    try:
        answers = [api.call("GET", "/embeddings", key=made["key"]) for _ in range(4)]
    finally:
        object.__setattr__(part, "calls", before)
    assert [one.status_code for one in answers] == [200, 200, 200, 429]
    assert answers[0].headers["ratelimit-remaining"] == "2"
    problem(answers[3], 429, "rate_limited")
    assert int(answers[3].headers["retry-after"]) >= 1


# -- what makes clients simple


def test_the_same_upload_again_is_the_same_document(api) -> None:
    dataset = api.dataset("again")
    where = f"/datasets/{dataset}/documents/text"
    first = api.call("POST", where, json={"name": "a.txt", "text": "one"}, headers={"idempotency-key": "k1"})
    again = api.call("POST", where, json={"name": "a.txt", "text": "one"}, headers={"idempotency-key": "k1"})
    assert again.json()["id"] == first.json()["id"]
    assert again.headers["idempotency-replayed"] == "true" and "idempotency-replayed" not in first.headers
    other = api.call("POST", where, json={"name": "a.txt", "text": "two"}, headers={"idempotency-key": "k1"})
    problem(other, 422, "key_reused")
    # Also without a key: the same name and content are one document, until the content changes.
    assert api.call("POST", where, json={"name": "a.txt", "text": "one"}).json()["id"] == first.json()["id"]
    new = api.call("POST", where, json={"name": "a.txt", "text": "three", "same_name": "replace"}).json()
    assert new["id"] == first.json()["id"]
    assert api.call("GET", f"/datasets/{dataset}/documents").json()["total"] == 1
    problem(
        api.call("POST", where, json={"name": "a", "text": "x"}, headers={"idempotency-key": "a b"}),
        422, "invalid_input",
    )  # fmt: skip


def test_what_did_not_change_is_not_sent_again(api, handbook) -> None:
    first = api.call("GET", f"/datasets/{handbook}")
    tag = first.headers["etag"]
    same = api.call("GET", f"/datasets/{handbook}", headers={"if-none-match": tag})
    assert same.status_code == 304 and same.content == b"" and same.headers["etag"] == tag
    weak = api.call("GET", f"/datasets/{handbook}", headers={"if-none-match": f'"x", W/{tag}'})
    assert weak.status_code == 304
    api.call("PATCH", f"/datasets/{handbook}", json={"description": "changed"})
    assert api.call("GET", f"/datasets/{handbook}", headers={"if-none-match": tag}).status_code == 200
    assert first.headers["cache-control"] == "private, no-cache"


def test_lists_come_in_pages(api) -> None:
    dataset = api.dataset("pages")
    for number in range(5):
        api.text(dataset, f"{number}.txt", f"text {number}")
    seen = []
    for page in (1, 2, 3):
        found = api.call("GET", f"/datasets/{dataset}/documents?size=2&page={page}").json()
        assert (found["total"], found["pages"], found["size"]) == (5, 3, 2)
        seen += [one["name"] for one in found["items"]]
    assert sorted(seen) == [f"{number}.txt" for number in range(5)]
    assert api.call("GET", f"/datasets/{dataset}/documents?size=2&page=4").json()["items"] == []
    problem(api.call("GET", f"/datasets/{dataset}/documents?size=201"), 422, "invalid_input")


def test_progress_can_be_polled_and_streamed(api) -> None:
    dataset = api.dataset("progress")
    begin = api.call("GET", f"/datasets/{dataset}/events").json()["after"]
    document = api.text(dataset, "a.txt", "some text to index")
    api.settle(dataset)
    found = api.call("GET", f"/datasets/{dataset}/events?after={begin}").json()
    of_it = [one["status"] for one in found["events"] if one["document_id"] == document]
    assert of_it[0] == "waiting" and of_it[-1] == "ready"
    assert api.call("GET", f"/datasets/{dataset}/events?after={found['after']}").json()["events"] == []
    # The stream begins where the reader was, and ends when the server does.
    part = api.services.knowledge
    threading.Timer(1.0, part.stopping.set).start()
    try:
        headers = {"last-event-id": str(begin)}
        text = api.call("GET", f"/datasets/{dataset}/events/stream", headers=headers).text
    finally:
        part.stopping.clear()
    ids = [int(line[4:]) for line in text.splitlines() if line.startswith("id: ")]
    assert ids == [one["sequence"] for one in found["events"]] and "event: change" in text


def test_the_document_of_the_interface_is_whole(api) -> None:
    document = api.client.get("/openapi.json").json()
    paths = {path for path in document["paths"] if path.startswith("/v1/knowledge") or path == "/retrieval"}
    assert len(paths) > 18
    for path in paths:
        for method, operation in document["paths"][path].items():
            assert operation.get("description"), (method, path)
            shapes = {status: str(one.get("content")) for status, one in operation["responses"].items()}
            problems = [status for status in shapes if status >= "400"]
            assert {"400", "403", "429"} <= set(problems), (method, path, problems)
            name = "DifyError" if path == "/retrieval" else "Problem"
            assert all(name in shapes[status] for status in problems), (method, path, shapes)
            assert operation["security"] == [{"key": []}], (method, path)
    assert "example" in json.dumps(document["components"]["schemas"]["SearchIn"])


def test_the_status_is_for_neighbours(api) -> None:
    assert api.client.get("/status.json").status_code == 403, "the test client is nobody's neighbour"
    health = api.call("GET", "/health").json()
    assert {one["name"] for one in health["parts"] if one["ok"]} >= {"state", "originals", "vectors"}


@pytest.mark.parametrize("path", ["/datasets", "/keys", "/health"])
def test_pages_of_other_sites_cannot_call(api, path: str) -> None:
    answer = api.call("POST", path, headers={"origin": "https://evil.test"}, json={"name": "x", "label": "x"})
    assert answer.status_code == 403
