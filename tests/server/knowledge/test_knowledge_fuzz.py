"""The interface under strange input: what its own OpenAPI allows and forbids, and texts that want to be code.

``schemathesis`` makes requests from the OpenAPI: right ones and wrong ones. No answer may be 5xx, every one
has a documented status, type and shape, and wrong input is refused.
"""

from __future__ import annotations

import contextlib
import json
import re
from typing import Any

import jsonschema
import pytest
import requests
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable

schemathesis = pytest.importorskip(
    "schemathesis", reason="schemathesis is part of the development environment"
)

EXAMPLES = 3
INJECTIONS = (
    "x' OR '1'='1", 'x" OR "1"="1', "'; DROP TABLE knowledge_documents; --", "1) OR 1=1 --", "\\' OR 1=1 --",
    "${jndi:ldap://x}", "{{7*7}}", "<script>alert(1)</script>", "../../etc/passwd", "%00", "a%' --", "*:*",
    'x" OR document_id:*', "__import__('os').system('id')", "' UNION SELECT 1,2,3 --", "NEAR(a b)", 'col:"x"',
)  # fmt: skip


@pytest.fixture(scope="module")
def schema(api):
    document = api.client.get("/openapi.json").json()
    keep = {
        path: item
        for path, item in document["paths"].items()
        # A stream of events has no end that a fuzzer would wait for.
        if (path.startswith("/v1/knowledge") and not path.endswith("/events/stream")) or path == "/retrieval"
    }
    document["paths"] = keep
    api.services.knowledge.stopping.clear()
    return schemathesis.openapi.from_dict(document)


def test_requests_made_from_the_document_are_answered_as_documented(api, schema) -> None:
    """Every operation, a few requests of each kind, each time the same ones."""
    dataset = api.dataset("fuzzed")
    document = api.text(dataset, "a.txt", "some text about lighthouses")
    api.settle(dataset)
    game = Game(api, schema.raw_schema, {"dataset_id": dataset, "document_id": document})
    for found in schema.get_all_operations():
        operation = found.ok()
        for mode in (schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE):
            game.play(operation, mode)
    assert game.asked > 150 and game.done > 20, "hardly anything was asked, or done"


class Game:
    """Asks and judges. known: identifiers of things that are there, so that more than 404 is seen."""

    def __init__(self, api: Any, document: dict[str, Any], known: dict[str, str]) -> None:
        self.api, self.document, self.known = api, document, known
        self.asked = self.done = 0

    def play(self, operation: Any, mode: Any) -> None:
        @settings(
            max_examples=EXAMPLES, deadline=None, derandomize=True, database=None, phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )  # fmt: skip
        @given(case=operation.as_strategy(generation_mode=mode))
        def ask(case: Any) -> None:
            self.asked += 1
            is_positive = mode is schemathesis.GenerationMode.POSITIVE
            # Deleting what is known would end the game.
            if is_positive and self.asked % 2 and operation.method.upper() != "DELETE":
                for name in self.known.keys() & case.path_parameters.keys():
                    case.path_parameters[name] = self.known[name]
            self.judge(operation, is_positive, case)

        # An operation without parameters and body cannot be asked wrongly.
        with contextlib.suppress(Unsatisfiable):
            ask()

    def judge(self, operation: Any, is_positive: bool, case: Any) -> None:
        sent = case.as_transport_kwargs(base_url="http://knowledge.test")
        known = ("method", "url", "params", "json", "data", "files", "headers")
        try:
            whole = requests.Request(**{name: sent[name] for name in known if name in sent}).prepare()
        except (requests.exceptions.RequestException, UnicodeError):
            return  # no client can send this
        headers = {
            name: str(value)
            for name, value in whole.headers.items()
            if name.lower() not in {"authorization", "content-length"} and sendable(name + str(value))
        }
        headers["authorization"] = f"Bearer {self.api.key}"
        body = whole.body.encode() if isinstance(whole.body, str) else whole.body
        answer = self.api.client.request(whole.method, whole.url, headers=headers, content=body)
        where = (operation.label, whole.url, body, answer.status_code, answer.text[:400])
        assert answer.status_code < 500 and "Traceback" not in answer.text, where
        documented = operation.definition.raw["responses"]
        # Routing comes first: an odd piece of a path leads elsewhere.
        assert str(answer.status_code) in documented or answer.status_code in {404, 405}, where
        if answer.status_code < 300:
            self.done += 1
            self.check_shape(documented[str(answer.status_code)], answer, where)
        elif "json" in answer.headers.get("content-type", ""):
            assert set(answer.json()) in ({"code", "message", "hint"}, {"error_code", "error_msg"}), where

    def check_shape(self, documented: dict[str, Any], answer: Any, where: Any) -> None:
        shape = documented.get("content", {}).get("application/json", {}).get("schema")
        if shape is not None and "json" in answer.headers.get("content-type", ""):
            whole = {**shape, "components": self.document["components"]}
            faults = list(jsonschema.Draft202012Validator(whole).iter_errors(answer.json()))
            assert not faults, (faults[:2], where)


def sendable(text: str) -> bool:
    """What a client lets into a header."""
    return text.isascii() and text.isprintable()


@pytest.mark.parametrize("text", INJECTIONS, ids=lambda text: re.sub(r"\W+", "_", text)[:30])
def test_texts_that_want_to_be_code_are_texts(api, handbook, text: str) -> None:
    base = f"/datasets/{handbook}"
    before = api.call("GET", f"{base}/documents").json()["total"]
    for settings_ in (
        {"filter": {"lang": text}}, {"filter": {"lang": {"$in": [text, "nobody"]}}},
        {"filter": {"lang": {"$gt": text * 2}}, "mode": "text"}, {"filter": f"lang == {json.dumps(text)}"},
    ):  # fmt: skip
        answer = api.call("POST", f"{base}/search", json={"query": "leave", "settings": settings_})
        assert answer.status_code == 200, (settings_, answer.text)
        if "$gt" not in str(settings_):
            assert answer.json()["passages"] == [], (settings_, answer.text)
    # As the name of a field, as an expression, as a question, and as what is searched for in lists.
    assert api.call(
        "POST", f"{base}/search", json={"query": "leave", "settings": {"filter": {text: "x"}}}
    ).status_code in {200, 400}
    assert api.call(
        "POST", f"{base}/search", json={"query": "leave", "settings": {"filter": text}}
    ).status_code in {200, 400}
    for mode in ("text", "hybrid", "dense"):
        answer = api.call("POST", f"{base}/search", json={"query": text, "settings": {"mode": mode}})
        assert answer.status_code == 200, answer.text
    assert api.call("GET", f"{base}/documents", params={"search": text}).json()["total"] == 0
    condition = {"conditions": [{"name": "lang", "comparison_operator": "is not", "value": text}]}
    body = {
        "knowledge_id": handbook, "query": "leave", "retrieval_setting": {"top_k": 9},
        "metadata_condition": condition,
    }  # fmt: skip
    found = api.call("POST", "/retrieval", json=body).json()["records"]
    assert {one["title"] for one in found} == {"leave.md", "nianjia.md"}
    assert api.call("GET", f"{base}/documents").json()["total"] == before
