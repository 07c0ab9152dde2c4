"""What `berth status` makes of the address: an answer, an error, or silence."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from cloudberth.cli.status import ask


class Server(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(int(self.path.strip("/") or 200))
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""


@pytest.fixture
def address(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    server = HTTPServer(("127.0.0.1", 0), Server)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_an_answer_is_healthy(address: str) -> None:
    answer = ask(address)
    assert (answer.code, answer.healthy) == (200, True)


@pytest.mark.parametrize("code", [404, 502, 503])
def test_an_error_is_an_answer_but_not_healthy(address: str, code: int) -> None:
    answer = ask(f"{address}/{code}")
    assert (answer.code, answer.healthy) == (code, False)


def test_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    answer = ask("http://127.0.0.1:1/")
    assert answer.code is None
    assert "refused" in answer.reason


@pytest.mark.parametrize("url", ["", "file:///etc/passwd", "ftp://x", "http://"])
def test_what_is_no_web_address_is_not_opened(url: str) -> None:
    assert ask(url).code is None
