"""The ground of the picture on Google Cloud: a network is global, a subnetwork spans the zones of its region.

What has no subnetwork at all (front ends of load balancers, Cloud NAT) stands in a row of its own, so that it
is found in the same place as on other clouds.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from cloudberth.infra.diagram.drawn import Spot
from cloudberth.infra.diagram.links import Links, text_of
from cloudberth.infra.diagram.model import Subnet, Tier
from cloudberth.infra.diagram.tiers import band, tier_said
from cloudberth.infra.plan import Resource

GROUPS = ("google_compute_region_instance_group_manager", "google_compute_instance_group_manager")
TEMPLATES = frozenset({"google_compute_instance_template", "google_compute_region_instance_template"})
_ZONED = (*GROUPS, "google_compute_instance", "google_compute_disk", "google_container_cluster")
_EDGE = (
    "google_compute_global_forwarding_rule",
    "google_compute_forwarding_rule",
    "google_compute_router_nat",
)
_STORES = ("google_sql_database_instance", "google_redis_instance", "google_memorystore_instance")


@dataclass(frozen=True, slots=True)
class Ground:
    """title: of the network's frame. tiers: address of a subnetwork → its tier."""

    title: str
    zones: tuple[str, ...]
    subnets: tuple[Subnet, ...]
    tiers: dict[str, Tier]

    def spot(self, links: Links, resource: Resource) -> Spot:
        """Where the resource stands: the tier of its subnetwork, the zones that it names."""
        found = links.reach(resource, {"google_compute_subnetwork"}, TEMPLATES)
        tier = next((self.tiers[one.address] for one in found if one.address in self.tiers), None)
        named = set(zones_of(resource))
        return Spot(tier, tuple(zone for zone in self.zones if zone in named))


def zones_of(resource: Resource) -> tuple[str, ...]:
    """Zones that the resource names, as far as they are known."""
    many = resource.get("distribution_policy_zones", resource.get("node_locations", []))
    found = [text_of(resource.values, "zone", "location_id"), *(many if isinstance(many, list) else [])]
    return tuple(one.rpartition("/")[2] for one in found if isinstance(one, str) and one)


def ground_of(links: Links) -> Ground:
    """The network with most subnetworks, made by the plan or existing before."""
    inside = links.has("google_compute_network", "google_compute_subnetwork", *_ZONED, *_STORES)
    if not inside:
        return Ground("", (), (), {})
    zones = sorted({zone for one in links.of_type(*_ZONED) for zone in zones_of(one)})
    subnets = [one for one in links.of_type("google_compute_subnetwork") if _in_main(links, one)]
    tiers = {one.address: tier_said([one.name, _name(links, one)]) or Tier.PRIVATE for one in subnets}
    return Ground(_title(links), tuple(zones), tuple(_bands(links, subnets, tiers)), tiers)


def _main(links: Links) -> Resource | None:
    networks = list(links.of_type("google_compute_network"))
    return max(
        networks,
        key=lambda one: sum(user.type == "google_compute_subnetwork" for user in links.naming(one)),
        default=None,
    )


def _in_main(links: Links, subnet: Resource) -> bool:
    named = [one for one in links.named_by(subnet) if one.type == "google_compute_network"]
    return not named or _main(links) in named


def _title(links: Links) -> str:
    main = _main(links)
    if main is None:
        return "Existing VPC network"
    name = text_of(main.values, "name")
    return f"VPC network {name} (global)" if name else "VPC network (global)"


def _name(links: Links, subnet: Resource) -> str:
    """The subnetwork's name without the deployment's."""
    name = text_of(subnet.values, "name")
    return name.removeprefix(links.plan.name).strip("-") if links.plan.name else name


def _bands(links: Links, subnets: list[Resource], tiers: dict[str, Tier]) -> Iterator[Subnet]:
    rows: dict[Tier, list[Resource]] = {}
    for one in subnets:
        rows.setdefault(tiers[one.address], []).append(one)
    if Tier.PUBLIC not in rows and links.has(*_EDGE):
        yield Subnet(Tier.PUBLIC, "", "Google's edge", "in no subnetwork")
    for tier, same in rows.items():
        if tier is not Tier.DATA:
            ranges = [(_name(links, one), text_of(one.values, "ip_cidr_range")) for one in same]
            yield band(tier, "Subnetwork", ranges)
    yield from _data_band(links, rows.get(Tier.DATA, []))


def _data_band(links: Links, subnets: list[Resource]) -> Iterator[Subnet]:
    """Managed stores take their addresses from a range that is peered with the network."""
    leased = [
        f"{one.get('address', '')}/{one.get('prefix_length')}".removeprefix("/")
        for one in links.of_type("google_compute_global_address")
        if one.get("purpose") == "VPC_PEERING"
    ]
    if leased:
        yield Subnet(Tier.DATA, "", "Private services access", f"{', '.join(leased)}, peered")
    elif subnets:
        ranges = [(_name(links, one), text_of(one.values, "ip_cidr_range")) for one in subnets]
        yield band(Tier.DATA, "Subnetwork", ranges)
    elif links.has(*_STORES):
        yield Subnet(Tier.DATA, "", "Managed stores", "private addresses")
