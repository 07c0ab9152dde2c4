"""How a rule is written: a small pure function, and beside it what it means for people.

``@rule`` takes a function of the whole plan (as a `Context`) that yields hits. ``@resource_rule`` takes a
function of one resource that answers with a detail, or None when all is well, and is asked for every resource
of the rule's types. ``@relation_rule`` does the same with the context, for rules that look at what belongs to
the resource. Ids are ``<concern>.<remark>``, stable, and carry no cloud's name: a user suppresses the idea.

One rule, many clouds: the first function says what the rule means (``@rule`` and its kin), those of other
clouds join it under the same id (``@also``, ``@also_resource``, ``@also_relation``), each with its own types.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import NotRequired, TypedDict, Unpack

from cloudberth.findings.context import Context
from cloudberth.findings.model import Severity
from cloudberth.infra.plan import Resource


@dataclass(frozen=True, slots=True)
class Hit:
    """A rule applies.

    resource: Terraform address, ``""`` for the whole. detail: one sentence of fact, never a secret.
    """

    resource: str
    detail: str


@dataclass(frozen=True, slots=True)
class RuleInfo:
    """A rule for people.

    why: what goes wrong otherwise. remedy: what to write in berth.yaml (or do). types: resource types it
    looks at; a plan with none of them is not asked, ``()`` means any plan. by_size: severity where it differs
    at a size, None: not reported there.
    """

    id: str
    severity: Severity
    title: str
    why: str
    remedy: str
    types: tuple[str, ...]
    by_size: Mapping[str, Severity | None] = field(default_factory=dict)

    @property
    def provider(self) -> str:
        """The Terraform provider whose resources it looks at (``aws``), ``""`` for any."""
        return self.types[0].partition("_")[0] if self.types else ""

    def severity_at(self, size: str | None) -> Severity | None:
        """None when the rule does not apply to that size."""
        return self.by_size.get(size, self.severity) if size else self.severity


class About(TypedDict):
    """The named arguments of the decorators; see `RuleInfo`."""

    why: str
    remedy: str
    types: tuple[str, ...]
    by_size: NotRequired[Mapping[str, Severity | None]]


class Joining(TypedDict):
    """The named arguments of the decorators that join a rule: what differs on this cloud."""

    types: tuple[str, ...]
    why: NotRequired[str]
    remedy: NotRequired[str]


Check = Callable[[Context], Iterable[Hit]]
ResourceCheck = Callable[[Resource], str | None]
RelationCheck = Callable[[Resource, Context], str | None]


@dataclass(frozen=True, slots=True)
class Rule:
    info: RuleInfo
    check: Check


_RULES: dict[str, Rule] = {}
# id → what other clouds add to it. Joined when asked for, so that modules may be imported in any order.
_JOINED: dict[str, list[tuple[Joining, Check]]] = {}


def rule(id: str, severity: Severity, title: str, **about: Unpack[About]) -> Callable[[Check], Check]:
    """Register a function of the whole plan. Two rules with one id are a mistake in the program."""
    info = RuleInfo(id, severity, title, **about)

    def register(check: Check) -> Check:
        if id in _RULES:
            raise ValueError(f"two rules are called {id}")
        _RULES[id] = Rule(info, check)
        return check

    return register


def resource_rule(
    id: str, severity: Severity, title: str, **about: Unpack[About]
) -> Callable[[ResourceCheck], ResourceCheck]:
    """Register a function of one resource, asked for every resource of the rule's types."""

    def register(check: ResourceCheck) -> ResourceCheck:
        rule(id, severity, title, **about)(_every(about["types"], _alone(check)))
        return check

    return register


def relation_rule(
    id: str, severity: Severity, title: str, **about: Unpack[About]
) -> Callable[[RelationCheck], RelationCheck]:
    """Register a function of one resource and its surroundings, asked for every resource of the types."""

    def register(check: RelationCheck) -> RelationCheck:
        rule(id, severity, title, **about)(_every(about["types"], check))
        return check

    return register


def also(id: str, **on: Unpack[Joining]) -> Callable[[Check], Check]:
    """Join a rule with a function of the whole plan. An id that no rule has is a mistake in the program."""

    def register(check: Check) -> Check:
        _JOINED.setdefault(id, []).append((on, check))
        return check

    return register


def also_resource(id: str, **on: Unpack[Joining]) -> Callable[[ResourceCheck], ResourceCheck]:
    """Join a rule with a function of one resource."""

    def register(check: ResourceCheck) -> ResourceCheck:
        also(id, **on)(_every(on["types"], _alone(check)))
        return check

    return register


def also_relation(id: str, **on: Unpack[Joining]) -> Callable[[RelationCheck], RelationCheck]:
    """Join a rule with a function of one resource and its surroundings."""

    def register(check: RelationCheck) -> RelationCheck:
        also(id, **on)(_every(on["types"], check))
        return check

    return register


def _alone(check: ResourceCheck) -> RelationCheck:
    def alone(resource: Resource, _: Context) -> str | None:
        return check(resource)

    return alone


def _every(types: tuple[str, ...], check: RelationCheck) -> Check:
    def every(context: Context) -> Iterator[Hit]:
        for resource in context.of_type(*types):
            detail = check(resource, context)
            if detail is not None:
                yield Hit(resource.address, detail)

    return every


def rules() -> tuple[Rule, ...]:
    """Every function with what it means, by id; the one that defines an id comes before those that join."""
    strangers = _JOINED.keys() - _RULES.keys()
    if strangers:
        raise ValueError(f"no rule is called {', '.join(sorted(strangers))}")
    return tuple(variant for id in sorted(_RULES) for variant in _variants(id))


def _variants(id: str) -> Iterator[Rule]:
    first = _RULES[id]
    yield first
    for on, check in _JOINED.get(id, ()):
        yield Rule(replace(first.info, **on), check)
