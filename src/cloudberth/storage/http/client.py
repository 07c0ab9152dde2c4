"""Connections to all servers of one backend: taken, used for one exchange, given back."""

from __future__ import annotations

import os
import threading
import time
from collections import deque

from cloudberth.errors import BackendError, TimedOut, Unavailable
from cloudberth.storage.http.connection import Connection
from cloudberth.storage.http.message import Origin, Request, Response
from cloudberth.storage.options import Options

_IDLE_SECONDS = 20.0  # S3 closes a little later; a connection that it closes under us costs a repeat
_LOOK_AFTER = 0.5  # one that was idle for less has hardly been closed, and looking costs a system call


class Client:
    """Sends requests; thread-safe. Redirects are not followed: a signature, or a token, is for one host.

    proxies: of the environment (HTTP_PROXY, HTTPS_PROXY, ALL_PROXY, NO_PROXY), as everywhere; `proxy` stands
    above them.
    """

    def __init__(self, options: Options, proxy: str | None = None) -> None:
        self.options = options
        self.proxy = proxy
        self._idle: dict[Origin, deque[Connection]] = {}
        self._lock = threading.Lock()
        self._proxies: dict[Origin, str | None] = {}

    def send(self, request: Request) -> Response:
        """One exchange. Raises Unavailable or TimedOut when there is no answer, whatever its status."""
        while True:
            connection = self._take(request.origin)
            fresh = connection.used == 0
            try:
                return self._exchange(connection, request)
            except BackendError:
                connection.close()
                raise
            except TimeoutError as error:
                connection.close()
                raise TimedOut(f"{request.origin.host} does not answer: {error}") from None
            except OSError as error:
                connection.close()
                # The server closed a connection that was idle, at the moment we used it again.
                if fresh or not request.idempotent:
                    raise Unavailable(
                        f"the connection to {request.origin.host} broke: {error.strerror or error}"
                    ) from None
            except BaseException:
                connection.close()
                raise

    def _exchange(self, connection: Connection, request: Request) -> Response:
        def done(reusable: bool) -> None:
            if reusable:
                self._give_back(connection)
            else:
                connection.close()

        try:
            connection.send(request)
        except (BrokenPipeError, ConnectionResetError) as broken:
            # A server that says no before it has read everything: its answer may be there to read.
            try:
                response = connection.receive(request, lambda _reusable: None)
            except (OSError, BackendError):
                raise broken from None
            connection.close()
            return response
        except BlockingIOError:
            raise TimeoutError("it takes no more bytes") from None
        return connection.receive(request, done)

    def _take(self, origin: Origin) -> Connection:
        now = time.monotonic()
        while True:
            with self._lock:
                waiting = self._idle.get(origin)
                connection = waiting.pop() if waiting else None
            if connection is None:
                return Connection(origin, self.options, self.proxy_for(origin))
            idle = now - connection.idle_since
            if idle < _LOOK_AFTER or (idle < _IDLE_SECONDS and not connection.is_stale()):
                return connection
            connection.close()

    def _give_back(self, connection: Connection) -> None:
        if connection.buffered():  # it said more than it was asked
            connection.close()
            return
        connection.idle_since = time.monotonic()
        with self._lock:
            self._idle.setdefault(connection.origin, deque()).append(connection)

    def proxy_for(self, origin: Origin) -> str | None:
        """The proxy that the environment names for a server."""
        if self.proxy is not None:
            return self.proxy
        if origin not in self._proxies:
            self._proxies[origin] = _proxy_of_environment(origin)
        return self._proxies[origin]

    def close(self) -> None:
        with self._lock:
            for waiting in self._idle.values():
                for connection in waiting:
                    connection.close()
            self._idle.clear()


def _proxy_of_environment(origin: Origin) -> str | None:
    names = (f"{origin.scheme}_proxy", "all_proxy")
    if not any(os.environ.get(name) or os.environ.get(name.upper()) for name in names):
        return None
    from urllib.request import getproxies, proxy_bypass

    if proxy_bypass(f"{origin.host}:{origin.port}"):
        return None
    proxies = getproxies()
    found = proxies.get(origin.scheme) or proxies.get("all")
    return (found if "://" in found else f"http://{found}") if found else None
