"""Region, network, who reaches it, and its name in the DNS."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator

from cloudberth.deployment.document import Path
from cloudberth.deployment.facts import Facts
from cloudberth.deployment.model import Domain, ExistingNetwork
from cloudberth.deployment.model.base import shown
from cloudberth.deployment.rules.rule import Fault, Question
from cloudberth.deployment.wording import closest, nearest


def region(question: Question) -> Iterator[Fault]:
    """The region must be one of the cloud's."""
    yield from _region(question, question.deployment.region, ("region",))


def state_region(question: Question) -> Iterator[Fault]:
    """The same for the bucket of the state."""
    if question.deployment.state.region is not None:
        yield from _region(question, question.deployment.state.region, ("state", "region"))


def _region(question: Question, name: str, path: Path) -> Iterator[Fault]:
    facts = question.facts
    if facts.region_zones(name) is not None:
        return
    if other := facts.other_region(name):
        yield Fault(
            path,
            f"{name} belongs to {other}, which is not supported",
            "take a region of the standard offering",
        )
        return
    near = closest(name, facts.regions)
    hint = f"did you mean {near} ({facts.region_place(near)})?" if near else _some_regions(question, name)
    yield Fault(path, f"there is no region {shown(name)} in {facts.cloud}", hint)


def _some_regions(question: Question, name: str) -> str:
    """Regions for people who wrote a place."""
    wanted = name.lower().replace("-", " ")
    places = {region: question.facts.region_place(region).lower() for region in question.facts.regions}
    found = [region for region, place in places.items() if wanted and wanted in place]
    return f"did you mean {found[0]}?" if found else f"for instance {question.facts.example('regions')}"


def zones(question: Question) -> Iterator[Fault]:
    """No more zones than the region has."""
    wanted, region_ = question.deployment.network.zones, question.deployment.region
    available = question.facts.region_zones(region_)
    if available is not None and wanted > available and question.deployment.network.existing is None:
        yield Fault(
            question.first_given(("network", "zones"), ("region",)),
            f"{wanted} zones{question.origin('network', 'zones')}, but {region_} has {available} for "
            "new accounts",
            f"write network: {{zones: {available}}} or take another region",
            also=(("region",), ("network", "zones")),
        )


def address_range(question: Question) -> Iterator[Fault]:
    """The range must be one a cloud network can have, and large enough for the subnets of every zone."""
    network = question.deployment.network
    if network.existing is not None:
        return
    length = ipaddress.ip_network(network.cidr).prefixlen
    shortest, longest = question.facts.prefix_lengths
    subnet = length + question.facts.subnet_bits
    largest = question.facts.longest_subnet_prefix - question.facts.subnet_bits
    path = ("network", "cidr")
    if length < shortest:
        yield Fault(
            path,
            f"a /{length} network is larger than {question.facts.cloud} allows",
            f"at most a /{shortest}",
        )
    elif subnet > question.facts.longest_subnet_prefix:
        limit = f"and no network may be smaller than a /{longest}" if length > longest else ""
        yield Fault(
            path,
            f"a /{length} network is too small for subnets in {network.zones} zones",
            f"take a /{largest} or larger, such as 10.40.0.0/16 {limit}".strip(),
            also=(("network", "zones"),),
        )


def existing(question: Question) -> Iterator[Fault]:
    """Ids of an existing network look like ids; every kind of subnet lies in two zones."""
    network = question.deployment.network.existing
    if network is None:
        return
    if not re.match(question.facts.pattern("network"), network.id):
        what = f"{shown(network.id)} is not the id of a network"
        yield Fault((*EXISTING, "id"), what, f"it looks like {question.facts.example('network')}")
    for kind in SUBNETS:
        fewest = question.facts.fewest_subnets(kind)
        if len(getattr(network, kind)) < fewest:
            yield _too_few(kind, fewest)
    yield from _subnets(network, question.facts)


EXISTING: Path = ("network", "existing")
SUBNETS = ("public_subnets", "private_subnets", "data_subnets")


def _too_few(kind: str, fewest: int) -> Fault:
    words = kind.replace("_", " ")
    if fewest > 1:
        return Fault((*EXISTING, kind), f"the {words} need at least two zones", "name two subnets or more")
    return Fault((*EXISTING, kind), f"there are no {words}", "name a subnet")


def _subnets(network: ExistingNetwork, facts: Facts) -> Iterator[Fault]:
    """Each subnet is named once, and the public ones are nothing else."""
    seen: dict[str, str] = {}
    for kind, i, subnet in ((k, i, subnet) for k in SUBNETS for i, subnet in enumerate(getattr(network, k))):
        path, first = (*EXISTING, kind, i), seen.setdefault(subnet, kind)
        if not re.match(facts.pattern("subnet"), subnet):
            what = f"{shown(subnet)} is not the id of a subnet"
            yield Fault(path, what, f"it looks like {facts.example('subnet')}")
        elif kind == first and getattr(network, kind).index(subnet) != i:
            yield Fault(path, f"{subnet} stands twice", "name each subnet once")
        elif kind != first and "public_subnets" in (kind, first):
            hint = "machines and data belong in subnets of their own"
            yield Fault(path, f"{subnet} is also one of the {first}", hint)


def endpoints(question: Question) -> Iterator[Fault]:
    """Interface endpoints must be services that have one, each once."""
    wanted = question.deployment.network.endpoints
    if wanted and not question.facts.endpoints:
        yield Fault(
            ("network", "endpoints"),
            f"{question.facts.cloud} reaches its own services privately without endpoints",
            "remove it",
            key=True,
        )
        return
    for i, service in enumerate(wanted):
        path = ("network", "endpoints", i)
        if service == "s3":
            yield Fault(
                path,
                "s3 needs no interface endpoint",
                "every network gets the free gateway endpoint; remove it",
            )
        elif service not in question.facts.endpoints:
            hint = (
                nearest(service, question.facts.endpoints)
                or "use the service's short name, such as secretsmanager"
            )
            yield Fault(path, f"there is no endpoint for {shown(service)}", hint)
        elif service in wanted[:i]:
            yield Fault(path, f"{service} stands twice", "name each endpoint once")


def no_way_out(question: Question) -> Iterator[Fault]:
    """Without NAT gateways everything that machines need must be reachable through endpoints."""
    network, compute = question.deployment.network, question.deployment.compute
    if network.nat != "none" or network.existing is not None:
        return
    path = ("network", "nat")
    missing = [name for name in question.facts.endpoints_without_nat if name not in network.endpoints]
    if missing:
        yield Fault(
            path,
            f"without NAT the machines reach nothing but endpoints, and {len(missing)} are missing: "
            f"{', '.join(missing)}",
            "add them to network.endpoints, or write nat: single",
            also=(("network", "endpoints"),),
        )
    if compute.registry_mirror is None:
        yield Fault(
            path,
            "without NAT the machines cannot pull images from Docker Hub",
            "set compute.registry_mirror to a registry that they reach, or write nat: single",
            also=(("compute", "registry_mirror"),),
        )


def domain(question: Question) -> Iterator[Fault]:
    """A host name needs somebody who issues its certificate, and must lie in its zone."""
    wanted = question.deployment.domain
    if wanted is None:
        return
    if wanted.zone is None and wanted.certificate is None:
        zone = zone_of(wanted.name)
        yield Fault(
            ("domain",),
            "domain without a zone or certificate",
            f"add zone: {zone} (records and certificate are made there) or certificate: <ARN>",
            also=(("domain", "zone"), ("domain", "certificate")),
            key=True,
        )
    yield from _zone(question, wanted)
    yield from _certificate(question, wanted)


def zone_of(name: str) -> str:
    """The zone that a host name probably lies in."""
    parts = name.split(".")
    return ".".join(parts[1:]) if len(parts) > 2 else name


def _zone(question: Question, wanted: Domain) -> Iterator[Fault]:
    zone = wanted.zone
    if zone is None:
        return
    if "." in zone:
        name = zone.rstrip(".")
        if wanted.name != name and not wanted.name.endswith(f".{name}"):
            yield Fault(
                ("domain", "zone"),
                f"{wanted.name} does not lie in the zone {shown(zone)}",
                "the zone is the end of the name, such as example.com for dify.example.com",
                also=(("domain", "name"),),
            )
    elif not re.match(question.facts.pattern("zone"), zone):
        yield Fault(
            ("domain", "zone"),
            f"{shown(zone)} is neither a zone's name nor its id",
            f"write it like example.com or {question.facts.example('zone')}",
        )


def _certificate(question: Question, wanted: Domain) -> Iterator[Fault]:
    if wanted.certificate is None:
        return
    path = ("domain", "certificate")
    match = re.match(question.facts.pattern("certificate"), wanted.certificate)
    if not match:
        yield Fault(
            path,
            f"{shown(wanted.certificate)} is not a certificate's ARN",
            f"it looks like {question.facts.example('certificate')}",
        )
    elif match.groupdict().get("region", question.deployment.region) != question.deployment.region:
        yield Fault(
            path,
            f"the certificate is in {match['region']}, the load balancer in {question.deployment.region}",
            "request or import one in the same region",
            also=(("region",),),
        )


def access(question: Question) -> Iterator[Fault]:
    """Ranges that are covered by others only confuse."""
    ranges = [ipaddress.ip_network(cidr) for cidr in question.deployment.access.allowed_cidrs]
    for i, inner in enumerate(ranges):
        for j, outer in enumerate(ranges):
            if (
                i != j
                and inner.version == outer.version
                and _covers(outer, inner)
                and (inner != outer or j < i)
            ):
                yield Fault(
                    ("access", "allowed_cidrs", i), f"{inner} is already covered by {outer}", "remove it"
                )
                break


def _covers(
    outer: ipaddress.IPv4Network | ipaddress.IPv6Network, inner: ipaddress.IPv4Network | ipaddress.IPv6Network
) -> bool:
    return int(outer.network_address) <= int(inner.network_address) and int(inner.broadcast_address) <= int(
        outer.broadcast_address
    )


def account(question: Question) -> Iterator[Fault]:
    """The account looks like one of this cloud."""
    wanted = question.deployment.account
    if wanted is not None and not re.match(question.facts.pattern("account"), wanted):
        yield Fault(
            ("account",),
            f"{shown(wanted)} is not an account of {question.facts.cloud}",
            f"it looks like {question.facts.example('account')}",
        )


def name(question: Question) -> Iterator[Fault]:
    """A name that looks right, but that some service of the cloud refuses."""
    pattern, why = question.facts.refused_name
    if re.search(pattern, question.deployment.name):
        yield Fault(
            ("name",), f"{shown(question.deployment.name)} cannot be used in {question.facts.cloud}: {why}"
        )


def ranges(question: Question) -> Iterator[Fault]:
    """More ranges than the cloud's packet filter holds."""
    count, most = len(question.deployment.access.allowed_cidrs), question.facts.allowed_ranges
    if count > most:
        yield Fault(
            ("access", "allowed_cidrs"),
            f"holds {count} ranges; {question.facts.cloud} can filter {most}",
            "join neighbouring ranges into larger ones",
        )


RULES = (
    account,
    name,
    ranges,
    region,
    state_region,
    zones,
    address_range,
    existing,
    endpoints,
    no_way_out,
    domain,
    access,
)
