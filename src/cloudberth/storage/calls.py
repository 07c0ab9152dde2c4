"""Primitives as values, for those who have many of them: what to call, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, Protocol

from cloudberth.errors import BackendError


@dataclass(frozen=True, slots=True)
class Call:
    """A primitive of a backend with its arguments. size: bytes that it sends. tag: the caller's own.

    key: for messages; also the first argument, except of `delete`.
    """

    primitive: Literal["put", "get", "head", "delete", "copy", "copy_from"]
    arguments: tuple[Any, ...]
    key: str = ""
    size: int = 0
    tag: Any = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a call: the primitive's value, or an error. The reader of a `get` has all its bytes."""

    call: Call
    value: Any
    error: Exception | None = None


class Rules(Protocol):
    """What surrounds a call; the layers implement it."""

    def before(self, call: Call) -> float:
        """Seconds to wait before an attempt."""

    def succeeded(self, call: Call, seconds: float) -> None:
        """An attempt succeeded, so long after the first began."""

    def failed(self, call: Call, error: BackendError, attempt: int, seconds: float) -> float | None:
        """An attempt failed. Seconds to wait before the next; None: it was the last."""
