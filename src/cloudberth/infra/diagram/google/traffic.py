"""Arrows: who talks to whom, from forwarding rules, backends, firewall rules and permissions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

from cloudberth.infra.diagram.assembly import INTERNET, USERS
from cloudberth.infra.diagram.drawn import Drawn, mentioned
from cloudberth.infra.diagram.google.compute import ACCESS, BACKENDS, listeners
from cloudberth.infra.diagram.google.flows import flows, may_leave
from cloudberth.infra.diagram.google.ground import TEMPLATES
from cloudberth.infra.diagram.google.stores import engine_of
from cloudberth.infra.diagram.links import Links, text_of
from cloudberth.infra.diagram.model import Edge, Node, Place, Role, Tier, Traffic
from cloudberth.infra.diagram.ports import Ports, port_label
from cloudberth.infra.diagram.scene import COMPUTE, PERMITTED, Scene, notices, through
from cloudberth.infra.plan import Resource

_GRANTS = (
    ("google_storage_bucket_iam_", Role.OBJECTS, ()),
    ("google_secret_manager_secret_iam_", Role.SECRETS, ()),
    ("google_pubsub_topic_iam_", Role.QUEUE, ()),
    ("google_project_iam_", Role.OBJECTS, ("roles/storage.",)),
    ("google_project_iam_", Role.SECRETS, ("roles/secretmanager.",)),
    ("google_project_iam_", Role.LOGS, ("roles/logging.",)),
)
"""Prefix of the type of a grant, what it lets somebody use, and the predefined roles that do."""


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
    yield from _alerts(scene)


def public_ranges(links: Links) -> tuple[str, ...]:
    """Address ranges that Cloud Armor lets in; none where it lets in everybody.

    Where one range is not known yet (an address of Cloud NAT) a plan hides all rules; then the list that our
    root was given counts.
    """
    found: dict[str, None] = {}
    for policy in links.of_type("google_compute_security_policy"):
        if policy.unknown.get("rule") is True:
            access = links.plan.variables.get("access")
            given = access.get("allowed_cidrs") if isinstance(access, dict) else None
            return tuple(given) if isinstance(given, list) else ("ranges known after apply",)
        rules = [rule for rule in policy.get("rule", []) if isinstance(rule, dict)]
        ranges = [(rule, _ranges(rule)) for rule in rules if rule.get("action") == "allow"]
        if any("*" in named for _, named in ranges):
            continue
        for _, named in ranges:
            found.update(dict.fromkeys(named))
    return tuple(found)


def _ranges(rule: dict[str, object]) -> list[str]:
    match = rule.get("match")
    first = match[0] if isinstance(match, list) and match else {}
    config = first.get("config") if isinstance(first, dict) else None
    config = config[0] if isinstance(config, list) and config else {}
    return [one for one in (config or {}).get("src_ip_ranges") or [] if isinstance(one, str)]


def _entry(scene: Scene) -> Iterator[Edge]:
    """From users through firewall, CDN and address to each load balancer."""
    if not any(item.node.id == USERS for item in scene.drawn):
        return
    names = [item.node for item in scene.of_role(Role.DNS) if item.node.place is Place.ACCOUNT]
    yield from (Edge(USERS, node.id, Traffic.MANAGEMENT, "look-up") for node in names[:1])
    for item in scene.of_role(Role.BALANCER):
        if item.node.tier is not Tier.PUBLIC:
            continue
        heard = [one for one in listeners(scene.links, item.resources) if not one.endswith("redirects")]
        way = [USERS, *_before(scene, item), item.node.id]
        for index, (start, end) in enumerate(pairwise(way)):
            yield Edge(start, end, Traffic.USER, "" if index else ", ".join(heard))
    for item in scene.of_role(Role.CDN):
        for one in item.resources:
            for bucket in scene.named(one, {Role.OBJECTS}):
                yield Edge(item.node.id, bucket.id, Traffic.USER, "HTTPS 443")


def _before(scene: Scene, balancer: Drawn) -> Iterator[str]:
    """What a request passes before the load balancer, as far as the plan makes it."""
    behind = [one for one in balancer.resources if one.type in BACKENDS]
    for role in (Role.WAF, Role.CDN):
        for item in scene.of_role(role):
            if item.node.place is not Place.ACCOUNT:
                continue
            used = {one.address for one in item.resources}
            near = {one.address for service in behind for one in (service, *scene.links.named_by(service))}
            if used & near or not any(_has_map(scene.links, one) for one in item.resources):
                yield item.node.id
    doors = scene.of_role(Role.GATEWAY)
    own = {one.address for rule in balancer.resources for one in scene.links.named_by(rule)}
    yield from (item.node.id for item in doors if own & {one.address for one in item.resources})


def _has_map(links: Links, part: Resource) -> bool:
    """Whether the plan shows which requests come here; it hides paths to what is a `locals` value."""
    if part.type not in BACKENDS:
        return any(one.type in BACKENDS for one in links.naming(part))
    return any(one.type.endswith("url_map") for one in links.naming(part))


def _backends(scene: Scene) -> Iterator[Edge]:
    """From load balancers to the groups behind their backend services."""
    for item in scene.of_role(Role.BALANCER):
        for service in (one for one in item.resources if one.type in BACKENDS):
            for target in scene.named(service, COMPUTE) or _served(scene, service):
                yield Edge(item.node.id, target.id, Traffic.USER, _backend_label(scene, service, target))


def _served(scene: Scene, service: Resource) -> list[Node]:
    """Groups with the port that the service asks for, where the plan does not show the groups themselves."""
    return [
        item.node
        for item in scene.compute()
        for one in item.resources[:1]
        if any(port.get("name") == service.get("port_name", "http") for port in one.get("named_port", []))
    ]


def _backend_label(scene: Scene, service: Resource, target: Node) -> str:
    """Protocol of the service and the group's port of that name."""
    protocol, name = text_of(service.values, "protocol") or "HTTP", service.get("port_name", "http")
    group = next(item for item in scene.drawn if item.node.id == target.id)
    for one in group.resources:
        for port in one.get("named_port", []):
            if isinstance(port, dict) and port.get("name") == name and port.get("port"):
                return f"{protocol} {port['port']}"
    return protocol


def _machines(scene: Scene) -> Iterator[Edge]:
    """Between machines, from firewall rules."""
    found: dict[tuple[str, str], list[Ports]] = {}
    for flow in flows(scene):
        for source in flow.sources:
            for target in flow.targets:
                if source.node.id != target.node.id:
                    found.setdefault((source.node.id, target.node.id), []).extend(flow.ports)
    labels = {pair: port_label(ports) for pair, ports in found.items()}
    for (start, end), label in labels.items():
        back = labels.get((end, start)) == label
        if not (back and start > end):
            yield Edge(start, end, Traffic.DATA, label, both=back)


def _stores(scene: Scene) -> Iterator[Edge]:
    """Managed stores have no rules of their own: who is in the network and let out reaches them."""
    for store in scene.of_role(Role.DATABASE, Role.CACHE):
        engine, port = engine_of(store.resources[0])
        if not engine:
            continue
        for machine in scene.compute():
            if machine.node.place is Place.ZONES and may_leave(scene, machine, port):
                yield Edge(machine.node.id, store.node.id, Traffic.DATA, f"{engine} {port}")


def _permitted(scene: Scene) -> Iterator[Edge]:
    """From machines to the services that their account may use, through private access where there is one."""
    door = next((item.node for item in scene.of_role(Role.ENDPOINT) if item.node.id == ACCESS), None)
    for machine in scene.compute():
        inside = machine.node.place is Place.ZONES
        for grant, role in _grants(scene, machine):
            for node in scene.named(grant, {role}) or [item.node for item in scene.of_role(role)]:
                if node.role in PERMITTED:
                    yield from through(machine.node.id, node, door if inside else None, shared=True)


def _grants(scene: Scene, machine: Drawn) -> Iterator[tuple[Resource, Role]]:
    """What was granted to the machine's account, and what that lets it use."""
    links = scene.links
    accounts = {
        account.address
        for one in machine.resources
        for account in links.reach(one, {"google_service_account"}, TEMPLATES)
    }
    for grant in links.of_type(*_grant_types(links)):
        named = {one.address for one in links.named_by(grant) if one.type == "google_service_account"}
        meant = mentioned(grant, scene.compute(), described=False)
        if machine not in meant if meant else not (accounts & named if named else accounts):
            continue
        for prefix, role, predefined in _GRANTS:
            if grant.type.startswith(prefix) and _fits(grant, predefined):
                yield grant, role


def _fits(grant: Resource, predefined: tuple[str, ...]) -> bool:
    return not predefined or any(text_of(grant.values, "role").startswith(one) for one in predefined)


def _grant_types(links: Links) -> tuple[str, ...]:
    prefixes = tuple(prefix for prefix, _, _ in _GRANTS)
    types = {one.type for one in links.plan.managed() if one.type.startswith(prefixes)}
    return tuple(sorted(one for one in types if one.endswith(("_iam_member", "_iam_binding"))))


def _outbound(scene: Scene) -> Iterator[Edge]:
    """From machines to Cloud NAT and on to the Internet."""
    nats = [item.node for item in scene.of_role(Role.NAT)]
    if not nats or not any(item.node.id == INTERNET for item in scene.drawn):
        return
    for machine in scene.compute():
        if machine.node.place is Place.ZONES and may_leave(scene, machine, None):
            yield from (Edge(machine.node.id, nat.id, Traffic.EGRESS) for nat in nats)
    yield from (Edge(nat.id, INTERNET, Traffic.EGRESS) for nat in nats)


def _alerts(scene: Scene) -> Iterator[Edge]:
    """From alert policies to channels, where the plan shows only that they have some."""
    for item in scene.of_role(Role.ALARMS):
        told = any(one.get("notification_channels") for one in item.resources)
        for channel in scene.of_role(Role.MAIL) if told else ():
            if channel.resources[0].type == "google_monitoring_notification_channel":
                yield Edge(item.node.id, channel.node.id, Traffic.MANAGEMENT)
