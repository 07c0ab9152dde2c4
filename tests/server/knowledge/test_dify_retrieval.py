"""Dify's External Knowledge API, called as Dify calls it.

`DifyCaller` builds requests and reads answers as Dify does in ``services/external_knowledge_service.py`` and
``core/rag/retrieval`` (read 2026-11-26): written anew from those facts. No Dify runs here.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from cloudberth.server.knowledge.conditions import OPERATORS, Condition, MetadataCondition

# A request as Dify 1.x sends it: this order of keys, this spelling, null where nothing is set.
RECORDED = (
    '{"retrieval_setting": {"top_k": 2, "score_threshold": 0.0}, "query": "parental leave", '
    '"knowledge_id": "%s", "metadata_condition": null}'
)


class DifyFailed(Exception):
    """What a user of Dify would see."""


class DifyCaller:
    """Dify's side. endpoint: as it was typed into the form."""

    def __init__(self, api: Any, key: str) -> None:
        self._client, self._key = api.client, key

    def register(self) -> None:
        """The form External Knowledge API: an empty POST, and three statuses that are refused."""
        answer = self._client.post("/retrieval", headers={"Authorization": f"Bearer {self._key}"})
        refused = {502: "Bad Gateway", 404: "Not Found", 403: "Forbidden"}
        if answer.status_code in refused:
            raise DifyFailed(refused[answer.status_code])

    def retrieve(
        self, knowledge_id: str, query: str, model: Mapping[str, Any], condition: Any = None
    ) -> list[dict[str, Any]]:
        """A retrieval of an external knowledge base; documents as the rest of Dify takes them."""
        enabled = model.get("score_threshold_enabled") or False
        body = {
            "retrieval_setting": {
                "top_k": model.get("top_k"),
                "score_threshold": model.get("score_threshold", 0.0) if enabled else 0.0,
            },
            "query": query,
            "knowledge_id": knowledge_id,
            "metadata_condition": condition,
        }
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {self._key}"}
        answer = self._client.post("/retrieval", content=json.dumps(body), headers=headers)
        if answer.status_code != 200:
            raise DifyFailed(answer.text)
        documents = []
        for record in answer.json().get("records", []):
            # Dify writes into the metadata, which fails on null.
            record["metadata"]["score"] = record.get("score")
            record["metadata"]["title"] = record.get("title")
            documents.append({"page_content": record.get("content"), "metadata": record["metadata"]})
        return documents


@pytest.fixture(scope="module")
def dify(api, handbook) -> DifyCaller:
    made = api.call("POST", "/keys", json={"label": "Dify", "dataset_id": handbook}).json()
    return DifyCaller(api, made["key"])


def error(answer: Any, status: int, code: int) -> str:
    assert answer.status_code == status, answer.text
    said = answer.json()
    assert set(said) == {"error_code", "error_msg"} and said["error_code"] == code, said
    assert said["error_msg"] and "Traceback" not in answer.text
    return str(said["error_msg"])


def test_dify_registers_the_address(api, dify) -> None:
    dify.register()
    with pytest.raises(DifyFailed, match="Forbidden"):
        DifyCaller(api, "kb_wrong").register()


def test_dify_gets_documents(dify, handbook) -> None:
    found = dify.retrieve(handbook, "parental leave", {"top_k": 2})
    first = found[0]
    assert "six months" in first["page_content"] and first["metadata"]["title"] == "leave.md"
    assert 0 < first["metadata"]["score"] <= 1 and len(found) <= 2
    assert first["metadata"]["year"] == 2024 and first["metadata"]["document_id"]
    assert "十五天" in dify.retrieve(handbook, "带薪年假", {"top_k": 1})[0]["page_content"]


def test_a_recorded_request_is_answered_in_dify_s_shape(api, handbook) -> None:
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {api.key}"}
    answer = api.client.post("/retrieval", content=RECORDED % handbook, headers=headers)
    assert answer.status_code == 200
    said = answer.json()
    assert set(said) == {"records"} and said["records"]
    for record in said["records"]:
        assert set(record) == {"content", "score", "title", "metadata"}
        assert isinstance(record["metadata"], dict) and isinstance(record["score"], float)


def test_the_number_and_the_threshold_are_dify_s(dify, handbook) -> None:
    assert len(dify.retrieve(handbook, "leave", {"top_k": 1})) == 1
    model = {"top_k": 10, "score_threshold": 0.35, "score_threshold_enabled": True}
    strict = dify.retrieve(handbook, "parental leave", model)
    everything = dify.retrieve(handbook, "parental leave", {**model, "score_threshold_enabled": False})
    assert 0 < len(strict) < len(everything)
    assert all(one["metadata"]["score"] >= 0.35 for one in strict)
    assert dify.retrieve(handbook, "parental leave", {**model, "score_threshold": 1.0}) == []


def test_conditions_narrow_the_documents(dify, handbook) -> None:
    def titles(*conditions: dict[str, Any], operator: str = "and") -> set[str]:
        condition = {"logical_operator": operator, "conditions": list(conditions)}
        found = dify.retrieve(handbook, "leave 年假", {"top_k": 10}, condition)
        return {one["metadata"]["title"] for one in found}

    chinese = {"name": "lang", "comparison_operator": "is", "value": "zh"}
    recent = {"name": "year", "comparison_operator": "≥", "value": 2024}
    english = {"name": ["lang"], "comparison_operator": "contains", "value": "en"}
    assert titles(chinese) == {"nianjia.md"} and titles(recent) == {"leave.md", "nianjia.md"}
    assert titles(chinese, recent) == {"nianjia.md"} and titles(chinese, english) == set()
    assert titles(chinese, english, operator="or") == {"leave.md", "nianjia.md"}
    assert titles() == {"leave.md", "nianjia.md"}
    nobody = {"name": "lang", "comparison_operator": "is", "value": "x' OR '1'='1"}
    assert titles(nobody) == set()


def test_the_filter_of_the_dataset_holds_for_dify_too(api) -> None:
    for number, own in enumerate(('lang == "en"', {"lang": "en"}, '{"lang": "en"}')):
        retrieval = {"mode": "text", "k": 5, "filter": own}
        dataset = api.dataset(f"own filter {number}", retrieval=retrieval)
        for lang, year in (("en", 2020), ("en", 2026), ("zh", 2026)):
            text = f"A text about lighthouses, {lang} {year}."
            api.text(dataset, f"{lang}{year}.txt", text, metadata={"lang": lang, "year": year})
        api.settle(dataset)
        caller = DifyCaller(api, api.key)
        condition = {"conditions": [{"name": "year", "comparison_operator": ">", "value": "2025"}]}
        found = caller.retrieve(dataset, "lighthouses", {"top_k": 10}, condition)
        assert {one["metadata"]["title"] for one in found} == {"en2026.txt"}


KNOWN = {"tag": "Blue-Green", "year": 2024, "rate": 0.5, "draft": True, "day": "2026-03-01", "none": ""}


@pytest.mark.parametrize(
    ("operator", "name", "value", "fits"),
    [
        ("contains", "tag", "ue-G", True), ("contains", "tag", "ue-g", False),
        ("contains", "year", "02", True),
        ("not contains", "tag", "Red", True), ("not contains", "tag", "Blue", False),
        ("not contains", "away", "x", False),
        ("start with", "tag", "Blue", True), ("start with", "tag", "Green", False),
        ("end with", "tag", "Green", True), ("end with", "tag", "Blue", False),
        ("end with", "away", "", False),
        ("is", "tag", "Blue-Green", True), ("is", "tag", "blue-green", False), ("is", "year", "2024", True),
        ("is", "draft", "true", True), ("is", "draft", True, True),
        ("is not", "tag", "Blue", True), ("is not", "tag", "Blue-Green", False),
        ("is not", "away", "x", False),
        ("in", "tag", ["Red", "Blue-Green"], True), ("in", "tag", "Red, Blue-Green", True),
        ("in", "tag", ["Red"], False), ("in", "year", [2023, 2024], True),
        ("not in", "tag", ["Red"], True), ("not in", "tag", ["Blue-Green"], False),
        ("not in", "away", ["x"], False),
        ("empty", "away", None, True), ("empty", "none", None, True), ("empty", "tag", None, False),
        ("not empty", "tag", None, True), ("not empty", "away", None, False),
        ("not empty", "none", None, False),
        ("=", "year", 2024, True), ("=", "year", "2024.0", True), ("=", "year", 2023, False),
        ("≠", "year", 2023, True), ("≠", "year", 2024, False), ("≠", "away", 1, False),
        (">", "year", 2023, True), (">", "year", 2024, False), (">", "tag", 1, False),
        (">", "rate", "0.4", True),
        ("<", "year", 2025, True), ("<", "year", 2024, False), ("<", "draft", 5, False),
        ("≥", "year", 2024, True), ("≥", "year", 2025, False), ("≤", "year", 2024, True),
        ("≤", "year", 2023, False),
        ("before", "day", "2026-03-02", True), ("before", "day", "2026-03-01", False),
        ("before", "day", "2026-03-01T00:00:01+00:00", True), ("before", "day", 1_900_000_000, True),
        ("after", "day", "2026-02-28T23:59:59", True), ("after", "day", "2026-03-01", False),
        ("after", "day", "no day", False), ("after", "away", "2020-01-01", False),
        ("contains", "tag", None, False), ("is not", "tag", None, False),
    ],
    ids=lambda one: str(one),
)  # fmt: skip
def test_every_operator(operator: str, name: str, value: Any, fits: bool) -> None:
    condition = Condition.model_validate({"name": name, "comparison_operator": operator, "value": value})
    assert condition.fits(KNOWN) is fits


def test_no_operator_of_dify_is_missing() -> None:
    documented = "contains|not contains|start with|end with|is|is not|in|not in|empty|not empty"
    documented += "|=|≠|>|<|≥|≤|before|after"
    assert set(OPERATORS) == set(documented.split("|"))
    condition = MetadataCondition(logical_operator=None, conditions=None)
    assert condition.fits({}) and condition.fits(KNOWN)


def test_errors_are_dify_s(api, handbook) -> None:
    good = json.loads(RECORDED % handbook)

    def post(body: Any = None, header: str | None = f"Bearer {api.key}", **more: Any) -> Any:
        headers = {"Authorization": header} if header is not None else {}
        return api.client.post("/retrieval", json=body, headers=headers, **more)

    for header in (None, "", "Basic eA==", "Bearer", "Bearer ", api.key):
        assert "Bearer" in error(post(good, header), 403, 1001)
    error(post(good, "Bearer wrong"), 403, 1002)
    other = api.dataset("opened to nobody")
    narrow = api.call("POST", "/keys", json={"label": "narrow", "dataset_id": other}).json()["key"]
    error(post(good, f"Bearer {narrow}"), 403, 1002)
    for missing in ("nothing", "11111111-1111-4111-8111-111111111111", "' OR 1=1 --"):
        error(post({**good, "knowledge_id": missing}), 404, 2001)
    for wrong in (
        {}, [], {**good, "query": ""}, {**good, "query": 1}, {**good, "retrieval_setting": {"top_k": 0}},
        {**good, "retrieval_setting": {"top_k": 5, "score_threshold": 2}},
        {**good, "metadata_condition": {"conditions": [{"name": "x", "comparison_operator": "like"}]}},
        {**good, "metadata_condition": {"logical_operator": "xor", "conditions": []}},
    ):  # fmt: skip
        error(post(wrong), 422, 4000)
    headers = {"Authorization": f"Bearer {api.key}", "content-type": "application/json"}
    error(api.client.post("/retrieval", content=b"{no json", headers=headers), 422, 4000)
    error(api.client.post("/retrieval", content=b" " * (10 << 20), headers=headers), 413, 4000)


def test_what_fails_inside_stays_inside(api, handbook, monkeypatch) -> None:
    from cloudberth.errors import Unavailable

    def away(*_: Any, **__: Any) -> Any:
        raise Unavailable("no answer", where="db.internal:5432")

    monkeypatch.setattr(type(api.service), "search", away)
    headers = {"Authorization": f"Bearer {api.key}"}
    answer = api.client.post("/retrieval", json=json.loads(RECORDED % handbook), headers=headers)
    assert "internal" not in error(answer, 503, 5000) and answer.headers["retry-after"]
