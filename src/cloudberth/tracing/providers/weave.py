"""W&B Weave. Source: wandb/docs, OpenTelemetry. Spans without entity and project are dropped silently."""

from collections.abc import Mapping
from typing import Any

from cloudberth.tracing.profile import (
    Check,
    Field,
    Profile,
    Settings,
    endpoint_field,
    key_field,
    project_field,
)
from cloudberth.tracing.store import SpanRow


def _derive(row: SpanRow, _settings: Settings) -> Mapping[str, Any]:
    found: dict[str, Any] = {"weave.span.kind": (row.kind or "CHAIN").lower()}
    if row.session and row.parent_id is None:
        found["wandb.is_turn"] = True
    return found


def _url(settings: Settings) -> str:
    host = settings["endpoint"].rstrip("/")
    return f"{host}/agents/otel/v1/traces" if settings["view"] == "agents" else f"{host}/otel/v1/traces"


PROFILE = Profile(
    id="weave",
    title="W&B Weave",
    fields=(
        key_field(),
        Field("entity", "Entity", "团队（entity）", required=True),
        project_field(""),
        endpoint_field("https://trace.wandb.ai", "https://SUBDOMAIN.wandb.io/traces"),
        Field("view", "View", "视图", default="traces", choices=("traces", "agents")),
        Field("api_endpoint", "W&B API", "W&B API 地址", default="https://api.wandb.ai"),
    ),
    traces_url=_url,
    headers=(("wandb-api-key", "{api_key}"), ("project_id", "{entity}/{project}")),
    resource=(("wandb.entity", "{entity}"), ("wandb.project", "{project}")),
    copies=(("wandb.thread_id", "session"),),
    derive=_derive,
    check=Check(
        "POST",
        "{api_endpoint}/graphql",
        headers=(("authorization", "Basic {basic}"),),
        body='{"query":"query { viewer { username } }"}',
    ),
    basic=("=api", "api_key"),
    project_url="https://wandb.ai/{entity:path}/{project:path}/weave/traces",
    notes=("The check of the key (GraphQL `viewer`) follows the client's source and was not tried.",),
)
