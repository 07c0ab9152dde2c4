"""TLS and passwords, against Debian's PostgreSQL with its own certificate: the bundled one has neither."""

from __future__ import annotations

import datetime
import ipaddress
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from cloudberth import vector
from cloudberth.errors import BackendError, PermissionDenied, Unsupported
from cloudberth.vector._postgres import identities
from cloudberth.vector.options import Options
from cloudberth.vector.store import VectorStore

PASSWORD = "secret-word"
ONCE = Options(retries=0)


@dataclass(frozen=True)
class TlsServer:
    """certificate: signs itself, so it is the CA too."""

    port: int
    certificate: Path
    other: Path


def _certificate(folder: Path, name: str) -> Path:
    """A certificate for 127.0.0.1 with its key beside it."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = folder / f"{name}.crt"
    path.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    path.with_suffix(".key").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return path


@pytest.fixture(scope="module")
def server() -> Iterator[TlsServer]:
    programs = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if not programs:
        pytest.skip("NOT TESTED: PostgreSQL is not installed (apt-get install postgresql)")
    folder = Path(tempfile.mkdtemp(prefix="pg-tls-", dir="/tmp"))
    folder.chmod(0o755)
    (folder / "password").write_text(PASSWORD)
    certificate, other = _certificate(folder, "server"), _certificate(folder, "other")
    as_user: list[str] = []
    if os.geteuid() == 0:  # PostgreSQL refuses to run as root
        entry = pwd.getpwnam("postgres")
        for path in (folder, *folder.iterdir()):
            os.chown(path, entry.pw_uid, entry.pw_gid)
        as_user = ["setpriv", f"--reuid={entry.pw_uid}", f"--regid={entry.pw_gid}", "--clear-groups"]
    certificate.with_suffix(".key").chmod(0o600)
    data, bin_ = folder / "data", programs[-1].parent
    create = [bin_ / "initdb", "-D", data, "-U", "dify", "--no-sync", "-A", "scram-sha-256"]
    subprocess.run(
        [*as_user, *map(str, create), f"--pwfile={folder / 'password'}"], check=True, capture_output=True
    )
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    options = {"ssl": "on", "ssl_cert_file": certificate, "ssl_key_file": certificate.with_suffix(".key")}
    command = [bin_ / "postgres", "-D", data, "-p", port, "-k", folder, "-h", "127.0.0.1"]
    for name, value in options.items():
        command += ["-c", f"{name}={value}"]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([*as_user, *map(str, command)], stdout=log, stderr=log)
    try:
        _wait(port, folder / "log")
        yield TlsServer(port, certificate, other)
    finally:
        process.terminate()
        process.wait(30)
        shutil.rmtree(folder, ignore_errors=True)


def _wait(port: int, log: Path) -> None:
    for _ in range(400):
        try:
            psycopg.connect(
                host="127.0.0.1", port=port, user="dify", password=PASSWORD, dbname="postgres"
            ).close()
            return
        except psycopg.OperationalError:
            time.sleep(0.05)
    pytest.fail(log.read_text()[-2000:])


def opened(server: TlsServer, **more: str) -> VectorStore:
    variables = {
        "VECTOR_STORE": "pgvector",
        "PGVECTOR_HOST": "127.0.0.1",
        "PGVECTOR_PORT": str(server.port),
        "PGVECTOR_USER": "dify",
        "PGVECTOR_PASSWORD": PASSWORD,
    }
    return vector.open("", {**variables, **more}, ONCE)


def _is_encrypted(store: VectorStore) -> bool:
    with store.backend._pool.lend() as connection:  # type: ignore[attr-defined]
        row = connection.execute("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()").fetchone()
    return bool(row and row[0])


def test_a_connection_is_encrypted_when_the_server_can(server: TlsServer) -> None:
    with opened(server) as store:
        assert store.health().version.startswith("PostgreSQL")
        assert _is_encrypted(store)
    with opened(server, PGVECTOR_SSLMODE="disable") as store:
        assert not _is_encrypted(store)


def test_with_a_ca_file_the_server_is_verified(server: TlsServer) -> None:
    with opened(server, PGVECTOR_SSLROOTCERT=str(server.certificate)) as store:
        assert _is_encrypted(store)
    with (
        opened(server, PGVECTOR_SSLROOTCERT=str(server.other)) as store,
        pytest.raises(PermissionDenied, match="certificate verify failed"),
    ):
        store.health()
    with (
        opened(server, PGVECTOR_HOST="localhost", PGVECTOR_SSLROOTCERT=str(server.certificate)) as store,
        pytest.raises(BackendError, match="does not match"),
    ):
        store.health()


def test_a_password_of_an_identity_is_asked_for_every_connection(
    server: TlsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[object, ...]] = []

    def token(*given: object) -> str:
        asked.append(given)
        return PASSWORD

    monkeypatch.setattr(identities, "token", token)
    with opened(server, PGVECTOR_PASSWORD="", PGVECTOR_AUTH="aws", PGVECTOR_REGION="eu-west-1") as store:
        assert _is_encrypted(store)
        store.backend._pool.forget()  # type: ignore[attr-defined]
        store.health()
    assert asked == [("aws", "127.0.0.1", server.port, "dify", "eu-west-1")] * 2


def test_a_wrong_password_is_refused_and_not_shown(server: TlsServer) -> None:
    with opened(server, PGVECTOR_PASSWORD="wrong-word") as store:
        with pytest.raises(PermissionDenied, match="password authentication failed") as caught:
            store.health()
        assert not caught.value.retryable
        assert "wrong-word" not in str(caught.value)


def test_a_server_without_the_extension_is_told_so(server: TlsServer) -> None:
    with opened(server) as store:
        assert store.health().detail["extension vector"] == "not installed"
        with pytest.raises(Unsupported, match="vector"):
            store.create("docs", 3)
