"""The fault proxy itself: without a rule it changes nothing, and each fault is what it says."""

from __future__ import annotations

import http.client
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from faults.proxy import Address, Fault, FaultProxy, Rule

CONTENT = bytes(range(256)) * 400


class Echo(BaseHTTPRequestHandler):
    """GET gives CONTENT, PUT keeps what arrived in `server.got`."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(CONTENT)))
        self.end_headers()
        self.wfile.write(CONTENT)

    def do_PUT(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.got.append((self.headers["Host"], self.path, body))  # type: ignore[attr-defined]
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def origin() -> Iterator[ThreadingHTTPServer]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Echo)
    server.daemon_threads = True
    server.got = []  # type: ignore[attr-defined]
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def proxy(origin: ThreadingHTTPServer) -> Iterator[FaultProxy]:
    with FaultProxy(("127.0.0.1", origin.server_address[1])) as proxy:
        yield proxy


def get(address: Address) -> bytes:
    with closing(http.client.HTTPConnection(*address, timeout=2)) as connection:
        connection.request("GET", "/a//b/../c?x=%2F")
        return connection.getresponse().read()


def put(address: Address, body: bytes) -> int:
    with closing(http.client.HTTPConnection(*address, timeout=2)) as connection:
        connection.request("PUT", "/a//b", body, {"Host": "bucket.example.com"})
        return connection.getresponse().status


def test_nothing_is_changed_without_a_rule(proxy: FaultProxy, origin: ThreadingHTTPServer) -> None:
    assert get(proxy.address) == CONTENT
    assert put(proxy.address, CONTENT) == 200
    assert origin.got == [("bucket.example.com", "/a//b", CONTENT)]  # type: ignore[attr-defined]
    assert [head.target for head in proxy.seen] == ["/a//b/../c?x=%2F", "/a//b"]
    assert not proxy.struck


def test_one_connection_serves_many_requests(proxy: FaultProxy) -> None:
    with closing(http.client.HTTPConnection(*proxy.address, timeout=2)) as connection:
        for _ in range(3):
            connection.request("GET", "/")
            assert connection.getresponse().read() == CONTENT


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (Fault.DROP, (ConnectionError, http.client.RemoteDisconnected)),
        (Fault.DROP_AFTER, (ConnectionError, http.client.RemoteDisconnected)),
        (Fault.RESET_IN_REQUEST, (ConnectionError,)),
        (Fault.RESET_IN_ANSWER, (ConnectionError,)),
        (Fault.TRUNCATE, (http.client.IncompleteRead,)),
        (Fault.HANG, (TimeoutError,)),
    ],
)
def test_a_fault_is_seen_once_and_then_no_more(
    proxy: FaultProxy, fault: Fault, expected: tuple[type[Exception], ...]
) -> None:
    proxy.rules.append(Rule(fault))
    with pytest.raises(expected):
        get(proxy.address)
    assert get(proxy.address) == CONTENT
    assert [struck for _, struck in proxy.struck] == [fault]


def test_a_flipped_bit_keeps_the_length(proxy: FaultProxy) -> None:
    proxy.rules.append(Rule(Fault.FLIP))
    got = get(proxy.address)
    assert len(got) == len(CONTENT)
    assert sum(left != right for left, right in zip(got, CONTENT, strict=True)) == 1


def test_the_server_gets_the_flipped_bit(proxy: FaultProxy, origin: ThreadingHTTPServer) -> None:
    proxy.rules.append(Rule(Fault.FLIP_REQUEST, method="PUT"))
    assert put(proxy.address, CONTENT) == 200
    (_, _, got) = origin.got[0]  # type: ignore[attr-defined]
    assert len(got) == len(CONTENT)
    assert got != CONTENT


def test_a_reset_request_never_arrives_whole(proxy: FaultProxy, origin: ThreadingHTTPServer) -> None:
    proxy.rules.append(Rule(Fault.RESET_IN_REQUEST))
    with pytest.raises(OSError):
        put(proxy.address, CONTENT)
    assert not [body for _, _, body in origin.got if body == CONTENT]  # type: ignore[attr-defined]


def test_a_lost_answer_is_an_answer_to_a_request_that_arrived(
    proxy: FaultProxy, origin: ThreadingHTTPServer
) -> None:
    proxy.rules.append(Rule(Fault.DROP_AFTER))
    with pytest.raises(OSError):
        put(proxy.address, CONTENT)
    assert [body for _, _, body in origin.got] == [CONTENT]  # type: ignore[attr-defined]


def test_bytes_trickle(proxy: FaultProxy) -> None:
    proxy.rules.append(Rule(Fault.TRICKLE, pause=0.02))
    with closing(http.client.HTTPConnection(*proxy.address, timeout=2)) as connection:
        connection.request("GET", "/")
        answer = connection.getresponse()
        begun = time.monotonic()
        assert answer.read(10) == CONTENT[:10]
        assert time.monotonic() - begun > 0.1


@pytest.mark.parametrize(
    ("rule", "statuses"),
    [
        (Rule(Fault.ANSWER, times=2), [503, 503, 200, 200]),
        (Rule(Fault.ANSWER, skip=1, status=429), [200, 429, 200, 200]),
        (Rule(Fault.ANSWER, method="GET"), [200, 200, 200, 200]),
        (Rule(Fault.ANSWER, times=None), [503, 503, 503, 503]),
        (Rule(Fault.ANSWER, when=lambda head: head.length == 2), [200, 200, 503, 200]),
    ],
)
def test_rules_choose_the_request(proxy: FaultProxy, rule: Rule, statuses: list[int]) -> None:
    proxy.rules.append(rule)
    assert [put(proxy.address, b"x" * count) for count in range(4)] == statuses


def test_an_answer_of_its_own(proxy: FaultProxy) -> None:
    proxy.rules.append(Rule(Fault.ANSWER, headers={"Retry-After": "7"}, body=b"<Error/>"))
    with closing(http.client.HTTPConnection(*proxy.address, timeout=2)) as connection:
        connection.request("PUT", "/", b"x" * 100_000)
        answer = connection.getresponse()
        assert (answer.status, answer.headers["Retry-After"], answer.read()) == (503, "7", b"<Error/>")


def test_closing_ends_what_hangs(origin: ThreadingHTTPServer) -> None:
    failures: list[BaseException] = []

    def attempt(call: Callable[[], object]) -> None:
        try:
            call()
        except Exception as error:
            failures.append(error)

    with FaultProxy(("127.0.0.1", origin.server_address[1]), Rule(Fault.HANG)) as proxy:
        thread = threading.Thread(target=attempt, args=(lambda: get(proxy.address),))
        thread.start()
        while not proxy.struck:
            time.sleep(0.01)
    thread.join(1)
    assert not thread.is_alive()
    assert failures
