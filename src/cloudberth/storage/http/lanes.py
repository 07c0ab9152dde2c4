"""Many small requests at once on one thread: hundreds of exchanges in flight, no thread waiting for another.

Threads under one interpreter lock spend more time on handing it over than on a small request; measured, lanes
carry twice as many (docs/decisions/0007). They run the same flows, with the same credentials and errors, and
ask the same policies when to wait; what is large does not belong here.
"""

from __future__ import annotations

import heapq
import select
import socket
import ssl
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from typing import Any, Protocol

from cloudberth.errors import BackendError, TimedOut, Unavailable
from cloudberth.storage.calls import Call, Outcome, Rules
from cloudberth.storage.http import wire
from cloudberth.storage.http.client import Client
from cloudberth.storage.http.connection import Connection
from cloudberth.storage.http.incoming import Incoming
from cloudberth.storage.http.message import Origin, Request, Response

_PIECE = 256 * 1024
_SWEEP_SECONDS = 0.5


class Service(Protocol):
    """What a backend gives to the lanes."""

    client: Client

    def authorize(self, request: Request) -> None: ...
    def failure(self, request: Request, response: Response) -> BackendError: ...


class _Job:
    """A call with its attempts."""

    __slots__ = ("attempt", "began", "call", "flow")

    def __init__(self, call: Call) -> None:
        self.call = call
        self.attempt = 0
        self.began = 0.0
        self.flow: Any = None


class _Lane:
    """A connection and what is on it. rest: what the socket has not taken yet."""

    __slots__ = (
        "blocked", "connection", "deadline", "incoming", "job", "request", "rest", "secure", "socket", "used"
    )  # fmt: skip

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.socket = connection.socket
        self.secure = isinstance(self.socket, ssl.SSLSocket)
        self.socket.setblocking(False)
        self.job: _Job | None = None
        self.request: Request | None = None
        self.incoming = Incoming("GET")
        self.rest = memoryview(b"")
        self.blocked = False
        self.deadline = 0.0
        self.used = 0


class Lanes:
    """Runs calls of one backend. width: connections at once.

    make: the generator of requests for a call, a new one for every attempt.
    """

    def __init__(self, service: Service, rules: Rules, make: Callable[[Call], Any], width: int) -> None:
        self._service = service
        self._rules = rules
        self._make = make
        self._width = max(1, width)
        self._options = service.client.options
        self._epoll = select.epoll()
        self._lanes: dict[int, _Lane] = {}
        self._idle: dict[Origin, list[_Lane]] = {}
        self._ready: deque[tuple[_Job, Request]] = deque()
        self._later: list[tuple[float, int, _Job]] = []
        self._numbers = count()
        self._connecting = 0
        self._arrived: deque[Connection | BackendError] = deque()
        self._threads: ThreadPoolExecutor | None = None
        self._wake, self._woken = socket.socketpair()
        self._woken.setblocking(False)
        self._outcomes: deque[Outcome] = deque()
        self._running = 0
        self._swept = 0.0

    # -- the loop --------------------------------------------------------------------------------------------

    def run(self, calls: Iterable[Call]) -> Iterator[Outcome]:
        """Outcomes in the order in which they come. Calls are taken from the iterable as there is room."""
        source = iter(calls)
        more = True
        self._epoll.register(self._woken.fileno(), select.EPOLLIN)
        try:
            while more or self._running:
                while more and self._running < self._width + self._width // 2:
                    call = next(source, None)
                    if call is None:
                        more = False
                        break
                    self._running += 1
                    self._schedule(_Job(call))
                self._turn()
                while self._outcomes:
                    self._running -= 1
                    yield self._outcomes.popleft()
        finally:
            self._close()

    def _turn(self) -> None:
        """Start what can start, then wait for the network and go on with what it brings."""
        now = time.monotonic()
        while self._later and self._later[0][0] <= now:
            self._attempt(heapq.heappop(self._later)[2])
        self._assign()
        if self._outcomes:
            return
        wait = _SWEEP_SECONDS
        if self._later:
            wait = min(wait, max(0.0, self._later[0][0] - now))
        for descriptor, events in self._epoll.poll(wait):
            lane = self._lanes.get(descriptor)
            if lane is None:
                self._connected()
            elif events & select.EPOLLOUT and lane.rest:
                self._flush(lane)
            else:
                self._read(lane)
        if now - self._swept > _SWEEP_SECONDS:
            self._sweep(now)

    def _schedule(self, job: _Job) -> None:
        seconds = self._rules.before(job.call)
        if seconds > 0:
            heapq.heappush(self._later, (time.monotonic() + seconds, next(self._numbers), job))
        else:
            self._attempt(job)

    def _attempt(self, job: _Job) -> None:
        """Begin a call, or begin it again."""
        job.attempt += 1
        if not job.began:
            job.began = time.monotonic()
        try:
            job.flow = self._make(job.call)
            request = next(job.flow)
        except StopIteration as end:
            self._done(job, end.value)
            return
        except Exception as error:
            self._fail(job, error)
            return
        self._ready.append((job, request))

    # -- requests out ----------------------------------------------------------------------------------------

    def _assign(self) -> None:
        """Put waiting requests on idle connections; open more where there are none."""
        for _ in range(len(self._ready)):
            job, request = self._ready.popleft()
            lanes = self._idle.get(request.origin)
            if lanes:
                self._send(lanes.pop(), job, request)
                continue
            self._ready.append((job, request))
            if len(self._lanes) + self._connecting < self._width or not self._of(request.origin):
                self._connect(request.origin)

    def _of(self, origin: Origin) -> bool:
        """Whether there is, or will be, a connection to a server."""
        return self._connecting > 0 or any(lane.connection.origin == origin for lane in self._lanes.values())

    def _connect(self, origin: Origin) -> None:
        if self._threads is None:
            self._threads = ThreadPoolExecutor(min(self._width, 8), thread_name_prefix="cloudberth-lanes")
        if self._connecting >= len(self._ready):
            return
        self._connecting += 1
        self._threads.submit(self._open, origin)

    def _open(self, origin: Origin) -> None:
        client = self._service.client
        try:
            self._arrived.append(Connection(origin, self._options, client.proxy_for(origin)))
        except BackendError as error:
            self._arrived.append(error)
        except Exception as error:
            self._arrived.append(Unavailable(f"no connection to {origin.host}: {error}"))
        self._wake.send(b"x")

    def _connected(self) -> None:
        """Take connections that threads have opened."""
        try:
            self._woken.recv(4096)
        except BlockingIOError:
            return
        while self._arrived:
            arrived = self._arrived.popleft()
            self._connecting -= 1
            if isinstance(arrived, BackendError):
                if self._ready:
                    self._throw(self._ready.popleft()[0], arrived)
                continue
            lane = _Lane(arrived)
            self._lanes[lane.socket.fileno()] = lane
            self._epoll.register(lane.socket.fileno(), select.EPOLLIN)
            self._idle.setdefault(arrived.origin, []).append(lane)

    def _send(self, lane: _Lane, job: _Job, request: Request) -> None:
        try:
            if request.signed:
                self._service.authorize(request)
            head = wire.head_of(request, absolute=lane.connection.absolute)
        except Exception as error:
            self._idle[lane.connection.origin].append(lane)
            self._throw(job, error)
            return
        lane.job, lane.request = job, request
        lane.incoming = Incoming(request.method)
        lane.used += 1
        timeout = self._options.read_timeout + request.body.size / self._options.slowest
        lane.deadline = time.monotonic() + timeout
        lane.rest = memoryview(head + request.body.read() if request.body.size else head)
        self._flush(lane)

    def _flush(self, lane: _Lane) -> None:
        try:
            while lane.rest:
                lane.rest = lane.rest[lane.socket.send(lane.rest) :]
        except (BlockingIOError, ssl.SSLWantWriteError, ssl.SSLWantReadError):
            lane.blocked = True
            self._epoll.modify(lane.socket.fileno(), select.EPOLLIN | select.EPOLLOUT)
            return
        except OSError:
            self._read(lane)  # an early refusal may be there to read
            return
        if lane.blocked:
            lane.blocked = False
            self._epoll.modify(lane.socket.fileno(), select.EPOLLIN)

    # -- answers in ------------------------------------------------------------------------------------------

    def _read(self, lane: _Lane) -> None:
        response: Response | None = None
        try:
            while response is None:
                data = lane.socket.recv(_PIECE)
                if lane.request is None:
                    raise ConnectionResetError("closed while idle")
                response = lane.incoming.feed(data)
                if response is None and not lane.secure and len(data) < _PIECE:
                    return
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return
        except BackendError as error:
            self._broken(lane, error)
            return
        except OSError as error:
            host = lane.connection.origin.host
            self._broken(lane, Unavailable(f"the connection to {host} broke: {error.strerror or error}"))
            return
        self._answered(lane, response)

    def _answered(self, lane: _Lane, response: Response) -> None:
        job, request = lane.job, lane.request
        assert job is not None and request is not None
        lane.job = lane.request = None
        if lane.incoming.open_afterwards and not lane.rest:
            self._idle[lane.connection.origin].append(lane)
        else:
            self._drop(lane)
        if response.status >= 300:
            self._throw(job, self._service.failure(request, response))
            return
        self._step(job, lambda: job.flow.send(response))

    def _throw(self, job: _Job, error: Exception) -> None:
        self._step(job, lambda: job.flow.throw(error))

    def _step(self, job: _Job, step: Callable[[], Request]) -> None:
        try:
            self._ready.append((job, step()))
        except StopIteration as end:
            self._done(job, end.value)
        except Exception as error:
            self._fail(job, error)

    def _broken(self, lane: _Lane, error: BackendError) -> None:
        """A connection is gone. One that the server closed while it was idle costs its call nothing."""
        job, request = lane.job, lane.request
        stale = lane.used > 1 and not lane.incoming.begun
        lane.job = lane.request = None
        self._drop(lane)
        if job is None or request is None:
            return
        if stale and request.idempotent:
            self._ready.appendleft((job, request))
        else:
            self._throw(job, error)

    def _drop(self, lane: _Lane) -> None:
        descriptor = lane.socket.fileno()
        self._lanes.pop(descriptor, None)
        idle = self._idle.get(lane.connection.origin, [])
        if lane in idle:
            idle.remove(lane)
        self._epoll.unregister(descriptor)
        lane.connection.close()

    def _sweep(self, now: float) -> None:
        """Give up what takes too long."""
        self._swept = now
        for lane in [lane for lane in self._lanes.values() if lane.job is not None and lane.deadline < now]:
            lane.used = 0  # not stale: it had its time
            self._broken(lane, TimedOut(f"{lane.connection.origin.host} does not answer"))

    # -- ends ------------------------------------------------------------------------------------------------

    def _done(self, job: _Job, value: Any) -> None:
        self._rules.succeeded(job.call, time.monotonic() - job.began)
        self._outcomes.append(Outcome(job.call, value))

    def _fail(self, job: _Job, error: Exception) -> None:
        if isinstance(error, BackendError):
            seconds = self._rules.failed(job.call, error, job.attempt, time.monotonic() - job.began)
            if seconds is not None:
                heapq.heappush(self._later, (time.monotonic() + seconds, next(self._numbers), job))
                return
        self._outcomes.append(Outcome(job.call, None, error))

    def _close(self) -> None:
        if self._threads is not None:
            self._threads.shutdown(wait=True)
        for lane in list(self._lanes.values()):
            lane.connection.close()
        for arrived in self._arrived:
            if isinstance(arrived, Connection):
                arrived.close()
        self._epoll.close()
        self._wake.close()
        self._woken.close()
