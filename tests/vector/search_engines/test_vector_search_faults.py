"""Search engines that are gone, slow, full, or say no: one error each, and none with a secret in it."""

from __future__ import annotations

import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy
import pytest
from vector_servers import search_engines
from vector_servers.listening import serving
from vector_servers.search_engines import Front

from cloudberth import vector
from cloudberth.errors import BackendError, Kind, NotFound, PermissionDenied, Throttled, TimedOut, Unavailable
from cloudberth.vector.contract import Record
from cloudberth.vector.options import Options

QUICK = Options(timeout=1.0, deadline=2.0, retries=0)
ONE = [Record("a", numpy.asarray([1.0, 0.0, 0.0], numpy.float32), "fox")]


@pytest.fixture
def front() -> Iterator[Front]:
    with serving(Front(0)) as one:
        yield one


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (
            401,
            {"error": {"type": "security_exception", "reason": "unable to authenticate"}},
            PermissionDenied,
        ),
        (
            403,
            {"error": {"type": "security_exception", "reason": "action is unauthorized"}},
            PermissionDenied,
        ),
        (404, {"error": {"type": "index_not_found_exception", "reason": "no such index [x]"}}, NotFound),
        (429, {"error": {"type": "circuit_breaking_exception", "reason": "Data too large"}}, Throttled),
        (503, {"error": {"type": "cluster_block_exception", "reason": "no master"}}, Unavailable),
        (409, {"version_conflicts": 3, "failures": []}, Unavailable),
        (502, "<html>bad gateway</html>", Unavailable),
    ],
)
def test_what_a_server_says_is_one_error(
    front: Front, status: int, body: Any, error: type[Exception]
) -> None:
    front.refuses = (status, body)
    environment = {"ELASTICSEARCH_PASSWORD": "sesame-77"}
    store = vector.open(f"elasticsearch://127.0.0.1:{front.port}", environment, options=QUICK)
    with pytest.raises(error) as raised:
        store.describe("x")
    assert "elasticsearch://127.0.0.1" in str(raised.value)
    assert "sesame-77" not in f"{raised.value!r} {store!r} {store.backend!r}"


def test_an_action_that_failed_in_a_bulk_request_is_an_error(front: Front) -> None:
    store = vector.open(f"elasticsearch://127.0.0.1:{front.port}", {}, options=QUICK)
    mapping = {"mappings": {"properties": {"page_content": {"type": "text"}, "vector": {
        "type": "dense_vector", "dims": 3, "similarity": "cosine"}}}}  # fmt: skip
    front.refuses = (200, {"x": mapping})
    store.describe("x")
    failed = {"type": "document_parsing_exception", "reason": "failed to parse field [metadata.year]"}
    front.refuses = (200, {"errors": True, "items": [{"index": {"status": 400, "error": failed}}]})
    with pytest.raises(BackendError, match=r"metadata\.year") as raised:
        store.upsert("x", ONE)
    assert raised.value.kind is Kind.INVALID


def test_a_server_that_does_not_answer_is_given_up() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        held: list[socket.socket] = []
        threading.Thread(target=lambda: held.append(listening.accept()[0]), daemon=True).start()
        store = vector.open(f"elasticsearch://127.0.0.1:{port}", {}, options=QUICK)
        with pytest.raises(TimedOut):
            store.health()
    with pytest.raises(Unavailable, match="no connection"):
        store.health()


def test_a_server_that_was_started_again_is_used_again() -> None:
    if reason := search_engines.missing_elasticsearch():
        pytest.skip(reason)
    with search_engines.elasticsearch() as server:
        store = vector.open(f"elasticsearch://127.0.0.1:{server.port}", {}, options=QUICK)
        store.create("again", 3)
        store.upsert("again", ONE)
        server.stop()
        with pytest.raises(Unavailable):
            store.count("again")
        server.start()
        assert store.count("again") == 1
        assert store.search("again", [1.0, 0.0, 0.0])[0].id == "a"


def test_a_certificate_nobody_vouches_for_is_refused(front: Front, tmp_path: Path) -> None:
    """Also where Dify's variable says that it need not be verified; and taken with the file that vouches."""
    if not shutil.which("openssl"):
        pytest.skip("there is no openssl")
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1",
         "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(certificate)],
        check=True, capture_output=True,
    )  # fmt: skip
    front.refuses = (200, {"version": {"number": "8.15.3"}, "cluster_name": "tls"})
    with tls(front.port, certificate, key) as port:
        environment = {
            "VECTOR_STORE": "elasticsearch", "ELASTICSEARCH_HOST": "https://127.0.0.1",
            "ELASTICSEARCH_PORT": str(port), "ELASTICSEARCH_VERIFY_CERTS": "false",
        }  # fmt: skip
        with pytest.raises(BackendError, match="certificate"):
            vector.open("", environment, options=QUICK).health()
        trusting = {**environment, "ELASTICSEARCH_CA_CERTS": str(certificate)}
        assert vector.open("", trusting, options=QUICK).health().version == "8.15.3"


@contextmanager
def tls(behind: int, certificate: Path, key: Path) -> Iterator[int]:
    """One port with TLS in front of another; one request a connection."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)

    def serve(listening: socket.socket) -> None:
        while True:
            try:
                plain, _ = listening.accept()
                with (
                    context.wrap_socket(plain, server_side=True) as secure,
                    socket.create_connection(("127.0.0.1", behind), timeout=0.2) as inner,
                ):
                    inner.sendall(secure.recv(65536))
                    while data := inner.recv(65536):
                        secure.sendall(data)
            except (ssl.SSLError, TimeoutError):
                continue
            except OSError:
                return

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=serve, args=(listening,), daemon=True)
        thread.start()
        yield listening.getsockname()[1]
        listening.shutdown(socket.SHUT_RDWR)
    thread.join(5)
