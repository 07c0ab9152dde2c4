"""The guard of tests/conftest.py: what leaves this machine fails the test, what stays does not."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

CONFTEST = Path(__file__).resolve().parents[1] / "conftest.py"

ATTEMPTS = {
    "connects": "import socket\ndef test_it(): socket.create_connection(('192.0.2.1', 80), timeout=1)",
    "swallows the error": (
        "import socket\n"
        "def test_it():\n"
        "    try: socket.create_connection(('192.0.2.1', 80), timeout=1)\n"
        "    except OSError: pass"
    ),
    "looks up a name": (
        "import socket\n"
        "def test_it():\n"
        "    try: socket.getaddrinfo('example.com', 443)\n"
        "    except OSError: pass"
    ),
    "sends a datagram": (
        "import socket\n"
        "def test_it():\n"
        "    try: socket.socket(type=socket.SOCK_DGRAM).sendto(b'x', ('192.0.2.1', 53))\n"
        "    except OSError: pass"
    ),
    "asks the metadata service": (
        "import http.client\n"
        "def test_it():\n"
        "    try: http.client.HTTPConnection('169.254.169.254', timeout=1).request('GET', '/')\n"
        "    except OSError: pass"
    ),
}


def test_leaving_the_machine_fails_the_test(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text(CONFTEST.read_text())
    for number, source in enumerate(ATTEMPTS.values()):
        (tmp_path / f"test_attempt_{number}.py").write_text(source)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path)]
    environment = {**os.environ, "PYTHONPATH": str(CONFTEST.parent)}
    ended = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 1, ended.stdout
    for number, attempt in enumerate(ATTEMPTS):
        # The test fails, or it passes and the end of it is an error.
        refused = re.compile(rf"^(FAILED|ERROR) test_attempt_{number}\.py.*network", re.MULTILINE)
        assert refused.search(ended.stdout), f"{attempt}: {ended.stdout}"


def test_this_machine_can_be_reached() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        socket.create_connection(("127.0.0.1", server.getsockname()[1])).close()
    with socket.socket(socket.AF_UNIX) as unix, pytest.raises(OSError, match="No such file"):
        unix.connect("/no/such/socket")


def test_child_processes_find_a_dead_proxy() -> None:
    """A program that a test starts asks the proxy of its environment, and that is nobody."""
    code = "import urllib.request; urllib.request.urlopen('http://192.0.2.1/', timeout=5)"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "Connection refused" in ended.stderr
    assert urllib.request.getproxies()["https"].endswith(":9")


def test_no_credentials_are_left_in_the_environment() -> None:
    assert [
        name for name in os.environ if name.startswith(("AWS_SECRET", "AWS_ACCESS", "GOOGLE_", "TF_"))
    ] == []
