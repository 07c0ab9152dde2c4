"""Comet Opik, its cloud, enterprise and self-hosted. Source: comet.com, opentelemetry and rate limits."""

from cloudberth.tracing.profile import Check, Field, Limits, Profile, endpoint_field, key_field, project_field

PROFILE = Profile(
    id="opik",
    title="Comet Opik",
    fields=(
        endpoint_field("https://www.comet.com/opik/api", "http://opik:5173/api"),
        key_field(required=False),
        Field("workspace", "Workspace", "工作区", default="default"),
        project_field("Default Project"),
    ),
    traces_url="{endpoint}/v1/private/otel/v1/traces",
    headers=(
        ("Authorization", "{api_key}"),
        ("Comet-Workspace", "{workspace}"),
        ("projectName", "{project}"),
    ),
    copies=(("thread_id", "session"), ("opik.metadata.user_id", "user")),
    # 10,000 events a minute and user, 5,000 a minute and workspace; 2,000 requests a minute.
    limits=Limits(requests_per_minute=1800, spans_per_minute=4500),
    check=Check("GET", "{endpoint}/v1/private/projects?page=1&size=1"),
    project_url="https://www.comet.com/opik/{workspace:path}/projects",
    notes=("Feedback is not delivered: Opik makes ids of its own from those of spans over OTLP.",),
)
