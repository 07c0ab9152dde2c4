"""How a rule is written: a small pure function, and beside it what it means for people.

``@rule`` takes a function of the whole plan (as a `Context`) that yields hits. ``@resource_rule`` takes a
function of one resource that answers with a detail, or None when all is well, and is asked for every resource
of the rule's types. ``@relation_rule`` does the same with the context, for rules that look at what belongs to
the resource. Ids are ``<concern>.<remark>``, stable, and carry no cloud's name: a user suppresses the idea.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
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

    def severity_at(self, size: str | None) -> Severity | None:
        """None when the rule does not apply to that size."""
        return self.by_size.get(size, self.severity) if size else self.severity


class About(TypedDict):
    """The named arguments of the decorators; see `RuleInfo`."""

    why: str
    remedy: str
    types: tuple[str, ...]
    by_size: NotRequired[Mapping[str, Severity | None]]


Check = Callable[[Context], Iterable[Hit]]
ResourceCheck = Callable[[Resource], str | None]
RelationCheck = Callable[[Resource, Context], str | None]


@dataclass(frozen=True, slots=True)
class Rule:
    info: RuleInfo
    check: Check


_RULES: dict[str, Rule] = {}


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
        def alone(resource: Resource, _: Context) -> str | None:
            return check(resource)

        relation_rule(id, severity, title, **about)(alone)
        return check

    return register


def relation_rule(
    id: str, severity: Severity, title: str, **about: Unpack[About]
) -> Callable[[RelationCheck], RelationCheck]:
    """Register a function of one resource and its surroundings, asked for every resource of the types."""

    def register(check: RelationCheck) -> RelationCheck:
        def every(context: Context) -> Iterator[Hit]:
            for resource in context.of_type(*about["types"]):
                detail = check(resource, context)
                if detail is not None:
                    yield Hit(resource.address, detail)

        rule(id, severity, title, **about)(every)
        return check

    return register


def rules() -> tuple[Rule, ...]:
    """Every registered rule, by id."""
    return tuple(_RULES[id] for id in sorted(_RULES))
