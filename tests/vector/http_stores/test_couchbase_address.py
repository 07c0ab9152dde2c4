"""Couchbase's connection strings, its nodes, and names that DNS knows as services."""

from __future__ import annotations

import socket
import ssl
import struct
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest import mock

import pytest
from vector_servers.couchbase_services import BUCKET, SCOPE, CouchbaseDouble, serving, variables

from cloudberth import vector
from cloudberth.errors import BackendError, InvalidInput, PermissionDenied
from cloudberth.vector import _dns_srv
from cloudberth.vector._couchbase_address import Address, parsed, places
from cloudberth.vector._dns_srv import targets
from cloudberth.vector.options import Options
from doubles import entra


@pytest.mark.parametrize(
    ("text", "nodes", "secure", "service"),
    [
        ("couchbase://db", (("db", 8091),), False, ""),
        ("db.example.com", (("db.example.com", 8091),), False, "_couchbase._tcp.db.example.com"),
        ("couchbases://cb.x1.org", (("cb.x1.org", 18091),), True, "_couchbases._tcp.cb.x1.org"),
        ("couchbases://cb.x1.org?enable_dns_srv=false", (("cb.x1.org", 18091),), True, ""),
        ("couchbase://A,b:11210;c:8091", (("a", 8091), ("b", 8091), ("c", 8091)), False, ""),
        ("couchbases://a:11207/bucket", (("a", 18091),), True, ""),
        ("couchbase://127.0.0.1:9000=http", (("127.0.0.1", 9000),), False, ""),
        ("couchbase://10.0.0.1", (("10.0.0.1", 8091),), False, ""),
        ("couchbase://[::1]:8091", (("::1", 8091),), False, ""),
        ("https://db.example.com:18091", (("db.example.com", 18091),), True, ""),
        ("http://db:7000", (("db", 7000),), False, ""),
    ],
)  # fmt: skip
def test_connection_strings(
    text: str, nodes: tuple[tuple[str, int], ...], secure: bool, service: str
) -> None:
    assert parsed(text) == Address(nodes, secure, "auto", service)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("couchbase://", "it names no host"),
        ("couchbase2://db", "there is no couchbase2://"),
        ("couchbase://db:9000", "key-value protocol"),
        ("couchbase://user:secret-7@db", "is no host"),
        ("couchbases://db?tls_verify=none", "would let anybody answer"),
        ("couchbase://db:99999", "is no port"),
    ],
)
def test_what_is_no_connection_string_is_said(text: str, said: str) -> None:
    with pytest.raises(InvalidInput, match=said) as raised:
        parsed(text)
    assert "COUCHBASE_CONNECTION_STRING" in str(raised.value)


def _nodes(*ports: dict[str, object]) -> dict[str, object]:
    return {"nodesExt": list(ports)}


def test_services_are_where_the_nodes_say() -> None:
    found = _nodes(
        {"hostname": "a", "services": {"mgmt": 8091, "mgmtSSL": 18091, "kv": 11210}},
        {"hostname": "b", "services": {"mgmt": 8091, "mgmtSSL": 18091, "n1ql": 8093, "n1qlSSL": 18093}},
        {"services": {"mgmt": 8091, "fts": 8094, "ftsSSL": 18094}, "thisNode": True},
    )
    plain = places(found, parsed("couchbase://c"), "c")
    assert plain == {
        "mgmt": ("http://a:8091", "http://b:8091", "http://c:8091"),
        "n1ql": ("http://b:8093",),
        "fts": ("http://c:8094",),
    }
    secure = places(found, parsed("couchbases://c"), "::1")
    assert secure["n1ql"] == ("https://b:18093",)
    assert secure["fts"] == ("https://[::1]:18094",)
    assert places(None, parsed("couchbase://c"), "c")["mgmt"] == ()


def test_alternate_addresses_are_used_from_outside() -> None:
    inner = {"mgmt": 8091, "n1ql": 8093, "fts": 8094}
    with_ports = {"hostname": "out1", "ports": {"mgmt": 30091, "n1ql": 30093}}
    found = _nodes(
        {"hostname": "in1", "services": inner, "alternateAddresses": {"external": with_ports}},
        {"hostname": "in2", "services": inner, "alternateAddresses": {"external": {"hostname": "out2"}}},
    )
    outside = {
        "mgmt": ("http://out1:30091", "http://out2:8091"),
        "n1ql": ("http://out1:30093", "http://out2:8093"),
        "fts": ("http://out2:8094",),
    }
    assert places(found, parsed("couchbase://out1"), "out1") == outside
    assert places(found, parsed("couchbase://x?network=external"), "x") == outside
    assert places(found, parsed("couchbase://out1?network=default"), "out1")["fts"] == (
        "http://in1:8094", "http://in2:8094",
    )  # fmt: skip


def test_the_double_is_reached_by_its_outer_address() -> None:
    with serving(CouchbaseDouble()) as double:
        double.external = {"hostname": "127.0.0.1", "ports": dict(double.ports)}
        inner, double.ports = double.ports, {"mgmt": 1, "n1ql": 1, "fts": 1}
        with vector.open("", variables(inner["mgmt"]), Options(retries=0)) as store:
            assert store.collections() == ()


# ── TLS


def test_with_tls_the_secure_ports_are_used_and_the_authority_is_asked_for(tmp_path: Path) -> None:
    certificate, key = entra.certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with serving(CouchbaseDouble(), context) as double:
        port = double.ports["mgmtSSL"]
        environment = {
            **variables(port),
            "COUCHBASE_CONNECTION_STRING": f"couchbases://127.0.0.1:{port}=http",
        }
        stranger = vector.open("", environment, Options(retries=0, timeout=5))
        with pytest.raises(BackendError, match="certificate"):
            stranger.collections()
        assert double.requests == [], "nothing was sent to a server that nobody vouches for"
        environment["COUCHBASE_CA_FILE"] = str(certificate)
        with vector.open("", environment, Options(retries=0, timeout=5)) as store:
            assert store.collections() == ()
        location = f"couchbase://127.0.0.1:{port}/{BUCKET}?tls=true&scope_name={SCOPE}"
        with vector.open(location, environment, Options(retries=0, timeout=5)) as store:
            assert store.health().detail["Query"] == "1"


# ── DNS


def _name(name: str) -> bytes:
    labels = name.encode().split(b".") if name else []
    return b"".join(bytes([len(label)]) + label for label in labels) + b"\0"


def _answer(asked: bytes, records: list[tuple[int, int, str]], flags: int = 0x8180) -> bytes:
    """An answer whose owners' names point to the question, as servers write them."""
    question = asked[12 : asked.index(b"\0", 12) + 5]
    body = b""
    for priority, weight, target in records:
        data = struct.pack("!3H", priority, weight, 11207) + _name(target)
        body += b"\xc0\x0c" + struct.pack("!HHIH", 33, 1, 60, len(data)) + data
    return asked[:2] + struct.pack("!5H", flags, 1, len(records), 0, 0) + question + body


@contextmanager
def name_server(
    records: list[tuple[int, int, str]], *, truncated: bool = False, forged: str = ""
) -> Iterator[tuple[str, int]]:
    """One that answers over UDP, or says there that its answer is too long, and over TCP.

    forged: a target in an answer that comes first, to another question.
    """
    # The port of TCP is found first: there are more that it cannot have.
    with socket.create_server(("127.0.0.1", 0)) as tcp, socket.socket(type=socket.SOCK_DGRAM) as udp:
        udp.bind(tcp.getsockname())

        def over_udp() -> None:
            asked, sender = udp.recvfrom(512)
            if forged:
                udp.sendto(bytes([asked[0] ^ 1]) + _answer(asked, [(1, 1, forged)])[1:], sender)
            udp.sendto(_answer(asked, [], 0x8380) if truncated else _answer(asked, records), sender)

        def over_tcp() -> None:
            connection, _ = tcp.accept()
            with connection:
                asked = connection.recv(512)[2:]
                found = _answer(asked, records)
                connection.sendall(struct.pack("!H", len(found)) + found)

        for work in (over_udp, *([over_tcp] if truncated else [])):
            threading.Thread(target=work, daemon=True).start()
        yield udp.getsockname()


NAME = "_couchbases._tcp.cb.x1.example.com"
RECORDS = [(10, 5, "n2.x1.example.com"), (5, 1, "N1.x1.example.com"), (10, 9, "n3.x1.example.com")]


@pytest.mark.parametrize("truncated", [False, True], ids=["udp", "tcp"])
def test_services_are_asked_for_in_dns(truncated: bool) -> None:
    """By priority; among equals, weights are drawn."""
    with name_server(RECORDS, truncated=truncated) as server:
        first, *others = targets(NAME, [server])
    assert first == "n1.x1.example.com"
    assert sorted(others) == ["n2.x1.example.com", "n3.x1.example.com"]


@pytest.mark.parametrize("records", [[], [(0, 0, "")]], ids=["none", "decidedly-none"])
def test_a_service_that_is_not_there_has_no_nodes(records: list[tuple[int, int, str]]) -> None:
    with name_server(records) as server:
        assert targets(NAME, [server]) == ()


def test_the_answer_to_another_question_is_not_taken() -> None:
    with name_server(RECORDS, forged="evil.x1.example.com") as server:
        assert "evil.x1.example.com" not in (found := targets(NAME, [server]))
    assert len(found) == 3


def test_the_library_is_needed_only_to_look_something_up() -> None:
    with mock.patch.dict(sys.modules, {"dns.resolver": None}):
        assert parsed("couchbases://n1,n2").resolved() == (("n1", 18091), ("n2", 18091))
        with pytest.raises(
            InvalidInput, match=r"looking up _couchbases\._tcp\.cb\.x1\.example\.com"
        ) as raised:
            parsed("couchbases://cb.x1.example.com").resolved()
    assert 'pip install "cloudberth[couchbase]"' in raised.value.hint


def test_a_name_server_that_is_not_there_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_dns_srv, "_PATIENCE", 0.2)
    with name_server(RECORDS) as server:
        assert len(targets(NAME, [("127.0.0.1", 9), server])) == 3
    assert targets(NAME, []) == ()


def test_the_nodes_of_a_service_are_begun_with() -> None:
    address = parsed("couchbases://cb.x1.example.com")
    asked: list[str] = []

    def lookup(name: str) -> list[str]:
        asked.append(name)
        return ["n1.x1.example.com", "n2.x1.example.com"]

    assert address.resolved(lookup) == (("n1.x1.example.com", 18091), ("n2.x1.example.com", 18091))
    assert asked == ["_couchbases._tcp.cb.x1.example.com"]
    assert address.resolved(lambda _: ()) == (("cb.x1.example.com", 18091),)
    assert parsed("couchbase://127.0.0.1").resolved(lookup) == (("127.0.0.1", 8091),)


@pytest.mark.parametrize("target", ["evil.org", "n1.x1.example.com.evil.org", "xx1.example.com"])
def test_dns_cannot_lead_a_password_out_of_the_domain(target: str) -> None:
    with pytest.raises(PermissionDenied, match="in another domain"):
        parsed("couchbases://cb.x1.example.com").resolved(lambda _: [target])
