"""Runs the application: listens, serves until a signal comes, lets what is under way end, closes."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import uvicorn
from fastapi import FastAPI

from cloudberth.errors import InvalidInput
from cloudberth.server.minute_log import write_counters
from cloudberth.server.services import Services

# What is under way when the server stops has so long to end, seconds.
GRACE_SECONDS = 8
# More connections than this at once are answered 503.
MOST_CONNECTIONS = 1000


class _Server(uvicorn.Server):
    """uvicorn, but signals are ours: its own handling ends the process by the signal and not with 0."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def listen(host: str, port: int) -> socket.socket:
    """A listening socket; port 0 takes any free one. InvalidInput when that is impossible."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=512)
    except OverflowError:
        raise InvalidInput("a port is 0 … 65535", where=str(port)) from None
    except OSError as error:
        raise InvalidInput(
            f"the server cannot listen there: {error.strerror or error}",
            where=f"{host}:{port}",
            hint="another port: --port",
        ) from None


def address_of(listening: socket.socket) -> str:
    """Where people reach it from this machine."""
    host, port = listening.getsockname()[:2]
    if host in {"0.0.0.0", "::"}:  # noqa: S104 (compared with, not bound to)
        host = "127.0.0.1"
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def run(
    app: FastAPI,
    services: Services,
    listening: socket.socket,
    *,
    trusted_proxies: str = "127.0.0.1",
    ready: Callable[[], None] = lambda: None,
) -> None:
    """Serve until SIGTERM or SIGINT. trusted_proxies: whose X-Forwarded-* headers are believed."""
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=True,
        forwarded_allow_ips=trusted_proxies,
        timeout_graceful_shutdown=GRACE_SECONDS,
        timeout_keep_alive=15,
        limit_concurrency=MOST_CONNECTIONS,
        lifespan="off",
    )
    asyncio.run(_serve(_Server(config), services, listening, ready))


async def _serve(
    server: uvicorn.Server, services: Services, listening: socket.socket, ready: Callable[[], None]
) -> None:
    loop = asyncio.get_running_loop()

    def stop() -> None:
        # The second signal does not wait for what is under way.
        server.force_exit = server.should_exit
        server.should_exit = True
        services.knowledge.stopping.set()

    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, stop)
    counters = asyncio.create_task(write_counters(services.metrics))
    serving = asyncio.create_task(server.serve(sockets=[listening]))
    try:
        while not server.started and not serving.done():
            await asyncio.sleep(0.01)
        ready()
        await serving
    finally:
        counters.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await counters
