"""Microsoft Entra and the places that hand out its tokens: App Service, the metadata server of a machine
(IMDS), and the tenant's own endpoint for secrets and for federated tokens (workload identity).

Tokens are JWTs as Azurite reads them: issuer, audience and times count, the signature is made up.
"""

from __future__ import annotations

import base64
import ipaddress
import json
import ssl
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qsl

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

from doubles.server import HttpServer, Request, Response, json_response

TENANT = "11111111-2222-3333-4444-555555555555"
STORAGE = "https://storage.azure.com"
Answer = tuple[int, object]


def certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate of 127.0.0.1 that vouches for itself, and its key."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), True)
        .sign(key, hashes.SHA256())
    )
    public, private = folder / "cert.pem", folder / "key.pem"
    public.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return public, private


def token(seconds: int = 3600, audience: str = STORAGE) -> str:
    """A bearer token for the storage service."""
    now = int(time.time())
    claims = {
        "aud": audience,
        "iss": f"https://sts.windows.net/{TENANT}/",
        "iat": now - 60,
        "nbf": now - 60,
        "exp": now + seconds,
        "oid": "66666666-7777-8888-9999-000000000000",
        "tid": TENANT,
        "ver": "1.0",
    }
    parts = ({"alg": "RS256", "typ": "JWT"}, claims)
    return ".".join([*(_base64url(json.dumps(part).encode()) for part in parts), _base64url(b"signature")])


@dataclass
class Entra:
    """identity_header: the secret of App Service. secrets: of a client id. federated: tokens that are
    trusted.

    lifetime: seconds that tokens hold. asked: where tokens were asked for, in order.
    """

    identity_header: str = "header-secret"
    secrets: dict[str, str] = field(default_factory=dict)
    federated: set[str] = field(default_factory=set)
    lifetime: int = 3600
    asked: list[str] = field(default_factory=list)
    url: str = ""

    @contextmanager
    def serve(self, tls: tuple[Path, Path] | None = None) -> Iterator[str]:
        """The URL, until it is left."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER) if tls else None
        if context and tls:
            context.load_cert_chain(*tls)
        with HttpServer(self.handle, tls=context) as server:
            self.url = server.url
            yield self.url

    def handle(self, request: Request) -> Response:
        form = dict(parse_qsl(request.body.decode()))
        status, found = self.answer(request.path, dict(parse_qsl(request.raw_query)), form, request.headers)
        return json_response(status, found)

    def answer(
        self, path: str, query: dict[str, str], form: dict[str, str], headers: Mapping[str, str]
    ) -> Answer:
        if path == "/msi/token":
            if headers.get("x-identity-header") != self.identity_header:
                return 401, {"error": "unauthorized"}
            return self.managed("app service", query)
        if path == "/metadata/identity/oauth2/token":
            if headers.get("metadata") != "true":
                return 400, {"error": "invalid_request", "error_description": "Required metadata header"}
            return self.managed("imds", query)
        if path.endswith("/.well-known/openid-configuration"):
            base = f"{self.url}/{TENANT}"
            return 200, {
                "issuer": f"{base}/v2.0",
                "authorization_endpoint": f"{base}/oauth2/v2.0/authorize",
                "token_endpoint": f"{base}/oauth2/v2.0/token",
            }
        if path == f"/{TENANT}/oauth2/v2.0/token":
            return self.tenant(form)
        return 404, {"error": "not_found"}

    def managed(self, source: str, query: dict[str, str]) -> Answer:
        self.asked.append(source)
        if query.get("resource") != STORAGE:
            return 400, {"error": "invalid_resource"}
        return 200, {
            "access_token": token(self.lifetime),
            "expires_on": str(int(time.time()) + self.lifetime),
            "expires_in": str(self.lifetime),
            "resource": STORAGE,
            "token_type": "Bearer",
        }

    def tenant(self, form: dict[str, str]) -> Answer:
        trusted = form.get("client_assertion") in self.federated
        known = form.get("client_secret") and self.secrets.get(form["client_id"]) == form["client_secret"]
        self.asked.append("federated" if "client_assertion" in form else "secret")
        if not (trusted or known) or form.get("scope", "").split()[:1] != [f"{STORAGE}/.default"]:
            description = "AADSTS7000215: Invalid client secret provided."
            return 401, {"error": "invalid_client", "error_description": description}
        return 200, {
            "access_token": token(self.lifetime),
            "expires_in": self.lifetime,
            "token_type": "Bearer",
        }


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
