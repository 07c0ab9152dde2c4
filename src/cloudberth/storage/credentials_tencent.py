"""Keys of Tencent Cloud that nobody has to write down: environment, and the CAM role of a server.

Names and addresses are those of Tencent's own SDKs. Proved against a double of the metadata service, not in
the cloud.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from urllib.parse import quote

from cloudberth.errors import BackendError, Kind, PermissionDenied, Unavailable
from cloudberth.storage.credentials import Cached, Credentials, Provider, fixed
from cloudberth.storage.http.message import Origin
from cloudberth.storage.metadata_service import ask, members, required

METADATA = Origin("http", "metadata.tencentyun.com", 80)
_ROLES = "/latest/meta-data/cam/security-credentials/"


def tencent_chain(environment: Mapping[str, str] = os.environ, metadata: Origin = METADATA) -> Provider:
    """The provider for an environment without keys of its own. Makes no request yet."""
    key, secret = environment.get("TENCENTCLOUD_SECRET_ID"), environment.get("TENCENTCLOUD_SECRET_KEY")
    if key and secret:
        token = environment.get("TENCENTCLOUD_SESSIONTOKEN") or None
        return fixed(Credentials(key, secret, token, source="TENCENTCLOUD_SECRET_ID"))
    return Cached(ServerRole(metadata))


class ServerRole:
    """The CAM role of a server."""

    def __init__(self, metadata: Origin = METADATA) -> None:
        self.metadata = metadata

    def __call__(self) -> Credentials:
        """New keys. Raises Unavailable where there is no such service, PermissionDenied without a role."""
        where = f"the metadata service {self.metadata.host}"
        status, body = ask(self.metadata, "GET", f"{_ROLES}{quote(self._name(where))}")
        if status != 200:
            raise PermissionDenied(f"no keys: HTTP {status}", where=where, hint="give the server a CAM role")
        answer = members(body, where)
        if answer.get("Code", "Success") != "Success":
            raise Unavailable(f"no keys: {answer.get('Code')}", where=where)
        expires = answer.get("ExpiredTime")
        if not isinstance(expires, int):
            raise BackendError("the answer has no ExpiredTime", kind=Kind.UNEXPECTED, where=where)
        return Credentials(
            required(answer, "TmpSecretId", where),
            required(answer, "TmpSecretKey", where),
            required(answer, "Token", where),
            float(expires),
            "CAM role of this server",
        )

    def _name(self, where: str) -> str:
        status, body = ask(self.metadata, "GET", _ROLES)
        lines = body.decode("utf-8", "replace").strip().splitlines()
        if status != 200 or not lines:
            raise PermissionDenied(
                "this server has no CAM role",
                where=where,
                hint="give it one, or set TENCENT_COS_SECRET_ID and TENCENT_COS_SECRET_KEY",
            )
        return lines[0]
