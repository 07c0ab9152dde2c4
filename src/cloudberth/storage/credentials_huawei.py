"""Keys of Huawei Cloud that nobody has to write down: environment, and the agency of a server.

Names and addresses are those of Huawei's own SDKs. Proved against a double of the metadata service, not in
the cloud.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

from cloudberth.errors import PermissionDenied
from cloudberth.storage.credentials import Cached, Credentials, Provider, fixed
from cloudberth.storage.http.message import Origin
from cloudberth.storage.metadata_service import ask, members, moment, required

METADATA = Origin("http", "169.254.169.254", 80)
# The variables of esdk-obs-python, and of the SDK for Huawei's other services.
_NAMES = (
    ("OBS_ACCESS_KEY_ID", "OBS_SECRET_ACCESS_KEY", "OBS_SECURITY_TOKEN"),
    ("HUAWEICLOUD_SDK_AK", "HUAWEICLOUD_SDK_SK", "HUAWEICLOUD_SDK_SECURITY_TOKEN"),
)
_SECONDS = "21600"


def huawei_chain(environment: Mapping[str, str] = os.environ, metadata: Origin = METADATA) -> Provider:
    """The provider for an environment without keys of its own. Makes no request yet."""
    for name, secret_name, token_name in _NAMES:
        key, secret = environment.get(name), environment.get(secret_name)
        if key and secret:
            return fixed(Credentials(key, secret, environment.get(token_name) or None, source=name))
    return Cached(ServerAgency(metadata))


class ServerAgency:
    """The agency that a server was given."""

    def __init__(self, metadata: Origin = METADATA) -> None:
        self.metadata = metadata

    def __call__(self) -> Credentials:
        """New keys. Raises Unavailable where there is no such service, PermissionDenied without an agency."""
        where = f"the metadata service {self.metadata.host}"
        status, body = ask(self.metadata, "GET", "/openstack/latest/securitykey", self._ticket())
        if status != 200:
            raise PermissionDenied(
                f"this server has no agency: HTTP {status}",
                where=where,
                hint="give it one, or set HUAWEI_OBS_ACCESS_KEY and HUAWEI_OBS_SECRET_KEY",
            )
        found = members(body, where).get("credential")
        answer = found if isinstance(found, dict) else {}
        return Credentials(
            required(answer, "access", where),
            required(answer, "secret", where),
            required(answer, "securitytoken", where),
            moment(required(answer, "expires_at", where), where),
            "agency of this server",
        )

    def _ticket(self) -> dict[str, str]:
        """The header of version 2 of the service; none where there is only version 1."""
        wanted = {"X-Metadata-Token-Ttl-Seconds": _SECONDS}
        status, body = ask(self.metadata, "PUT", "/meta-data/latest/api/token", wanted)
        return {"X-Metadata-Token": body.decode("latin-1").strip()} if status == 200 and body else {}
