"""Temporary keys of Volcengine: of the role of a server (ECS), or of a pod's service account (VKE, OIDC).

Sources: the SDKs ``tos`` 2.9.3 (credential.py) and volcengine-go-sdk (EcsRoleProvider): paths, header names,
the members of the answers. The metadata service is asked directly, never through a proxy.
"""

from __future__ import annotations

import http.client
import json
import os
import uuid
from datetime import datetime
from pathlib import Path
from urllib.parse import quote, urlencode

from cloudberth.errors import BackendError, Kind, PermissionDenied, Unavailable
from cloudberth.storage._json_answers import Answer
from cloudberth.storage.body import BytesBody
from cloudberth.storage.credentials import Credentials
from cloudberth.storage.http.client import Client
from cloudberth.storage.http.message import Origin, Request
from cloudberth.storage.options import Options

METADATA = Origin("http", "100.96.0.96", 80)
STS = "https://sts.volcengineapi.com"
_TOKEN_SECONDS = "21600"  # noqa: S105
_TIMEOUT = 5.0


class EcsRole:
    """The role that a server was given. role: its name; asked of the metadata service when empty."""

    def __init__(self, role: str = "", metadata: Origin = METADATA) -> None:
        self.role = role
        self.metadata = metadata

    def __call__(self) -> Credentials:
        """New keys. Raises Unavailable where there is no such service, PermissionDenied without a role."""
        ticket = self._ticket()
        role = self.role or self._role(ticket)
        path = f"/volcstack/latest/iam/security_credentials/{quote(role, safe='')}"
        status, body = self._ask("GET", path, ticket)
        if status != 200:
            raise PermissionDenied(
                f"the metadata service knows no role {role!r}: HTTP {status}",
                where="VOLCENGINE_ECS_METADATA",
                hint="give the server a role, and name it",
            )
        answer = Answer.parse(body, "the metadata service of Volcengine")
        return _credentials(answer, "role of this server")

    def _ticket(self) -> dict[str, str]:
        """The header that version 2 of the service wants; none where there is only version 1."""
        headers = {"X-volc-ecs-metadata-token-ttl-seconds": _TOKEN_SECONDS}
        status, body = self._ask("PUT", "/latest/api/token", headers)
        return {"X-volc-ecs-metadata-token": body.decode("latin-1").strip()} if status == 200 and body else {}

    def _role(self, ticket: dict[str, str]) -> str:
        path = "/volcstack/latest/iam/security_credentials?type=user&format=json"
        status, body = self._ask("GET", path, ticket)
        try:
            names = json.loads(body) if status == 200 else []
        except ValueError:
            names = []
        if not isinstance(names, list) or not names or not isinstance(names[0], str):
            raise PermissionDenied(
                "this server has no role",
                where="the metadata service of Volcengine",
                hint="give the server a role, or set VOLCENGINE_TOS_ACCESS_KEY and _SECRET_KEY",
            )
        return names[0]

    def _ask(self, method: str, path: str, headers: dict[str, str]) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection(self.metadata.host, self.metadata.port, timeout=_TIMEOUT)
        try:
            connection.request(method, path, headers=headers)
            response = connection.getresponse()
            return response.status, response.read(64 * 1024)
        except (OSError, http.client.HTTPException) as error:
            raise Unavailable(
                f"the metadata service does not answer: {error}",
                where=str(self.metadata),
                hint="roles of a server only work on a server of Volcengine",
            ) from None
        finally:
            connection.close()


class OidcRole:
    """A role for the token of a service account, which is read anew each time: Kubernetes changes it.

    token_file: where the token is. sts: address of the token service.
    """

    def __init__(
        self, role: str, token_file: Path, sts: str = STS, session: str = "", options: Options | None = None
    ) -> None:
        self.role = role
        self.token_file = token_file
        self.sts = Origin.parse(sts)
        self.session = session or f"cloudberth-{os.getpid()}-{uuid.uuid4().hex[:8]}"
        self._client = Client(options or Options())

    def __call__(self) -> Credentials:
        """New keys. Raises PermissionDenied with the words of the token service."""
        request = Request(
            "POST",
            self.sts,
            "/",
            (("Action", "AssumeRoleWithOIDC"), ("Version", "2018-01-01")),
            {"content-type": "application/x-www-form-urlencoded"},
            BytesBody(self._form()),
            signed=False,
        )
        response = self._client.send(request)
        where = f"the token service {self.sts.host}"
        answer = Answer.parse(response.body, where)
        error = answer.member("ResponseMetadata").member("Error")
        code = error.text("code", "")
        if response.status >= 500:
            raise Unavailable(f"{code or 'HTTP'} {response.status}", where=where)
        if response.status >= 300 or code:
            raise PermissionDenied(
                f"no keys for {self.role}: {code} {error.text('message', '')}".strip()[:300],
                where=where,
                hint="check VOLCENGINE_OIDC_ROLE_TRN, and that the role trusts this service account",
            )
        return _credentials(answer.member("Result").member("Credentials"), "role of this service account")

    def _form(self) -> bytes:
        try:
            token = self.token_file.read_text("utf-8").strip()
        except (OSError, UnicodeDecodeError):
            token = ""
        if not token:
            raise BackendError(
                f"there is no token in {self.token_file}",
                kind=Kind.PERMISSION,
                where="VOLCENGINE_OIDC_TOKEN_FILE",
            )
        return urlencode(
            {
                "RoleTrn": self.role,
                "OIDCToken": token,
                "RoleSessionName": self.session,
                "DurationSeconds": "3600",
            }
        ).encode()


def _credentials(answer: Answer, source: str) -> Credentials:
    """Keys as both services write them; the metadata service says ExpiredTime, STS either."""
    text = answer.text("ExpiredTime", "") or answer.text("Expiration", "")
    try:
        expires = datetime.fromisoformat(text)
    except ValueError:
        raise PermissionDenied("the temporary keys have no expiry", where=answer.where) from None
    return Credentials(
        answer.text("AccessKeyId"),
        answer.text("SecretAccessKey"),
        answer.text("SessionToken"),
        expires.timestamp(),
        source,
    )
