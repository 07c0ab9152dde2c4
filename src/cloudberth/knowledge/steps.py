"""Spans around the steps of the service, when there is a tracer. Tracing never makes a step fail."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal

from cloudberth.knowledge.model import Passage

if TYPE_CHECKING:
    from cloudberth.tracing.span import Span
    from cloudberth.tracing.tracer import Tracer

Kind = Literal["workflow", "retriever", "embedding", "reranker", "llm", "tool"]
_log = logging.getLogger(__name__)


class BrokenOff(Exception):
    """Work that ended early, as it should: nothing that a trace would show as an error."""


class Step:
    """One step that may be traced."""

    def __init__(self, span: Span | None) -> None:
        self._span = span

    @property
    def trace_id(self) -> str:
        """Hexadecimal; empty when it is not recorded."""
        return self._span.trace_id.hex() if self._span is not None and self._span.is_sampled else ""

    def output(self, value: Any) -> None:
        self._safely(lambda span: span.output(value))

    def note(self, **values: Any) -> None:
        """What else is worth knowing."""
        self._safely(lambda span: span.metadata(**values))

    def passages(self, found: tuple[Passage, ...]) -> None:
        """What was found or ranked."""
        self._safely(
            lambda span: span.documents(
                {
                    "id": each.chunk_id,
                    "content": each.text,
                    "score": each.scores.final,
                    "metadata": {"document": each.document_name, "document_id": each.document_id},
                }
                for each in found
            )
        )

    def first_token(self) -> None:
        self._safely(lambda span: span.first_token())

    def failed(self, error: BaseException) -> None:
        # Whoever stops reading a stream early has what they wanted.
        if not isinstance(error, GeneratorExit | BrokenOff):
            self._safely(lambda span: span.error(error))

    def _safely(self, act: Callable[[Span], Any]) -> None:
        if self._span is None:
            return
        try:
            act(self._span)
        except Exception:
            _log.debug("a span could not be written", exc_info=True)


class Steps:
    """Opens steps. tracer None: nothing is recorded."""

    def __init__(self, tracer: Tracer | None = None) -> None:
        self._tracer = tracer

    @contextmanager
    def step(self, kind: Kind, name: str, *, under: Step | None = None, **settings: Any) -> Iterator[Step]:
        """A step around a block. under: the step it belongs to, so that streams can be read in any thread.
        settings: those of `Tracer.span`.
        """
        step = Step(self._start(kind, name, under, settings))
        try:
            yield step
        except BaseException as error:
            step.failed(error)
            raise
        finally:
            step._safely(lambda span: span.end())

    def close(self) -> None:
        """Write what is left."""
        if self._tracer is not None:
            self._tracer.close()

    def _start(self, kind: Kind, name: str, under: Step | None, settings: dict[str, Any]) -> Span | None:
        if self._tracer is None:
            return None
        try:
            if under is not None and under._span is not None:
                settings["parent"] = under._span
            span: Span = getattr(self._tracer, kind)(name, **settings)
            return span.start()
        except Exception:
            _log.debug("a span could not be opened", exc_info=True)
            return None
