"""Keys of Alibaba Cloud that nobody has to write down: environment, role of a pod, RAM role of a server.

Names and addresses are those of Alibaba's own credentials library. The first of these that is configured is
taken; the RAM role of a server comes last. Proved against doubles of the two services, not in the cloud.
"""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote

from cloudberth.errors import BackendError, Kind, PermissionDenied, Unavailable
from cloudberth.storage.body import BytesBody
from cloudberth.storage.credentials import Cached, Credentials, Provider, fixed
from cloudberth.storage.http.client import Client
from cloudberth.storage.http.message import Origin, Request, encode_query
from cloudberth.storage.metadata_service import ask, members, moment, required
from cloudberth.storage.options import Options

METADATA = Origin("http", "100.100.100.200", 80)
STS = Origin("https", "sts.aliyuncs.com", 443)
_ROLES = "/latest/meta-data/ram/security-credentials/"
_SECONDS = "21600"


def aliyun_chain(
    options: Options,
    environment: Mapping[str, str] = os.environ,
    metadata: Origin = METADATA,
    sts: Origin | None = None,
) -> Provider:
    """The provider for an environment without keys of its own. Makes no request yet."""
    key, secret = (
        environment.get("ALIBABA_CLOUD_ACCESS_KEY_ID"),
        environment.get("ALIBABA_CLOUD_ACCESS_KEY_SECRET"),
    )
    if key and secret:
        token = environment.get("ALIBABA_CLOUD_SECURITY_TOKEN") or None
        return fixed(Credentials(key, secret, token, source="ALIBABA_CLOUD_ACCESS_KEY_ID"))
    file = environment.get("ALIBABA_CLOUD_OIDC_TOKEN_FILE")
    role = environment.get("ALIBABA_CLOUD_ROLE_ARN")
    issuer = environment.get("ALIBABA_CLOUD_OIDC_PROVIDER_ARN")
    if file and role and issuer:
        named = environment.get("ALIBABA_CLOUD_STS_ENDPOINT")
        service = sts or (Origin.parse(named) if named else STS)
        session = environment.get("ALIBABA_CLOUD_ROLE_SESSION_NAME", "")
        return Cached(PodRole(role, issuer, Path(file), Client(options), service, session))
    return Cached(ServerRole(environment.get("ALIBABA_CLOUD_ECS_METADATA", ""), metadata))


class ServerRole:
    """The RAM role of an ECS server. role: its name; asked of the metadata service when empty."""

    def __init__(self, role: str = "", metadata: Origin = METADATA) -> None:
        self.role = role
        self.metadata = metadata

    def __call__(self) -> Credentials:
        """New keys. Raises Unavailable where there is no such service, PermissionDenied without a role."""
        where = f"the metadata service {self.metadata.host}"
        headers = self._ticket()
        status, body = ask(
            self.metadata, "GET", f"{_ROLES}{quote(self.role or self._name(headers))}", headers
        )
        if status != 200:
            raise PermissionDenied(f"no keys: HTTP {status}", where=where, hint="give the server a RAM role")
        answer = members(body, where)
        if answer.get("Code", "Success") != "Success":
            raise Unavailable(f"no keys: {answer.get('Code')}", where=where)
        return Credentials(
            required(answer, "AccessKeyId", where),
            required(answer, "AccessKeySecret", where),
            required(answer, "SecurityToken", where),
            moment(required(answer, "Expiration", where), where),
            "RAM role of this server",
        )

    def _ticket(self) -> dict[str, str]:
        """The header of the hardened mode; none where the service does not know it."""
        wanted = {"X-aliyun-ecs-metadata-token-ttl-seconds": _SECONDS}
        status, body = ask(self.metadata, "PUT", "/latest/api/token", wanted)
        return (
            {"X-aliyun-ecs-metadata-token": body.decode("latin-1").strip()} if status == 200 and body else {}
        )

    def _name(self, headers: dict[str, str]) -> str:
        status, body = ask(self.metadata, "GET", _ROLES, headers)
        lines = body.decode("utf-8", "replace").strip().splitlines()
        if status != 200 or not lines:
            raise PermissionDenied(
                "this server has no RAM role",
                where=f"the metadata service {self.metadata.host}",
                hint="give it one, or set ALIYUN_OSS_ACCESS_KEY and ALIYUN_OSS_SECRET_KEY",
            )
        return lines[0]


class PodRole:
    """A role for the token of a pod's service account (RRSA), which is read anew each time."""

    def __init__(
        self, role: str, issuer: str, token_file: Path, client: Client, sts: Origin = STS, session: str = ""
    ) -> None:
        self.role = role
        self.issuer = issuer
        self.token_file = token_file
        self.sts = sts
        self.session = session or f"cloudberth-{os.getpid()}"
        self._client = client

    def __call__(self) -> Credentials:
        """New keys. Raises PermissionDenied with the words of the token service."""
        where = f"the token service {self.sts.host}"
        response = self._client.send(self._request())
        answer = members(response.body, where)
        if response.status >= 500:
            raise Unavailable(f"no keys: HTTP {response.status}", where=where)
        if response.status >= 300:
            raise PermissionDenied(
                f"no keys for {self.role}: {answer.get('Code')}: {answer.get('Message')}"[:300],
                where=where,
                hint="check ALIBABA_CLOUD_ROLE_ARN, and that the role trusts this service account",
            )
        keys = answer.get("Credentials")
        found = keys if isinstance(keys, dict) else {}
        return Credentials(
            required(found, "AccessKeyId", where),
            required(found, "AccessKeySecret", where),
            required(found, "SecurityToken", where),
            moment(required(found, "Expiration", where), where),
            "role of this pod (RRSA)",
        )

    def _request(self) -> Request:
        try:
            token = self.token_file.read_text("utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise BackendError(
                f"the token cannot be read: {error}",
                kind=Kind.PERMISSION,
                where="ALIBABA_CLOUD_OIDC_TOKEN_FILE",
            ) from None
        form = (
            ("RoleArn", self.role), ("OIDCProviderArn", self.issuer), ("OIDCToken", token),
            ("RoleSessionName", self.session), ("DurationSeconds", "3600"),
        )  # fmt: skip
        query = (
            ("Action", "AssumeRoleWithOIDC"), ("Version", "2015-04-01"), ("Format", "JSON"),
            ("Timestamp", time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())),
            ("SignatureNonce", uuid.uuid4().hex),
        )  # fmt: skip
        return Request(
            "POST", self.sts, "/", query, {"content-type": "application/x-www-form-urlencoded"},
            BytesBody(encode_query(form).encode()), signed=False,
        )  # fmt: skip
