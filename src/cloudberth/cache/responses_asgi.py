"""The response cache in front of an ASGI application.

::

    def choose(scope):
        if not scope["path"].startswith("/v1/datasets/"):
            return None                                    # not cached
        return Choice(principal=scope["state"]["key_id"], groups=["dataset:" + dataset_of(scope)])

    application = CachedResponses(application, answers, choose)

What is chosen is answered whole, so streams (server-sent events, downloads) are not for it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from cloudberth.cache.responses import Request, Response, ResponseCache

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Choice:
    """principal: who asks; None when the application cannot tell. groups: what the answer depends on."""

    principal: str | None
    groups: Sequence[str] = ()


class CachedResponses:
    """choose: which requests are answered through the cache, seen from their scope."""

    def __init__(
        self,
        application: Application,
        answers: ResponseCache,
        choose: Callable[[Scope], Choice | None],
        threads: int = 32,
    ) -> None:
        self._application = application
        self._answers = answers
        self._choose = choose
        # Of its own: who waits for another's answer must not take a thread from whoever makes it.
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="cache-responses")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_read = scope["type"] == "http" and scope["method"] in {"GET", "HEAD"}
        choice = self._choose(scope) if is_read else None
        if choice is None:
            await self._application(scope, receive, send)
            return
        loop = asyncio.get_running_loop()

        def produce() -> Response:
            return asyncio.run_coroutine_threadsafe(self._handled(scope), loop).result()

        request = _request(scope, choice.principal)
        response = await loop.run_in_executor(
            self._threads, self._answers.respond, request, produce, choice.groups
        )
        await _sent(response, send)

    async def _handled(self, scope: Scope) -> Response:
        """The application's own answer, whole. Its scope is a copy: a refresh outlives the request."""
        parts: list[bytes] = []
        start: Message = {}

        async def receive() -> Message:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: Message) -> None:
            if message["type"] == "http.response.start":
                start.update(message)
            elif message["type"] == "http.response.body":
                parts.append(message.get("body", b""))

        whole = {
            **scope,
            "headers": _unconditional(scope["headers"]),
            "state": dict(scope.get("state") or {}),
        }
        await self._application(whole, receive, send)
        headers = tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in start["headers"])
        return Response(start["status"], headers, b"".join(parts))


def _unconditional(headers: Sequence[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """Without the conditions: the cache answers them, and needs the whole answer to keep."""
    return [pair for pair in headers if pair[0].lower() not in {b"if-none-match", b"if-modified-since"}]


def _request(scope: Scope, principal: str | None) -> Request:
    headers = tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"])
    query = scope.get("query_string", b"").decode("latin-1")
    return Request(scope["method"], scope["path"], query, headers, principal)


async def _sent(response: Response, send: Send) -> None:
    kept = [pair for pair in response.headers if pair[0].lower() != "content-length"]
    length = (
        [] if response.status == 304 or not response.body else [("content-length", str(len(response.body)))]
    )
    headers = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in [*kept, *length]]
    await send({"type": "http.response.start", "status": response.status, "headers": headers})
    await send({"type": "http.response.body", "body": response.body})
