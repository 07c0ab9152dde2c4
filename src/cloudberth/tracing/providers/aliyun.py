"""Alibaba Cloud: ARMS and Managed Service for OpenTelemetry. The license key is part of the path.

Sources: alibabacloud.com, use OpenTelemetry SDKs and the LLM trace field definitions; Dify's own client for
the paths.
"""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from cloudberth.tracing import attributes as names
from cloudberth.tracing.guard import host_of
from cloudberth.tracing.profile import Field, Profile, Settings, endpoint_field, key_field
from cloudberth.tracing.store import SpanRow

_KINDS = {"GUARDRAIL": "TASK", "": "TASK"}


def _url(settings: Settings) -> str:
    """CMS 2.0 hosts end in log.aliyuncs.com and have another path."""
    endpoint = settings["endpoint"].rstrip("/")
    path = "api/v1/traces" if host_of(endpoint).endswith("log.aliyuncs.com") else "api/otlp/traces"
    return f"{endpoint}/adapt_{quote(settings['license_key'], safe='@')}/{path}"


def _derive(row: SpanRow, _settings: Settings) -> Mapping[str, Any]:
    found: dict[str, Any] = {"gen_ai.span.kind": _KINDS.get(row.kind, row.kind)}
    if row.input_tokens is not None or row.output_tokens is not None:
        found["gen_ai.usage.total_tokens"] = (row.input_tokens or 0) + (row.output_tokens or 0)
    return found


PROFILE = Profile(
    id="aliyun",
    title="Alibaba Cloud ARMS",
    fields=(
        endpoint_field("", "http://tracing-analysis-dc-hz.aliyuncs.com"),
        key_field("license_key", "License key", "License Key"),
        Field("app_name", "Application", "应用名", required=True, default="cloudberth"),
        Field("workspace", "Workspace (CMS 2.0)", "工作空间（CMS 2.0）"),
    ),
    traces_url=_url,
    # The feature makes it an application of the AI console.
    resource=(
        (names.SERVICE, "{app_name}"),
        ("acs.arms.service.feature", "genai_app"),
        ("acs.cms.workspace", "{workspace}"),
    ),
    copies=(
        ("gen_ai.session.id", "session"),
        ("gen_ai.user.id", "user"),
        ("gen_ai.user.time_to_first_token", "first_token_ns"),
        ("gen_ai.response.time_to_first_token", "first_token_ns"),
    ),
    derive=_derive,
    project_url="https://arms.console.aliyun.com/#/llm",
    notes=("There is no REST call that proves the key: the test is the empty OTLP request alone.",),
)
