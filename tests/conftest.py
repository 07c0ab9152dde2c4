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
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

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


def pytest_configure(config: pytest.Config) -> None:
    """Shut the network and clean the environment, before any test module is imported."""
    for name in [name for name in os.environ if name.startswith(FOREIGN) and name not in KEPT]:
        del os.environ[name]
    for name in PROXIES:
        os.environ[name] = os.environ[name.lower()] = DEAD_PROXY
    os.environ["NO_PROXY"] = os.environ["no_proxy"] = "localhost,127.0.0.1,::1"
    os.environ["AWS_EC2_METADATA_DISABLED"] = "true"
    # Terraform must not ask its makers for the newest version.
    os.environ["CHECKPOINT_DISABLE"] = "1"
    sys.addaudithook(_guard)


@pytest.fixture(autouse=True)
def _network_is_shut() -> Iterator[None]:
    """Fail the test that tried to leave the machine, whatever it did with the error."""
    _attempts.clear()
    yield
    if _attempts:
        tried = ", ".join(sorted(set(_attempts)))
        _attempts.clear()
        pytest.fail(f"this test used the network: {tried}")
