"""Tencent Cloud APM over OTLP/HTTP. The console shows the address; the token goes as header and as resource
attribute.
"""

from cloudberth.tracing import attributes as names
from cloudberth.tracing.profile import Field, Profile, endpoint_field, key_field

PROFILE = Profile(
    id="tencent",
    title="Tencent Cloud APM",
    fields=(
        endpoint_field("", "http://ap-guangzhou.apm.tencentcs.com:55681"),
        key_field("token", "Token", "Token"),
        Field("service_name", "Service", "服务名", required=True, default="cloudberth"),
    ),
    traces_url="{endpoint}/v1/traces",
    # Dify sends the header, the documentation names the attribute: both, as either alone is not proved.
    headers=(("authorization", "Bearer {token}"),),
    resource=((names.SERVICE, "{service_name}"), ("token", "{token}")),
    project_url="https://console.cloud.tencent.com/apm",
    notes=(
        "The port of OTLP over HTTP is not documented for every region; take the address from the console.",
    ),
)
