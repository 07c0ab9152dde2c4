"""Reading a plan's attributes without mistaking *not known yet* for *not set*.

Terraform writes a plan in two trees: the values, and beside them which values are only known after apply. A
rule that looked at the values alone would call every unknown attribute missing. `Node` walks both trees
together, so that every answer has three states: known, unknown, absent.

What `absent` can and cannot say: an optional argument that was left out is absent, and then the provider's
default holds (the rule says which). An argument that is optional *and* computed and was left out is unknown
in the plan of a new resource, exactly like one that depends on another resource; no rule reports it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from cloudberth.infra.plan import Resource


class State(StrEnum):
    KNOWN = "known"
    UNKNOWN = "unknown"
    ABSENT = "absent"


@dataclass(frozen=True, slots=True)
class Node:
    """One place in a resource: its value, and Terraform's ``after_unknown`` tree at the same place."""

    value: Any
    pending: Any = False

    @property
    def state(self) -> State:
        """Absent also covers empty text, lists and maps: Terraform shows an unset block as an empty list."""
        if self.pending is True:
            return State.UNKNOWN
        if self.value is None or self.value == "" or (isinstance(self.value, list | dict) and not self.value):
            return State.UNKNOWN if _any_pending(self.pending) else State.ABSENT
        return State.KNOWN

    @property
    def known(self) -> bool:
        return self.state is State.KNOWN

    @property
    def unknown(self) -> bool:
        return self.state is State.UNKNOWN

    @property
    def absent(self) -> bool:
        return self.state is State.ABSENT

    @property
    def on(self) -> bool:
        """Known and true. Some providers write booleans as text."""
        return self.known and str(self.value).lower() == "true"

    @property
    def off(self) -> bool:
        """Known and false, or absent: for switches whose default is off."""
        return self.absent or self.turned_off

    @property
    def turned_off(self) -> bool:
        """Known and false: for switches whose default is on."""
        return self.known and str(self.value).lower() == "false"

    @property
    def text(self) -> str:
        """The value as text, ``""`` where it is not known."""
        return str(self.value) if self.known else ""

    @property
    def number(self) -> float | None:
        """The value as a number, None where it is unknown, absent or not a number."""
        if self.pending is True or self.value is None or isinstance(self.value, bool | list | dict):
            return None
        try:
            return float(self.value)
        except (TypeError, ValueError):
            return None

    @property
    def texts(self) -> tuple[str, ...]:
        """The known elements of a list or set of text."""
        return tuple(child.text for child in self.children() if child.known)

    def at(self, path: str) -> Node:
        """The node at a dotted path (``ebs.0.encrypted``). Below something unknown, everything is unknown."""
        node = self
        for step in path.split("."):
            node = node._step(step)
        return node

    def _step(self, step: str) -> Node:
        if self.pending is True:
            return self
        return Node(_child(self.value, step), _child(self.pending, step) or False)

    def children(self) -> Iterator[Node]:
        """The elements of a list or set; none where it is unknown as a whole."""
        if isinstance(self.value, list | tuple):
            yield from (self._step(str(index)) for index in range(len(self.value)))

    @property
    def partly_unknown(self) -> bool:
        """Whether anything at or below this place is only known after apply."""
        return _any_pending(self.pending)


def at(resource: Resource, path: str) -> Node:
    """The node at a dotted path of the resource as it will be after the change."""
    return Node(resource.values, resource.unknown).at(path)


def before(resource: Resource, path: str) -> Node:
    """The node at a dotted path of the resource as it is now."""
    return Node(resource.before).at(path)


def blocks(resource: Resource, path: str) -> tuple[Node, ...]:
    """The nested blocks at a path, in order."""
    return tuple(at(resource, path).children())


def _child(tree: Any, step: str) -> Any:
    if isinstance(tree, Mapping):
        return tree.get(step)
    if isinstance(tree, list | tuple) and step.isdigit() and int(step) < len(tree):
        return tree[int(step)]
    return None


def _any_pending(tree: Any) -> bool:
    if isinstance(tree, Mapping):
        return any(_any_pending(child) for child in tree.values())
    if isinstance(tree, list | tuple):
        return any(_any_pending(child) for child in tree)
    return tree is True
