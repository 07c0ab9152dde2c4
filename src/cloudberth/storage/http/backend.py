"""What all vendors that speak HTTP share: primitives written as flows, and the loop that runs them.

A flow is a generator: it yields requests, gets answers back, and returns the primitive's value::

    @flow
    def head(self, key: str) -> Flow[ObjectInfo]:
        response = yield Request("HEAD", self.origin, self.path(key))
        return info_of(key, response)

So a backend decides and parses, and makes no call itself: the same flow runs here, one request after the
other on the caller's thread, and in the lanes (lanes.py), hundreds at once on one thread. An answer of 300 or
more never reaches the flow; it is thrown into it at the `yield` as the error that `failure` makes of it.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Generator
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar, cast

from cloudberth.errors import BackendError
from cloudberth.storage.calls import Call
from cloudberth.storage.contract import Backend
from cloudberth.storage.http.client import Client
from cloudberth.storage.http.message import Request, Response

T = TypeVar("T")
P = ParamSpec("P")
Self = TypeVar("Self", bound="HttpBackend")
Flow = Generator[Request, Response, T]


def flow(function: Callable[Concatenate[Self, P], Flow[T]]) -> Callable[Concatenate[Self, P], T]:
    """Make a primitive of a generator of requests. `flow_of` gives the generator back."""

    @wraps(function)
    def primitive(self: Self, *args: P.args, **kwargs: P.kwargs) -> T:
        return self.run(function(self, *args, **kwargs))

    primitive.flow = function  # type: ignore[attr-defined]
    return cast(Callable[Concatenate[Self, P], T], primitive)


def flow_of(backend: HttpBackend, primitive: str, *arguments: Any) -> Flow[Any] | None:
    """The generator behind a primitive, not started; None when it is not written as a flow."""
    function = getattr(getattr(type(backend), primitive), "flow", None)
    return function(backend, *arguments) if function else None


class HttpBackend(Backend):
    """Base of every backend that speaks HTTP."""

    def __init__(self, client: Client) -> None:
        self.client = client

    @abstractmethod
    def authorize(self, request: Request) -> None:
        """Put the credentials on a request (headers or query), for now. Called again for every attempt."""

    @abstractmethod
    def failure(self, request: Request, response: Response) -> BackendError:
        """The error that an answer of 300 and above is. Its body has been read."""

    def run(self, steps: Flow[T]) -> T:
        """Run a flow to its end, each request on the caller's thread."""
        try:
            request = next(steps)
            while True:
                outcome = self.exchange(request)
                if isinstance(outcome, Response):  # noqa: SIM108 — the types follow the branches
                    request = steps.send(outcome)
                else:
                    request = steps.throw(outcome)
        except StopIteration as end:
            value: T = end.value
            return value

    def exchange(self, request: Request) -> Response | BackendError:
        """Authorize and send one request. What the server or the network says no to is the error."""
        try:
            if request.signed:
                self.authorize(request)
            response = self.client.send(request)
        except BackendError as error:
            return error
        return response if response.status < 300 else self.failure(request, response)

    def flow_of_call(self, call: Call) -> Flow[Any] | None:
        return flow_of(self, call.primitive, *call.arguments)

    def close(self) -> None:
        self.client.close()
