"""Arize AX. Sources: arize-otel 0.14 (headers, endpoints), arize 8.61 (regions, REST paths)."""

from cloudberth.tracing import attributes as names
from cloudberth.tracing.profile import Check, Field, Limits, Profile, endpoint_field, key_field, project_field

PROFILE = Profile(
    id="arize",
    title="Arize AX",
    fields=(
        key_field(),
        Field("space_id", "Space ID", "空间 ID", required=True),
        project_field(),
        endpoint_field("https://otlp.arize.com", "https://otlp.eu-west-1a.arize.com"),
        Field("api_endpoint", "REST endpoint", "REST 地址", default="https://api.arize.com"),
    ),
    traces_url="{endpoint}/v1/traces",
    headers=(("authorization", "{api_key}"), ("arize-space-id", "{space_id}"), ("arize-interface", "otel")),
    # An export that names no project is refused.
    resource=((names.OI_PROJECT, "{project}"), ("model_id", "{project}")),
    limits=Limits(body=3 << 20),
    check=Check(
        "GET", "{api_endpoint}/v2/projects?limit=1", headers=(("authorization", "Bearer {api_key}"),)
    ),
    project_url="https://app.arize.com/?redirect_project_name={project:path}",
    notes=("The authentication of the REST check is read from the SDK's source, not from a page.",),
)
