"""A span while it is being recorded. Everything here is cheap: encoding happens on the writer's thread."""

from __future__ import annotations

import inspect
import time
import traceback
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextvars import ContextVar, Token
from random import getrandbits
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

from cloudberth.tracing.attributes import Kind
from cloudberth.tracing.propagation import traceparent

if TYPE_CHECKING:
    from cloudberth.tracing.tracer import Tracer

Function = TypeVar("Function", bound=Callable[..., Any])
_MOST_STACK = 8000  # characters of a traceback, from its end
_ROUGHLY = 400  # bytes of a span beside its texts

# Ours alone: spans of other libraries in this process are neither parents nor children of these.
_current: ContextVar[Span | None] = ContextVar("cloudberth_tracing_span", default=None)


def current_span() -> Span | None:
    """The span that is open in this thread or task."""
    return _current.get()


class Span:
    """One operation. Use it with ``with`` or ``async with``, or as a decorator; see `Tracer`.

    What is set on a span after it ended is ignored. Values may be any: what is no text, number, truth value
    or list of these is shown as JSON. Nothing here raises because of a value, and nothing waits.
    """

    __slots__ = (
        "_ended", "_first_token", "_token", "_tracer", "app", "cost_usd", "documents_given", "end_ns",
        "events", "extra", "input_value", "is_sampled", "kind", "links", "messages_in", "messages_out",
        "metadata_given", "model_name", "name", "output_value", "parent_id", "provider_name", "session_id",
        "size", "span_id", "start_ns", "status", "status_message", "tags_given", "tenant", "tokens",
        "trace_id", "trace_state", "user_id",
    )  # fmt: skip

    def __init__(self, tracer: Tracer, kind: Kind, name: str) -> None:
        self._tracer = tracer
        self.kind = kind
        self.name = name
        self.trace_id = b""
        self.span_id = b""
        self.parent_id: bytes | None = None
        self.trace_state = ""
        self.is_sampled = True
        self.start_ns = 0
        self.end_ns = 0
        self.status = 0
        self.status_message = ""
        self.tenant: str | None = None
        self.app: str | None = None
        self.session_id: str | None = None
        self.user_id: str | None = None
        self.model_name: str | None = None
        self.provider_name: str | None = None
        self.input_value: Any = None
        self.output_value: Any = None
        self.messages_in: Sequence[Mapping[str, Any]] | None = None
        self.messages_out: Sequence[Mapping[str, Any]] | None = None
        self.documents_given: list[Any] | None = None
        self.tokens: dict[str, int] | None = None
        self.cost_usd: float | None = None
        self.tags_given: list[str] | None = None
        self.metadata_given: dict[str, Any] | None = None
        self.extra: dict[str, Any] | None = None
        self.events: list[tuple[int, str, dict[str, Any]]] | None = None
        self.links: list[tuple[bytes, bytes]] | None = None
        self.size = _ROUGHLY
        self._first_token: int | None = None
        self._token: Token[Span | None] | None = None
        self._ended = False

    def __repr__(self) -> str:
        return f"Span({self.kind.value}, {self.name!r}, {self.trace_id.hex()}-{self.span_id.hex()})"

    # What it was about

    def input(self, value: Any) -> Span:
        """What went in. A list of ``{"role", "content"}`` of an LLM span is understood as messages."""
        if self.kind is Kind.LLM and _is_messages(value):
            self.messages_in = value
        self.input_value = value
        self.size += roughly(value)
        return self

    def output(self, value: Any) -> Span:
        """What came out."""
        if self.kind is Kind.LLM and _is_messages(value):
            self.messages_out = value
        self.output_value = value
        self.size += roughly(value)
        return self

    def documents(self, found: Iterable[Any]) -> Span:
        """What was retrieved or ranked: texts, or mappings with ``id``, ``content``, ``score``,
        ``metadata``.
        """
        self.documents_given = list(found)
        self.size += roughly(self.documents_given)
        return self

    def model(self, name: str, provider: str | None = None) -> Span:
        """The model that answered, and whose it is (``openai``, ``aws.bedrock``, …)."""
        self.model_name = name
        if provider is not None:
            self.provider_name = provider
        return self

    def usage(
        self,
        input: int | None = None,
        output: int | None = None,
        *,
        cached: int | None = None,
        cache_write: int | None = None,
        reasoning: int | None = None,
    ) -> Span:
        """Tokens. input includes cached ones and output includes reasoning, as model vendors count them."""
        given = {"input": input, "output": output, "cached": cached, "cache_write": cache_write,
                 "reasoning": reasoning}  # fmt: skip
        self.tokens = {**(self.tokens or {}), **{name: n for name, n in given.items() if n is not None}}
        return self

    def cost(self, usd: float) -> Span:
        """What it cost, in US dollars."""
        self.cost_usd = usd
        return self

    def first_token(self, seconds: float | None = None) -> Span:
        """The first piece of the answer is here (now, or so many seconds after the start). Later calls are
        ignored.
        """
        if self._first_token is None:
            self._first_token = (
                time.time_ns() - self.start_ns if seconds is None else int(seconds * 1_000_000_000)
            )
        return self

    @property
    def first_token_ns(self) -> int | None:
        return self._first_token

    def session(self, session: str) -> Span:
        """The conversation; spans that are opened below have it too."""
        self.session_id = session
        return self

    def user(self, user: str) -> Span:
        self.user_id = user
        return self

    def tags(self, *tags: str) -> Span:
        self.tags_given = [*(self.tags_given or ()), *tags]
        return self

    def metadata(self, **values: Any) -> Span:
        self.metadata_given = {**(self.metadata_given or {}), **values}
        self.size += roughly(values)
        return self

    def set(self, name: str, value: Any) -> Span:
        """Any attribute."""
        if self.extra is None:
            self.extra = {}
        self.extra[name] = value
        self.size += roughly(value)
        return self

    def event(self, name: str, **values: Any) -> Span:
        """Something that happened now."""
        if self.events is None:
            self.events = []
        self.events.append((time.time_ns(), name, values))
        self.size += roughly(values)
        return self

    def link(self, trace_id: bytes, span_id: bytes) -> Span:
        """Another span that this one has to do with, such as one of a batch. 16 and 8 bytes; others are
        ignored.
        """
        if len(trace_id) == 16 and len(span_id) == 8:
            self.links = [*(self.links or ()), (trace_id, span_id)]
        return self

    def error(self, what: BaseException | str) -> Span:
        """It failed. An exception that leaves the ``with`` block is recorded by itself."""
        self.status = 2
        if isinstance(what, str):
            self.status_message = what
            return self
        self.status_message = f"{type(what).__name__}: {_shown(what)}"[:1000]
        stack = "".join(traceback.format_exception(what))[-_MOST_STACK:]
        kind = type(what)
        full = (
            kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
        )
        values = {"exception.type": full, "exception.message": _shown(what), "exception.stacktrace": stack}
        return self.event("exception", **values)

    def feedback(
        self, name: str, score: float | None = None, *, label: str | None = None, comment: str | None = None,
        user: str | None = None,
    ) -> Span:  # fmt: skip
        """What somebody thought of this span; see `Tracer.feedback` for later."""
        self._tracer.feedback(
            self.trace_id, name, score, span_id=self.span_id, label=label, comment=comment, user=user,
            tenant=self.tenant, app=self.app,
        )  # fmt: skip
        return self

    @property
    def traceparent(self) -> str:
        """The value of the W3C header for calls that belong to this span."""
        return traceparent(self.trace_id, self.span_id, self.is_sampled)

    # Its life

    def start(self) -> Span:
        """Open it without making it the current span; `end` closes it. For spans that no block encloses."""
        if not self.start_ns:
            self._begin()
        return self

    def end(self) -> None:
        if self._ended or not self.start_ns:
            return
        self._ended = True
        self.end_ns = time.time_ns()
        if self.is_sampled:
            self._tracer.record(self)

    def __enter__(self) -> Span:
        if not self.start_ns:
            self._begin()
        self._token = _current.set(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        token, self._token = self._token, None
        if token is not None:
            try:
                _current.reset(token)
            except ValueError:
                # Closed in another task than opened: that one's context is gone already.
                _current.set(None)
        # Whoever stops reading a generator early has what they wanted.
        if error is not None and not isinstance(error, GeneratorExit):
            self.error(error)
        self.end()

    async def __aenter__(self) -> Span:
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.__exit__(kind, error, trace)

    def __call__(self, function: Function) -> Function:
        """As a decorator: a span like this one around every call."""
        from cloudberth.tracing.decorating import decorated

        return decorated(self, function)

    def like(self) -> Span:
        """A fresh span with the same settings."""
        fresh = Span(self._tracer, self.kind, self.name)
        for name in (
            "tenant", "app", "session_id", "user_id", "model_name", "provider_name", "tags_given",
            "metadata_given", "extra",
        ):  # fmt: skip
            value = getattr(self, name)
            setattr(fresh, name, value.copy() if isinstance(value, list | dict) else value)
        return fresh

    def _begin(self) -> None:
        parent = _current.get()
        if not self.trace_id:
            if parent is not None and parent._tracer is self._tracer:
                self._inherit(parent)
            else:
                self.trace_id = (getrandbits(127) + 1).to_bytes(16, "big")
                self.is_sampled = self._tracer.is_sampled(self.trace_id)
        elif parent is not None and parent.trace_id == self.trace_id and self.parent_id is None:
            self._inherit(parent)
        self.span_id = (getrandbits(63) + 1).to_bytes(8, "big")
        self.start_ns = time.time_ns()

    def _inherit(self, parent: Span) -> None:
        self.trace_id = parent.trace_id
        self.parent_id = parent.span_id
        self.is_sampled = parent.is_sampled
        self.trace_state = parent.trace_state
        self.tenant = parent.tenant if self.tenant is None else self.tenant
        self.app = parent.app if self.app is None else self.app
        self.session_id = parent.session_id if self.session_id is None else self.session_id
        self.user_id = parent.user_id if self.user_id is None else self.user_id


def roughly(value: Any, depth: int = 0) -> int:
    """About how many bytes a value takes, without looking at all of a large one."""
    if isinstance(value, str | bytes):
        return len(value) + 16
    if depth > 3 or value is None or isinstance(value, int | float):
        return 24
    if isinstance(value, Mapping):
        return 24 + sum(roughly(each, depth + 1) + 32 for each in value.values())
    if isinstance(value, list | tuple):
        if len(value) > 64:
            # Vectors, mostly: one number is like the next.
            return len(value) * max(8, roughly(value[0], depth + 1))
        return 24 + sum(roughly(each, depth + 1) for each in value)
    return 200


def _is_messages(value: Any) -> bool:
    return (
        isinstance(value, list | tuple)
        and bool(value)
        and all(isinstance(each, Mapping) and "role" in each for each in value)
    )


def _shown(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:
        return f"(a {type(error).__name__} that cannot be shown)"


def is_bare(given: Any) -> bool:
    """Whether a decorator was used without parentheses."""
    return inspect.isroutine(given)
