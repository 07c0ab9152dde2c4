# ruff: noqa: ARG002 (the neutral answers of an interface use few of its arguments)
"""What a cloud has to say about its simulated provider, and the neutral answer to each question.

A cloud is one subclass of Behaviour (and a schema file). Everything has a default that works from the schema
alone, so a new provider starts with an empty subclass and becomes more realistic table by table.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from cloudberth.infra.simulation.rules import AnyRule, Complaint
from cloudberth.infra.simulation.schema import Attribute, Block, Type
from cloudberth.infra.simulation.values import Path, Value


def digest(length: int, *parts: object) -> str:
    """Hexadecimal digits that depend on the parts alone."""
    text = json.dumps(parts, sort_keys=True, default=repr)
    return hashlib.sha256(text.encode()).hexdigest()[:length]


class Unanswerable(Exception):
    """A question to which the cloud would answer with an error; the message is that error."""


class Account:
    """What exists in the simulated account; all configurations of one provider share it.

    objects: (type, id) → values. secrets: plain values that must never be written anywhere, as the provider
    saw them. exposed: those that the real provider keeps in the state, whatever one does. store: contents
    that live outside the state, such as the value of a secret. delay: seconds that every change takes (clouds
    are slow; tests of progress and interrupts want to see that).
    """

    def __init__(self, delay: float = 0.0) -> None:
        self.delay = delay
        self.lock = threading.RLock()
        self.objects: dict[tuple[str, str], Mapping[str, Value]] = {}
        self.secrets: set[str] = set()
        self.exposed: set[str] = set()
        self.store: dict[str, str] = {}
        self._seen: Counter[str] = Counter()

    def ordinal(self, key: str) -> int:
        """How many things with this key were created before."""
        with self.lock:
            self._seen[key] += 1
            return self._seen[key] - 1

    def of_type(self, name: str) -> list[Mapping[str, Value]]:
        with self.lock:
            return [values for (kind, _), values in self.objects.items() if kind == name]

    def put(self, name: str, values: Mapping[str, Value]) -> None:
        identifier = values.get("id")
        if isinstance(identifier, str):
            with self.lock:
                self.objects[name, identifier] = values

    def remove(self, name: str, values: Mapping[str, Value]) -> None:
        with self.lock:
            self.objects.pop((name, str(values.get("id"))), None)


@dataclass(frozen=True, slots=True)
class Subject:
    """The object for which values are invented.

    name: resource type. seed: digits that stand for this object. values: what is known about it. before: its
    values before a change in place. data: whether it is a data source.
    """

    name: str
    seed: str
    values: Mapping[str, Value] = field(default_factory=dict)
    before: Mapping[str, Value] = field(default_factory=dict)
    data: bool = False


class Behaviour:
    """The neutral provider: types and references are right, values are only type-shaped.

    settings: the provider's configuration block; account: what exists.
    """

    def __init__(self, account: Account) -> None:
        self.account = account
        self.settings: Mapping[str, Value] = {}

    # -- before anything runs

    sensitive: Mapping[str, frozenset[str]] = {}
    """Type → attributes to be marked sensitive (recovered schemas do not say)."""

    def check_provider(self, config: Mapping[str, Value]) -> Sequence[Complaint]:
        """Complaints about the provider block."""
        return ()

    def rules(self, name: str) -> Sequence[AnyRule]:
        """Rules for the arguments of a resource type."""
        return ()

    def data_rules(self, name: str) -> Sequence[AnyRule]:
        """Rules for the arguments of a data source."""
        return ()

    # -- plan

    def force_new(self, name: str) -> frozenset[str]:
        """Arguments and blocks whose change replaces the resource."""
        return frozenset()

    def renewed(self, name: str, changed: frozenset[str], planned: Mapping[str, Value]) -> frozenset[str]:
        """Computed attributes that become unknown when these arguments change in place."""
        return frozenset()

    def known_at_plan(
        self, name: str, block: Block, planned: Mapping[str, Value], config: Mapping[str, Value]
    ) -> Mapping[str, Value]:
        """Computed attributes whose value the provider already knows at plan time."""
        return {}

    # -- apply

    def objections(
        self, name: str, prior: Mapping[str, Value] | None, planned: Mapping[str, Value]
    ) -> Sequence[Complaint]:
        """What the cloud's API would refuse, given what exists in the account."""
        return ()

    def happened(self, name: str, values: Mapping[str, Value], config: Mapping[str, Value]) -> None:
        """Called after a resource was created or changed; config still has the write-only arguments."""

    def found(self, name: str, values: Mapping[str, Value]) -> None:
        """Called when a resource is read back from the state."""

    def completed(self, subject: Subject, attribute: Attribute, planned: Value) -> Value:
        """The value of an attribute that was known in part; None to fill the gaps one by one."""
        return None

    def top_level(self, subject: Subject, attribute: Attribute) -> Value:
        """The value of one computed attribute of a resource or data source."""
        return self.invented(subject, (attribute.name,), attribute.type)

    def invented(self, subject: Subject, path: Path, kind: Type) -> Value:
        """A value of the right type for something that only the cloud would know."""
        if isinstance(kind, list):
            if kind[0] == "object":
                return {name: self.invented(subject, (*path, name), inner) for name, inner in kind[1].items()}
            return {} if kind[0] == "map" else []
        if kind == "bool":
            return False
        if kind == "number":
            return 0
        if kind == "string":
            return f"{path[-1]}-{digest(10, subject.seed, path)}"
        return None

    # -- read

    def data(self, name: str, config: Mapping[str, Value]) -> Mapping[str, Value]:
        """Attributes of a data source that need more than a type-shaped value; may raise Unanswerable."""
        return {}

    def imported(self, name: str, identifier: str) -> Mapping[str, Value]:
        """Attributes that an import identifier stands for."""
        return {"id": identifier}

    # -- ephemeral resources

    def opened(self, name: str, config: Mapping[str, Value]) -> Mapping[str, Value]:
        """Attributes of an ephemeral resource; may raise Unanswerable."""
        return {}
