"""The tracer that applications use. It is nobody's global: what it does not open itself, it does not record.

::

    tracer = open_tracer("sqlite:///traces.db", service="shop", app="assistant")

    with tracer.workflow("answer", session=chat, user=customer, input=question) as work:
        with tracer.retriever("search", input=question) as search:
            search.documents([{"id": "7", "content": "…", "score": 0.83}])
        with tracer.llm("gpt-4o", model="gpt-4o", provider="openai", input=messages) as call:
            call.first_token().output(answer).usage(812, 96, cached=512).cost(0.0031)
        work.output(answer)

    @tracer.tool
    def weather(city: str) -> str: ...
"""

from __future__ import annotations

import atexit
import os
import weakref
from collections.abc import Callable, Mapping, MutableMapping
from typing import Any, TypeVar, overload

from cloudberth.errors import InvalidInput
from cloudberth.tracing import attributes as names
from cloudberth.tracing import propagation, wire
from cloudberth.tracing.attributes import Kind
from cloudberth.tracing.database import Database
from cloudberth.tracing.propagation import RemoteParent
from cloudberth.tracing.redaction import Redaction
from cloudberth.tracing.span import Span, current_span, is_bare
from cloudberth.tracing.store import Feedback, TraceStore
from cloudberth.tracing.writer import Identity, QueueLimits, QueueState, Writer

Function = TypeVar("Function", bound=Callable[..., Any])
Parent = RemoteParent | Span | Mapping[str, str] | str
URL = "BERTH_TRACES_URL"
_EXIT = 4.0  # seconds that the end of a process waits for its last spans
_open: weakref.WeakSet[Tracer] = weakref.WeakSet()


class Tracer:
    """Opens spans and puts them away. Thread-safe, works in asyncio, survives a fork. See `open_tracer`."""

    def __init__(
        self,
        url: str,
        *,
        service: str = "",
        app: str = "",
        tenant: str = "",
        version: str = "",
        resource: Mapping[str, Any] | None = None,
        sample: float = 1.0,
        redaction: Redaction | None = None,
        queue: QueueLimits | None = None,
    ) -> None:
        if not 0 <= sample <= 1:
            raise InvalidInput("the share of traces is not 0 … 1", where="sample")
        Database(url)  # says now what is wrong with the address; connecting is the writer's matter
        self._url = url
        self._sample = sample
        values = {
            names.SERVICE: service or app or "application",
            names.SERVICE_VERSION: version or None,
            names.SDK_NAME: "cloudberth",
            names.SDK_LANGUAGE: "python",
            **(resource or {}),
        }
        encoded = wire.attributes(wire.RESOURCE_ATTRIBUTE, values)
        self._identity = Identity(str(values[names.SERVICE]), tenant, app, encoded)
        self._limits = queue or QueueLimits()
        self._redaction = redaction or Redaction.standard()
        self._writer = self._fresh_writer()
        _open.add(self)

    def __repr__(self) -> str:
        return f"Tracer({self._identity.service!r})"

    # Spans

    def span(
        self,
        kind: Kind,
        name: str,
        *,
        input: Any = None,
        session: str | None = None,
        user: str | None = None,
        tenant: str | None = None,
        app: str | None = None,
        model: str | None = None,
        provider: str | None = None,
        parent: Parent | None = None,
        attributes: Mapping[str, Any] | None = None,
    ) -> Span:
        """A span of any kind, for ``with``, ``async with``, as a decorator, or with `Span.start` and
        `Span.end`.

        parent: a span, the headers of a request, a ``traceparent``, or what `extract` gave; else the current
        span. session, user, tenant and app hold for the spans below, too.
        """
        span = Span(self, kind, name)
        if parent is not None:
            self._place_under(span, parent)
        if session is not None:
            span.session_id = session
        if user is not None:
            span.user_id = user
        span.tenant, span.app = tenant, app
        span.model_name, span.provider_name = model, provider
        if attributes:
            span.extra = dict(attributes)
        if input is not None:
            span.input(input)
        return span

    @overload
    def workflow(self, name: Function, /) -> Function: ...
    @overload
    def workflow(self, name: str, /, **settings: Any) -> Span: ...
    def workflow(self, name: Any, /, **settings: Any) -> Any:
        """A chain of steps, or anything that has no kind of its own. settings: those of `span`."""
        return self._of(Kind.WORKFLOW, name, settings)

    @overload
    def llm(self, name: Function, /) -> Function: ...
    @overload
    def llm(self, name: str, /, **settings: Any) -> Span: ...
    def llm(self, name: Any, /, **settings: Any) -> Any:
        """A call of a language model."""
        return self._of(Kind.LLM, name, settings)

    @overload
    def retriever(self, name: Function, /) -> Function: ...
    @overload
    def retriever(self, name: str, /, **settings: Any) -> Span: ...
    def retriever(self, name: Any, /, **settings: Any) -> Any:
        """A search for documents."""
        return self._of(Kind.RETRIEVER, name, settings)

    @overload
    def embedding(self, name: Function, /) -> Function: ...
    @overload
    def embedding(self, name: str, /, **settings: Any) -> Span: ...
    def embedding(self, name: Any, /, **settings: Any) -> Any:
        """Texts into vectors."""
        return self._of(Kind.EMBEDDING, name, settings)

    @overload
    def reranker(self, name: Function, /) -> Function: ...
    @overload
    def reranker(self, name: str, /, **settings: Any) -> Span: ...
    def reranker(self, name: Any, /, **settings: Any) -> Any:
        """Documents into a better order."""
        return self._of(Kind.RERANKER, name, settings)

    @overload
    def tool(self, name: Function, /) -> Function: ...
    @overload
    def tool(self, name: str, /, **settings: Any) -> Span: ...
    def tool(self, name: Any, /, **settings: Any) -> Any:
        """A tool that a model or an agent called."""
        return self._of(Kind.TOOL, name, settings)

    @overload
    def agent(self, name: Function, /) -> Function: ...
    @overload
    def agent(self, name: str, /, **settings: Any) -> Span: ...
    def agent(self, name: Any, /, **settings: Any) -> Any:
        """An agent at work."""
        return self._of(Kind.AGENT, name, settings)

    @overload
    def guardrail(self, name: Function, /) -> Function: ...
    @overload
    def guardrail(self, name: str, /, **settings: Any) -> Span: ...
    def guardrail(self, name: Any, /, **settings: Any) -> Any:
        """A check of what goes in or out."""
        return self._of(Kind.GUARDRAIL, name, settings)

    def feedback(
        self, trace_id: bytes | str, name: str, score: float | None = None, *,
        span_id: bytes | str | None = None, label: str | None = None, comment: str | None = None,
        source: str = "user", user: str | None = None, tenant: str | None = None, app: str | None = None,
    ) -> None:  # fmt: skip
        """What somebody thought of a trace, or of one span in it; ids as bytes or hexadecimal. Raises
        InvalidInput.
        """
        if score is None and label is None:
            raise InvalidInput("feedback needs a score or a label", where=name)
        mine = self._identity
        given = Feedback(
            mine.tenant if tenant is None else tenant, mine.app if app is None else app, _id(trace_id, 16),
            None if span_id is None else _id(span_id, 8), name[:200], score, label,
            None if comment is None else self._redaction.text(comment[:10_000]), source, user,
        )  # fmt: skip
        self._writer.put(given, 200 + len(comment or ""))

    # Between processes

    def inject(self, headers: MutableMapping[str, str], span: Span | None = None) -> None:
        """Add ``traceparent`` and ``tracestate`` for a call to another service; nothing without a span."""
        found = span or current_span()
        if found is not None and found.span_id:
            propagation.write_headers(
                headers, found.trace_id, found.span_id, found.is_sampled, found.trace_state
            )

    def extract(self, headers: Mapping[str, str]) -> RemoteParent | None:
        """The span of another service that called us, for `parent`; None without a well-formed one."""
        return propagation.read_headers(headers)

    # The queue

    @property
    def state(self) -> QueueState:
        """What became of the spans so far."""
        return self._writer.state

    def flush(self, timeout: float = 5.0) -> bool:
        """Wait until everything that ended is on disk. Whether it is, within `timeout` seconds."""
        return self._writer.flush(timeout)

    def close(self, timeout: float = _EXIT) -> bool:
        """Write what is left and stop; spans that end later are not recorded. Whether all was written in
        time.
        """
        _open.discard(self)
        return self._writer.close(timeout)

    def record(self, span: Span) -> None:
        """Queue a span that ended."""
        self._writer.put(span, span.size)

    def is_sampled(self, trace_id: bytes) -> bool:
        """Whether a new trace is recorded."""
        return self._sample >= 1 or int.from_bytes(trace_id[8:], "big") < self._sample * 2**64

    def _of(self, kind: Kind, name: Any, settings: dict[str, Any]) -> Any:
        if is_bare(name):
            return self.span(kind, name.__name__)(name)
        return self.span(kind, name, **settings)

    def _place_under(self, span: Span, parent: Parent) -> None:
        if isinstance(parent, Span):
            span._inherit(parent)
            return
        if isinstance(parent, str):
            found = propagation.read_traceparent(parent)
        elif isinstance(parent, RemoteParent):
            found = parent
        else:
            found = propagation.read_headers(parent)
        if found is not None:
            span.trace_id, span.parent_id = found.trace_id, found.span_id
            span.is_sampled, span.trace_state = found.is_sampled, found.trace_state

    def _fresh_writer(self) -> Writer:
        return Writer(lambda: TraceStore.open(self._url), self._identity, self._limits, self._redaction)

    def _after_fork(self) -> None:
        """In the child: what the parent queued is the parent's to write, and so are its connections."""
        self._writer = self._fresh_writer()


def open_tracer(
    url: str | None = None, *, service: str = "", app: str = "", tenant: str = "", **settings: Any
) -> Tracer:
    """A tracer that writes to a trace store. url: else ``BERTH_TRACES_URL``. Raises InvalidInput without one.

    It does not connect: a database that is away costs the application nothing, and the spans wait in the
    queue.
    """
    found = url or os.environ.get(URL, "")
    if not found:
        raise InvalidInput(
            "no trace store is named", where=URL, hint="sqlite:///path/traces.db or postgresql://…"
        )
    return Tracer(found, service=service, app=app, tenant=tenant, **settings)


def _id(given: bytes | str, size: int) -> bytes:
    try:
        raw = bytes.fromhex(given) if isinstance(given, str) else given
    except ValueError:
        raw = b""
    if len(raw) != size:
        raise InvalidInput("this is no id of a trace or span", hint=f"{size} bytes, or {size * 2} hex digits")
    return raw


def _close_all() -> None:
    for tracer in list(_open):
        tracer.close()


def _renew_all() -> None:
    for tracer in list(_open):
        tracer._after_fork()


atexit.register(_close_all)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_all)
