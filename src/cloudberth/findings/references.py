"""Which resource's configuration names which, instance by instance.

A plan says that ``aws_route_table_association.a`` names ``aws_subnet.public``; this says which of the subnets
each of the associations means.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

from cloudberth.infra.plan import Resource

_KEY = re.compile(r"\[[^\]]*\]")
_MODULE = re.compile(r"(?:module\.[^.\[]+(?:\[[^\]]*\])?\.)*")


def base(address: str) -> str:
    """An address without its keys: ``module.a["x"].aws_subnet.b[0]`` → ``module.a.aws_subnet.b``."""
    return _KEY.sub("", address)


class References:
    """The references between resources. Answers are worked out once per source."""

    def __init__(self, resources: Iterable[Resource]) -> None:
        self._instances: dict[str, list[Resource]] = {}
        for resource in resources:
            self._instances.setdefault(base(resource.address), []).append(resource)
        self._keys = {name: {r.key for r in found} for name, found in self._instances.items()}
        self._targets: dict[str, dict[str, frozenset[str]]] = {}

    def refers(self, source: Resource, target: Resource) -> bool:
        """Whether source's configuration names target.

        A reference without a key names every instance, except where source and target are instances of the
        same ``for_each``: then each belongs to the one with its own key.
        """
        return target.address in self.targets(source).get(target.type, ())

    def targets(self, source: Resource) -> Mapping[str, frozenset[str]]:
        """Resource type → addresses that source's configuration names."""
        known = self._targets.get(source.address)
        if known is None:
            found: dict[str, set[str]] = {}
            for target in self._named_by(source):
                found.setdefault(target.type, set()).add(target.address)
            known = {kind: frozenset(addresses) for kind, addresses in found.items()}
            self._targets[source.address] = known
        return known

    def _named_by(self, source: Resource) -> Iterator[Resource]:
        for reference in source.references:
            name = base(reference)
            for target in self._instances.get(name, ()):
                if reference == target.address or self._means(source, reference, name, target):
                    yield target

    def _means(self, source: Resource, reference: str, name: str, target: Resource) -> bool:
        if not _same_module(source, reference, target):
            return False
        if reference.endswith("]"):
            return _last_key(reference) == _last_key(target.address)
        if target.key is None or source.key is None or source.key == target.key:
            return True
        return source.key not in self._keys[name]


def _last_key(address: str) -> str:
    return address[address.rindex("[") :] if address.endswith("]") else ""


def _module(address: str) -> str:
    """``module.a["x"].aws_subnet.b[0]`` → ``module.a["x"].``."""
    match = _MODULE.match(address)
    return match.group(0) if match else ""


def _same_module(source: Resource, reference: str, target: Resource) -> bool:
    """Whether a reference can mean the target's instance of a module that is itself repeated."""
    named, wanted = _module(reference), _module(target.address)
    if "[" in named:
        return named == wanted
    own = _module(source.address)
    return own == wanted or base(own) != base(wanted)
