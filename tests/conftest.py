"""What holds for every test: no network but this machine's own, no credentials, no settings of the user.

A connection or a name look-up that leaves the machine fails the test, also when the code under test swallows
the error: the guard is an audit hook, which sees every socket that Python opens, and it keeps a record that
is looked at when the test ends. Programs that a test starts (Terraform, its plugins) are not seen by it; they
find a proxy that does not exist, so that whatever they ask of the world fails at once.
"""

from __future__ import annotations

import ipaddress
import os
import signal
import socket
import sys
import tempfile
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from _pytest.junitxml import xml_key
from hypothesis import HealthCheck, settings

import shared_rehearsals
import thoroughness

# Port 9 is "discard": nobody listens there.
DEAD_PROXY = "http://127.0.0.1:9"
PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
LOOPBACK_NAMES = {"localhost", "localhost.localdomain", "ip6-localhost", ""}
# Whatever would let a test reach a real account, or make it pass here and fail elsewhere.
FOREIGN = (
    *("AWS_", "AZURE_", "ARM_", "GOOGLE_", "CLOUDSDK_", "ALIBABA_CLOUD_", "ALICLOUD_"),
    *("TF_", "BERTH_", "OTEL_", "PYTEST_ADDOPTS"),
)
# Where a server for tests is, when it is in no usual place.
KEPT = {"BERTH_AZURITE"}

_attempts: list[str] = []

# A shell that starts us in the background has interrupts ignored, and children inherit that: tests of Ctrl-C
# would then wait for ever.
if threading.current_thread() is threading.main_thread():
    signal.signal(signal.SIGINT, signal.default_int_handler)

settings.register_profile(
    "cloudberth", deadline=None, print_blob=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("cloudberth")
# A test that says no number of its own.
settings.register_profile("cloudberth in short", settings.get_profile("cloudberth"), max_examples=50)

LEFT_OUT = pytest.StashKey[int]()
SHARED = pytest.StashKey[tempfile.TemporaryDirectory[str]]()


class NetworkUsed(OSError):
    """A test went out to the network."""


def _is_here(host: object) -> bool:
    """Whether a host, as sockets take it, is this machine."""
    if host is None:
        return True
    name = host.decode("ascii", "replace") if isinstance(host, bytes) else str(host)
    name = name.partition("%")[0].strip("[]").lower()
    if name in LOOPBACK_NAMES or name == socket.gethostname().lower():
        return True
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified


def _guard(event: str, arguments: tuple[Any, ...]) -> None:
    """The audit hook. Raising from it keeps the call from being made."""
    if event in {"socket.connect", "socket.sendto", "socket.sendmsg"}:
        place = arguments[1]
        host = place[0] if isinstance(place, tuple) and place else None
    elif event in {"socket.getaddrinfo", "socket.gethostbyname"}:
        host = arguments[0]
    else:
        return
    if not _is_here(host):
        _attempts.append(f"{event} {host!r}")
        raise NetworkUsed(f"tests do not use the network: {event} {host!r}")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--thorough", action="store_true", help="run everything: every case, and properties on many examples"
    )


def pytest_configure(config: pytest.Config) -> None:
    """Shut the network and clean the environment, before any test module is imported."""
    if config.getoption("--thorough"):
        os.environ[thoroughness.VARIABLE] = "1"
    else:
        settings.load_profile("cloudberth in short")
    for name in [name for name in os.environ if name.startswith(FOREIGN) and name not in KEPT]:
        del os.environ[name]
    for name in PROXIES:
        os.environ[name] = os.environ[name.lower()] = DEAD_PROXY
    os.environ["NO_PROXY"] = os.environ["no_proxy"] = "localhost,127.0.0.1,::1"
    os.environ["AWS_EC2_METADATA_DISABLED"] = "true"
    # Terraform must not ask its makers for the newest version.
    os.environ["CHECKPOINT_DISABLE"] = "1"
    if shared_rehearsals.VARIABLE not in os.environ:
        # This process starts the workers, or is the only one.
        config.stash[SHARED] = tempfile.TemporaryDirectory(prefix="cloudberth-tests-")
        os.environ[shared_rehearsals.VARIABLE] = config.stash[SHARED].name
    sys.addaudithook(_guard)


def pytest_unconfigure(config: pytest.Config) -> None:
    """Take away what the tests had in common."""
    if SHARED in config.stash:
        del os.environ[shared_rehearsals.VARIABLE]
        config.stash[SHARED].cleanup()


@pytest.fixture(autouse=True)
def _network_is_shut() -> Iterator[None]:
    """Fail the test that tried to leave the machine, whatever it did with the error."""
    _attempts.clear()
    yield
    if _attempts:
        tried = ", ".join(sorted(set(_attempts)))
        _attempts.clear()
        pytest.fail(f"this test used the network: {tried}")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what only a thorough run does, and count it."""
    items[:], left = thoroughness.chosen(items)
    config.stash[LEFT_OUT] = len(left)
    if left:
        config.hook.pytest_deselected(items=left)
    output = getattr(config, "workeroutput", None)
    if output is not None:
        output["left out"] = len(left)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Hear from a worker how many tests it left out: every worker collects all of them."""
    node.config.stash[LEFT_OUT] = getattr(node, "workeroutput", {}).get("left out", 0)


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Tell the report, which `./check` reads for its summary."""
    report = session.config.stash.get(xml_key, None)
    if report is not None:
        report.add_global_property("left out", session.config.stash.get(LEFT_OUT, 0))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Say what was left out."""
    number = config.stash.get(LEFT_OUT, 0)
    if number:
        terminalreporter.section("left out")
        terminalreporter.write_line(
            f"{number} tests, and most examples of the properties, run with --thorough only "
            "(CONTRIBUTING.md says which)"
        )
