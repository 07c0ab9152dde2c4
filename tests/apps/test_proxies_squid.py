"""The proxies of the sandboxes in a real Squid: what they let out, and what they must never reach."""

from __future__ import annotations

import http.client
import os
import socket
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from app_cases import FACTS, dify
from real_servers import echo_server, free_port, program, running

from cloudberth.apps.stack import stack
from cloudberth.environment.template import resolve

pytestmark = pytest.mark.server
FILES = {
    "ssrf_proxy": "stateful/files/ssrf_proxy/squid.conf",
    "agent_ssrf_proxy": "stateful/files/agent_ssrf_proxy/squid-agent.conf",
}


def config_of(proxy: str) -> str:
    return resolve(stack(*dify())[FILES[proxy]], FACTS, str)


@pytest.mark.parametrize("proxy", FILES)
def test_squid_reads_them_without_a_warning(proxy: str, tmp_path: Path) -> None:
    path = tmp_path / "squid.conf"
    path.write_text(config_of(proxy))
    done = subprocess.run([program("squid"), "-k", "parse", "-f", str(path)], capture_output=True, text=True)
    said = [
        line for line in done.stderr.splitlines() if "WARNING" in line or "ERROR" in line or "FATAL" in line
    ]
    assert done.returncode == 0, done.stderr
    assert said == []


class Proxy:
    def __init__(self, port: int) -> None:
        self.port = port

    def get(self, url: str) -> int:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        connection.request("GET", url)
        status = connection.getresponse().status
        connection.close()
        return status

    def tunnel(self, target: str) -> int:
        with socket.create_connection(("127.0.0.1", self.port), timeout=20) as connection:
            connection.sendall(f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n".encode())
            return int(connection.recv(4096).split()[1])


def start(proxy: str, servers: ExitStack, changes: dict[str, str]) -> Proxy:
    """As the container runs it: Ubuntu's user `proxy`, one process, logs to the console."""
    port = free_port()
    config = config_of(proxy).replace("http_port 3128", f"http_port 127.0.0.1:{port}")
    for old, new in changes.items():
        assert old in config
        config = config.replace(old, new)
    # pytest's folders are closed to other users.
    folder = Path(servers.enter_context(TemporaryDirectory()))
    folder.chmod(0o755)
    path, log, name = folder / "squid.conf", folder / "log", f"berth{port}"
    # Debian's own file names ::1 as well, where the servers of this test do not listen.
    hosts = folder / "hosts"
    hosts.write_text("127.0.0.1 localhost\n")
    path.write_text(f"{config}\nhosts_file {hosts}\n")
    log.touch()
    log.chmod(0o666)
    servers.callback(forget_shared_memory, name)
    command = [program("squid"), "-N", "-n", name, "-f", str(path)]
    if os.geteuid() == 0:
        command = ["setpriv", "--reuid", "13", "--regid", "13", "--clear-groups", *command]
    servers.enter_context(running(command, port, log))
    return Proxy(port)


def forget_shared_memory(name: str) -> None:
    """A container has a /dev/shm of its own; here Squid's would stay."""
    for segment in Path("/dev/shm").glob(f"{name}-*"):
        segment.unlink(missing_ok=True)


@pytest.fixture(scope="module")
def servers() -> Iterator[ExitStack]:
    with ExitStack() as stack_of:
        yield stack_of


@pytest.fixture(scope="module")
def code_proxy(servers: ExitStack) -> Proxy:
    return start("ssrf_proxy", servers, {})


@pytest.fixture(scope="module")
def agent_proxy(servers: ExitStack) -> Proxy:
    """agent_backend and api are both `localhost` here: only their ports and paths tell them apart."""
    backend = servers.enter_context(echo_server("agent_backend"))
    api = servers.enter_context(echo_server("api"))
    changes = {
        "dstdomain -n agent_backend": "dstdomain -n localhost",
        "dstdomain -n api": "dstdomain -n localhost",
        "port 5050": f"port {backend}",
        "port 5001": f"port {api}",
    }
    proxy = start("agent_ssrf_proxy", servers, changes)
    proxy.backend, proxy.api = backend, api  # type: ignore[attr-defined]
    return proxy


INSIDE = (
    "127.0.0.1",
    "localhost",
    "10.40.0.10",
    "172.16.5.5",
    "192.168.1.1",
    "100.64.0.1",
    "169.254.169.254",
    "198.18.0.5",
    "0.0.0.0",
    "[::1]",
    "[::ffff:169.254.169.254]",
    "[fd00:ec2::254]",
    "[64:ff9b::a9fe:a9fe]",
)


@pytest.mark.parametrize("host", INSIDE)
def test_user_code_never_reaches_the_network(code_proxy: Proxy, host: str) -> None:
    assert code_proxy.get(f"http://{host}/latest/meta-data/") == 403
    assert code_proxy.tunnel(f"{host}:443") == 403


def test_user_code_reaches_the_internet(code_proxy: Proxy) -> None:
    """192.0.2.1 is nobody's: refused by the network (503 or 504), not by the proxy (403)."""
    assert code_proxy.get("http://192.0.2.1/") in (503, 504)


def test_only_web_ports(code_proxy: Proxy) -> None:
    assert code_proxy.get("http://192.0.2.1:22/") == 403
    assert code_proxy.get("http://192.0.2.1:25/") == 403
    assert code_proxy.tunnel("192.0.2.1:22") == 403
    assert code_proxy.tunnel("192.0.2.1:8443") == 403


def test_agents_reach_their_stub_and_signed_files(agent_proxy: Proxy) -> None:
    backend, api = agent_proxy.backend, agent_proxy.api  # type: ignore[attr-defined]
    assert agent_proxy.get(f"http://localhost:{backend}/agent-stub/files") == 200
    assert agent_proxy.get(f"http://localhost:{api}/files/a.png?sign=1") == 200


@pytest.mark.parametrize(
    ("port", "path"),
    [
        ("backend", "/runs"),
        ("backend", "/agent-stub"),
        ("backend", "/x/agent-stub/"),
        ("backend", "/files/x"),
        ("api", "/inner/api/invoke"),
        ("api", "/console/api/setup"),
        ("api", "/agent-stub/x"),
    ],
)
def test_agents_reach_nothing_else_inside(agent_proxy: Proxy, port: str, path: str) -> None:
    assert agent_proxy.get(f"http://localhost:{getattr(agent_proxy, port)}{path}") == 403


def test_agents_get_no_tunnel_inside(agent_proxy: Proxy) -> None:
    backend = agent_proxy.backend  # type: ignore[attr-defined]
    assert agent_proxy.tunnel(f"localhost:{backend}") == 403
    assert agent_proxy.tunnel("10.40.0.10:443") == 403


@pytest.mark.parametrize("host", INSIDE)
def test_agents_never_reach_the_network(agent_proxy: Proxy, host: str) -> None:
    assert agent_proxy.get(f"http://{host}/") == 403
