"""What stands in front of Cloud Storage at Google: tokens, and the check of tokens and signed URLs.

fake-gcs-server checks no credentials, nor the condition of a compose, so this does, and hands on what may
pass. It gives tokens as the real places do (the OAuth endpoint for the JWT of a service account, the
metadata server, the token exchange of workload identity federation), signs as IAM does, and recomputes V4
signatures with the public key. Written from Google's documentation, by nothing of the client under test;
the vendor's own libraries are held to it as well.
"""

from __future__ import annotations

import base64
import hashlib
import http.client
import json
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from doubles.server import HttpServer, Request, Response

JSON = {"content-type": "application/json; charset=UTF-8"}
XML = {"content-type": "application/xml; charset=UTF-8"}
METADATA = {"metadata-flavor": "Google", "content-type": "application/text"}
JWT_GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
AUDIENCE = "https://oauth2.googleapis.com/token"  # whatever address the endpoint is reached at
EXCHANGE_GRANT = "urn:ietf:params:oauth:grant-type:token-exchange"


@cache
def key_of(email: str) -> rsa.RSAPrivateKey:
    """The key of a service account; the same for as long as the tests run."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def pem_of(email: str) -> str:
    """The private key as it stands in a JSON key file."""
    kind = serialization.PrivateFormat.PKCS8
    return (
        key_of(email).private_bytes(serialization.Encoding.PEM, kind, serialization.NoEncryption()).decode()
    )


@dataclass
class GoogleGate:
    """host, port: of the storage behind. stale: accounts whose tokens are too old when they arrive.

    machine: the account of the metadata server. subject_tokens: what the token exchange takes.
    """

    host: str
    port: int
    accounts: set[str] = field(default_factory=set)
    stale: set[str] = field(default_factory=set)
    machine: str = "machine@project.iam.gserviceaccount.com"
    subject_tokens: set[str] = field(default_factory=set)
    tokens: dict[str, float] = field(default_factory=dict)
    issued: list[str] = field(default_factory=list)
    url: str = ""

    @contextmanager
    def serve(self) -> Iterator[HttpServer]:
        with HttpServer(self.answer) as server:
            self.url = server.url
            yield server

    def account_json(self, email: str, *, key_from: str = "", token_url: str = "") -> dict[str, str]:
        """A service account's key file; the account exists from now on. key_from: somebody else's key."""
        self.accounts.add(email)
        return {
            "type": "service_account",
            "project_id": "test-project",
            "private_key_id": "key-1",
            "private_key": pem_of(key_from or email),
            "client_email": email,
            "client_id": "1",
            "token_uri": token_url or f"{self.url}/token",
        }

    def answer(self, request: Request) -> Response:
        """One request, at whichever of Google's hosts it would be."""
        path = request.raw_path
        if path == "/token":
            return self.token_for_jwt(dict(_form(request.body)))
        if path == "/sts/token":
            return self.token_for_subject(dict(_form(request.body)))
        if path.startswith("/computeMetadata/") or (path == "/" and request.header("metadata-flavor")):
            return self.metadata(request)
        if "X-Goog-Signature" in request.query:
            return self.refused_url(request) or self.behind(request)
        if refused := self.refused_token(request):
            return refused
        if path.startswith("/v1/projects/-/serviceAccounts/"):
            return self.sign_blob(request)
        return self.unmet_condition(request) or self.behind(request)

    # -- tokens ----------------------------------------------------------------------------------------------

    def issue(self, email: str) -> Response:
        token = f"ya29.{secrets.token_hex(16)}"
        self.tokens[token] = time.time() + (-60 if email in self.stale else 3600)
        self.issued.append(email)
        return _json(200, {"access_token": token, "expires_in": 3600, "token_type": "Bearer"})

    def token_for_jwt(self, form: dict[str, str]) -> Response:
        """OAuth 2.0 for service accounts: a JWT signed with RS256, for an hour at most."""
        try:
            head, claims, signature = form["assertion"].split(".")
            said: dict[str, Any] = json.loads(_base64url(claims))
            email = said["iss"]
            if form["grant_type"] != JWT_GRANT or email not in self.accounts:
                raise KeyError(email)
            public = key_of(email).public_key()
            public.verify(
                _base64url(signature), f"{head}.{claims}".encode(), padding.PKCS1v15(), hashes.SHA256()
            )
        except (KeyError, ValueError, InvalidSignature):
            return _json(400, {"error": "invalid_grant", "error_description": "Invalid JWT Signature."})
        if said["aud"] != AUDIENCE or not time.time() - 600 < said["exp"] < time.time() + 3660:
            late = (
                "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe."
            )
            return _json(400, {"error": "invalid_grant", "error_description": late})
        return self.issue(email)

    def token_for_subject(self, form: dict[str, str]) -> Response:
        """The token exchange (RFC 8693) of workload identity federation."""
        if form.get("grant_type") != EXCHANGE_GRANT or form.get("subject_token") not in self.subject_tokens:
            return _json(
                400, {"error": "invalid_grant", "error_description": "The subject token is unknown."}
            )
        return self.issue("federated")

    def metadata(self, request: Request) -> Response:
        """The metadata server of a machine."""
        if request.header("metadata-flavor") != "Google":
            return Response(403, METADATA)
        if request.raw_path.endswith("/token"):
            answer = self.issue(self.machine)
            answer.headers["metadata-flavor"] = "Google"
            return answer
        if "/service-accounts/" in request.raw_path:
            about = {"aliases": ["default"], "email": self.machine, "scopes": []}
            return Response(200, {**METADATA, **JSON}, json.dumps(about).encode())
        if request.raw_path.endswith("/project/project-id"):
            return Response(200, METADATA, b"test-project")
        return Response(200, METADATA)

    def refused_token(self, request: Request) -> Response | None:
        scheme, _, token = request.header("authorization").partition(" ")
        if scheme == "Bearer" and self.tokens.get(token, 0) > time.time():
            return None
        reason, message = ("authError", "Invalid Credentials") if token else ("required", "Login Required.")
        errors = [{"domain": "global", "reason": reason, "message": message}]
        return _json(401, {"error": {"code": 401, "message": message, "errors": errors}})

    def sign_blob(self, request: Request) -> Response:
        """IAM's signBlob, with the key that Google keeps."""
        email = request.path.removeprefix("/v1/projects/-/serviceAccounts/").removesuffix(":signBlob")
        payload = base64.b64decode(json.loads(request.body)["payload"])
        signed = key_of(email).sign(payload, padding.PKCS1v15(), hashes.SHA256())
        return _json(200, {"keyId": "k", "signedBlob": base64.b64encode(signed).decode()})

    # -- signed URLs -----------------------------------------------------------------------------------------

    def refused_url(self, request: Request) -> Response | None:
        """The answer to a V4 URL that is not right, or too old; None when it may pass."""
        query = request.query
        email, day, _, _, kind = query["X-Goog-Credential"].split("/")
        names = query["X-Goog-SignedHeaders"].split(";")
        unsigned = [name for name in request.headers if name.startswith("x-goog-") and name not in names]
        line = "&".join(
            sorted(piece for piece in request.raw_query.split("&") if "X-Goog-Signature=" not in piece)
        )
        lines = [
            request.method,
            request.raw_path,
            line,
            *(f"{name}:{request.header(name)}" for name in names),
        ]
        canonical = "\n".join([*lines, "", ";".join(names), "UNSIGNED-PAYLOAD"])
        scope = f"{day}/auto/storage/goog4_request"
        digest = hashlib.sha256(canonical.encode()).hexdigest()
        text = "\n".join(["GOOG4-RSA-SHA256", query["X-Goog-Date"], scope, digest])
        try:
            if kind != "goog4_request" or unsigned or "host" not in names:
                raise InvalidSignature
            signature = bytes.fromhex(query["X-Goog-Signature"])
            key_of(email).public_key().verify(signature, text.encode(), padding.PKCS1v15(), hashes.SHA256())
        except (InvalidSignature, ValueError):
            return _xml(403, "SignatureDoesNotMatch", "Access denied.")
        start = datetime.strptime(query["X-Goog-Date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
        if datetime.now(UTC) > start + timedelta(seconds=int(query["X-Goog-Expires"])):
            return _xml(400, "ExpiredToken", "Invalid argument.")
        return None

    def unmet_condition(self, request: Request) -> Response | None:
        """412 for a compose over another generation than the one that was named; 0 means none."""
        wanted = request.query.get("ifGenerationMatch")
        if wanted is None or not request.raw_path.endswith("/compose"):
            return None
        path = request.raw_path.removesuffix("/compose")
        found = self.behind(replace(request, method="GET", raw_path=path, raw_query="", body=b""))
        generation = json.loads(bytes(found.body))["generation"] if found.status == 200 else "0"
        if generation == wanted:
            return None
        message = "At least one of the pre-conditions you specified did not hold."
        errors = [{"domain": "global", "reason": "conditionNotMet", "message": message}]
        return _json(412, {"error": {"code": 412, "message": message, "errors": errors}})

    # -- the storage behind ----------------------------------------------------------------------------------

    def behind(self, request: Request) -> Response:
        """Hand a request on, and bring the answer back as it is."""
        connection = http.client.HTTPConnection(self.host, self.port, timeout=60)
        target = f"{request.raw_path}?{request.raw_query}" if request.raw_query else request.raw_path
        connection.putrequest(request.method, target, skip_host=True, skip_accept_encoding=True)
        connection.putheader("host", f"{self.host}:{self.port}")
        for name, value in request.headers.items():
            if name not in ("host", "authorization", "transfer-encoding", "content-length", "connection"):
                connection.putheader(name, value.encode("latin-1"))
        connection.putheader("content-length", str(len(request.body)))
        connection.endheaders(request.body)
        answer = connection.getresponse()
        headers = {name: value for name, value in answer.getheaders() if name.lower() != "connection"}
        headers.pop("Transfer-Encoding", None)
        body = answer.read()
        connection.close()
        return Response(answer.status, headers, body)


def _form(body: bytes) -> list[tuple[str, str]]:
    from urllib.parse import parse_qsl

    return parse_qsl(body.decode())


def _base64url(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _json(status: int, found: object) -> Response:
    return Response(status, dict(JSON), json.dumps(found).encode())


def _xml(status: int, code: str, message: str) -> Response:
    text = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>{message}</Message></Error>"
    return Response(status, dict(XML), text.encode())
