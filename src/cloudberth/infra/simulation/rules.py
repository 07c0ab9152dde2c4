"""Checks of arguments that no Terraform schema carries: allowed values, ranges, lengths, formats,
combinations.

A rule is a path and a check, or a condition over several arguments of one block; a cloud's rule table is
made of these. Unknown and absent values pass: the cloud could not judge them either.
"""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from cloudberth.infra.simulation.values import UNKNOWN, Path, Value

Check = Callable[[Value], str | None]
"""Value → what is wrong with it in one clause, or None."""


@dataclass(frozen=True, slots=True)
class Complaint:
    """What a provider says against a configuration. path: the argument it points at."""

    path: Path
    summary: str
    detail: str


@dataclass(frozen=True, slots=True)
class Rule:
    """One argument, checked alone. path: `default_action.*.type`, `*` for every element."""

    path: str
    check: Check

    def complaints(self, config: Value) -> Iterator[Complaint]:
        for path, value in select(config, tuple(self.path.split("."))):
            words = self.check(value)
            if words:
                name = dotted(path)
                yield Complaint(path, f"invalid value for {name}", f"{name} {words}, got: {shown(value)}")


@dataclass(frozen=True, slots=True)
class Combination:
    """Several arguments of one block, checked together. block: path of the block, "" for the resource.

    judge: the block's values → (argument to point at, what is wrong) or None.
    """

    block: str
    judge: Callable[[Mapping[str, Value]], tuple[str, str] | None]

    def complaints(self, config: Value) -> Iterator[Complaint]:
        steps = tuple(self.block.split(".")) if self.block else ()
        for path, value in select(config, steps):
            verdict = self.judge(value) if isinstance(value, Mapping) else None
            if verdict:
                argument, words = verdict
                yield Complaint((*path, argument), "invalid combination of arguments", words)


AnyRule = Rule | Combination


def select(value: Value, steps: tuple[str, ...], path: Path = ()) -> Iterator[tuple[Path, Value]]:
    """Everything that is set and known at a path."""
    if value is None or value is UNKNOWN:
        return
    if not steps:
        yield path, value
    elif steps[0] == "*":
        items = value.items() if isinstance(value, Mapping) else enumerate(value)
        for key, item in items:
            yield from select(item, steps[1:], (*path, key))
    elif isinstance(value, Mapping):
        yield from select(value.get(steps[0]), steps[1:], (*path, steps[0]))


def dotted(path: Path) -> str:
    return ".".join(str(step) for step in path)


def shown(value: Value) -> str:
    text = json.dumps(value, default=str)
    return text if len(text) <= 80 else text[:77] + "..."


def given(block: Mapping[str, Value], name: str) -> bool:
    """Whether an argument or block is certainly set: an unknown value may still turn out to be null."""
    value = block.get(name)
    return value is not None and value is not UNKNOWN and value != []


def open_question(block: Mapping[str, Value], *names: str) -> bool:
    """Whether it is not known yet if one of these will be set."""
    return any(block.get(name) is UNKNOWN for name in names)


# ---- checks of one value -----------------------------------------------------------------------------------


def one_of(*allowed: str | int) -> Check:
    words = "must be one of " + ", ".join(json.dumps(item) for item in allowed)
    return lambda value: None if value in allowed else words


def between(low: float, high: float) -> Check:
    words = f"must be between {low:g} and {high:g}"
    return lambda value: None if low <= float(value) <= high else words


def zero_or_between(low: float, high: float) -> Check:
    words = f"must be 0 or between {low:g} and {high:g}"
    return lambda value: None if value == 0 or low <= float(value) <= high else words


def length(low: int, high: int) -> Check:
    """Length of a string, or number of elements."""

    def check(value: Value) -> str | None:
        unit = "characters" if isinstance(value, str) else "elements"
        return (
            None if low <= len(value) <= high else f"must have {low} to {high} {unit} (it has {len(value)})"
        )

    return check


def matches(pattern: str, words: str) -> Check:
    """words: what the pattern means, after "must"."""
    compiled = re.compile(pattern)
    return lambda value: None if compiled.fullmatch(str(value)) else f"must {words}"


def every(*checks: Check) -> Check:
    """All of several checks; says the first that fails."""
    return lambda value: next((words for check in checks if (words := check(value))), None)


def cidr(low: int = 0, high: int = 32) -> Check:
    """An IPv4 network in canonical form with a prefix length in a range."""

    def check(value: Value) -> str | None:
        try:
            network = ipaddress.IPv4Network(str(value), strict=True)
        except ValueError as error:
            return f"must be an IPv4 CIDR block ({error})"
        if not low <= network.prefixlen <= high:
            return f"must have a prefix length between /{low} and /{high}"
        return None

    return check


def json_object(value: Value) -> str | None:
    try:
        parsed = json.loads(value)
    except ValueError as error:
        return f"must be valid JSON ({error})"
    return None if isinstance(parsed, Mapping) else "must be a JSON object"


# ---- conditions over several arguments ---------------------------------------------------------------------


def conflicting(*names: str, block: str = "") -> Combination:
    def judge(values: Mapping[str, Value]) -> tuple[str, str] | None:
        present = [name for name in names if given(values, name)]
        return (present[1], f"{present[0]} conflicts with {present[1]}") if len(present) > 1 else None

    return Combination(block, judge)


def exactly_one_of(*names: str, block: str = "") -> Combination:
    def judge(values: Mapping[str, Value]) -> tuple[str, str] | None:
        present = [name for name in names if given(values, name)]
        if len(present) == 1 or (not present and open_question(values, *names)):
            return None
        return (present or list(names))[-1], f"exactly one of {', '.join(names)} must be set"

    return Combination(block, judge)


def at_least_one_of(*names: str, block: str = "") -> Combination:
    def judge(values: Mapping[str, Value]) -> tuple[str, str] | None:
        if any(given(values, name) for name in names) or open_question(values, *names):
            return None
        return names[0], f"at least one of {', '.join(names)} must be set"

    return Combination(block, judge)


def requires(name: str, *others: str, block: str = "") -> Combination:
    """When name is set, the others must be set as well."""

    def judge(values: Mapping[str, Value]) -> tuple[str, str] | None:
        missing = [other for other in others if not given(values, other) and values.get(other) is not UNKNOWN]
        return (name, f"{name} needs {', '.join(missing)}") if given(values, name) and missing else None

    return Combination(block, judge)


def requires_when(argument: str, cases: Iterable[str], *others: str, block: str = "") -> Combination:
    """When argument has one of some values, the others must be set."""
    wanted = frozenset(cases)

    def judge(values: Mapping[str, Value]) -> tuple[str, str] | None:
        value = values.get(argument)
        missing = [other for other in others if not given(values, other) and values.get(other) is not UNKNOWN]
        if isinstance(value, str) and value in wanted and missing:
            return argument, f"{argument} = {json.dumps(value)} needs {', '.join(missing)}"
        return None

    return Combination(block, judge)


def only_when(name: str, argument: str, cases: Iterable[str], block: str = "") -> Combination:
    """name may be set only when argument has one of some values."""
    allowed = frozenset(cases)

    def judge(values: Mapping[str, Value]) -> tuple[str, str] | None:
        value = values.get(argument)
        if given(values, name) and isinstance(value, str) and value not in allowed:
            return name, f"{name} cannot be set when {argument} = {json.dumps(value)}"
        return None

    return Combination(block, judge)


def ordered(low: str, high: str, block: str = "") -> Combination:
    """low ≤ high, where both are known."""

    def judge(values: Mapping[str, Value]) -> tuple[str, str] | None:
        first, second = values.get(low), values.get(high)
        if isinstance(first, int | float) and isinstance(second, int | float) and first > second:
            return low, f"{low} ({first}) must not be greater than {high} ({second})"
        return None

    return Combination(block, judge)
