"""LangSmith. Source: docs.langchain.com, trace with OpenTelemetry; langsmith 0.15 (limits, check)."""

from collections.abc import Mapping
from typing import Any

from cloudberth.tracing import attributes as names
from cloudberth.tracing.profile import (
    Check,
    Field,
    Limits,
    Profile,
    Settings,
    attribute,
    endpoint_field,
    key_field,
    project_field,
)
from cloudberth.tracing.store import SpanRow

_KINDS = {
    "LLM": "llm",
    "RETRIEVER": "retriever",
    "EMBEDDING": "embedding",
    "TOOL": "tool",
    "RERANKER": "retriever",
}


def _derive(row: SpanRow, _settings: Settings) -> Mapping[str, Any]:
    found: dict[str, Any] = {"langsmith.span.kind": _KINDS.get(row.kind, "chain")}
    tags = attribute(row, names.OI_TAGS)
    if isinstance(tags, list):
        found["langsmith.span.tags"] = ", ".join(map(str, tags))
    return found


PROFILE = Profile(
    id="langsmith",
    title="LangSmith",
    fields=(
        key_field(),
        project_field(),
        endpoint_field("https://api.smith.langchain.com", "https://eu.api.smith.langchain.com"),
        Field("workspace", "Workspace ID (for keys of several)", "工作区 ID（多工作区密钥）"),
    ),
    traces_url="{endpoint}/otel/v1/traces",
    headers=(("x-api-key", "{api_key}"), ("Langsmith-Project", "{project}"), ("X-Tenant-Id", "{workspace}")),
    copies=(("langsmith.metadata.session_id", "session"), ("langsmith.metadata.user_id", "user")),
    derive=_derive,
    # The SDK cuts requests at 20 MB; pages speak of 2,000 requests a minute.
    limits=Limits(body=8 << 20, span=8 << 20, requests_per_minute=1800),
    check=Check("GET", "{endpoint}/sessions?limit=1"),
    project_url="https://smith.langchain.com",
    notes=(
        "Feedback is not delivered: LangSmith wants its own run id, which spans over OTLP do not have.",
        "Self-hosted: the endpoint is https://HOST/api/v1.",
    ),
)
