"""Who signs for Oracle's own interface: an instance by its certificates, or the API key of a user's file.

Sources: Oracle, "Calling Services from an Instance", and the SDK ``oci`` 2.189 (auth/federation_client.py).
An instance finds a certificate of its own at the metadata service, and trades it at the region's auth service
for a token, which holds for a key pair that was made here and lives in memory only. The metadata service is
asked directly, never through a proxy.
"""

from __future__ import annotations

import base64
import http.client
import json
import threading
import time
from collections.abc import Callable
from configparser import ConfigParser, Error
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from cloudberth.errors import InvalidInput, PermissionDenied, Unavailable
from cloudberth.extras import late_import
from cloudberth.storage._json_answers import Answer
from cloudberth.storage.body import BytesBody
from cloudberth.storage.http.client import Client
from cloudberth.storage.http.message import Origin, Request
from cloudberth.storage.signing.oci_rsa import OciKey, OciRsa

METADATA = "http://169.254.169.254/opc/v2"
_MARGIN = 300.0
_TIMEOUT = 5.0
KeyProvider = Callable[[], OciKey]


class CachedKey:
    """Asks a provider again shortly before its key expires. Thread-safe."""

    def __init__(self, provider: KeyProvider) -> None:
        self._provider = provider
        self._lock = threading.Lock()
        self._current: OciKey | None = None

    def __call__(self) -> OciKey:
        with self._lock:
            current = self._current
            left = (current.expires or float("inf")) - time.time() if current else 0.0
            if current is not None and left > _MARGIN:
                return current
            try:
                self._current = self._provider()
            except Exception:
                if current is None or left <= 0:
                    raise
            return self._current or self._provider()


class InstancePrincipal:
    """The instance that this runs on. metadata, auth: addresses of the services."""

    def __init__(self, client: Client, region: str, metadata: str = METADATA, auth: str = "") -> None:
        self._client = client
        self._metadata = metadata.rstrip("/")
        self._auth = auth or f"https://auth.{region}.oraclecloud.com"

    def __call__(self) -> OciKey:
        """A new key. Raises Unavailable where there is no metadata service, PermissionDenied otherwise."""
        serialization = _serialization()
        certificate, intermediate = self._pem("cert.pem"), self._pem("intermediate.pem")
        leaf = serialization.load_pem_private_key(self._pem("key.pem"), None)
        rsa = late_import(
            "cryptography.hazmat.primitives.asymmetric.rsa", extra="oracle", needed_for="instance principals"
        )
        session = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        public = session.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        body = {
            "certificate": bare(certificate),
            "publicKey": bare(public),
            "intermediateCertificates": [bare(intermediate)],
        }
        tenancy, fingerprint = identity(certificate)
        name = f"{tenancy}/fed-x509/{fingerprint}"
        token = self._token(json.dumps(body).encode(), OciKey(name, leaf))
        return OciKey(f"ST${token}", session, _expiry(token), "instance principal")

    def _token(self, body: bytes, key: OciKey) -> str:
        auth = Origin.parse(self._auth)
        request = Request("POST", auth, "/v1/x509", body=BytesBody(body), signed=False)
        OciRsa().sign(request, key, time.time())
        response = self._client.send(request)
        where = f"the auth service {auth.host}"
        if response.status >= 500:
            raise Unavailable(f"HTTP {response.status}", where=where)
        answer = Answer.parse(response.body, where)
        if response.status >= 300:
            raise PermissionDenied(
                f"no token for this instance: {answer.text('code', '')} {answer.text('message', '')}"[:300],
                where=where,
                hint="put the instance into a dynamic group that a policy allows object storage",
            )
        return answer.text("token")

    def _pem(self, name: str) -> bytes:
        return self._ask(f"identity/{name}")

    def _ask(self, path: str) -> bytes:
        parts = urlsplit(self._metadata)
        connection = http.client.HTTPConnection(parts.hostname or "", parts.port or 80, timeout=_TIMEOUT)
        try:
            connection.request("GET", f"{parts.path}/{path}", headers={"Authorization": "Bearer Oracle"})
            response = connection.getresponse()
            body = response.read(64 * 1024)
        except (OSError, http.client.HTTPException) as error:
            raise Unavailable(
                f"the metadata service does not answer: {error}",
                where=self._metadata,
                hint="instance principals only work on an instance of Oracle Cloud",
            ) from None
        finally:
            connection.close()
        if response.status != 200:
            raise PermissionDenied(
                f"the metadata service says {response.status} to {path}", where=self._metadata
            )
        return body


def api_key(file: Path, profile: str) -> OciKey:
    """The API key of a profile in Oracle's configuration file. Raises InvalidInput naming what is missing."""
    parser = ConfigParser(interpolation=None)
    where = f"{file} [{profile}]"
    try:
        parser.read_string(file.read_text("utf-8"))
        values = dict(parser[profile])
        names = ("tenancy", "user", "fingerprint")
        name = "/".join(values[part].strip() for part in names)
        pem = Path(values["key_file"].strip()).expanduser().read_bytes()
        phrase = values.get("pass_phrase")
        private = _serialization().load_pem_private_key(pem, phrase.encode() if phrase else None)
    except KeyError as error:
        raise InvalidInput(f"there is no {error.args[0]}", where=where, hint="oci setup config") from None
    except OSError as error:
        raise InvalidInput(
            f"{error.filename}: {error.strerror}", where=where, hint="oci setup config"
        ) from None
    except (Error, UnicodeDecodeError):
        raise InvalidInput("it is no configuration file of Oracle's", where=where) from None
    except (ValueError, TypeError):
        raise InvalidInput("key_file is no private key that can be read", where=where) from None
    return OciKey(name, private, source=f"API key of {where}")


def identity(certificate: bytes) -> tuple[str, str]:
    """Tenancy and fingerprint (``AA:BB:…``, of SHA-1) of an instance's certificate."""
    x509 = late_import("cryptography.x509", extra="oracle", needed_for="instance principals")
    hashes = late_import(
        "cryptography.hazmat.primitives.hashes", extra="oracle", needed_for="instance principals"
    )
    try:
        parsed = x509.load_pem_x509_certificate(certificate)
    except ValueError:
        raise PermissionDenied("the metadata service gives no certificate") from None
    for attribute in parsed.subject:
        for start in ("opc-tenant:", "opc-identity:"):
            if str(attribute.value).startswith(start):
                digest = parsed.fingerprint(hashes.SHA1())  # the name Oracle gives a certificate
                return str(attribute.value).removeprefix(start), ":".join(f"{byte:02X}" for byte in digest)
    raise PermissionDenied("the certificate of this instance names no tenancy")


def bare(pem: bytes) -> str:
    """The base64 between the lines of a PEM text."""
    return "".join(line for line in pem.decode("ascii").splitlines() if not line.startswith("-----"))


def _expiry(token: str) -> float:
    """When a token (a JWT) ends; its signature is the services' business."""
    try:
        payload = token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        return float(claims["exp"])
    except (IndexError, ValueError, KeyError, TypeError):
        raise PermissionDenied("the auth service gave a token without an end") from None


def _serialization() -> Any:
    return late_import(
        "cryptography.hazmat.primitives.serialization", extra="oracle", needed_for="keys of Oracle Cloud"
    )
