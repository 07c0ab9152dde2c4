"""Between the application and the table: a queue that never waits and never grows, and one thread that
empties it.

The queue is bounded by count and by bytes. What does not fit is dropped, the newest first, and counted; the
count goes into the database as soon as that works again. What is in the queue when a process is killed is
lost (up to a fifth of a second of spans); what was written is not.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from cloudberth.errors import CloudberthError
from cloudberth.tracing.encoding import row_of
from cloudberth.tracing.redaction import Redaction
from cloudberth.tracing.span import Span
from cloudberth.tracing.store import Feedback, SpanRow, TraceStore


@dataclass(frozen=True, slots=True)
class QueueLimits:
    """spans and bytes: at most so much waits; interval: seconds until it is written; batch: spans in a
    transaction.
    """

    spans: int = 20_000
    bytes: int = 64 << 20
    interval: float = 0.2
    batch: int = 512
    batch_bytes: int = 8 << 20


@dataclass(slots=True)
class QueueState:
    """What became of the spans of this process. waiting and bytes: in the queue now."""

    recorded: int = 0
    written: int = 0
    waiting: int = 0
    bytes: int = 0
    dropped_count: int = 0  # the queue was full by count
    dropped_bytes: int = 0  # the queue was full by bytes
    unwritable: int = 0  # could not be encoded
    last_error: str = ""

    @property
    def lost(self) -> int:
        return self.dropped_count + self.dropped_bytes + self.unwritable


@dataclass(frozen=True, slots=True)
class Identity:
    """Who records: what spans that say nothing else belong to. resource: KeyValue fields of a Resource."""

    service: str
    tenant: str
    app: str
    resource: bytes


class Writer:
    """The queue and its thread. The thread starts with the first span."""

    def __init__(
        self, opened: Callable[[], TraceStore], identity: Identity, limits: QueueLimits, redaction: Redaction
    ) -> None:
        self.state = QueueState()
        self._opened = opened
        self._identity = identity
        self._limits = limits
        self._redaction = redaction
        self._queue: deque[tuple[Span | Feedback, int]] = deque()
        self._guard = threading.Lock()
        self._wake = threading.Event()
        self._written = threading.Condition(self._guard)
        self._busy = 0
        self._thread: threading.Thread | None = None
        self._stopping = False
        self._store: TraceStore | None = None
        self._told: dict[str, int] = {}

    def put(self, item: Span | Feedback, size: int) -> bool:
        """Queue a span; False when it had to be dropped. Never waits for anything but another `put`."""
        state = self.state
        with self._guard:
            state.recorded += 1
            if state.waiting >= self._limits.spans:
                state.dropped_count += 1
                return False
            if state.bytes + size > self._limits.bytes and state.waiting:
                state.dropped_bytes += 1
                return False
            self._queue.append((item, size))
            state.waiting += 1
            state.bytes += size
            is_much = state.waiting >= self._limits.batch or state.bytes >= self._limits.batch_bytes
        if self._thread is None:
            self._start()
        if is_much and not self._wake.is_set():
            self._wake.set()
        return True

    def flush(self, timeout: float = 5.0) -> bool:
        """Wait until everything that is queued now is on disk, at most `timeout` seconds. Whether it is."""
        deadline = time.monotonic() + timeout
        with self._written:
            while self.state.waiting or self._busy:
                left = deadline - time.monotonic()
                if left <= 0:
                    return False
                self._wake.set()
                self._written.wait(min(left, 0.1))
        return True

    def close(self, timeout: float = 4.0) -> bool:
        """Write what is there, at most `timeout` seconds long, and stop. Whether all was written."""
        deadline = time.monotonic() + timeout
        done = self.flush(timeout)
        self._stopping = True
        self._wake.set()
        if self._thread is not None:
            self._thread.join(max(0.0, deadline - time.monotonic()))
        return done

    def _start(self) -> None:
        with self._guard:
            if self._thread is None and not self._stopping:
                self._thread = threading.Thread(target=self._run, name="cloudberth-traces", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        pause = 0.0
        while True:
            self._wake.wait(self._limits.interval)
            self._wake.clear()
            while self._queue:
                pause = self._write_some(pause)
                if self._stopping and pause:
                    break
            if self._stopping:
                break
        if self._store is not None:
            self._store.close()

    def _write_some(self, pause: float) -> float:
        """Write a batch, trying again until it works. How long to wait before the next try; 0 after
        success.
        """
        spans, feedback = self._take()
        while True:
            try:
                store = self._store = self._store or self._opened()
                store.append(spans)
                if feedback:
                    store.add_feedback(feedback)
                    feedback = []
                self._tell_losses(store)
                pause = 0.0
                break
            except CloudberthError as error:
                self.state.last_error = str(error)
                pause = min(max(pause * 2, 0.1), 5.0)
                if self._stopping:
                    break
                time.sleep(pause)
        with self._written:
            if not pause:
                self.state.written += len(spans)
            self._busy = 0
            self._written.notify_all()
        return pause

    def _take(self) -> tuple[list[SpanRow], list[Feedback]]:
        spans: list[SpanRow] = []
        feedback: list[Feedback] = []
        size = count = 0
        taken: list[Any] = []
        with self._guard:
            while self._queue and count < self._limits.batch and size < self._limits.batch_bytes:
                item, weight = self._queue.popleft()
                taken.append(item)
                count += 1
                size += weight
            self._busy = count
            self.state.waiting -= count
        for item in taken:
            if isinstance(item, Span):
                row = self._encoded(item)
                if row is not None:
                    spans.append(row)
            else:
                feedback.append(item)
        # The bytes are given back when they are encoded, not before: they were in memory until now.
        with self._guard:
            self.state.bytes -= size
        return spans, feedback

    def _encoded(self, span: Span) -> SpanRow | None:
        """A row, or None: whatever an application puts into a span, the thread goes on."""
        mine = self._identity
        try:
            row = row_of(span, mine.service, mine.resource, mine.tenant, mine.app)
            data = self._redaction.span(row.data)
            if data is row.data:
                return row
            return row._replace(data=data, name=self._redaction.text(row.name))
        except Exception as error:
            self.state.unwritable += 1
            self.state.last_error = f"a span could not be encoded: {type(error).__name__}"
            return None

    def _tell_losses(self, store: TraceStore) -> None:
        """Bring the counters of this process into the database, where everybody sees them."""
        state = self.state
        counts = {
            "recorded": state.recorded,
            "lost.queue_count": state.dropped_count,
            "lost.queue_bytes": state.dropped_bytes,
            "lost.unwritable": state.unwritable,
        }
        for name, count in counts.items():
            if name != "recorded":
                fresh = count - self._told.get(name, 0)
                store.count(name, fresh)
                self._told[name] = count
