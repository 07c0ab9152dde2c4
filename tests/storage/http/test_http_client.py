"""The client against servers that behave badly: what it repeats, what it gives up, and when."""

from __future__ import annotations

import datetime
import ssl
import time
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from cloudberth.errors import BackendError, TimedOut, Unavailable
from cloudberth.storage.body import BytesBody, FileBody
from cloudberth.storage.http.client import Client
from cloudberth.storage.http.message import Origin, Request
from cloudberth.storage.options import Options
from storage.http.scripted_server import OK, Peer, Server, always_ok, serving

QUICK = Options(connect_timeout=2, read_timeout=0.4, slowest=100_000)


def request(server: Server, method: str = "GET", scheme: str = "http", **more: object) -> Request:
    return Request(method, Origin(scheme, "127.0.0.1", server.address[1]), "/k", **more)  # type: ignore[arg-type]


def test_a_connection_is_used_again() -> None:
    with serving(always_ok) as server:
        client = Client(QUICK)
        for _ in range(5):
            assert client.send(request(server)).body == b"ok"
        assert len(server.peers) == 1


def test_a_connection_that_the_server_closed_costs_nothing() -> None:
    def once(peer: Peer) -> None:
        peer.request()
        peer.send(OK)

    with serving(once) as server:
        client = Client(QUICK)
        for _ in range(4):
            assert client.send(request(server)).body == b"ok"
            time.sleep(0.02)
        assert len(server.peers) == 4


def test_what_is_not_safe_to_repeat_is_not_repeated() -> None:
    def second_is_dropped(peer: Peer) -> None:
        peer.request()
        peer.send(OK)
        peer.request()
        peer.reset()

    with serving(second_is_dropped) as server:
        client = Client(QUICK)
        client.send(request(server, "POST", idempotent=False))
        with pytest.raises(Unavailable):
            client.send(request(server, "POST", idempotent=False))
        assert len(server.requests) == 2


def test_no_answer_in_time_is_timed_out() -> None:
    def silent(peer: Peer) -> None:
        peer.request()
        peer.request()  # nothing more comes, until the client goes

    with serving(silent) as server:
        began = time.monotonic()
        with pytest.raises(TimedOut):
            Client(QUICK).send(request(server))
        assert time.monotonic() - began < 15


def test_bytes_that_trickle_do_not_keep_it_alive() -> None:
    """Each byte comes in time, all of them never do."""

    def trickling(peer: Peer) -> None:
        peer.request()
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        for _ in range(1000):
            peer.send(b"x")
            time.sleep(0.1)

    with serving(trickling) as server:
        began = time.monotonic()
        with pytest.raises(TimedOut):
            Client(QUICK).send(request(server))
        assert time.monotonic() - began < 30


def test_a_body_cut_short_is_an_error() -> None:
    def short(peer: Peer) -> None:
        peer.request()
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nonly this")

    with serving(short) as server:
        with pytest.raises(Unavailable, match="broke inside"):
            Client(QUICK).send(request(server))
        response = Client(QUICK).send(request(server, stream=True))
        with response.reader, pytest.raises(Unavailable):
            response.reader.read()


def test_a_refusal_before_the_body_is_read_is_heard() -> None:
    """A server may say 403 and close while megabytes are still on their way."""

    def refusing(peer: Peer) -> None:
        peer.socket.recv(1000)
        peer.send(b"HTTP/1.1 403 No\r\nContent-Length: 6\r\nConnection: close\r\n\r\nsorry!")
        peer.socket.shutdown(1)
        time.sleep(0.5)

    with serving(refusing) as server:
        body = BytesBody(bytes(30_000_000))
        response = Client(QUICK).send(request(server, "PUT", body=body))
        assert (response.status, response.body) == (403, b"sorry!")


def test_nobody_there_is_unavailable() -> None:
    with serving(always_ok) as server:
        pass
    with pytest.raises(Unavailable, match="no connection"):
        Client(QUICK).send(request(server))


def test_a_file_is_sent_whole(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"0123456789" * 100_000)
    with serving(always_ok) as server:
        body = FileBody(file, 10, 500_000)
        assert Client(QUICK).send(request(server, "PUT", body=body)).status == 200
        assert b"content-length: 500000" in server.requests[0]


def test_an_open_reader_that_is_closed_early_gives_its_connection_up() -> None:
    def large(peer: Peer) -> None:
        while peer.request():
            peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n" + bytes(100_000))

    with serving(large) as server:
        client = Client(QUICK)
        with client.send(request(server, stream=True)).reader as reader:
            assert reader.read(10) == bytes(10)
        assert len(client.send(request(server)).body) == 100_000
        assert len(server.peers) == 2


# -- proxies and TLS -----------------------------------------------------------------------------------------


def test_a_proxy_of_the_environment_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """Plain HTTP by way of a proxy: the whole address, the true host, and the proxy's own credentials."""
    with serving(always_ok) as proxy:
        monkeypatch.setenv("http_proxy", f"http://user:p%40ss@127.0.0.1:{proxy.address[1]}")
        monkeypatch.setenv("no_proxy", "")
        outside = Request("GET", Origin("http", "bucket.example.test", 80), "/a//b")
        assert Client(QUICK).send(outside).body == b"ok"
        head = proxy.requests[0]
        assert head.startswith(
            b"GET http://bucket.example.test/a//b HTTP/1.1\r\nhost: bucket.example.test\r\n"
        )
        assert b"proxy-authorization: Basic dXNlcjpwQHNz" in head


def test_no_proxy_keeps_hosts_out(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(always_ok) as proxy, serving(always_ok) as server:
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{proxy.address[1]}")
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        assert Client(QUICK).send(request(server)).body == b"ok"
        assert proxy.requests == []


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A certificate for 127.0.0.1 and its key, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.UTC)
    from ipaddress import ip_address

    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    file = tmp_path / "server.pem"
    file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        + signed.public_bytes(serialization.Encoding.PEM)
    )
    return file


def test_tls_is_checked(certificate: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with serving(always_ok, context) as server:
        trusting = Options(read_timeout=2, ca_bundle=str(certificate))
        client = Client(trusting)
        assert client.send(request(server, scheme="https")).body == b"ok"
        assert client.send(request(server, "PUT", "https", body=BytesBody(bytes(3_000_000)))).status == 200
        with pytest.raises(BackendError, match=r"certificate .* is not trusted") as caught:
            Client(QUICK).send(request(server, scheme="https"))
        assert "SSL_CERT_FILE" in caught.value.hint
        assert not caught.value.retryable


def test_tls_goes_through_a_proxy_by_its_own_tunnel(
    certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    seen: list[bytes] = []

    def tunnel(peer: Peer) -> None:
        seen.append(peer.request())
        peer.send(b"HTTP/1.1 200 Connection established\r\n\r\n")
        inside = context.wrap_socket(peer.socket, server_side=True)
        always_ok(Peer(inside, 0))

    with serving(tunnel) as proxy:
        monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{proxy.address[1]}")
        monkeypatch.setenv("no_proxy", "")
        client = Client(Options(read_timeout=2, ca_bundle=str(certificate)))
        assert client.send(Request("GET", Origin("https", "127.0.0.1", 4433), "/k")).body == b"ok"
    assert seen[0].startswith(b"CONNECT 127.0.0.1:4433 HTTP/1.1")


def test_a_proxy_that_refuses_is_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    def refusing(peer: Peer) -> None:
        peer.request()
        peer.send(b"HTTP/1.1 407 Who are you\r\n\r\n")

    with serving(refusing) as proxy:
        monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{proxy.address[1]}")
        monkeypatch.setenv("no_proxy", "")
        with pytest.raises(Unavailable, match=r"refuses the way.*407"):
            Client(QUICK).send(Request("GET", Origin("https", "example.test", 443), "/k"))
