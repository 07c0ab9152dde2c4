"""Who may talk to whom, from network security groups.

A rule names machines by application security groups, whose ids are unknown before they exist; then the rule's
own words decide: its key ("database-app") and description ("PostgreSQL from the app machines").
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cloudberth.infra.diagram.azurerm.ground import subnet_of
from cloudberth.infra.diagram.drawn import Drawn, mentioned
from cloudberth.infra.diagram.links import Links, text_of
from cloudberth.infra.diagram.model import Role
from cloudberth.infra.diagram.ports import Ports, ports_of
from cloudberth.infra.diagram.scene import Scene
from cloudberth.infra.plan import Resource

GROUP = "azurerm_network_security_group"
_RULE = "azurerm_network_security_rule"
_MEMBERS = "azurerm_application_security_group"
_ASSOCIATION = "azurerm_subnet_network_security_group_association"
_ANY = frozenset({"*", "0.0.0.0/0", "::/0"})
_WORLD = _ANY | {"Internet"}
_NETWORK = _ANY | {"VirtualNetwork"}


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule of a group. resource: where it is written; values: its attributes."""

    group: Resource
    resource: Resource
    values: Mapping[str, Any]

    @property
    def allows(self) -> bool:
        return str(self.values.get("access", "")).lower() == "allow"

    @property
    def ports(self) -> tuple[Ports, ...]:
        many = self.values.get("destination_port_ranges") or ()
        one = self.values.get("destination_port_range")
        return ports_of(self.values.get("protocol"), [one] if one else list(many))

    def prefixes(self, side: str) -> tuple[str, ...]:
        one = self.values.get(f"{side}_address_prefix")
        many = self.values.get(f"{side}_address_prefixes") or ()
        return tuple(text for text in (one, *many) if isinstance(text, str) and text)

    def has_members(self, side: str) -> bool:
        """Whether it names application security groups on this side, known or not."""
        name = f"{side}_application_security_group_ids"
        return bool(self.values.get(name) or self.resource.unknown.get(name))


def rules_of(links: Links, group: Resource, direction: str) -> Iterator[Rule]:
    """Rules of a group in one direction, written inside or beside it."""
    for block in group.get("security_rule", []):
        if isinstance(block, dict) and block.get("direction") == direction:
            yield Rule(group, group, block)
    for rule in links.of_type(_RULE):
        if rule.get("direction") == direction and group in _owners(links, rule):
            yield Rule(group, rule, rule.values)


def _owners(links: Links, rule: Resource) -> tuple[Resource, ...]:
    name = text_of(rule.values, "network_security_group_name")
    same = [one for one in links.of_type(GROUP) if name and text_of(one.values, "name") == name]
    return tuple(same) or tuple(one for one in links.named_by(rule) if one.type == GROUP)


def groups_of(scene: Scene, item: Drawn) -> tuple[Resource, ...]:
    """Groups that hold for a node: of its network interfaces and of its subnet."""
    links = scene.links
    own = {
        group.address: group
        for one in item.resources[:1]
        for group in links.reach(one, {GROUP}, {"azurerm_network_interface"})
    }
    if len(own) > 1:
        called = {item.resources[0].name, str(item.resources[0].key or "")}
        own = {name: one for name, one in own.items() if {one.name, str(one.key or "")} & called} or own
    for one in item.resources:
        subnet = subnet_of(links, one)
        if subnet is None:
            continue
        for association in links.of_type(_ASSOCIATION):
            if subnet in _pair(links, association, "azurerm_subnet"):
                own.update({found.address: found for found in _pair(links, association, GROUP)})
    return tuple(own.values())


def _pair(links: Links, association: Resource, kind: str) -> tuple[Resource, ...]:
    return tuple(one for one in links.named_by(association) if one.type == kind)


def reaches(scene: Scene, target: Drawn, port: int) -> list[Drawn]:
    """Machines that the rules let in to a port of a store; without rules the whole network."""
    groups = groups_of(scene, target)
    if not groups:
        return scene.compute()
    found: dict[str, Drawn] = {}
    for group in groups:
        for rule in rules_of(scene.links, group, "Inbound"):
            if rule.allows and any(_holds(one, port) for one in rule.ports):
                found.update({item.node.id: item for item in sources_of(scene, rule)})
        if not _closed(scene.links, group, "Inbound"):
            return scene.compute()
    return list(found.values())


def sources_of(scene: Scene, rule: Rule) -> Sequence[Drawn]:
    """Nodes that a rule lets in: members of its groups, what stands in a range, or all of the network."""
    if rule.has_members("source"):
        return _members(scene, rule, "source")
    prefixes = set(rule.prefixes("source"))
    if prefixes & {"VirtualNetwork"}:
        return scene.compute()
    inside = [*scene.compute(), *scene.of_role(Role.BALANCER)]
    return [item for item in inside if prefixes & set(_ranges(scene.links, item))]


def _members(scene: Scene, rule: Rule, side: str) -> Sequence[Drawn]:
    """Machines in the application security groups that the rule names."""
    known = scene.links.with_identity(rule.values.get(f"{side}_application_security_group_ids"), {_MEMBERS})
    named = known or tuple(one for one in scene.links.named_by(rule.resource) if one.type == _MEMBERS)
    machines = scene.compute()
    inside = [item for item in machines if _joined(scene.links, item, named)]
    if len(named) == 1 or known:
        return inside
    owner = {str(rule.group.key or ""), rule.group.name}
    others = [one for one in machines if not {one.resources[0].name, str(one.resources[0].key or "")} & owner]
    return mentioned(rule.resource, others) or others


def _joined(links: Links, item: Drawn, named: Sequence[Resource]) -> bool:
    return any(
        group in named
        for one in item.resources
        for group in links.reach(one, {_MEMBERS}, {"azurerm_network_interface"})
    )


def _ranges(links: Links, item: Drawn) -> tuple[str, ...]:
    subnet = subnet_of(links, item.resources[0]) if item.resources else None
    return tuple(subnet.get("address_prefixes", [])) if subnet else ()


def _holds(ports: Ports, port: int) -> bool:
    return ports.first is None or ports.first <= port <= (ports.last or ports.first)


def _closed(links: Links, group: Resource, direction: str) -> bool:
    """Whether a rule shuts what Azure's own rules leave open."""
    side = "source" if direction == "Inbound" else "destination"
    wanted = _NETWORK if direction == "Inbound" else _WORLD
    return any(
        not rule.allows and set(rule.prefixes(side)) & wanted for rule in rules_of(links, group, direction)
    )


def may_leave(scene: Scene, machine: Drawn) -> bool:
    """Whether the rules let a machine out to the Internet; without rules all goes out."""
    for group in groups_of(scene, machine):
        allowed = any(
            rule.allows and set(rule.prefixes("destination")) & _WORLD
            for rule in rules_of(scene.links, group, "Outbound")
        )
        if _closed(scene.links, group, "Outbound") and not allowed:
            return False
    return True


def world_ranges(scene: Scene, balancer: Drawn) -> tuple[str, ...]:
    """Ranges of the world that may open a balancer."""
    found: dict[str, None] = {}
    for group in groups_of(scene, balancer):
        for rule in rules_of(scene.links, group, "Inbound"):
            web = any(_holds(one, 80) or _holds(one, 443) for one in rule.ports)
            if rule.allows and web:
                found.update(
                    dict.fromkeys(one for one in rule.prefixes("source") if one in _WORLD or "/" in one)
                )
    return tuple("0.0.0.0/0" if one == "Internet" else one for one in found)


def behind_front_door(scene: Scene, balancer: Drawn) -> bool:
    """Whether only Front Door may open a balancer."""
    tags = [
        one
        for group in groups_of(scene, balancer)
        for rule in rules_of(scene.links, group, "Inbound")
        if rule.allows
        for one in rule.prefixes("source")
    ]
    return "AzureFrontDoor.Backend" in tags and not world_ranges(scene, balancer)
