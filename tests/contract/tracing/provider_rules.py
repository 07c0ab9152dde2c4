"""What each provider documents about requests, as a server enforces it.

A rule answers a request as the provider would: 401 for missing or wrong authentication, 404 for another path,
415 for another content type, and what else is known. Sources are in the profiles; Phoenix and MLflow were
asked themselves.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from doubles.trace_provider import Reply, Request, json_reply, values

KEY = "key-0123456789abcdef"
Rule = Callable[[Request], Reply | None]


@dataclass(frozen=True)
class Rig:
    """settings: without the address; address: the setting that holds it; path: where spans go; checks: GET
    paths.
    """

    provider: str
    settings: Mapping[str, str]
    path: str
    headers: Mapping[str, str]
    address: str = "endpoint"
    resource: Mapping[str, str] = field(default_factory=dict)
    check: tuple[str, str, Mapping[str, str]] | None = None  # method, path with query, headers
    check_answer: Any = field(default_factory=dict)
    api_address: str = ""  # a second setting that holds an address
    empty: int = 200  # how an OTLP request without spans is answered
    most: int = 0  # bytes of a body
    project_url: str = ""
    wrong: Mapping[str, str] = field(default_factory=dict)  # settings with a wrong key

    def judge(self, request: Request) -> Reply | None:
        """The provider's answer to a request; None: it takes it."""
        if self.check is not None and (request.method, request.path) == self.check[:2]:
            good = all(request.headers.get(name.lower()) == value for name, value in self.check[2].items())
            return (
                json_reply(200, self.check_answer) if good else json_reply(401, {"detail": "Invalid token"})
            )
        if (request.method, request.path) != ("POST", self.path):
            return json_reply(404, {"detail": "Not Found"})
        if request.headers.get("content-type") != "application/x-protobuf":
            return json_reply(415, {"detail": "Unsupported content type"})
        for name, value in self.headers.items():
            if request.headers.get(name.lower()) != value:
                return json_reply(401, {"detail": f"{name} is wrong"})
        if self.most and len(request.body) > self.most:
            return json_reply(413, {"detail": "too large"})
        if not request.body:
            return json_reply(self.empty, {"detail": "no spans"}) if self.empty != 200 else None
        for each in request.export.resource_spans:
            found = values(each.resource.attributes)
            if any(found.get(name) != value for name, value in self.resource.items()):
                return json_reply(400, {"detail": f"the resource lacks {sorted(self.resource)}"})
        return None


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


RIGS = (
    Rig(
        "arize", {"api_key": KEY, "space_id": "space", "project": "shop"}, "/v1/traces",
        {"authorization": KEY, "arize-space-id": "space", "arize-interface": "otel"},
        resource={"openinference.project.name": "shop", "model_id": "shop"},
        check=("GET", "/v2/projects?limit=1", {"authorization": f"Bearer {KEY}"}), api_address="api_endpoint",
        project_url="https://app.arize.com/?redirect_project_name=shop",
        wrong={"api_key": "wrong-0123456789"},
    ),
    Rig(
        "phoenix", {"api_key": KEY, "project": "shop"}, "/v1/traces", {"authorization": f"Bearer {KEY}"},
        resource={"openinference.project.name": "shop"},
        check=("GET", "/v1/projects?limit=1", {"authorization": f"Bearer {KEY}"}),
        project_url="{base}/projects", wrong={"api_key": "wrong-0123456789"},
    ),
    Rig(
        "langsmith", {"api_key": KEY, "project": "shop", "workspace": "w1"}, "/otel/v1/traces",
        {"x-api-key": KEY, "langsmith-project": "shop", "x-tenant-id": "w1"},
        check=("GET", "/sessions?limit=1", {"x-api-key": KEY}), most=20 << 20,
        project_url="https://smith.langchain.com", wrong={"api_key": "wrong-0123456789"},
    ),
    Rig(
        "langfuse", {"public_key": "pk-lf-1", "secret_key": KEY, "environment": "prod"},
        "/api/public/otel/v1/traces",
        {"authorization": basic("pk-lf-1", KEY), "x-langfuse-ingestion-version": "4"},
        resource={"deployment.environment.name": "prod"},
        check=("GET", "/api/public/projects", {"authorization": basic("pk-lf-1", KEY)}),
        check_answer={"data": [{"id": "p7", "name": "shop"}]}, most=5_000_000,
        project_url="{base}/project/p7/traces", wrong={"secret_key": "wrong-0123456789"},
    ),
    Rig(
        "opik", {"api_key": KEY, "workspace": "team", "project": "shop"}, "/v1/private/otel/v1/traces",
        {"authorization": KEY, "comet-workspace": "team", "projectname": "shop"},
        check=("GET", "/v1/private/projects?page=1&size=1",
               {"authorization": KEY, "comet-workspace": "team"}),
        project_url="https://www.comet.com/opik/team/projects", wrong={"api_key": "wrong-0123456789"},
    ),
    Rig(
        "weave", {"api_key": KEY, "entity": "team", "project": "shop"}, "/otel/v1/traces",
        {"wandb-api-key": KEY, "project_id": "team/shop"},
        resource={"wandb.entity": "team", "wandb.project": "shop"},
        check=("POST", "/graphql", {"authorization": basic("api", KEY)}), api_address="api_endpoint",
        project_url="https://wandb.ai/team/shop/weave/traces", wrong={"api_key": "wrong-0123456789"},
    ),
    Rig(
        "aliyun", {"license_key": f"{KEY}@53df", "app_name": "shop"},
        f"/adapt_{KEY}@53df/api/otlp/traces", {},
        resource={"service.name": "shop", "acs.arms.service.feature": "genai_app"},
        project_url="https://arms.console.aliyun.com/#/llm", wrong={"license_key": "wrong-0123456789"},
    ),
    Rig(
        "tencent", {"token": KEY, "service_name": "shop"}, "/v1/traces", {"authorization": f"Bearer {KEY}"},
        resource={"service.name": "shop", "token": KEY},
        project_url="https://console.cloud.tencent.com/apm", wrong={"token": "wrong-0123456789"},
    ),
    Rig(
        "mlflow", {"experiment_id": "7", "username": "ann", "password": KEY}, "/v1/traces",
        {"authorization": basic("ann", KEY), "x-mlflow-experiment-id": "7"}, address="url",
        check=("GET", "/api/2.0/mlflow/experiments/get?experiment_id=7",
               {"authorization": basic("ann", KEY)}),
        empty=400, project_url="{base}/#/experiments/7/traces", wrong={"password": "wrong-0123456789"},
    ),
    Rig(
        "databricks", {"token": KEY, "table": "main.traces.spans", "experiment_id": "9"},
        "/api/2.0/otel/v1/traces",
        {"authorization": f"Bearer {KEY}", "x-databricks-uc-table-name": "main.traces.spans"}, address="host",
        check=("GET", "/api/2.0/preview/scim/v2/Me", {"authorization": f"Bearer {KEY}"}),
        project_url="{base}/ml/experiments/9/traces", wrong={"token": "wrong-0123456789"},
    ),
    Rig(
        "otlp", {"headers": f"x-team: shop\nx-key: {KEY}"}, "/any/path", {"x-team": "shop", "x-key": KEY},
        address="url", wrong={"headers": "x-team: shop\nx-key: wrong-0123456789"},
    ),
)  # fmt: skip


def settings_of(rig: Rig, base: str) -> dict[str, str]:
    """The settings with the address of a double."""
    found = dict(rig.settings)
    found[rig.address] = f"{base}/any/path" if rig.provider == "otlp" else base
    if rig.api_address:
        found[rig.api_address] = base
    return found
