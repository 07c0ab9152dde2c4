"""Python's logging as one line of JSON per record, for every cloud.

::

    {"timestamp":"2026-11-26T10:00:00.123456Z","severity":"ERROR","level":"error","message":"…","logger":"api",
     "service":"api","trace_id":"…","span_id":"…", …what `extra` and `context` say…,
     "exception":{"type":"ValueError","message":"…","stacktrace":"…"}}

Secrets are taken out, lines are cut to what the cloud takes, and nothing an application logs can break the
line: a record that cannot be formatted becomes a line that says so.
"""

from __future__ import annotations

import logging
import math
import re
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any

from cloudberth.errors import InvalidInput
from cloudberth.logs.severity import Severity
from cloudberth.logs.trace_links import Cloud, TraceSource, current_trace, links
from cloudberth.logs.truncation import DEFAULT_LIMIT, LIMITS, SMALLEST_LIMIT, encoded
from cloudberth.tracing.redaction import Redaction

_STANDARD = frozenset(vars(logging.LogRecord("", 0, "", 0, "", (), None))) | {
    "message",
    "asctime",
    "taskName",
}
_OWN = frozenset({"timestamp", "severity", "level", "message", "logger", "service", "exception", "cut_bytes"})
_SECRET_KEY = re.compile(
    r"(?:^|[_.-])(?:password|passwd|secret|secret_?key|api_?key|access_?key|private_?key|token|credentials?|"
    r"authorization|cookie|set-cookie|dsn)$",
    re.IGNORECASE,
)
_MASK = "[redacted]"
_DEEPEST = 6
_MOST_MEMBERS = 200

_context: ContextVar[Mapping[str, Any]] = ContextVar("cloudberth_log_context", default={})  # noqa: B039 - never changed


@contextmanager
def context(**fields: Any) -> Iterator[None]:
    """Fields of every line that this thread or task writes inside: request_id, tenant_id, app_id …"""
    mark = _context.set({**_context.get(), **fields})
    try:
        yield
    finally:
        _context.reset(mark)


class JsonLines(logging.Formatter):
    """A formatter for any handler. limit: bytes of a line; by default what `cloud` takes.

    trace: says which span is running. project: of Google Cloud, whose links need it.
    """

    def __init__(
        self,
        *,
        service: str = "",
        environment: str = "",
        version: str = "",
        cloud: Cloud | None = None,
        project: str = "",
        limit: int | None = None,
        trace: TraceSource = current_trace,
        redaction: Redaction | None = None,
    ) -> None:
        super().__init__()
        self._limit = limit or (LIMITS[cloud] if cloud else DEFAULT_LIMIT)
        if self._limit < SMALLEST_LIMIT:
            raise InvalidInput(f"a line needs {SMALLEST_LIMIT} bytes at least")
        named = {"service": service, "env": environment, "version": version}
        self._named = {key: value for key, value in named.items() if value}
        self._cloud, self._project, self._trace = cloud, project, trace
        self._redaction = redaction or Redaction.standard()

    def format(self, record: logging.LogRecord) -> str:
        """The line, without its end."""
        return encoded(self.fields(record), self._limit)

    def fields(self, record: logging.LogRecord) -> dict[str, Any]:
        """What the line says, secrets already taken out."""
        severity = _severity(record.levelno)
        found: dict[str, Any] = {
            "timestamp": datetime.fromtimestamp(record.created, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
            "severity": severity.name,
            "level": severity.name.lower(),
            "message": self._redaction.text(_message(record)),
            "logger": record.name,
            **self._named,
        }
        given = {**_context.get(), **_extra(record)}
        trace = self._trace()
        if trace is not None:
            found.update(links(trace, self._cloud, self._project))
        for key, value in given.items():
            name = f"field_{key}" if key in _OWN or key in found else key
            found[name] = _MASK if _SECRET_KEY.search(key) else self._plain(value, 0)
        if record.exc_info and record.exc_info[0] is not None:
            found["exception"] = self._exception(record)
        if record.stack_info:
            found["stack"] = self._redaction.text(record.stack_info)
        return found

    def _exception(self, record: logging.LogRecord) -> dict[str, str]:
        assert record.exc_info  # noqa: S101 - asked before
        kind, error, _ = record.exc_info
        try:
            said, stack = str(error), "".join(traceback.format_exception(*record.exc_info))
        except Exception as again:
            said, stack = f"its text cannot be made: {type(again).__name__}", ""
        return {
            "type": kind.__name__ if kind else "",
            "message": self._redaction.text(said),
            "stacktrace": self._redaction.text(stack),
        }

    def _plain(self, value: Any, depth: int) -> Any:
        """A value that JSON has, with no secret in it."""
        if value is None or isinstance(value, bool | int):
            # A whole number with more digits than a double holds is a text, as every reader would spoil it.
            return value if value is None or abs(value) < 2**63 else str(value)
        if isinstance(value, float):
            return value if math.isfinite(value) else str(value)
        if isinstance(value, str):
            return self._redaction.text(value)
        if depth < _DEEPEST:
            if isinstance(value, Mapping):
                return {
                    str(key): _MASK if _SECRET_KEY.search(str(key)) else self._plain(inner, depth + 1)
                    for key, inner in list(value.items())[:_MOST_MEMBERS]
                }
            if isinstance(value, list | tuple | set | frozenset):
                return [self._plain(inner, depth + 1) for inner in list(value)[:_MOST_MEMBERS]]
        if isinstance(value, datetime):
            return value.isoformat()
        try:
            return self._redaction.text(str(value)[:DEFAULT_LIMIT])
        except Exception as error:
            return f"its text cannot be made: {type(error).__name__}"


def _message(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except Exception as error:
        # The arguments do not fit: what was meant is kept all the same.
        return f"{record.msg} (arguments {record.args!r:.500} do not fit: {type(error).__name__})"


def _extra(record: logging.LogRecord) -> dict[str, Any]:
    return {key: value for key, value in vars(record).items() if key not in _STANDARD and key[:1] != "_"}


def _severity(number: int) -> Severity:
    """The worst of ours that is not worse than a number of Python's logging."""
    return next((level for level in reversed(Severity) if number >= level), Severity.DEBUG)
