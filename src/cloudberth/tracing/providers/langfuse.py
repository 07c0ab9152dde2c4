"""Langfuse, its clouds and self-hosted (3.22 or later). Sources: langfuse-docs opentelemetry,
ObservationTypeMapper.
"""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from cloudberth.tracing import attributes as names
from cloudberth.tracing.profile import (
    Check,
    FeedbackCall,
    Field,
    Limits,
    Profile,
    Settings,
    attribute,
    endpoint_field,
    key_field,
)
from cloudberth.tracing.store import SpanRow

_TYPES = {
    "LLM": "generation",
    "RETRIEVER": "retriever",
    "EMBEDDING": "embedding",
    "RERANKER": "retriever",
    "TOOL": "tool",
    "AGENT": "agent",
    "GUARDRAIL": "guardrail",
    "CHAIN": "chain",
}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def _derive(row: SpanRow, _settings: Settings) -> Mapping[str, Any]:
    found: dict[str, Any] = {"langfuse.observation.type": _TYPES.get(row.kind, "span")}
    if row.input_tokens is not None or row.output_tokens is not None:
        found["langfuse.observation.usage_details"] = json.dumps(_usage(row))
    if row.cost is not None:
        found["langfuse.observation.cost_details"] = json.dumps({"total": row.cost})
    if row.first_token_ns is not None:
        moment = _EPOCH + timedelta(microseconds=(row.start_ns + row.first_token_ns) // 1000)
        found["langfuse.observation.completion_start_time"] = moment.isoformat().replace("+00:00", "Z")
    tags = attribute(row, names.OI_TAGS)
    if isinstance(tags, list):
        found["langfuse.trace.tags"] = tags
    return found


def _usage(row: SpanRow) -> dict[str, int]:
    """Langfuse adds the entries up and prices each, so cached and reasoning tokens are taken out of the
    rest.
    """
    cached, reasoning = row.cached_tokens or 0, row.reasoning_tokens or 0
    usage = {
        "input": max(0, (row.input_tokens or 0) - cached),
        "output": max(0, (row.output_tokens or 0) - reasoning),
    }
    if cached:
        usage["input_cached_tokens"] = cached
    if reasoning:
        usage["output_reasoning_tokens"] = reasoning
    return usage


def _score(row: Mapping[str, Any]) -> Any:
    value = row["score"] if row["score"] is not None else row["label"]
    score = {
        "traceId": row["trace_id"],
        "observationId": row["given_span_id"],
        "name": row["name"],
        "value": value,
        "comment": row["comment"],
        "dataType": "NUMERIC" if row["score"] is not None else "CATEGORICAL",
        "id": f"cloudberth-{row['id']}-{row['trace_id']}",
    }
    return {name: value for name, value in score.items() if value is not None}


def _project(answer: Any, _settings: Settings) -> Mapping[str, str]:
    return {"project_id": str(answer["data"][0]["id"])}


PROFILE = Profile(
    id="langfuse",
    title="Langfuse",
    fields=(
        Field("public_key", "Public key", "公钥", required=True, example="pk-lf-…"),
        key_field("secret_key", "Secret key", "私钥"),
        endpoint_field("https://cloud.langfuse.com", "https://us.cloud.langfuse.com"),
        Field("environment", "Environment", "环境"),
    ),
    traces_url="{endpoint}/api/public/otel/v1/traces",
    basic=("public_key", "secret_key"),
    # Version 4 is the path in which spans are seen at once; a higher number is refused with 400.
    headers=(("authorization", "Basic {basic}"), ("x-langfuse-ingestion-version", "4")),
    resource=(("langfuse.environment", "{environment}"), ("deployment.environment.name", "{environment}")),
    derive=_derive,
    # 5 MB a request in the cloud, else 413. Hobby plan: 1,000 requests a minute.
    limits=Limits(body=3 << 20, requests_per_minute=900),
    check=Check("GET", "{endpoint}/api/public/projects"),
    project_url="{endpoint}/project/{project_id:path}/traces",
    project_from=_project,
    feedback=FeedbackCall("POST", "{endpoint}/api/public/scores", _score),
)
