"""Which resources of a plan are changed in which way. For every cloud alike."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from cloudberth.findings.context import Context
from cloudberth.findings.rules.registry import Hit
from cloudberth.infra.plan import Action, Resource


def changed(context: Context, action: Action, types: tuple[str, ...]) -> Iterator[Resource]:
    """Managed resources of these types to which the plan does this, those that go included."""
    for resource in context.plan.resources:
        if resource.action is action and resource.type in types and not resource.data:
            yield resource


def deleted(context: Context, data: Mapping[str, str]) -> Iterator[Hit]:
    """data: resource type → what is lost with it."""
    for resource in changed(context, Action.DELETE, tuple(data)):
        yield Hit(resource.address, f"It is deleted, and with it {data[resource.type]}.")


def replaced(context: Context, data: Mapping[str, str]) -> Iterator[Hit]:
    """data: resource type → what is lost with it."""
    for resource in changed(context, Action.REPLACE, tuple(data)):
        yield Hit(resource.address, f"It is replaced, and with it {data[resource.type]}.")
