"""Anything that takes OTLP over HTTP: a collector, Jaeger, Grafana, Honeycomb, Alibaba SLS, Google's
telemetry API.
"""

from cloudberth.tracing import attributes as names
from cloudberth.tracing.profile import Field, Profile, endpoint_field

PROFILE = Profile(
    id="otlp",
    title="OpenTelemetry (OTLP)",
    fields=(
        endpoint_field("", "http://collector:4318/v1/traces", name="url"),
        Field("headers", "Headers", "请求头", secret=True, example="name: value, one per line"),
        Field("service_name", "Service", "服务名"),
        Field("compression", "Compression", "压缩", default="gzip", choices=("gzip", "none")),
    ),
    traces_url="{url}",
    resource=((names.SERVICE, "{service_name}"),),
    proved="against a recording server and OpenTelemetry's own generated classes",
)
