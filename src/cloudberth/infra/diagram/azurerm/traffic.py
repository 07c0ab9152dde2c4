"""Arrows: who talks to whom, from listeners, security groups, routes and role assignments."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

from cloudberth.infra.diagram.assembly import INTERNET, USERS
from cloudberth.infra.diagram.azurerm.compute import listeners
from cloudberth.infra.diagram.azurerm.flows import (
    behind_front_door,
    groups_of,
    may_leave,
    reaches,
    rules_of,
    sources_of,
    world_ranges,
)
from cloudberth.infra.diagram.azurerm.ground import subnet_of
from cloudberth.infra.diagram.azurerm.services import EDGE_FIREWALL, FIREWALL
from cloudberth.infra.diagram.azurerm.stores import engine_of
from cloudberth.infra.diagram.drawn import Drawn, mentioned
from cloudberth.infra.diagram.links import Links, text_of
from cloudberth.infra.diagram.model import Edge, Node, Place, Role, Traffic
from cloudberth.infra.diagram.ports import Ports, port_label
from cloudberth.infra.diagram.scene import COMPUTE, PERMITTED, Scene, notices, through
from cloudberth.infra.plan import Resource

_IDENTITY = "azurerm_user_assigned_identity"
_ROLES = (
    ("Key Vault", Role.SECRETS),
    ("Storage Blob Data", Role.OBJECTS),
    ("Storage File Data", Role.FILES),
    ("Storage Queue Data", Role.QUEUE),
    ("Azure Service Bus Data", Role.QUEUE),
    ("Azure Event Hubs Data", Role.QUEUE),
    ("Monitoring Metrics Publisher", Role.LOGS),
)
"""Beginning of a built-in role's name → what it lets somebody use; data collection rules ask for the last."""
_SCOPES = frozenset({"azurerm_monitor_data_collection_rule", "azurerm_storage_container", "time_sleep"})


def edges(links: Links, drawn: Sequence[Drawn]) -> Iterator[Edge]:
    """All arrows, user traffic first; may repeat."""
    scene = Scene(links, drawn)
    yield from _entry(scene)
    yield from _backends(scene)
    yield from _machines(scene)
    yield from _stores(scene)
    yield from _permitted(scene)
    yield from _outbound(scene)
    yield from notices(scene)


def public_ranges(links: Links, drawn: Sequence[Drawn]) -> tuple[str, ...]:
    """Address ranges that may open the application."""
    scene = Scene(links, drawn)
    found = [one for item in scene.of_role(Role.BALANCER) for one in world_ranges(scene, item)]
    for policy in links.of_type(EDGE_FIREWALL):
        for rule in policy.get("custom_rule", []):
            for condition in rule.get("match_condition", []) if isinstance(rule, dict) else []:
                if condition.get("operator") == "IPMatch" and condition.get("negation_condition"):
                    found += [one for one in condition.get("match_values", []) if isinstance(one, str)]
    return tuple(dict.fromkeys(found))


def _entry(scene: Scene) -> Iterator[Edge]:
    """From users through Front Door, firewall and address to each gateway."""
    if not any(item.node.id == USERS for item in scene.drawn):
        return
    names = [item.node for item in scene.of_role(Role.DNS) if item.node.place is Place.ACCOUNT]
    yield from (Edge(USERS, node.id, Traffic.MANAGEMENT, "look-up") for node in names[:1])
    fronts = scene.of_role(Role.CDN)
    for front in fronts:
        walls = [item.node.id for item in scene.of_role(Role.WAF) if item.resources[0].type == EDGE_FIREWALL]
        for index, (start, end) in enumerate(pairwise([USERS, *walls[:1], front.node.id])):
            yield Edge(start, end, Traffic.USER, "" if index else "HTTPS 443")
    for item in scene.of_role(Role.BALANCER):
        heard = [one for one in listeners(item.resources[0]) if not one.endswith("redirects")]
        way = [*_before(scene, item), item.node.id]
        starts = [front.node.id for front in fronts]
        if not fronts or not behind_front_door(scene, item):
            starts.append(USERS)
        yield from (Edge(start, way[0], Traffic.USER, ", ".join(heard)) for start in starts)
        yield from (Edge(start, end, Traffic.USER) for start, end in pairwise(way))


def _before(scene: Scene, balancer: Drawn) -> Iterator[str]:
    """What a request from outside passes before the gateway."""
    named = list(scene.links.named_by(balancer.resources[0]))
    for item in scene.of_role(Role.WAF):
        if item.resources[0].type == FIREWALL and item.resources[0] in named:
            yield item.node.id
    for item in scene.of_role(Role.GATEWAY):
        if any(one in named for one in item.resources):
            yield item.node.id


def _backends(scene: Scene) -> Iterator[Edge]:
    """From gateways to the machines that joined one of their pools."""
    for item in scene.of_role(Role.BALANCER):
        gateway = item.resources[0]
        settings = gateway.get("backend_http_settings.0", {})
        label = f"{str(settings.get('protocol', '')).upper()} {settings.get('port', '')}".strip()
        for user in scene.links.naming(gateway):
            node = scene.node(user)
            if node is not None and node.role in COMPUTE:
                yield Edge(item.node.id, node.id, Traffic.USER, label)


def _machines(scene: Scene) -> Iterator[Edge]:
    """Between machines, from the rules that name them."""
    found: dict[tuple[str, str], list[Ports]] = {}
    for target in scene.compute():
        for group in groups_of(scene, target):
            for rule in rules_of(scene.links, group, "Inbound"):
                for source in sources_of(scene, rule) if rule.allows else ():
                    if source.node.role in COMPUTE and source is not target:
                        found.setdefault((source.node.id, target.node.id), []).extend(rule.ports)
    labels = {pair: port_label(ports) for pair, ports in found.items()}
    for (start, end), label in labels.items():
        back = labels.get((end, start)) == label
        if not (back and start > end):
            yield Edge(start, end, Traffic.DATA, label, both=back)


def _stores(scene: Scene) -> Iterator[Edge]:
    """From machines to databases and caches."""
    for store in scene.of_role(Role.DATABASE, Role.CACHE):
        engine, port = engine_of(store.resources[0])
        if engine:
            for machine in reaches(scene, store, port):
                if machine.node.role in COMPUTE:
                    yield Edge(machine.node.id, store.node.id, Traffic.DATA, f"{engine} {port}")


def _permitted(scene: Scene) -> Iterator[Edge]:
    """From machines to the services that their identity may use, by private endpoint if there is one."""
    for machine in scene.compute():
        for grant in scene.links.of_type("azurerm_role_assignment"):
            role = _role(grant)
            if role is None or not _given(scene, grant, machine):
                continue
            for node in _aims(scene, grant, role):
                if node.role in PERMITTED:
                    yield from through(machine.node.id, node, _endpoint(scene, node))


def _role(grant: Resource) -> Role | None:
    name = text_of(grant.values, "role_definition_name")
    return next((role for start, role in _ROLES if name.startswith(start)), None)


def _given(scene: Scene, grant: Resource, machine: Drawn) -> bool:
    """Whether the role is given to the machine's identity."""
    meant = mentioned(grant, scene.compute(), described=False)
    if meant:
        return machine in meant
    own = {
        identity.address for one in machine.resources for identity in scene.links.reach(one, {_IDENTITY}, ())
    }
    return any(one.address in own for one in scene.links.named_by(grant))


def _aims(scene: Scene, grant: Resource, role: Role) -> list[Node]:
    """What the role is about: its scope; where the plan does not show that, what the key calls it."""
    if any(
        scene.node(one) is not None and one.type.endswith("scale_set") for one in scene.links.named_by(grant)
    ):
        return []
    kinds = {one.type for item in scene.of_role(role) for one in item.resources}
    named = [scene.node(one) for one in scene.links.reach(grant, kinds, _SCOPES)]
    known = {node.id: node for node in named if node is not None and node.role is role}
    if known:
        return list(known.values())
    every = scene.of_role(role)
    said = str(grant.key or grant.name).split("-")
    near = [item for item in every if item.resources[0].module.rpartition(".")[2] in said]
    filled = [item for item in every if len(item.resources) > 1]
    return [item.node for item in near or filled or every]


def _endpoint(scene: Scene, service: Node) -> Node | None:
    """The private endpoint that leads to the service."""
    for item in scene.of_role(Role.ENDPOINT):
        if service in [scene.node(one) for one in scene.links.named_by(item.resources[0])]:
            return item.node
    return None


def _outbound(scene: Scene) -> Iterator[Edge]:
    """From machines whose subnet has a NAT gateway to it and on to the Internet."""
    nats = scene.of_role(Role.NAT)
    if not nats or not any(item.node.id == INTERNET for item in scene.drawn):
        return
    for machine in scene.compute():
        subnet = subnet_of(scene.links, machine.resources[0])
        for nat in nats:
            if _routed(scene.links, subnet, nat.resources[0]) and may_leave(scene, machine):
                yield Edge(machine.node.id, nat.node.id, Traffic.EGRESS)
    yield from (Edge(nat.node.id, INTERNET, Traffic.EGRESS) for nat in nats)


def _routed(links: Links, subnet: Resource | None, nat: Resource) -> bool:
    joins = [one for one in links.naming(nat) if one.type == "azurerm_subnet_nat_gateway_association"]
    return subnet is None or any(subnet in links.named_by(one) for one in joins)
