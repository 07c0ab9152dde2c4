"""Who may talk to whom, from firewall rules.

Rules know machines by network tags or service accounts. Before accounts exist their addresses are unknown;
then the rule's own words decide: its description ("from the app machines"), name and key.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_network
from typing import Any

from cloudberth.infra.diagram.drawn import Drawn, mentioned
from cloudberth.infra.diagram.google.ground import TEMPLATES
from cloudberth.infra.diagram.links import Links, text_of
from cloudberth.infra.diagram.ports import Ports, ports_of
from cloudberth.infra.diagram.scene import Scene
from cloudberth.infra.plan import Resource

FIREWALL = "google_compute_firewall"
ANYWHERE = ("0.0.0.0/0", "::/0")


@dataclass(frozen=True, slots=True)
class Flow:
    """What one rule lets through between machines."""

    sources: tuple[Drawn, ...]
    targets: tuple[Drawn, ...]
    ports: tuple[Ports, ...]


def flows(scene: Scene) -> Iterator[Flow]:
    """Everything that rules let in from other machines."""
    for rule in _rules(scene.links, "INGRESS"):
        ranges = _texts(rule, "source_ranges")
        named = _ends(scene, rule, "source")
        if named is None and not _inside(scene.links, ranges):
            continue
        sources = tuple(scene.compute()) if named is None else named
        targets = _ends(scene, rule, "target")
        yield Flow(sources, tuple(scene.compute()) if targets is None else targets, _ports(rule, "allow"))


def may_leave(scene: Scene, machine: Drawn, port: int | None) -> bool:
    """Whether rules let a machine out: to a port inside, or (None) to anywhere. No rule lets all out."""
    around = [rule for rule in _rules(scene.links, "EGRESS") if _concerns(scene, rule, machine)]
    closed = any(
        rule.get("deny") and set(_texts(rule, "destination_ranges")) & {*ANYWHERE} for rule in around
    )
    for rule in around:
        ranges = _texts(rule, "destination_ranges")
        if not rule.get("allow"):
            continue
        if port is None and set(ranges) & {*ANYWHERE}:
            return True
        if port is not None and any(_holds(one, port) for one in _ports(rule, "allow")):
            return True
    return not closed


def _holds(ports: Ports, port: int) -> bool:
    return ports.first is None or ports.first <= port <= (ports.last or ports.first)


def _rules(links: Links, direction: str) -> Iterator[Resource]:
    for rule in links.of_type(FIREWALL):
        if rule.get("disabled") is True or rule.get("direction", "INGRESS") != direction:
            continue
        if direction == "EGRESS" or rule.get("allow"):
            yield rule


def _concerns(scene: Scene, rule: Resource, machine: Drawn) -> bool:
    targets = _ends(scene, rule, "target")
    return targets is None or machine in targets


def _ends(scene: Scene, rule: Resource, side: str) -> tuple[Drawn, ...] | None:
    """Machines on one side of a rule; None where it names none, which means all."""
    names = (f"{side}_tags", f"{side}_service_accounts")
    known = {one for name in names for one in _texts(rule, name)}
    hidden = any(rule.unknown.get(name) for name in names)
    if not known and not hidden:
        return None
    machines = scene.compute()
    found = tuple(one for one in machines if known & set(_identities(scene.links, one)))
    if found:
        return found
    accounts = {one.address for one in scene.links.named_by(rule) if one.type == "google_service_account"}
    named = tuple(one for one in machines if accounts & _accounts(scene.links, one))
    return named or mentioned(rule, machines) or tuple(machines)


def _identities(links: Links, machine: Drawn) -> Iterator[str]:
    """Tags and accounts of a machine, as far as they are known."""
    for one in (*machine.resources, *_templates(links, machine)):
        yield from _texts(one, "tags")
        yield text_of(one.get("service_account.0", {}), "email")


def _templates(links: Links, machine: Drawn) -> Iterator[Resource]:
    for one in machine.resources:
        yield from links.reach(one, TEMPLATES, ())


def _accounts(links: Links, machine: Drawn) -> set[str]:
    return {
        account.address
        for one in machine.resources
        for account in links.reach(one, {"google_service_account"}, TEMPLATES)
    }


def _inside(links: Links, ranges: Sequence[str]) -> bool:
    """Whether the ranges hold a subnetwork of the plan, without being the whole world."""
    subnets = [text_of(one.values, "ip_cidr_range") for one in links.of_type("google_compute_subnetwork")]
    return any(_within(subnet, one) for subnet in subnets for one in ranges if one not in ANYWHERE and subnet)


def _within(inner: str, outer: str) -> bool:
    try:
        one, other = ip_network(inner, strict=False), ip_network(outer, strict=False)
    except ValueError:
        return False
    return one.version == other.version and one.subnet_of(other)  # type: ignore[arg-type]


def _ports(rule: Resource, verdict: str) -> tuple[Ports, ...]:
    blocks: list[Mapping[str, Any]] = [one for one in rule.get(verdict, []) if isinstance(one, dict)]
    return tuple(
        ports for block in blocks for ports in ports_of(block.get("protocol"), block.get("ports") or ())
    )


def _texts(resource: Resource, name: str) -> tuple[str, ...]:
    value = resource.get(name, ())
    return tuple(one for one in value if isinstance(one, str)) if isinstance(value, list | tuple) else ()
