"""Terraform's `-json` progress lines as small values.

The fields follow Terraform's documentation "Machine-Readable UI"; message types that are not progress (log
lines, provider start-up) are left out.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final


class State(StrEnum):
    """How far a resource's operation is."""

    PLANNED = "planned"
    STARTED = "started"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    SUMMARY = "summary"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that Terraform reported.

    address: resource, "" for a summary or a diagnostic without one. action: create, update, delete,
    replace, read, refresh, open, close ... seconds: how long the operation runs so far. identifier:
    `id=vpc-0ab…` when known. text: Terraform's own sentence.
    """

    state: State
    text: str
    address: str = ""
    action: str = ""
    seconds: float = 0.0
    identifier: str = ""


Listener = Callable[[Event], None]

_STATES: Final[Mapping[str, State]] = {
    "planned_change": State.PLANNED,
    "apply_start": State.STARTED,
    "apply_progress": State.RUNNING,
    "apply_complete": State.DONE,
    "apply_errored": State.FAILED,
    "refresh_start": State.STARTED,
    "refresh_complete": State.DONE,
    "ephemeral_op_start": State.STARTED,
    "ephemeral_op_progress": State.RUNNING,
    "ephemeral_op_complete": State.DONE,
    "ephemeral_op_errored": State.FAILED,
    "provision_start": State.STARTED,
    "provision_progress": State.RUNNING,
    "provision_complete": State.DONE,
    "provision_errored": State.FAILED,
    "change_summary": State.SUMMARY,
}


def event_of(line: str) -> Event | None:
    """The event in one line of `-json` output; None for anything else."""
    if not line.startswith("{"):
        return None
    try:
        message = json.loads(line)
    except ValueError:
        return None
    return _event(message) if isinstance(message, Mapping) else None


def _event(message: Mapping[str, Any]) -> Event | None:
    kind, text = str(message.get("type", "")), str(message.get("@message", ""))
    if kind == "diagnostic":
        diagnostic = message.get("diagnostic") or {}
        state = State.ERROR if diagnostic.get("severity") == "error" else State.WARNING
        return Event(state, text, address=diagnostic.get("address") or "")
    if kind not in _STATES:
        return None
    hook = message.get("hook") or message.get("change") or {}
    resource = hook.get("resource") or {}
    identifier = f"{hook['id_key']}={hook['id_value']}" if hook.get("id_key") and hook.get("id_value") else ""
    return Event(
        state=_STATES[kind],
        text=text,
        address=resource.get("addr", ""),
        action=hook.get("action") or ("refresh" if kind.startswith("refresh") else ""),
        seconds=float(hook.get("elapsed_seconds") or 0),
        identifier=identifier,
    )


def listening(listener: Listener | None) -> Callable[[str], None] | None:
    """A line callback that passes events on."""
    if listener is None:
        return None

    def on_line(line: str) -> None:
        event = event_of(line)
        if event:
            listener(event)

    return on_line
