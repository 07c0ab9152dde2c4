"""What a rule may ask about a plan: resources by type, what belongs to what, the size of the deployment."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from cloudberth.findings.bundle import Bundle, read_bundle
from cloudberth.findings.references import References, base
from cloudberth.findings.values import at
from cloudberth.infra.plan import Plan, Resource

_IDENTITIES = (
    "id",
    "arn",
    "self_link",
    "name",
    "bucket",
    "identifier",
    "cluster_identifier",
    "replication_group_id",
)


@dataclass(frozen=True, slots=True)
class Companions:
    """Resources that belong to another one, e.g. the versioning of a bucket.

    uncertain: there is one of that type whose owner is only known after apply and whose configuration names
    none; a rule must then not call the companion missing.
    """

    found: tuple[Resource, ...]
    uncertain: bool

    @property
    def missing(self) -> bool:
        return not self.found and not self.uncertain


class Context:
    """A plan, prepared for questions.

    size: ``small``, ``medium``, ``large``, or None when nobody said (then production is assumed). stack: path
    → text of the files that run on the machines, where the caller has them; what user data holds is added.
    """

    def __init__(self, plan: Plan, size: str | None = None, stack: Mapping[str, str] | None = None) -> None:
        self.plan = plan
        self.size = size
        self._stack = dict(stack or {})
        self._by_type: dict[str, list[Resource]] = {}
        self._data = [resource for resource in plan.resources if resource.data]
        self._references = References((*plan.managed(), *self._data))
        for resource in plan.managed():
            self._by_type.setdefault(resource.type, []).append(resource)

    def of_type(self, *types: str) -> Iterator[Resource]:
        """Managed resources of these types that exist after the plan, type by type in plan order."""
        for name in types:
            yield from self._by_type.get(name, ())

    def data_of_type(self, name: str) -> Iterator[Resource]:
        """Data sources of a type; those that wait for other resources are only partly known."""
        return (resource for resource in self._data if resource.type == name)

    def has(self, *types: str) -> bool:
        return any(name in self._by_type for name in types)

    def companions(self, owner: Resource, types: Iterable[str], attribute: str) -> Companions:
        """Resources of these types that belong to owner: their attribute or configuration points at it."""
        found: list[Resource] = []
        uncertain = False
        for candidate in self.of_type(*types):
            belongs = self.points_at(candidate, attribute, owner)
            if belongs:
                found.append(candidate)
            uncertain = uncertain or belongs is None
        return Companions(tuple(found), uncertain)

    def points_at(self, candidate: Resource, attribute: str, owner: Resource) -> bool | None:
        """Whether candidate's attribute names owner; None when the plan cannot tell.

        A known value decides. Otherwise the configuration does, unless it names more resources than the
        attribute has room for: an object with several groups, of which one is taken.
        """
        node = at(candidate, attribute)
        values = node.texts or (node.text,)
        if node.known and any(identity in values for identity in _identities(owner)):
            return True
        if node.known and not node.partly_unknown:
            return self.refers(candidate, owner) and not _identities(owner)
        addresses = self._references.targets(candidate).get(owner.type, frozenset())
        named = {base(address) for address in addresses}
        if not named:
            return None if node.unknown or node.partly_unknown else False
        room = len(list(node.children())) if node.known else len(named) if attribute.endswith("s") else 1
        if base(owner.address) not in named:
            return False
        return owner.address in addresses if len(named) <= room else None

    def refers(self, source: Resource, target: Resource) -> bool:
        """Whether source's configuration names target."""
        return self._references.refers(source, target)

    def is_named(self, target: Resource) -> bool:
        """Whether any other resource's configuration names target, or all instances that it is one of."""
        name = base(target.address)
        return any(
            base(reference) == name
            for source in self.plan.managed()
            if source.address != target.address
            for reference in source.references
        )

    @cached_property
    def bundle(self) -> Bundle:
        """What runs on the machines: the given stack and everything readable in the plan's user data."""
        return read_bundle(self.plan, self._stack)


def _identities(resource: Resource) -> tuple[str, ...]:
    nodes = (at(resource, name) for name in _IDENTITIES)
    return tuple(node.text for node in nodes if node.known)
