"""Keys of Tencent Cloud that nobody has to write down: environment, role of a pod, CAM role of a server.

Names and addresses are those of Tencent's own SDKs. The first of these that is configured is taken; the role
of a server comes last. Proved against doubles of the two services, not in the cloud.
"""

from __future__ import annotations

import json
import os
import time
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from cloudberth.errors import BackendError, Kind, PermissionDenied, Unavailable
from cloudberth.storage.body import BytesBody
from cloudberth.storage.credentials import Cached, Credentials, Provider, fixed
from cloudberth.storage.http.client import Client
from cloudberth.storage.http.message import Origin, Request
from cloudberth.storage.metadata_service import ask, members, required
from cloudberth.storage.options import Options

METADATA = Origin("http", "metadata.tencentyun.com", 80)
STS = Origin("https", "sts.tencentcloudapi.com", 443)
_ROLES = "/latest/meta-data/cam/security-credentials/"


def tencent_chain(
    environment: Mapping[str, str] = os.environ,
    metadata: Origin = METADATA,
    options: Options = Options(),
    sts: Origin = STS,
) -> Provider:
    """The provider for an environment without keys of its own. Makes no request yet."""
    key, secret = environment.get("TENCENTCLOUD_SECRET_ID"), environment.get("TENCENTCLOUD_SECRET_KEY")
    if key and secret:
        token = environment.get("TENCENTCLOUD_SESSIONTOKEN") or None
        return fixed(Credentials(key, secret, token, source="TENCENTCLOUD_SECRET_ID"))
    file, role = environment.get("TKE_WEB_IDENTITY_TOKEN_FILE"), environment.get("TKE_ROLE_ARN")
    issuer, region = environment.get("TKE_PROVIDER_ID"), environment.get("TKE_REGION")
    if file and role and issuer and region:
        return Cached(PodRole(role, issuer, region, Path(file), Client(options), sts))
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


class PodRole:
    """A role for the token of a pod's service account (TKE), which is read anew each time."""

    def __init__(
        self, role: str, issuer: str, region: str, token_file: Path, client: Client, sts: Origin = STS
    ) -> None:
        self.role = role
        self.issuer = issuer
        self.region = region
        self.token_file = token_file
        self.sts = sts
        self._client = client

    def __call__(self) -> Credentials:
        """New keys. Raises PermissionDenied with the words of the token service."""
        where = f"the token service {self.sts.host}"
        response = self._client.send(self._request())
        if response.status >= 500:
            raise Unavailable(f"no keys: HTTP {response.status}", where=where)
        answer = _object(members(response.body, where), "Response")
        error = _object(answer, "Error")
        if error or response.status >= 300:
            raise PermissionDenied(
                f"no keys for {self.role}: {error.get('Code')}: {error.get('Message')}"[:300],
                where=where,
                hint="check TKE_ROLE_ARN, and that the role trusts this service account",
            )
        found, expires = _object(answer, "Credentials"), answer.get("ExpiredTime")
        if not isinstance(expires, int):
            raise BackendError("the answer has no ExpiredTime", kind=Kind.UNEXPECTED, where=where)
        return Credentials(
            required(found, "TmpSecretId", where),
            required(found, "TmpSecretKey", where),
            required(found, "Token", where),
            float(expires),
            "role of this pod (TKE)",
        )

    def _request(self) -> Request:
        try:
            token = self.token_file.read_text("utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise BackendError(
                f"the token cannot be read: {error}",
                kind=Kind.PERMISSION,
                where="TKE_WEB_IDENTITY_TOKEN_FILE",
            ) from None
        wanted = {
            "ProviderId": self.issuer,
            "WebIdentityToken": token,
            "RoleArn": self.role,
            "RoleSessionName": f"cloudberth-{uuid.uuid4().hex[:12]}",
            "DurationSeconds": 7200,
        }
        headers = {
            "content-type": "application/json",
            "authorization": "SKIP",  # the token is the credential
            "x-tc-action": "AssumeRoleWithWebIdentity",
            "x-tc-version": "2018-08-13",
            "x-tc-timestamp": str(int(time.time())),
            "x-tc-region": self.region,
        }
        body = BytesBody(json.dumps(wanted).encode())
        return Request("POST", self.sts, "/", (), headers, body, signed=False)


def _object(answer: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = answer.get(name)
    return found if isinstance(found, dict) else {}
