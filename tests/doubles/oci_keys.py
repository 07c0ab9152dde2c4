"""Keys of Oracle Cloud for tests: profiles of a configuration file, and the services of an instance."""

from __future__ import annotations

import base64
import datetime
import hashlib
import json
import time
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA1, SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_der_public_key,
)
from cryptography.x509.oid import NameOID

from doubles.oci_native import FIELD, OciNativeDouble
from doubles.server import Request, Response, json_response

TENANCY = "ocid1.tenancy.oc1..double"


def private_pem(key: rsa.RSAPrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def write_profile(folder: Path, profile: str) -> tuple[str, rsa.RSAPublicKey]:
    """Add a profile with a new key to ``folder/config``; its keyId, and the public key."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    path = folder / f"{profile.lower()}.pem"
    path.write_bytes(private_pem(key))
    user, fingerprint = f"ocid1.user.oc1..{profile.lower()}", ":".join(["ab"] * 16)
    with (folder / "config").open("a") as file:
        file.write(
            f"[{profile}]\ntenancy={TENANCY}\nuser={user}\nfingerprint={fingerprint}\nkey_file={path}\n"
            "region=eu-frankfurt-1\n"
        )
    return f"{TENANCY}/{user}/{fingerprint}", key.public_key()


class InstanceServices:
    """The metadata service of an instance, and the auth service of its region: one server for both.

    Tokens that it gives are made known to the double. lifetime: of a token, in seconds; given: how many.
    """

    def __init__(self, double: OciNativeDouble) -> None:
        self.double = double
        self.key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.certificate = _certificate(self.key)
        self.lifetime = 3600.0
        self.given = 0
        self.refuse = False

    def handle(self, request: Request) -> Response:
        if request.path == "/v1/x509":
            return self._token(request)
        if request.header("authorization") != "Bearer Oracle":
            return Response(401)
        answers = {
            "/opc/v2/instance/region": b"eu-frankfurt-1",
            "/opc/v2/identity/cert.pem": self.certificate.public_bytes(Encoding.PEM),
            "/opc/v2/identity/intermediate.pem": self.certificate.public_bytes(Encoding.PEM),
            "/opc/v2/identity/key.pem": private_pem(self.key),
        }
        found = answers.get(request.path)
        return Response(200, {}, found) if found else Response(404)

    def _token(self, request: Request) -> Response:
        """Trade a certificate for a token; whoever asks has to sign with the certificate's key."""
        given = dict(FIELD.findall(request.header("authorization")))
        body = json.loads(request.body)
        fingerprint = ":".join(f"{byte:02X}" for byte in self.certificate.fingerprint(SHA1()))
        assert given["keyId"] == f"{TENANCY}/fed-x509/{fingerprint}"
        assert base64.b64decode(body["certificate"]) == self.certificate.public_bytes(Encoding.DER)
        assert base64.b64decode(body["intermediateCertificates"][0])
        digest = base64.b64encode(hashlib.sha256(request.body).digest()).decode()
        assert request.header("x-content-sha256") == digest
        values = {**request.headers, "(request-target)": "post /v1/x509"}
        names = given["headers"].split()
        assert {"date", "(request-target)", "x-content-sha256"} <= set(names)
        text = "\n".join(f"{name}: {values[name]}" for name in names).encode()
        self.key.public_key().verify(base64.b64decode(given["signature"]), text, PKCS1v15(), SHA256())
        if self.refuse:
            refusal = {"code": "NotAuthorized", "message": "The instance is in no dynamic group."}
            return json_response(401, refusal)
        self.given += 1
        claims = {"exp": int(time.time() + self.lifetime), "sub": f"instance-{self.given}"}
        token = f"e30.{base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip('=')}.c2ln"
        public = load_der_public_key(base64.b64decode(body["publicKey"]))
        assert isinstance(public, rsa.RSAPublicKey)
        self.double.keys[f"ST${token}"] = public
        return json_response(200, {"token": token})


def _certificate(key: rsa.RSAPrivateKey) -> x509.Certificate:
    now = datetime.datetime.now(datetime.UTC)
    name = x509.Name(
        [
            x509.NameAttribute(NameOID.COMMON_NAME, "ocid1.instance.oc1..double"),
            x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, "opc-certtype:instance"),
            x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, f"opc-tenant:{TENANCY}"),
        ]
    )
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(now - datetime.timedelta(hours=1))
    return builder.not_valid_after(now + datetime.timedelta(hours=1)).sign(key, SHA256())
