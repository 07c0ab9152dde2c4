"""The generated router in a real nginx, with the application played by small servers.

Container and machine names become ports of this machine; everything else is the file as machines get it.
"""

from __future__ import annotations

import http.client
import json
import re
import socket
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from app_cases import FACTS, custom, dify
from real_servers import FIRST_WAS_READ, echo_server, free_port, program, running
from test_app_catalog import CUSTOM

from cloudberth.apps.catalog import app_of
from cloudberth.apps.stack import stack
from cloudberth.environment.template import resolve

pytestmark = pytest.mark.server


@dataclass(frozen=True)
class Router:
    port: int

    def ask(
        self, path: str, method: str = "GET", body: bytes = b"", **headers: str
    ) -> tuple[int, dict[str, Any]]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        named = {key.replace("_", "-"): value for key, value in headers.items()}
        connection.request(method, path, body or None, {"Host": "dify.example.com", **named})
        response = connection.getresponse()
        text = response.read()
        connection.close()
        return response.status, json.loads(text) if text.startswith(b"{") else {}


def local(config: str, ports: dict[str, int], listen: int, folder: Path) -> str:
    """The file with addresses of this machine; nginx needs no root for it."""
    config = resolve(config, FACTS, str)
    for name, port in ports.items():
        config = config.replace(f"http://{name}", f"http://127.0.0.1:{port}")
    config = config.replace("listen 80 default_server", f"listen 127.0.0.1:{listen} default_server")
    config = config.replace("127.0.0.1:8079", f"127.0.0.1:{free_port()}")
    config = config.replace("pid /run/nginx.pid", f"pid {folder}/nginx.pid")
    temporary = "".join(
        f"  {kind}_temp_path {folder}/{kind};\n"
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    config = config.replace("real_ip_recursive on;", "real_ip_recursive on; set_real_ip_from 127.0.0.1;")
    return config.replace("http {\n", "http {\n" + temporary, 1)


@pytest.fixture(scope="module")
def router(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Router]:
    nginx = program("nginx")
    folder = tmp_path_factory.mktemp("nginx")
    config = stack(*dify())["app/files/router/router.conf"]
    with ExitStack() as servers:
        ports = {
            "api:5001": servers.enter_context(echo_server("api")),
            "web:3000": servers.enter_context(echo_server("web")),
            "stateful.dify.internal:5001": servers.enter_context(echo_server("api_websocket")),
            "stateful.dify.internal:5002": servers.enter_context(echo_server("plugin_daemon")),
        }
        listen = free_port()
        path = folder / "nginx.conf"
        path.write_text(local(config, ports, listen, folder))
        with running([nginx, "-g", "daemon off;", "-c", str(path)], listen, folder / "log"):
            yield Router(listen)


@pytest.mark.parametrize(
    ("path", "service"),
    [
        ("/console/api/setup", "api"),
        ("/api/messages?x=1%202", "api"),
        ("/v1/chat-messages", "api"),
        ("/openapi/v1/apps", "api"),
        ("/files/tools/a%2Fb.png?sign=x", "api"),
        ("/mcp/server/abc/mcp", "api"),
        ("/triggers/webhook/1", "api"),
        ("/socket.io/?EIO=4", "api_websocket"),
        ("/e/hook/path", "plugin_daemon"),
        ("/", "web"),
        ("/explore/apps", "web"),
        ("/apps", "web"),
        ("/_next/static/chunk.js", "web"),
    ],
)
def test_every_path_reaches_its_service(router: Router, path: str, service: str) -> None:
    status, answer = router.ask(path)
    assert (status, answer["service"], answer["path"]) == (200, service, path)


def test_health_is_the_health_of_the_api(router: Router) -> None:
    status, answer = router.ask("/healthz")
    assert (status, answer["service"], answer["path"]) == (200, "api", "/health")


def test_hooks_learn_their_public_address(router: Router) -> None:
    _, answer = router.ask("/e/abc/x?y=1", X_Forwarded_Proto="https")
    assert answer["headers"]["dify-hook-url"] == "https://dify.example.com/e/abc/x?y=1"
    assert answer["headers"]["x-forwarded-proto"] == "https"


def test_the_load_balancers_word_is_passed_on(router: Router) -> None:
    """The client is the last address that no trusted proxy has; what a client claims is dropped."""
    _, answer = router.ask(
        "/v1/x", X_Forwarded_Proto="https", X_Forwarded_For="6.6.6.6, 203.0.113.7, 10.40.3.4"
    )
    headers = answer["headers"]
    assert headers["x-forwarded-for"] == "203.0.113.7" == headers["x-real-ip"]
    assert headers["x-forwarded-proto"] == "https"
    assert headers["x-forwarded-port"] == "443"
    assert headers["host"] == "dify.example.com"


def test_nonsense_about_the_scheme_is_ignored(router: Router) -> None:
    _, answer = router.ask("/v1/x", X_Forwarded_Proto="javascript")
    assert answer["headers"]["x-forwarded-proto"] == "http"


def test_websockets_are_let_through(router: Router) -> None:
    with socket.create_connection(("127.0.0.1", router.port), timeout=10) as connection:
        connection.sendall(
            b"GET /socket.io/?transport=websocket HTTP/1.1\r\nHost: dify.example.com\r\n"
            b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\r\n"
        )
        answer = b""
        while b"hello" not in answer:
            piece = connection.recv(4096)
            assert piece, answer
            answer += piece
    assert answer.startswith(b"HTTP/1.1 101")


def test_streams_are_not_held_back(router: Router) -> None:
    """The service writes the last part when the first has been read: held back, that would be never."""
    FIRST_WAS_READ.clear()
    connection = http.client.HTTPConnection("127.0.0.1", router.port, timeout=30)
    connection.request("GET", "/console/api/stream")
    response = connection.getresponse()
    assert response.readline() == b"data: first\n"
    FIRST_WAS_READ.set()
    assert response.read().endswith(b"data: last\n\n")


def test_uploads_up_to_the_limit(router: Router) -> None:
    status, answer = router.ask("/console/api/files/upload", "POST", b"x" * 20_000_000)
    assert (status, answer["body"]) == (200, 20_000_000)


def test_larger_bodies_are_refused(router: Router) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", router.port, timeout=10)
    connection.putrequest("POST", "/console/api/files/upload")
    connection.putheader("Content-Length", str(101 * 1024 * 1024))
    connection.endheaders()
    assert connection.getresponse().status == 413
    connection.close()


def test_a_service_that_is_away_does_not_stop_the_others(router: Router) -> None:
    """Names are looked up while nginx runs: a missing service answers 502, and only for its own paths."""
    config = stack(*dify())["app/files/router/router.conf"]
    assert len(re.findall(r"set \$upstream", config)) == len(re.findall(r"proxy_pass \$upstream;", config))
    assert not re.search(r"proxy_pass http", config)
    assert "resolver 127.0.0.11" in config


@pytest.mark.parametrize("release", ["1.15.0", "1.17.1"])
def test_nginx_accepts_every_router(release: str, tmp_path: Path) -> None:
    check_syntax(stack(*dify(version=release))["app/files/router/router.conf"], tmp_path)


def test_nginx_accepts_the_router_of_a_custom_application(tmp_path: Path) -> None:
    deployment = custom(CUSTOM)
    config = stack(app_of(deployment), deployment)["app/files/router/router.conf"]
    assert "location /static/ {" in config
    assert "http://shop:8000/ready" in config
    check_syntax(config, tmp_path)


def check_syntax(config: str, folder: Path) -> None:
    path = folder / "nginx.conf"
    path.write_text(local(config, {}, free_port(), folder))
    done = subprocess.run([program("nginx"), "-t", "-c", str(path)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "warn" not in done.stderr
