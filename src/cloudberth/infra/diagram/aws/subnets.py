"""The ground of the picture: zones, tiers and subnets, and where in them a resource stands."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from cloudberth.infra.diagram.drawn import Spot
from cloudberth.infra.diagram.links import Links, text_of
from cloudberth.infra.diagram.model import Subnet, Tier
from cloudberth.infra.plan import Resource

_THROUGH = frozenset(
    {
        "aws_db_subnet_group",
        "aws_elasticache_subnet_group",
        "aws_memorydb_subnet_group",
        "aws_redshift_subnet_group",
        "aws_docdb_subnet_group",
        "aws_rds_cluster",
    }
)
_LISTS = ("subnets", "subnet_ids", "vpc_zone_identifier", "subnet_id")
_WORDS = {
    Tier.PUBLIC: ("public", "dmz", "edge", "ingress"),
    Tier.DATA: ("data", "database", "db", "rds", "cache", "intra", "isolated"),
    Tier.PRIVATE: ("private", "app", "compute", "web"),
}
_TITLES = {Tier.PUBLIC: "Public subnet", Tier.PRIVATE: "Private subnet", Tier.DATA: "Data subnet"}


@dataclass(frozen=True, slots=True)
class Ground:
    """title: of the network's frame. places: address or id of a subnet → its tier and zone."""

    title: str
    zones: tuple[str, ...]
    subnets: tuple[Subnet, ...]
    places: Mapping[str, tuple[Tier, str]]

    def spot(self, links: Links, resource: Resource) -> Spot:
        """Where the resource stands, from the subnets that it lists or names."""
        subnets = [self.places[one] for one in _subnets_of(links, resource) if one in self.places]
        if not subnets:
            return Spot(None, self._zone(resource))
        tier = Counter(tier for tier, _ in subnets).most_common(1)[0][0]
        zones = {zone for _, zone in subnets}
        return Spot(tier, self._zone(resource) or tuple(zone for zone in self.zones if zone in zones))

    def _zone(self, resource: Resource) -> tuple[str, ...]:
        zone = text_of(resource.values, "availability_zone")
        return (zone,) if zone in self.zones else ()


def ground_of(links: Links) -> Ground:
    """The main network of a plan (the one with most subnets), made by it or existing before."""
    subnets = list(links.of_type("aws_subnet", "aws_default_subnet"))
    if not subnets:
        return _existing(links)
    networks = Counter(network.address for subnet in subnets for network in _network_of(links, subnet))
    if networks:
        main = max(networks, key=lambda one: (networks[one], one))
        subnets = [
            one
            for one in subnets
            if main in {network.address for network in _network_of(links, one)} or not _network_of(links, one)
        ]
        title = _title(links.plan.resource(main))
    else:
        title = "VPC"
    places = {one.address: (_tier(links, one), _zone_name(one, subnets)) for one in subnets}
    by_id = {text_of(one.values, "id"): places[one.address] for one in subnets if one.values.get("id")}
    return Ground(title, _sorted_zones(places.values()), _boxes(subnets, places), {**places, **by_id})


def _network_of(links: Links, subnet: Resource) -> tuple[Resource, ...]:
    return tuple(one for one in links.named_by(subnet) if one.type in ("aws_vpc", "aws_default_vpc"))


def _title(network: Resource | None) -> str:
    cidr = text_of(network.values, "cidr_block") if network else ""
    return f"VPC {cidr}".strip()


def _zone_name(subnet: Resource, subnets: Sequence[Resource]) -> str:
    """The subnet's zone; where only AWS knows it yet, its number among its siblings."""
    known = text_of(subnet.values, "availability_zone", "availability_zone_id")
    if known:
        return known
    siblings = [one for one in subnets if (one.module, one.name) == (subnet.module, subnet.name)]
    return f"Zone {siblings.index(subnet) + 1}"


def _sorted_zones(places: Iterable[tuple[Tier, str]]) -> tuple[str, ...]:
    return tuple(sorted({zone for _, zone in places}, key=lambda zone: (zone.startswith("Zone "), zone)))


def _tier(links: Links, subnet: Resource) -> Tier:
    """By its name and tags, else by a way to the Internet, else by who uses it."""
    tags = subnet.get("tags", {})
    said = [subnet.name, str(tags.get("Tier", "")), str(tags.get("Name", ""))] if tags else [subnet.name]
    for words in said:
        parts = words.lower().replace("_", "-").split("-")
        for tier, known in _WORDS.items():
            if any(part in known for part in parts):
                return tier
    if subnet.get("map_public_ip_on_launch") is True:
        return Tier.PUBLIC
    users = {one.type for one in links.naming(subnet)}
    if users & {"aws_nat_gateway", "aws_lb"}:
        return Tier.PUBLIC
    machines = {"aws_autoscaling_group", "aws_instance", "aws_ecs_service", "aws_eks_cluster"}
    return Tier.DATA if users & _THROUGH and not users & machines else Tier.PRIVATE


def _boxes(subnets: Sequence[Resource], places: Mapping[str, tuple[Tier, str]]) -> tuple[Subnet, ...]:
    """One box per tier and zone; several subnets there share it."""
    ranges: dict[tuple[Tier, str], list[str]] = {}
    for subnet in subnets:
        ranges.setdefault(places[subnet.address], []).append(text_of(subnet.values, "cidr_block"))
    return tuple(
        Subnet(
            tier,
            zone,
            _TITLES[tier] + ("s" if len(cidrs) > 1 else ""),
            ", ".join(one for one in cidrs if one),
        )
        for (tier, zone), cidrs in sorted(
            ranges.items(), key=lambda item: (list(Tier).index(item[0][0]), item[0][1])
        )
    )


def _subnets_of(links: Links, resource: Resource) -> tuple[str, ...]:
    """Ids of the subnets where they are known, else addresses of the subnets that the configuration names."""
    known = tuple(_known_ids(resource))
    if known:
        return known
    groups = [one for one in links.named_by(resource) if one.type in _THROUGH]
    known = tuple(one for group in groups for one in _known_ids(group))
    return known or tuple(
        one.address for one in links.reach(resource, {"aws_subnet", "aws_default_subnet"}, _THROUGH)
    )


def _known_ids(resource: Resource) -> Iterator[str]:
    for name in _LISTS:
        value = resource.values.get(name)
        if isinstance(value, str) and value:
            yield value
        elif isinstance(value, list | tuple):
            yield from (one for one in value if isinstance(one, str))


_USERS = (
    ("aws_lb", Tier.PUBLIC),
    ("aws_autoscaling_group", Tier.PRIVATE),
    ("aws_instance", Tier.PRIVATE),
    ("aws_ecs_service", Tier.PRIVATE),
    ("aws_db_subnet_group", Tier.DATA),
    ("aws_elasticache_subnet_group", Tier.DATA),
)
"""Who stands in the subnets of a network that the plan does not make, and the tier that this suggests."""


def _existing(links: Links) -> Ground:
    """A network that the plan does not make: only the ids of its subnets are known."""
    tiers: dict[str, Tier] = {}
    order: dict[str, int] = {}
    for kind, tier in _USERS:
        for user in links.of_type(kind):
            for index, one in enumerate(_known_ids(user)):
                tiers.setdefault(one, tier)
                order.setdefault(one, index)
    if not tiers:
        return Ground("VPC" if links.has("aws_vpc") else "", (), (), {})
    names = {
        text_of(one.values, "id"): text_of(one.values, "availability_zone")
        for one in links.plan.resources
        if one.data and one.type == "aws_subnet"
    }
    at_index = {order[one]: zone for one, zone in names.items() if one in order and zone}
    places = {
        one: (tier, names.get(one) or at_index.get(order[one]) or f"Zone {order[one] + 1}")
        for one, tier in tiers.items()
    }
    boxes = tuple(Subnet(tier, zone, _TITLES[tier], one) for one, (tier, zone) in places.items())
    unique = {(box.tier, box.zone): box for box in boxes}
    return Ground(_existing_title(links), _sorted_zones(places.values()), tuple(unique.values()), places)


def _existing_title(links: Links) -> str:
    groups = [
        text_of(one.values, "vpc_id") for one in links.of_type("aws_security_group", "aws_lb_target_group")
    ]
    known = next((one for one in groups if one), "")
    return f"Existing VPC {known}".strip()
