"""W3C Trace Context: the headers ``traceparent`` and ``tracestate``."""

from __future__ import annotations

import re
from collections.abc import Mapping, MutableMapping
from typing import NamedTuple

TRACEPARENT = "traceparent"
TRACESTATE = "tracestate"
_FORM = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_MOST_STATE = 512  # characters; the standard lets us drop what is longer


class RemoteParent(NamedTuple):
    """A span of another process. trace_id: 16 bytes, span_id: 8."""

    trace_id: bytes
    span_id: bytes
    is_sampled: bool = True
    trace_state: str = ""


def read_headers(headers: Mapping[str, str]) -> RemoteParent | None:
    """The parent that the headers name (names in any case), or None: absent or not well-formed."""
    found = {TRACEPARENT: "", TRACESTATE: ""}
    for name in found:
        value = headers.get(name)
        if value is None:
            value = next((each for key, each in headers.items() if key.lower() == name), "")
        found[name] = value.strip()
    return read_traceparent(found[TRACEPARENT], found[TRACESTATE])


def read_traceparent(text: str, trace_state: str = "") -> RemoteParent | None:
    """The same of the texts. Versions to come are read as far as the first version goes, as the standard
    asks.
    """
    form = _FORM.fullmatch(text)
    if form is None or form[1] == "ff" or (form[1] == "00" and form[5]):
        return None
    trace_id, span_id = bytes.fromhex(form[2]), bytes.fromhex(form[3])
    if not any(trace_id) or not any(span_id):
        return None
    state = trace_state if len(trace_state) <= _MOST_STATE and trace_state.isprintable() else ""
    return RemoteParent(trace_id, span_id, bool(int(form[4], 16) & 1), state)


def traceparent(trace_id: bytes, span_id: bytes, is_sampled: bool) -> str:
    return f"00-{trace_id.hex()}-{span_id.hex()}-{'01' if is_sampled else '00'}"


def write_headers(
    headers: MutableMapping[str, str], trace_id: bytes, span_id: bytes, is_sampled: bool, trace_state: str
) -> None:
    headers[TRACEPARENT] = traceparent(trace_id, span_id, is_sampled)
    if trace_state:
        headers[TRACESTATE] = trace_state
