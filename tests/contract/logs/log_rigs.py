"""Log stores that readers are held to: doubles that read the query, moto, and files."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import pytest

from cloudberth.logs.aliyun_sls import AliyunSls
from cloudberth.logs.azure_monitor import AzureMonitor
from cloudberth.logs.cloudwatch import CloudWatch
from cloudberth.logs.contract import LogReader
from cloudberth.logs.files import Files
from cloudberth.logs.google_logging import GoogleLogging
from cloudberth.storage.credentials import Credentials, fixed
from cloudberth.storage.options import Options
from doubles.log_stores import AzureDouble, CloudWatchDouble, GoogleLogsDouble, SlsDouble, Store

SERVICES = ("api", "worker", "router", "plugin_daemon")
GROUPS = {service: f"/cloudberth/shop/{service}" for service in SERVICES}
WORKSPACE = (
    "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/shop/providers/"
    "Microsoft.OperationalInsights/workspaces/shop"
)
QUICK = Options(retries=4, deadline=20.0)
Add = Callable[[datetime, str, str], None]


@dataclass(frozen=True)
class Running:
    """A store with a reader. add: puts a line in. store: the double, where it is one.

    wrong: a reader whose credentials the store does not know.
    """

    reader: LogReader
    add: Add
    store: Store | None = None
    wrong: LogReader | None = None


@contextmanager
def files(folder: Path, _patch: pytest.MonkeyPatch) -> Iterator[Running]:
    def add(time: datetime, service: str, raw: str) -> None:
        with (folder / f"{service}.log").open("a", encoding="utf-8") as stream:
            stream.write(dated(time, raw) + "\n")

    yield Running(Files((str(folder),)), add)


def dated(time: datetime, raw: str) -> str:
    """The line with its time in it, as a file needs it."""
    try:
        parsed = json.loads(raw)
    except ValueError:
        return f"{time.isoformat()} {raw}"
    parsed.pop("ts", None)
    return json.dumps({"timestamp": time.isoformat(), **parsed}, ensure_ascii=False)


@contextmanager
def cloudwatch(_folder: Path, patch: pytest.MonkeyPatch) -> Iterator[Running]:
    store = CloudWatchDouble(groups={group: service for service, group in GROUPS.items()})
    with store.serve() as server:
        aws(patch, server.url)
        yield Running(CloudWatch(GROUPS, "eu-central-1", pause=0.001), store.add, store)


def aws(patch: pytest.MonkeyPatch, endpoint: str = "") -> None:
    patch.setenv("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE")
    patch.setenv("AWS_SECRET_ACCESS_KEY", "the-secret")
    if endpoint:
        patch.setenv("AWS_ENDPOINT_URL_CLOUDWATCH_LOGS", endpoint)


@contextmanager
def moto(_folder: Path, patch: pytest.MonkeyPatch) -> Iterator[Running]:
    """It ignores filters in Insights and patterns of JSON: what is found is what the reader sorts out."""
    import boto3
    from moto import mock_aws

    aws(patch)
    with mock_aws():
        client = boto3.client("logs", region_name="eu-central-1")
        for group in GROUPS.values():
            client.create_log_group(logGroupName=group)
            client.put_retention_policy(logGroupName=group, retentionInDays=60)
            client.create_log_stream(logGroupName=group, logStreamName="one")

        def add(time: datetime, service: str, raw: str) -> None:
            event = {"timestamp": int(time.timestamp() * 1000), "message": raw}
            client.put_log_events(logGroupName=GROUPS[service], logStreamName="one", logEvents=[event])

        yield Running(CloudWatch(GROUPS, "eu-central-1", pause=0.001), add)


@contextmanager
def azure(_folder: Path, _patch: pytest.MonkeyPatch) -> Iterator[Running]:
    store = AzureDouble()
    with store.serve() as server:

        def reader(token: str) -> LogReader:
            return AzureMonitor(WORKSPACE, endpoint=server.url, token=lambda _scope: token, options=QUICK)

        yield Running(reader("token-1"), store.add, store, reader("token-secret-2"))


@contextmanager
def google(_folder: Path, _patch: pytest.MonkeyPatch) -> Iterator[Running]:
    store = GoogleLogsDouble()
    logs = {service: f"projects/shop-1/logs/cloudberth-shop-{service}" for service in SERVICES}
    bucket = store.resource.removesuffix("/views/_AllLogs")
    with store.serve() as server:

        def reader(token: str) -> LogReader:
            return GoogleLogging(bucket, logs, endpoint=server.url, token=lambda: token, options=QUICK)

        yield Running(reader("token-1"), store.add, store, reader("token-secret-2"))


@contextmanager
def sls(region: str, patch: pytest.MonkeyPatch) -> Iterator[Running]:
    """region: signs version 4; version 1 without."""
    store = SlsDouble()
    with store.serve() as server:

        def reader(secret: str) -> LogReader:
            endpoint = f"{region}.log.aliyuncs.com" if region else "log.example.com"
            keys = fixed(Credentials("LTAI-key", secret))
            return AliyunSls("shop", "lines", endpoint, proxy=server.url, credentials=keys, options=QUICK)

        yield Running(reader("the-secret"), store.add, store, reader("other-secret-2"))


@contextmanager
def sls_4(_folder: Path, patch: pytest.MonkeyPatch) -> Iterator[Running]:
    with sls("cn-hangzhou", patch) as running:
        yield running


@contextmanager
def sls_1(_folder: Path, patch: pytest.MonkeyPatch) -> Iterator[Running]:
    with sls("", patch) as running:
        yield running


RIGS = {
    "files": files,
    "cloudwatch": cloudwatch,
    "moto": moto,
    "azure": azure,
    "google": google,
    "sls-v4": sls_4,
    "sls-v1": sls_1,
}
DOUBLES = ("cloudwatch", "azure", "google", "sls-v4")
