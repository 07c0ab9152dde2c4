"""Arrows: who talks to whom, from security groups, target groups, routes and permissions."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from itertools import pairwise

from cloudberth.infra.diagram.assembly import INTERNET, USERS
from cloudberth.infra.diagram.aws.compute import listeners, service_of
from cloudberth.infra.diagram.aws.flows import GROUP, Flow, flows, ways_out, words_of
from cloudberth.infra.diagram.aws.stores import engine_name
from cloudberth.infra.diagram.drawn import Drawn
from cloudberth.infra.diagram.links import Links, text_of
from cloudberth.infra.diagram.model import Edge, Node, Place, Role, Tier, Traffic
from cloudberth.infra.diagram.ports import port_label
from cloudberth.infra.diagram.scene import COMPUTE, PERMITTED, notices, through
from cloudberth.infra.diagram.scene import Scene as Common
from cloudberth.infra.plan import Resource

_WORDS = {
    Role.BALANCER: {"balancer", "alb", "elb", "nlb", "lb", "loadbalancer"},
    Role.DATABASE: {"database", "db", "rds", "postgres", "postgresql", "aurora", "mysql", "sql"},
    Role.STANDBY: {"database", "db", "rds", "postgres", "postgresql", "aurora", "mysql", "sql"},
    Role.CACHE: {"cache", "redis", "valkey", "elasticache", "memcached"},
    Role.ENDPOINT: {"endpoint", "endpoints", "vpce"},
}
_TEMPLATES = frozenset({"aws_launch_template", "aws_launch_configuration"})
_TO_ROLE = _TEMPLATES | {"aws_iam_instance_profile", "aws_ecs_task_definition"}
_ATTACHED = ("aws_iam_role_policy", "aws_iam_role_policy_attachment", "aws_iam_policy_attachment")
_POLICIES = frozenset({"aws_iam_policy", "aws_iam_policy_document"})
_SERVICES = {
    Role.OBJECTS: "s3",
    Role.SECRETS: "secretsmanager",
    Role.LOGS: "logs",
    Role.QUEUE: "sqs",
    Role.MAIL: "sns",
}


class Scene(Common):
    """A scene that knows which nodes are in which security group."""

    def __init__(self, links: Links, drawn: Sequence[Drawn]) -> None:
        super().__init__(links, drawn)
        self._members: dict[str, list[Node]] = {}
        for item in drawn:
            for group in _groups_of(links, item):
                self._members.setdefault(group.address, []).append(item.node)

    def members(self, group: Resource) -> list[Node]:
        return self._members.get(group.address, [])


def _groups_of(links: Links, item: Drawn) -> tuple[Resource, ...]:
    """Security groups of a node.

    Where its configuration mentions more than one thing can have (an output with all groups in it) or none (a
    group that comes out of a `locals` map), those that are called like it.
    """
    if not item.resources:
        return ()
    lists = ("security_groups", "vpc_security_group_ids", "security_group_ids")
    for one in item.resources:
        known = [group for name in lists for group in links.with_identity(one.values.get(name), {GROUP})]
        if known:
            return tuple(known)
    found = {
        group.address: group for one in item.resources for group in links.reach(one, {GROUP}, _TEMPLATES)
    }
    label = {word for one in item.resources for word in (one.name.lower(), str(one.key or "").lower())}
    meant = _WORDS.get(item.node.role, label)
    if not found and item.node.role is not Role.STANDBY:
        return tuple(group for group in links.of_type(GROUP) if words_of(group) & meant)
    if len(found) == 1:
        return tuple(found.values())
    close = [group for group in found.values() if words_of(group) & meant]
    taken = {word for role, words in _WORDS.items() if role is not item.node.role for word in words}
    return tuple(close or [group for group in found.values() if not words_of(group) & taken])


def edges(links: Links, drawn: Sequence[Drawn]) -> Iterator[Edge]:
    """All arrows, user traffic first; may repeat."""
    scene = Scene(links, drawn)
    yield from _entry(scene)
    yield from _targets(scene)
    yield from _inside(scene)
    yield from _permitted(scene)
    yield from _outbound(scene)
    yield from notices(scene)


def public_ranges(links: Links, drawn: Sequence[Drawn]) -> tuple[str, ...]:
    """Address ranges that may open the load balancers."""
    scene = Scene(links, drawn)
    found = [
        one
        for flow in flows(links)
        if flow.ranges and any(node.role is Role.BALANCER for node in scene.members(flow.target))
        for one in flow.ranges
    ]
    if not found:
        found = [
            one
            for ranges in links.of_type("aws_wafv2_ip_set")
            for one in ranges.get("addresses", [])
            if isinstance(one, str)
        ]
    return tuple(dict.fromkeys(found))


def _entry(scene: Scene) -> Iterator[Edge]:
    """From users through CDN, firewall and gateway to each load balancer."""
    if not any(item.node.id == USERS for item in scene.drawn):
        return
    names = [item.node for item in scene.of_role(Role.DNS) if item.node.place is Place.ACCOUNT]
    for node in names[:1]:
        yield Edge(USERS, node.id, Traffic.MANAGEMENT, "look-up")
    cdns = scene.of_role(Role.CDN)
    for item in cdns:
        yield from _to_cdn(scene, item)
    for item in scene.of_role(Role.BALANCER):
        balancer = item.resources[0]
        way = [*_before(scene, balancer), item.node.id]
        label = ", ".join(one for one in listeners(scene.links, balancer) if not one.endswith("redirects"))
        sources = [cdn.node.id for cdn in cdns if _fronts(scene.links, cdn.resources[0], balancer)]
        if _open_to_users(scene, item, bool(sources)):
            yield Edge(USERS, way[0], Traffic.USER, label)
        for cdn in sources:
            yield Edge(cdn, way[0], Traffic.USER, label)
        for start, end in pairwise(way):
            yield Edge(start, end, Traffic.USER)


def _to_cdn(scene: Scene, cdn: Drawn) -> Iterator[Edge]:
    walls = [
        item
        for item in scene.of_role(Role.WAF)
        if item.node.place is Place.ACCOUNT and item.resources[0] in scene.links.named_by(cdn.resources[0])
    ]
    first = walls[0].node.id if walls else cdn.node.id
    yield Edge(USERS, first, Traffic.USER, "HTTPS 443")
    if walls:
        yield Edge(first, cdn.node.id, Traffic.USER)
    for bucket in scene.of_role(Role.OBJECTS):
        if any(one in scene.links.named_by(cdn.resources[0]) for one in bucket.resources):
            yield Edge(cdn.node.id, bucket.node.id, Traffic.USER, "HTTPS 443")


def _fronts(links: Links, cdn: Resource, balancer: Resource) -> bool:
    """Whether the CDN fetches from the load balancer: it names it, or no other origin that the plan shows."""
    named = links.named_by(cdn)
    if any(one.type in ("aws_lb", "aws_alb", "aws_elb") for one in named):
        return balancer in named
    return not any(one.type == "aws_s3_bucket" for one in named)


def _before(scene: Scene, balancer: Resource) -> Iterator[str]:
    """What a request from outside passes before the load balancer."""
    for item in scene.of_role(Role.WAF):
        pinned = [
            one
            for one in scene.links.naming(item.resources[0])
            if one.type == "aws_wafv2_web_acl_association"
        ]
        if item.node.place is Place.ENTRY and any(balancer in scene.links.named_by(one) for one in pinned):
            yield item.node.id
    if balancer.get("internal") is not True:
        yield from (item.node.id for item in scene.of_role(Role.GATEWAY)[:1])


def _open_to_users(scene: Scene, item: Drawn, behind_cdn: bool) -> bool:
    """Whether rules let address ranges in; without any rule in the plan, whether nothing stands in front."""
    rules = [flow for flow in flows(scene.links) if item.node in scene.members(flow.target)]
    return any(flow.ranges for flow in rules) if rules else not behind_cdn


def _targets(scene: Scene) -> Iterator[Edge]:
    """From load balancers to what is registered with their target groups."""
    links = scene.links
    for item in scene.of_role(Role.BALANCER):
        balancer = item.resources[0]
        fronts = [
            one for one in links.naming(balancer) if one.type in ("aws_lb_listener", "aws_alb_listener")
        ]
        groups = {
            one.address: one
            for front in fronts
            for one in links.named_by(front)
            if one.type in ("aws_lb_target_group", "aws_alb_target_group")
        }
        for group in groups.values():
            label = f"{text_of(group.values, 'protocol')} {group.get('port', '')}".strip()
            for target in _registered(scene, group):
                yield Edge(item.node.id, target.id, Traffic.USER, label)


def _registered(scene: Scene, group: Resource) -> Iterator[Node]:
    for one in scene.links.naming(group):
        nodes = [scene.node(one)]
        if one.type in ("aws_autoscaling_attachment", "aws_lb_target_group_attachment"):
            nodes = [scene.node(other) for other in scene.links.named_by(one)]
        yield from (node for node in nodes if node is not None and node.role in COMPUTE)


def _inside(scene: Scene) -> Iterator[Edge]:
    """Between nodes of the network, from the rules of their security groups."""
    found: dict[tuple[str, str], list[Flow]] = {}
    for flow in flows(scene.links):
        for source in scene.members(flow.source) if flow.source else ():
            for target in scene.members(flow.target):
                if source.id != target.id and target.role is not Role.ENDPOINT:
                    found.setdefault((source.id, target.id), []).append(flow)
    served = {(edge.source, edge.target) for edge in _targets(scene)}
    labels = {
        pair: port_label([flow.ports for flow in same], _names(scene, pair[1]))
        for pair, same in found.items()
    }
    nodes = {item.node.id: item.node for item in scene.drawn}
    for (start, end), label in labels.items():
        back = labels.get((end, start)) == label
        if (start, end) in served or (back and start > end):
            continue
        user = nodes[start].role is Role.BALANCER or nodes[end].role is Role.BALANCER
        yield Edge(start, end, Traffic.USER if user else Traffic.DATA, label, both=back)


def _names(scene: Scene, target: str) -> dict[int, str]:
    """The target's engine as the name of the port that it listens on."""
    item = next(one for one in scene.drawn if one.node.id == target)
    names = {}
    for one in item.resources[:1]:
        engine, port = engine_name(one), one.get("port")
        if engine and isinstance(port, int):
            names[port] = engine
    return names


def _permitted(scene: Scene) -> Iterator[Edge]:
    """From machines to the services that their role may use, through an endpoint where there is one."""
    types = {one.type for item in scene.of_role(*PERMITTED) for one in item.resources}
    for item in scene.compute():
        for resource in _permitted_of(scene.links, item, types):
            node = scene.node(resource)
            if node is None or node.role not in PERMITTED:
                continue
            yield from through(item.node.id, node, _endpoint(scene, node.role))


def _permitted_of(links: Links, item: Drawn, types: Collection[str]) -> Iterator[Resource]:
    roles = [role for one in item.resources for role in links.reach(one, {"aws_iam_role"}, _TO_ROLE)]
    for role in roles:
        for attached in links.naming(role):
            if attached.type not in _ATTACHED:
                continue
            yield from links.reach(attached, types, _POLICIES)
            for policy in links.reach(attached, {"aws_iam_policy"}, ()):
                yield from _of_module(links, policy, types)


def _of_module(links: Links, policy: Resource, types: Collection[str]) -> Iterator[Resource]:
    """What a policy is about that names nothing itself: what its own module makes."""
    if policy.module and not links.reach(policy, types, _POLICIES):
        yield from (one for one in links.of_type(*sorted(types)) if one.module == policy.module)


def _endpoint(scene: Scene, role: Role) -> Node | None:
    """The private way to this kind of service."""
    for item in scene.of_role(Role.ENDPOINT):
        if any(service_of(one) == _SERVICES.get(role) for one in item.resources):
            return item.node
    return None


def _outbound(scene: Scene) -> Iterator[Edge]:
    """From machines to NAT gateways and on to the Internet, or straight out of public subnets."""
    doors = [item.node.id for item in scene.of_role(Role.GATEWAY) if item.node.place is Place.GATEWAY][:1]
    nats = [item.node for item in scene.of_role(Role.NAT)]
    open_groups = ways_out(scene.links)
    used = False
    for item in scene.compute():
        groups = _groups_of(scene.links, item)
        if groups and not any(one in open_groups for one in groups) and scene.links.has(GROUP):
            continue
        if item.node.tier is Tier.PRIVATE:
            near = [nat for nat in nats if set(nat.zones) & set(item.node.zones)] or nats
            used = used or bool(near)
            yield from (Edge(item.node.id, nat.id, Traffic.EGRESS) for nat in near)
        elif item.node.tier is Tier.PUBLIC and doors:
            used = True
            yield Edge(item.node.id, doors[0], Traffic.EGRESS)
    if doors:
        yield from (Edge(nat.id, doors[0], Traffic.EGRESS) for nat in nats)
        if (used or nats) and any(item.node.id == INTERNET for item in scene.drawn):
            yield Edge(doors[0], INTERNET, Traffic.EGRESS)
