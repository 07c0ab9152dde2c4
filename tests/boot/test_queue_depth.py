"""The queue metric against a real Redis server, over TLS with a certificate that is checked."""

from __future__ import annotations

import ipaddress
import os
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from socketserver import StreamRequestHandler, ThreadingTCPServer
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from machine_rig import SOURCE, Metadata, serving, set_up

sys.path.insert(0, str(SOURCE / "terraform/boot"))

import queue_depth
from real_servers import free_port, program, running

PASSWORD = "pa$$ word/é"
QUEUE = {"database": 1, "names": ["dataset", "mail", "empty"], "prefix": ""}


@dataclass(frozen=True)
class Server:
    port: int
    certificate: Path

    def cache(self, **changes: Any) -> dict[str, Any]:
        return {"host": "localhost", "port": str(self.port), "tls": "true", "username": "default"} | changes


def certificate(folder: Path, name: str) -> tuple[Path, Path]:
    """A self-signed certificate for a host name: (certificate, key)."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    built = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    paths = folder / "server.crt", folder / "server.key"
    paths[0].write_bytes(built.public_bytes(serialization.Encoding.PEM))
    paths[1].write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return paths


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    executable = program("redis-server")
    folder = tmp_path_factory.mktemp("redis")
    chain, key = certificate(folder, "localhost")
    port = free_port()
    settings = {
        "port": "0",
        "tls-port": str(port),
        "bind": "127.0.0.1",
        "tls-cert-file": str(chain),
        "tls-key-file": str(key),
        "tls-auth-clients": "no",
        "requirepass": f'"{PASSWORD}"',
        "save": '""',
        "dir": str(folder),
    }
    path = folder / "redis.conf"
    path.write_text("".join(f"{name} {value}\n" for name, value in settings.items()))
    with running([executable, str(path)], port, folder / "log"):
        yield Server(port, chain)


@pytest.fixture
def trusted(redis: Server, monkeypatch: pytest.MonkeyPatch) -> Server:
    """As on the machine, where the system's authorities know the cloud's certificates."""
    monkeypatch.setenv("SSL_CERT_FILE", str(redis.certificate))
    return redis


def push(server: Server, name: str, count: int, database: int = 1) -> None:
    context = ssl.create_default_context(cafile=str(server.certificate))
    import socket

    with context.wrap_socket(
        socket.create_connection(("localhost", server.port)), server_hostname="localhost"
    ) as connection:
        commands = [["AUTH", PASSWORD], ["SELECT", str(database)], ["DEL", name]]
        commands += [["RPUSH", name, "x"]] * count
        connection.sendall(b"".join(queue_depth._encode(command) for command in commands))
        with connection.makefile("rb") as stream:
            for _ in commands:
                queue_depth._read(stream)


@pytest.mark.server
def test_the_lengths_of_all_lists_are_added(trusted: Server) -> None:
    push(trusted, "dataset", 3)
    push(trusted, "mail", 4)
    push(trusted, "dataset", 9, database=0)
    assert queue_depth.measure(trusted.cache(), PASSWORD, QUEUE) == 7


@pytest.mark.server
def test_a_prefix_belongs_to_every_name(trusted: Server) -> None:
    push(trusted, "app:dataset", 2)
    queue = {**QUEUE, "prefix": "app:"}
    assert queue_depth.measure(trusted.cache(), PASSWORD, queue) == 2


@pytest.mark.server
def test_without_a_user_name(trusted: Server) -> None:
    push(trusted, "dataset", 1)
    push(trusted, "mail", 0)
    assert queue_depth.measure(trusted.cache(username=""), PASSWORD, QUEUE) == 1


@pytest.mark.server
def test_a_wrong_password_is_refused_without_showing_it(trusted: Server) -> None:
    with pytest.raises(queue_depth.Refused, match="WRONGPASS") as caught:
        queue_depth.measure(trusted.cache(), "not-it", QUEUE)
    assert "not-it" not in str(caught.value)


@pytest.mark.server
def test_a_certificate_that_nobody_vouches_for_is_refused(redis: Server) -> None:
    with pytest.raises(ssl.SSLCertVerificationError):
        queue_depth.measure(redis.cache(), PASSWORD, QUEUE)


@pytest.mark.server
def test_a_certificate_for_another_name_is_refused(trusted: Server) -> None:
    with pytest.raises(ssl.SSLCertVerificationError, match=r"doesn't match|not valid for"):
        queue_depth.measure(trusted.cache(host="127.0.0.1"), PASSWORD, QUEUE)


@pytest.mark.server
def test_the_timer_publishes_it(trusted: Server, tmp_path: Path) -> None:
    """`boot.py metric`, as systemd starts it every minute."""
    push(trusted, "dataset", 5)
    push(trusted, "mail", 1)
    with ExitStack() as servers:
        rig = set_up(tmp_path, "stateful", servers.enter_context(serving(Metadata)))
        rig.change_bundle(facts=rig.bundle()["facts"] | {"cache": trusted.cache()}, queue=QUEUE)
        rig.set_secret("cache_password", PASSWORD)
        assert rig.boot().code == 0
        environment = rig.environment
        rig.environment = lambda: environment() | {"SSL_CERT_FILE": str(trusted.certificate)}  # type: ignore[method-assign]
        done = rig.boot("metric")
    assert done.code == 0, done.stdout
    (call,) = done.calls
    assert call.line.startswith(
        "aws cloudwatch put-metric-data --namespace Cloudberth --metric-name QueueDepth"
    )
    assert call.argv[call.argv.index("--value") + 1] == "6"
    assert call.argv[call.argv.index("--dimensions") + 1] == "Deployment=dify"
    assert PASSWORD not in str(done)


@contextmanager
def answering(answer: bytes) -> Iterator[dict[str, Any]]:
    """A server without TLS that gives one answer to everything."""

    class Handler(StreamRequestHandler):
        def handle(self) -> None:
            self.rfile.readline()
            self.wfile.write(answer)

    with ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            host, port = server.server_address[:2]
            assert ipaddress.ip_address(str(host)).is_loopback
            yield {"host": host, "port": port, "tls": "false", "username": ""}
        finally:
            server.shutdown()


@pytest.mark.parametrize(
    ("answer", "what"),
    [
        (b"", "closed the connection"),
        (b"+OK\r\n+OK\r\n:1\r\n", "closed the connection"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "does not speak the Redis protocol"),
        (b"-NOAUTH Authentication required.\r\n", "NOAUTH"),
    ],
)
def test_answers_that_make_no_sense(answer: bytes, what: str) -> None:
    with answering(answer) as cache, pytest.raises(queue_depth.Refused, match=what):
        queue_depth.measure(cache, PASSWORD, QUEUE)


def test_bulk_and_empty_answers() -> None:
    with answering(b"+OK\r\n$2\r\nOK\r\n:4\r\n$-1\r\n:3\r\n") as cache:
        assert queue_depth.measure(cache, PASSWORD, QUEUE) == 7


def test_a_server_that_is_away() -> None:
    cache = {"host": "127.0.0.1", "port": free_port(), "tls": "false", "username": ""}
    with pytest.raises(OSError, match="refused"):
        queue_depth.measure(cache, PASSWORD, QUEUE)


def test_a_cache_that_is_away_is_no_traceback(tmp_path: Path) -> None:
    with serving(Metadata) as metadata:
        rig = set_up(tmp_path, "stateful", metadata)
        facts = rig.bundle()["facts"] | {
            "cache": {"host": "127.0.0.1", "port": "9", "tls": "true", "username": ""}
        }
        rig.change_bundle(facts=facts)
        assert rig.boot().code == 0
        done = rig.boot("metric")
    assert done.code == 1
    assert done.names() == ["metric"]
    assert done.stderr == ""


def test_commands_are_encoded_as_bytes() -> None:
    assert queue_depth._encode(["AUTH", "é"]) == b"*2\r\n$4\r\nAUTH\r\n$2\r\n\xc3\xa9\r\n"


def test_it_needs_nothing_but_the_standard_library() -> None:
    from machine_rig import old_python

    folder = str(SOURCE / "terraform/boot")
    modules = "queue_depth, boot_aws, boot_azure, container_logs, journal"
    code = f"import sys; sys.path.insert(0, {folder!r}); import {modules}"
    done = subprocess.run(
        [old_python(), "-I", "-S", "-c", code], capture_output=True, text=True, env=os.environ
    )
    assert done.returncode == 0, done.stderr
