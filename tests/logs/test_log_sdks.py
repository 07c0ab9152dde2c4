"""The vendors' own SDKs read the same doubles as our readers, with the same texts; and SLS's signatures."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from log_samples import LINES, START, moment

from cloudberth.logs.azure_monitor import AzureMonitor
from cloudberth.logs.filter import Condition, Filter
from cloudberth.logs.google_logging import GoogleLogging
from cloudberth.logs.languages import google, kql
from cloudberth.logs.severity import Severity
from cloudberth.logs.sls_signing import headers_v1, headers_v4
from cloudberth.storage.credentials import Credentials
from doubles.log_stores import AzureDouble, GoogleLogsDouble

GUID = "11111111-2222-3333-4444-555555555555"
FILTER = Filter(
    START,
    START + timedelta(minutes=1),
    level=Severity.ERROR,
    text=("time out",),
    conditions=(Condition("status", ">=", "500"),),
)


@pytest.fixture
def azure() -> Iterator[tuple[AzureDouble, Any]]:
    store = AzureDouble()
    for at, service, raw in LINES:
        store.add(moment(at), service, raw)
    with store.serve() as server:
        yield store, server


@pytest.fixture
def google_double() -> Iterator[tuple[GoogleLogsDouble, Any]]:
    store = GoogleLogsDouble()
    for at, service, raw in LINES:
        store.add(moment(at), service, raw)
    with store.serve() as server:
        yield store, server


def test_the_sdk_of_azure_asks_and_reads_as_we_do(azure: tuple[AzureDouble, Any]) -> None:
    query = pytest.importorskip("azure.monitor.query")
    policies = pytest.importorskip("azure.core.pipeline.policies")
    _store, server = azure

    class Bearer(policies.SansIOHTTPPolicy):  # type: ignore[misc] # the SDK's own refuses plain HTTP
        def on_request(self, request: Any) -> None:
            request.http_request.headers["Authorization"] = "Bearer token-1"

    text = kql.compile_filter(FILTER, 10)
    client = query.LogsQueryClient(object(), endpoint=f"{server.url}/v1", authentication_policy=Bearer())
    answer = client.query_workspace(GUID, text, timespan=(FILTER.since, FILTER.until))
    theirs = [row["Message"] for row in answer.tables[0].rows]
    asked = server.requests[-1]

    reader = AzureMonitor(GUID, endpoint=server.url, token=lambda _scope: "token-1")
    ours = reader.query(FILTER, 10)
    assert [record.raw for record in ours] == theirs[::-1] == [LINES[1][2]]
    mine = server.requests[-1]
    assert (mine.method, mine.path) == (asked.method, asked.path)
    assert json.loads(mine.body)["query"] == json.loads(asked.body)["query"]
    spans = [json.loads(request.body)["timespan"].split("/") for request in (mine, asked)]
    assert [[datetime.fromisoformat(end) for end in span] for span in spans] == [
        [FILTER.since, FILTER.until]
    ] * 2


def test_the_sdk_of_google_asks_and_reads_as_we_do(google_double: tuple[GoogleLogsDouble, Any]) -> None:
    logging = pytest.importorskip("google.cloud.logging")
    credentials = pytest.importorskip("google.oauth2.credentials")
    store, server = google_double
    text = google.compile_filter(FILTER)
    client = logging.Client(
        project="shop-1",
        credentials=credentials.Credentials("token-1"),
        client_options={"api_endpoint": server.url},
        _use_grpc=False,
    )
    bucket = store.resource
    theirs = [
        entry.payload["message"]
        for entry in client.list_entries(resource_names=[bucket], filter_=text, order_by="timestamp desc")
    ]
    asked = json.loads(server.requests[-1].body)

    reader = GoogleLogging(
        bucket.removesuffix("/views/_AllLogs"), endpoint=server.url, token=lambda: "token-1"
    )
    assert (
        [record.message for record in reader.query(FILTER, 10)] == theirs[::-1] == ["Time Out of the model"]
    )
    mine = json.loads(server.requests[-1].body)
    assert {key: mine[key] for key in ("resourceNames", "filter", "orderBy")} == {
        key: asked[key] for key in ("resourceNames", "filter", "orderBy")
    }
    assert server.requests[-1].path == "/v2/entries:list"


# What aliyun-log-python-sdk 0.9.52 makes of these requests (its AuthV1 and AuthV4; it cannot be installed
# beside the protobuf of the others).
QUERY = {
    "type": "log", "from": "1795690800", "to": "1795694400", "query": 'severity: "error" and "a b*/语"',
    "line": "100", "offset": "0", "reverse": "true",
}  # fmt: skip
NOW = datetime(2026, 11, 26, 10, 0, 0, tzinfo=UTC)
V1 = {None: "JssVk4QhJYavjcZk1tyZ1pCSWSI=", "sts-token": "HfBgazTR3xTC9gyJxBuhw3muqBg="}
V4_GET = {
    None: "a9e2cf90c6a0938d2b61eb28bf4b4dbdf49ae8a52b2beeb33e470dfe3a69d41f",
    "sts-token": "bf2c3a0965049c5a866b616640d79d62b0ee9cf1e5e365d9eefbad1d84c01cd7",
}
V4_POST = {
    None: "2bd38a572bea758aaf1e3501304ad25be00600403bbbe6dfa2404ba1bef9ed80",
    "sts-token": "1d32600e265e22acca3d547fa3d583c36feb8b7d488bdd575228cb830e2c5d1c",
}


@pytest.mark.parametrize("token", [None, "sts-token"])
def test_signatures_of_sls_are_those_of_its_sdk(token: str | None) -> None:
    keys = Credentials("LTAI-key", "the-secret", token)
    raw = {"x-log-bodyrawsize": "0"}
    first = headers_v1("GET", "/logstores/lines", QUERY, raw, b"", keys, NOW)
    assert first["authorization"] == f"LOG LTAI-key:{V1[token]}"
    assert first["date"] == "Thu, 26 Nov 2026 10:00:00 GMT"
    host = {"host": "shop.cn-hangzhou.log.aliyuncs.com"}
    fourth = headers_v4("GET", "/logstores/lines", QUERY, {**raw, **host}, b"", keys, NOW, "cn-hangzhou")
    scope = "LTAI-key/20261126/cn-hangzhou/sls/aliyun_v4_request"
    assert fourth["authorization"] == f"SLS4-HMAC-SHA256 Credential={scope},Signature={V4_GET[token]}"
    body = {"content-type": "application/json", **host}
    posted = headers_v4("POST", "/logstores/lines/logs", {}, body, b'{"a":1}', keys, NOW, "cn-hangzhou")
    assert posted["authorization"].endswith(f"Signature={V4_POST[token]}")
