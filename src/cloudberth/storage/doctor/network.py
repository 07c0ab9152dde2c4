"""The way to a server, step by step: name, connection, certificate, clock."""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

from cloudberth.storage.contract import Backend
from cloudberth.storage.doctor.facts import ServerFacts, TlsFacts
from cloudberth.storage.http.connection import tls_context
from cloudberth.storage.http.message import Origin, Request, Response
from cloudberth.storage.options import Options


class Recorder:
    """Sees every request of a backend that speaks HTTP: which servers, and what time they think it is."""

    def __init__(self) -> None:
        self.origins: list[Origin] = []
        self.skews: list[float] = []

    @property
    def skew(self) -> float | None:
        """Of the answers, the smallest: a server's clock shows whole seconds, and requests take a while."""
        return min(self.skews, key=abs) if self.skews else None

    def note(self, request: Request, response: Response | None, began: float) -> None:
        if request.origin not in self.origins:
            self.origins.append(request.origin)
        if response is None:
            return
        try:
            theirs = parsedate_to_datetime(response.header("date")).timestamp()
        except (ValueError, TypeError):
            return
        self.skews.append(skew_of(began, time.time(), theirs))


def skew_of(began: float, ended: float, theirs: float) -> float:
    """How far we are ahead of a clock of whole seconds, read between two moments; 0 when it may be right."""
    if began - 1 <= theirs <= ended:
        return 0.0
    return began - 1 - theirs if theirs < began - 1 else ended - theirs


@contextmanager
def recording(backend: Backend) -> Iterator[Recorder]:
    """Record what a backend sends while the context lasts. The recorder stays empty without HTTP."""
    recorder = Recorder()
    client = getattr(backend, "client", None)
    if client is None or not hasattr(client, "send"):
        yield recorder
        return
    send: Callable[[Request], Response] = client.send

    def recorded(request: Request) -> Response:
        began = time.time()
        response: Response | None = None
        try:
            response = send(request)
            return response
        finally:
            recorder.note(request, response, began)

    client.send = recorded
    try:
        yield recorder
    finally:
        del client.send


def proxy_of(backend: Backend, origin: Origin) -> str:
    """The proxy that requests to a server go through, without user and password; empty when there is none."""
    client: Any = getattr(backend, "client", None)
    proxy = client.proxy_for(origin) if hasattr(client, "proxy_for") else None
    if not proxy:
        return ""
    parts = urlsplit(proxy)
    return f"{parts.scheme}://{parts.hostname}" + (f":{parts.port}" if parts.port else "")


def look_at(origin: Origin, options: Options, proxy: str = "") -> ServerFacts:
    """Resolve, connect, shake hands. Never raises; through a proxy only the proxy itself is tried."""
    facts = ServerFacts(origin.host, origin.port, origin.scheme == "https", proxy)
    host, port = origin.host, origin.port
    if proxy:
        parts = urlsplit(proxy)
        host, port = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
    began = time.perf_counter()
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as error:
        return replace(facts, dns_trouble=error.strerror or str(error))
    addresses = tuple(dict.fromkeys(str(entry[4][0]) for entry in found))
    facts = replace(facts, addresses=addresses, dns_seconds=time.perf_counter() - began)
    began = time.perf_counter()
    try:
        connection = socket.create_connection((host, port), timeout=options.connect_timeout)
    except OSError as error:
        return replace(facts, connect_trouble=error.strerror or str(error))
    facts = replace(facts, connect_seconds=time.perf_counter() - began)
    with connection:
        if origin.scheme != "https" or proxy:
            return facts
        return replace(facts, tls=_handshake(connection, origin.host, options))


def _handshake(connection: socket.socket, host: str, options: Options) -> TlsFacts:
    try:
        with tls_context(options.ca_bundle).wrap_socket(connection, server_hostname=host) as secured:
            return tls_facts(secured.version() or "", secured.getpeercert() or {})
    except ssl.SSLCertVerificationError as error:
        return TlsFacts(trouble=error.verify_message or str(error))
    except OSError as error:
        return TlsFacts(trouble=getattr(error, "reason", None) or error.strerror or str(error))


def tls_facts(version: str, certificate: Any) -> TlsFacts:
    """From a certificate as Python's ssl module gives it."""
    names = {name: value for pair in certificate.get("issuer", ()) for name, value in pair}
    until = certificate.get("notAfter")
    return TlsFacts(
        version=version,
        issuer=names.get("organizationName") or names.get("commonName") or "",
        expires=datetime.fromtimestamp(ssl.cert_time_to_seconds(until), UTC) if until else None,
    )
