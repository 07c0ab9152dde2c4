"""Small hand-made plans, and a table of them: for every rule one it must report and one it must not."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from cloudberth.infra.plan import Action, Plan, Resource


@dataclass(frozen=True)
class Sample:
    """One plan to review, with the size and the files on the machines where they matter."""

    plan: Plan
    size: str | None = None
    stack: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Case:
    """reported: plans in which the rule must speak. silent: plans in which it must not."""

    reported: tuple[Sample, ...]
    silent: tuple[Sample, ...]


CASES: dict[str, Case] = {}


def resource(
    address: str,
    *,
    references: Iterable[str] = (),
    unknown: Mapping[str, Any] | None = None,
    before: Mapping[str, Any] | None = None,
    action: Action = Action.CREATE,
    **values: Any,
) -> Resource:
    """A resource of a plan; type, module, name and key are read from the address."""
    module, _, rest = address.rpartition("module.")
    if module or rest != address:
        name, _, rest = rest.partition(".")
        module = f"{module}module.{name}"
    data = rest.startswith("data.")
    bare, _, index = rest.removeprefix("data.").partition("[")
    text = index.rstrip("]")
    key: str | int | None = None if not text else text.strip('"') if text.startswith('"') else int(text)
    kind, _, label = bare.partition(".")
    return Resource(
        address=address,
        module=module,
        type=kind,
        name=label,
        key=key,
        provider="registry.terraform.io/hashicorp/aws",
        action=action,
        values=values,
        before=before or {},
        unknown=unknown or {},
        references=tuple(references),
        data=data,
    )


def sample(
    *resources: Resource,
    size: str | None = None,
    stack: Mapping[str, str] | None = None,
    variables: Mapping[str, Any] | None = None,
) -> Sample:
    return Sample(Plan(resources, variables=variables or {}), size, stack or {})


def one(address: str, **values: Any) -> Sample:
    """A plan with one resource. unknown and size are told apart from its attributes."""
    unknown, size = values.pop("unknown", {}), values.pop("at_size", None)
    return sample(resource(address, unknown=unknown, **values), size=size)


def changed(address: str, action: Action, was: Mapping[str, Any] | None = None, **now: Any) -> Sample:
    """A plan that changes one resource."""
    return sample(resource(address, action=action, before=was or {}, **now))


def case(rule: str, *, reported: Iterable[Sample], silent: Iterable[Sample], provider: str = "") -> None:
    """Add to the table. Twice the same rule is a mistake in the test.

    provider: whose function is meant where several clouds have one (`key_of`).
    """
    key = key_of(rule, provider)
    assert key not in CASES, key
    CASES[key] = Case(tuple(reported), tuple(silent))


def key_of(rule: str, provider: str) -> str:
    """``database.public`` for AWS and for rules of every cloud, ``azurerm:database.public`` for others."""
    return rule if provider in ("", "aws", "random") else f"{provider}:{rule}"


def id_of(key: str) -> str:
    """``azurerm:database.public`` → ``database.public``."""
    return key.rpartition(":")[2]
