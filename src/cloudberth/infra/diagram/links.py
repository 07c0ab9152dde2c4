"""Who names whom in a plan: the way from one resource to those it refers to, and back.

Most ids are only known after apply, so a plan shows belonging by the names in the configuration; where ids
are known (a plan of something that exists), they decide.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from cloudberth.infra.plan import Action, Plan, Resource

_KEY = re.compile(r"\[[^\]]*\]")
_IDENTITIES = ("id", "arn", "name", "bucket", "identifier")


def base(address: str) -> str:
    """An address without its keys: ``module.a["x"].aws_subnet.b[0]`` → ``module.a.aws_subnet.b``."""
    return _KEY.sub("", address)


class Links:
    """References of a plan, resolved to its resources and data sources; everything in order of addresses."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self._by_base: dict[str, list[Resource]] = {}
        self._by_type: dict[str, list[Resource]] = {}
        self._by_identity: dict[str, list[Resource]] = {}
        self._named: dict[str, tuple[Resource, ...]] = {}
        for resource in sorted(plan.resources, key=lambda one: one.address):
            if resource.action is Action.DELETE:
                continue
            self._by_base.setdefault(base(resource.address), []).append(resource)
            if not resource.data:
                self._by_type.setdefault(resource.type, []).append(resource)
            for attribute in _IDENTITIES:
                if isinstance(value := resource.values.get(attribute), str) and value:
                    self._by_identity.setdefault(value, []).append(resource)
        self._naming: dict[str, list[Resource]] | None = None

    def of_type(self, *types: str) -> Iterator[Resource]:
        """Managed resources of these types, type by type."""
        for name in types:
            yield from self._by_type.get(name, ())

    def has(self, *types: str) -> bool:
        return any(name in self._by_type for name in types)

    def named_by(self, resource: Resource) -> tuple[Resource, ...]:
        """What the resource's configuration names directly, in the order of its references."""
        if resource.address not in self._named:
            found = {
                one.address: one
                for reference in resource.references
                for one in self._resolve(resource, reference)
            }
            found.pop(resource.address, None)
            self._named[resource.address] = tuple(found.values())
        return self._named[resource.address]

    def naming(self, resource: Resource) -> tuple[Resource, ...]:
        """Resources whose configuration names this one."""
        if self._naming is None:
            self._naming = {}
            for source in (one for group in self._by_base.values() for one in group):
                for target in self.named_by(source):
                    self._naming.setdefault(target.address, []).append(source)
        return tuple(self._naming.get(resource.address, ()))

    def reach(
        self, resource: Resource, types: Collection[str], through: Collection[str]
    ) -> tuple[Resource, ...]:
        """Resources of these types that it names directly or by way of resources of the types `through`."""
        found: dict[str, Resource] = {}
        seen = {resource.address}
        waiting = [resource]
        while waiting:
            for target in self.named_by(waiting.pop(0)):
                if target.address in seen:
                    continue
                seen.add(target.address)
                if target.type in types and not target.data:
                    found[target.address] = target
                if target.type in through:
                    waiting.append(target)
        return tuple(found.values())

    def with_identity(self, values: Any, types: Collection[str]) -> tuple[Resource, ...]:
        """Resources of these types whose known id, ARN or name is among the values (a text or texts)."""
        texts = [values] if isinstance(values, str) else values if isinstance(values, list | tuple) else ()
        found = {
            one.address: one
            for text in texts
            if isinstance(text, str)
            for one in self._by_identity.get(text, ())
            if one.type in types
        }
        return tuple(found.values())

    def _resolve(self, source: Resource, reference: str) -> Iterable[Resource]:
        """The resources that a reference means.

        Without a key it names every instance, except where the source has the same key as one of them:
        instances of the same ``for_each`` belong together.
        """
        instances = self._by_base.get(base(reference), [])
        exact = [one for one in instances if one.address == reference]
        if exact:
            return exact
        if source.key is not None:
            same = [one for one in instances if one.key == source.key]
            if same:
                return same
        return instances


def text_of(values: Mapping[str, Any], *names: str) -> str:
    """The first of these attributes that is a non-empty text."""
    return next((value for name in names if isinstance(value := values.get(name), str) and value), "")
