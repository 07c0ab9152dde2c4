"""Primitives as values, for those who have many of them: what to call, and what came of it.

A program is a generator that yields steps (who, what) and gets their values, or their errors thrown in; it is
how work that needs several calls is written once and run by hundreds at a time (lanes.py)::

    def copied(source, target, key) -> Program[Written]:
        opened = yield source, Call("get", (key,))
        return (yield target, Call("put", (key, BytesBody(opened.reader.read()))))
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeVar

if TYPE_CHECKING:
    from cloudberth.storage.layers import Layered

T = TypeVar("T")


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


Step = tuple["Layered", Call]
Program = Generator[Step, Any, T]


def outcome_of(backend: Layered, call: Call) -> Program[Outcome]:
    """The program that is one call and keeps its error."""
    try:
        value = yield backend, call
    except Exception as error:
        return Outcome(call, None, error)
    return Outcome(call, value)
