"""Many small calls at once on one thread: hundreds of exchanges in flight, no thread waiting for another.

Threads under one interpreter lock have to hand it over at every small request (figures: docs/decisions/0007).
Lanes run the same flows, with the same credentials and errors, and
ask the same layers when to wait. What a backend cannot do as a flow of requests goes to a few threads. Large
objects do not belong here: their bytes would hold up everybody else's.
"""

from __future__ import annotations

import heapq
import socket
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from itertools import count
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from cloudberth.errors import BackendError, TimedOut, Unavailable
from cloudberth.storage.body import BytesReader
from cloudberth.storage.calls import Call, Program
from cloudberth.storage.http.connection import Connection
from cloudberth.storage.http.lane import Lane
from cloudberth.storage.http.message import Origin, Request, Response
from cloudberth.storage.http.poller import READABLE, WRITABLE, new_poller

if TYPE_CHECKING:
    from cloudberth.storage.layers import Layered

T = TypeVar("T")
Place = tuple[int, Origin]
_SWEEP_SECONDS = 0.25
_IN_FLIGHT_BYTES = 32 * 1024 * 1024
_THREADS = 16


class _Job:
    """A call of a program, with its attempts. flow: the requests of the attempt that is under way."""

    __slots__ = ("attempt", "backend", "began", "call", "flow", "place", "program", "size")

    def __init__(self, program: Program[Any], size: int) -> None:
        self.program = program
        self.size = size
        self.backend: Any = None
        self.call: Any = None
        self.flow: Any = None
        self.place: Any = None
        self.attempt = 0
        self.began = 0.0


class Lanes(Generic[T]):
    """Runs programs. width: how many at once, and connections at most to each server."""

    def __init__(self, width: int) -> None:
        self._width = max(1, width)
        self._poller = new_poller()
        self._lanes: dict[int, tuple[Lane, Place]] = {}
        self._on_lane: dict[int, _Job] = {}
        self._idle: dict[Place, list[Lane]] = {}
        self._open: dict[Place, int] = {}
        self._waiting: dict[Place, deque[tuple[_Job, Request]]] = {}
        self._later: list[tuple[float, int, _Job]] = []
        self._numbers = count()
        self._arrived: deque[Callable[[], None]] = deque()
        self._threads: ThreadPoolExecutor | None = None
        self._wake, self._woken = socket.socketpair()
        self._woken.setblocking(False)
        self._results: deque[T] = deque()
        self._running = 0
        self._bytes = 0
        self._swept = 0.0

    # -- the loop --------------------------------------------------------------------------------------------

    def run(self, programs: Iterable[tuple[int, Program[T]]]) -> Iterator[T]:
        """What the programs return, in the order in which they end. One that raises ends them all.

        programs: each with the bytes that it will hold in memory; taken from the iterable as there is room.
        """
        source = iter(programs)
        taken: tuple[int, Program[T]] | None = next(source, None)
        self._poller.register(self._woken.fileno(), READABLE)
        try:
            while taken is not None or self._running:
                # Programs that end in place must be told of before more are begun.
                while taken is not None and not self._results and self._has_room(taken[0]):
                    size, program = taken
                    self._running += 1
                    self._bytes += size
                    self._advance(_Job(program, size), partial(next, program))
                    taken = next(source, None)
                if self._running and not self._results:
                    self._turn()
                while self._results:
                    yield self._results.popleft()
        finally:
            self._close()

    def _has_room(self, size: int) -> bool:
        if self._running >= 2 * self._width:
            return False
        return not self._running or self._bytes + size <= _IN_FLIGHT_BYTES

    def _turn(self) -> None:
        """Wait for the network, for threads or for the time of a repeat, and go on with what comes."""
        now = time.monotonic()
        while self._later and self._later[0][0] <= now:
            self._attempt(heapq.heappop(self._later)[2])
        if self._results:
            return
        wait = _SWEEP_SECONDS
        if self._later:
            wait = min(wait, max(0.0, self._later[0][0] - now))
        for descriptor, events in self._poller.poll(wait):
            found = self._lanes.get(descriptor)
            if found is None:
                self._woken_up()
            elif events & WRITABLE:
                self._write(found[0])
            else:
                self._read(found[0])
        if now - self._swept > _SWEEP_SECONDS:
            self._sweep(now)

    # -- programs --------------------------------------------------------------------------------------------

    def _advance(self, job: _Job, step: Callable[[], Any]) -> None:
        """Let a program go on to its next call, or to its end."""
        try:
            job.backend, job.call = step()
        except StopIteration as end:
            self._running -= 1
            self._bytes -= job.size
            self._results.append(end.value)
            return
        job.attempt, job.began = 0, time.monotonic()
        self._schedule(job)

    def _schedule(self, job: _Job) -> None:
        seconds = job.backend.before(job.call)
        if seconds > 0:
            self._push(job, seconds)
        else:
            self._attempt(job)

    def _push(self, job: _Job, seconds: float) -> None:
        heapq.heappush(self._later, (time.monotonic() + seconds, next(self._numbers), job))

    def _attempt(self, job: _Job) -> None:
        """Begin a call, or begin it again: as requests, in place when it does not wait, else on a thread."""
        job.attempt += 1
        bare = job.backend.inner
        job.flow = bare.flow_of_call(job.call)
        if job.flow is not None:
            self._step(job, lambda: next(job.flow))
        elif job.call.primitive in bare.prompt:
            self._ended(job, *_made(job.backend, job.call))
        else:
            self._on_thread(lambda: _made(job.backend, job.call), lambda made: self._ended(job, *made))

    def _ended(self, job: _Job, value: Any, error: Exception | None) -> None:
        if error is None:
            job.backend.succeeded(job.call, time.monotonic() - job.began)
            self._advance(job, lambda: job.program.send(value))
            return
        if isinstance(error, BackendError):
            elapsed = time.monotonic() - job.began
            seconds = job.backend.failed(job.call, error, job.attempt, elapsed)
            if seconds is not None:
                self._push(job, seconds)
                return
        self._advance(job, lambda: job.program.throw(error))

    def _step(self, job: _Job, step: Callable[[], Request]) -> None:
        """Let a flow go on to its next request, or to its end."""
        try:
            request = step()
        except StopIteration as end:
            self._ended(job, end.value, None)
            return
        except Exception as error:
            self._ended(job, None, error)
            return
        job.place = (id(job.backend.inner.client), request.origin)
        idle = self._idle.get(job.place)
        if idle:
            self._send(idle.pop(), job, request)
            return
        self._waiting.setdefault(job.place, deque()).append((job, request))
        self._connect(job.place, job.backend)

    # -- threads ---------------------------------------------------------------------------------------------

    def _on_thread(self, work: Callable[[], Any], then: Callable[[Any], None]) -> None:
        """Do what blocks elsewhere, and go on here with its result. `work` must not raise."""
        if self._threads is None:
            self._threads = ThreadPoolExecutor(
                min(self._width, _THREADS), thread_name_prefix="cloudberth-lanes"
            )

        def task() -> None:
            result = work()
            self._arrived.append(lambda: then(result))
            self._wake.send(b"x")

        self._threads.submit(task)

    def _woken_up(self) -> None:
        try:
            self._woken.recv(65536)
        except BlockingIOError:
            return
        for _ in range(len(self._arrived)):
            self._arrived.popleft()()

    # -- connections -----------------------------------------------------------------------------------------

    def _connect(self, place: Place, backend: Layered) -> None:
        """Open a connection where calls wait for one and there may be more."""
        if self._open.get(place, 0) >= self._width:
            return
        self._open[place] = self._open.get(place, 0) + 1
        client = backend.inner.client  # type: ignore[attr-defined]
        origin = place[1]

        def opened() -> Connection | BackendError:
            try:
                return Connection(origin, client.options, client.proxy_for(origin))
            except BackendError as error:
                return error
            except Exception as error:
                return Unavailable(f"no connection to {origin.host}: {error}")

        self._on_thread(opened, lambda result: self._connected(place, result))

    def _connected(self, place: Place, result: Connection | BackendError) -> None:
        waiting = self._waiting.get(place)
        if isinstance(result, BackendError):
            self._open[place] -= 1
            if waiting:
                job, _ = waiting.popleft()
                self._step(job, lambda: job.flow.throw(result))
            if waiting:
                self._connect(place, waiting[0][0].backend)
            return
        lane = Lane(result)
        self._lanes[lane.socket.fileno()] = (lane, place)
        self._poller.register(lane.socket.fileno(), READABLE)
        self._free(lane, place)

    def _free(self, lane: Lane, place: Place) -> None:
        """Give a connection to the next who waits."""
        waiting = self._waiting.get(place)
        if waiting:
            self._send(lane, *waiting.popleft())
        else:
            self._idle.setdefault(place, []).append(lane)

    def _drop(self, lane: Lane) -> None:
        descriptor = lane.socket.fileno()
        _, place = self._lanes.pop(descriptor)
        self._open[place] -= 1
        idle = self._idle.get(place, [])
        if lane in idle:
            idle.remove(lane)
        self._poller.unregister(descriptor)
        lane.connection.close()

    # -- requests out, answers in ----------------------------------------------------------------------------

    def _send(self, lane: Lane, job: _Job, request: Request) -> None:
        descriptor = lane.socket.fileno()
        self._on_lane[descriptor] = job
        try:
            if request.signed:
                job.backend.inner.authorize(request)
            whole = lane.start(request)
        except OSError:
            self._read(lane)  # an early refusal may be there to read
            return
        except Exception as error:
            del self._on_lane[descriptor]
            lane.request = None
            self._free(lane, job.place)
            self._step(job, partial(job.flow.throw, error))
            return
        if not whole:
            self._poller.modify(descriptor, READABLE | WRITABLE)

    def _write(self, lane: Lane) -> None:
        try:
            whole = lane.flush()
        except OSError:
            self._read(lane)
            return
        if whole:
            self._poller.modify(lane.socket.fileno(), READABLE)
        self._read(lane)

    def _read(self, lane: Lane) -> None:
        try:
            response = lane.receive()
        except BackendError as error:
            self._broken(lane, error)
            return
        except OSError as error:
            host = lane.connection.origin.host
            self._broken(lane, Unavailable(f"the connection to {host} broke: {error.strerror or error}"))
            return
        if response is not None:
            self._answered(lane, response)

    def _answered(self, lane: Lane, response: Response) -> None:
        job = self._on_lane.pop(lane.socket.fileno())
        request, lane.request = lane.request, None
        assert request is not None
        if lane.reusable:
            self._free(lane, job.place)
        else:
            self._drop(lane)
            if self._waiting.get(job.place):
                self._connect(job.place, job.backend)
        if response.status < 300:
            self._step(job, lambda: job.flow.send(response))
            return
        error = job.backend.inner.failure(request, response)
        self._step(job, lambda: job.flow.throw(error))

    def _broken(self, lane: Lane, error: BackendError) -> None:
        """A connection is gone. One that the server closed while it was idle costs its call nothing."""
        job = self._on_lane.pop(lane.socket.fileno(), None)
        request = lane.request
        stale = lane.used > 1 and not lane.answered
        self._drop(lane)
        if job is None or request is None:
            return
        if stale and request.idempotent:
            self._waiting.setdefault(job.place, deque()).appendleft((job, request))
        else:
            self._step(job, lambda: job.flow.throw(error))
        if self._waiting.get(job.place):
            self._connect(job.place, job.backend)

    def _sweep(self, now: float) -> None:
        """Give up what takes too long."""
        self._swept = now
        late = [lane for lane, _ in self._lanes.values() if lane.request is not None and lane.deadline < now]
        for lane in late:
            lane.used = 0  # not stale: it had its time
            self._broken(lane, TimedOut(f"{lane.connection.origin.host} does not answer"))

    def _close(self) -> None:
        if self._threads is not None:
            self._threads.shutdown(wait=True, cancel_futures=True)
        for lane, _ in self._lanes.values():
            lane.connection.close()
        for job in self._on_lane.values():
            job.program.close()
        self._poller.close()
        self._wake.close()
        self._woken.close()


def _made(backend: Layered, call: Call) -> tuple[Any, Exception | None]:
    """The value of one attempt at a blocking call, or its error. What a `get` opens is read here."""
    try:
        value = getattr(backend.inner, call.primitive)(*call.arguments)
        if call.primitive == "get":
            with value.reader:
                value = replace(value, reader=BytesReader(value.reader.read()))
    except Exception as error:
        return None, error
    return value, None
