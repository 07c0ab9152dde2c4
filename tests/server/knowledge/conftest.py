"""A server with knowledge for tests: small vectors, workers in threads, a key for everything."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from starlette.testclient import TestClient

from cloudberth.knowledge.model import Scope
from cloudberth.knowledge.service import Knowledge
from cloudberth.knowledge.workers import ThreadWorkers
from cloudberth.server.application import create_application
from cloudberth.server.building import build_services, close_services
from cloudberth.server.sections import load_sections
from cloudberth.server.services import Services
from cloudberth.server.settings import ServerSettings

API = "/v1/knowledge"
ENGLISH = "# Leave\n\nParental leave is six months long.\n\n# Travel\n\nTrains are booked by the office.\n"
CHINESE = "# 年假\n\n员工每年享有十五天带薪年假。\n\n# 差旅\n\n出差的火车票由办公室预订。\n"


@dataclass
class Api:
    """The interface as a program sees it."""

    services: Services
    client: TestClient
    key: str

    @property
    def service(self) -> Knowledge:
        return self.services.knowledge.service

    def call(self, method: str, path: str, *, key: str | None = None, **more: Any) -> Any:
        shown = self.key if key is None else key
        headers = {"authorization": f"Bearer {shown}"} if shown else {}
        headers |= more.pop("headers", {})
        where = path if path.startswith(("/retrieval", "/v1")) else API + path
        return self.client.request(method, where, headers=headers, **more)

    def dataset(self, name: str, **more: Any) -> str:
        answer = self.call("POST", "/datasets", json={"name": name, **more})
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    def text(self, dataset: str, name: str, text: str, **more: Any) -> str:
        body = {"name": name, "text": text, **more}
        answer = self.call("POST", f"/datasets/{dataset}/documents/text", json=body)
        assert answer.status_code == 202, answer.text
        return str(answer.json()["id"])

    def settle(self, dataset: str) -> None:
        """Until workers have nothing more to do for a dataset."""
        ends = time.monotonic() + 60
        while self.service.jobs(dataset_id=dataset).total:
            assert time.monotonic() < ends, self.service.jobs(dataset_id=dataset)
            time.sleep(0.02)


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BERTH_KNOWLEDGE_EMBEDDING", "hash")
        patch.setenv("BERTH_KNOWLEDGE_EMBEDDING_DIMENSIONS", "64")
        patch.setenv("BERTH_KNOWLEDGE_MAX_BYTES", str(2 << 20))
        patch.setenv("BERTH_API_PER_MINUTE", "100000")
        services = build_services(ServerSettings(tmp_path_factory.mktemp("knowledge")), load_sections())
        app = create_application(services, load_sections())
        client = TestClient(app, raise_server_exceptions=False, base_url="http://knowledge.test")
        _, key = services.knowledge.service.create_key("tests", scope=Scope.WRITE)
        with ThreadWorkers(services.knowledge.service.parts):
            yield Api(services, client, key)
        close_services(services)


@pytest.fixture(scope="module")
def handbook(api: Api) -> str:
    """A dataset with an English and a Chinese document, indexed."""
    dataset = api.dataset("the handbook")
    api.text(dataset, "leave.md", ENGLISH, metadata={"lang": "en", "year": 2024})
    api.text(dataset, "nianjia.md", CHINESE, metadata={"lang": "zh", "year": 2026})
    api.settle(dataset)
    return dataset
