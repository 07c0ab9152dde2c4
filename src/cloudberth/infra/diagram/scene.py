"""The nodes of a picture and the plan behind them, for finding the arrows between them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from cloudberth.infra.diagram.drawn import Drawn
from cloudberth.infra.diagram.links import Links
from cloudberth.infra.diagram.model import Edge, Node, Role, Traffic
from cloudberth.infra.plan import Resource

COMPUTE = frozenset({Role.APP, Role.STATEFUL, Role.MACHINE, Role.CONTAINERS, Role.FUNCTION})
PERMITTED = {
    Role.OBJECTS: Traffic.DATA,
    Role.QUEUE: Traffic.DATA,
    Role.FILES: Traffic.DATA,
    Role.SECRETS: Traffic.MANAGEMENT,
    Role.LOGS: Traffic.MANAGEMENT,
    Role.MAIL: Traffic.MANAGEMENT,
}
"""Services that machines reach by permission, and what kind of traffic that is."""


class Scene:
    """Finds the node of a resource and the nodes of a role."""

    def __init__(self, links: Links, drawn: Sequence[Drawn]) -> None:
        self.links = links
        self.drawn = tuple(drawn)
        self._by_address = {one.address: item.node for item in drawn for one in item.resources}

    def of_role(self, *roles: Role) -> list[Drawn]:
        return [item for item in self.drawn if item.node.role in roles]

    def compute(self) -> list[Drawn]:
        return [item for item in self.drawn if item.node.role in COMPUTE]

    def node(self, resource: Resource) -> Node | None:
        return self._by_address.get(resource.address)

    def named(self, resource: Resource, roles: Collection[Role]) -> list[Node]:
        """Nodes of these roles that the resource's configuration names, each once."""
        nodes = (self.node(one) for one in self.links.named_by(resource))
        return list({node.id: node for node in nodes if node is not None and node.role in roles}.values())


def through(start: str, node: Node, door: Node | None, *, shared: bool = False) -> Iterator[Edge]:
    """From a machine to a service that it may use, by way of a private door where there is one.

    shared: the door leads to many services; the label stands behind it, where their ways have parted.
    """
    traffic = PERMITTED[node.role]
    label = "HTTPS 443" if traffic is Traffic.DATA else ""
    yield Edge(start, door.id if door else node.id, traffic, "" if door and shared else label)
    if door:
        yield Edge(door.id, node.id, traffic, label if shared else "")


def notices(scene: Scene) -> Iterator[Edge]:
    """From alarms to where they are sent."""
    for item in scene.of_role(Role.ALARMS):
        for alarm in item.resources:
            for node in scene.named(alarm, {Role.MAIL}):
                yield Edge(item.node.id, node.id, Traffic.MANAGEMENT)
