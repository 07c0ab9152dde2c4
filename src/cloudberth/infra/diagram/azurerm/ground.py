"""The ground of the picture on Azure: a subnet spans the zones of its region, so zones and tiers cross."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from cloudberth.infra.diagram.drawn import Spot
from cloudberth.infra.diagram.links import Links, text_of
from cloudberth.infra.diagram.model import Subnet, Tier
from cloudberth.infra.diagram.tiers import band, tier_said
from cloudberth.infra.plan import Resource

SCALE_SETS = (
    "azurerm_orchestrated_virtual_machine_scale_set",
    "azurerm_linux_virtual_machine_scale_set",
    "azurerm_windows_virtual_machine_scale_set",
)
_MACHINES = (*SCALE_SETS, "azurerm_linux_virtual_machine", "azurerm_windows_virtual_machine")
_STORES = ("azurerm_postgresql_flexible_server", "azurerm_managed_redis")
_INSIDE = ("azurerm_virtual_network", "azurerm_subnet", "azurerm_application_gateway", *_MACHINES, *_STORES)
_NICS = frozenset({"azurerm_network_interface", "azurerm_container_app_environment"})


@dataclass(frozen=True, slots=True)
class Ground:
    """title: of the network's frame. tiers: address of a subnet → its tier."""

    title: str
    zones: tuple[str, ...]
    subnets: tuple[Subnet, ...]
    tiers: Mapping[str, Tier]

    def spot(self, links: Links, resource: Resource) -> Spot:
        """Where the resource stands: the tier of its subnet, the zones that it names."""
        subnet = subnet_of(links, resource)
        tier = self.tiers.get(subnet.address) if subnet else None
        named = set(zones_of(resource))
        return Spot(tier, tuple(zone for zone in self.zones if zone in named))


def subnet_of(links: Links, resource: Resource) -> Resource | None:
    """The subnet of a resource.

    A module hands out lists of subnets, and a plan shows all of them: then what a subnet is delegated to
    decides, and what it is called.
    """
    known = links.with_identity(_known_subnet(resource), {"azurerm_subnet"})
    found = known or links.reach(resource, {"azurerm_subnet"}, _NICS)
    if len(found) <= 1:
        return next(iter(found), None)
    wants = "PostgreSQL" if "postgresql" in resource.type else ""
    fits = [one for one in found if (wants in _delegated(one) if wants else not _delegated(one))] or found
    called = {resource.name, str(resource.key or "")}
    same = [one for one in fits if {str(one.key or ""), one.name, text_of(one.values, "name")} & called]
    return next(iter(same or fits))


def _known_subnet(resource: Resource) -> str:
    paths = (
        "subnet_id",
        "delegated_subnet_id",
        "gateway_ip_configuration.0.subnet_id",
        "network_interface.0.ip_configuration.0.subnet_id",
        "default_node_pool.0.vnet_subnet_id",
    )
    return next((str(known) for path in paths if (known := resource.get(path))), "")


def _delegated(subnet: Resource) -> str:
    return str(subnet.get("delegation.0.service_delegation.0.name", ""))


def zones_of(resource: Resource) -> tuple[str, ...]:
    """Zones that the resource names, as the picture calls them."""
    many = resource.get("zones", [])
    found = [resource.get("zone", ""), *(many if isinstance(many, list) else [])]
    return tuple(f"Zone {one}" for one in found if isinstance(one, str) and one)


def ground_of(links: Links) -> Ground:
    """The virtual network with most subnets, made by the plan or existing before."""
    if not links.has(*_INSIDE):
        return Ground("", (), (), {})
    zoned = (*_MACHINES, *_STORES, "azurerm_managed_disk")
    zones = sorted({zone for one in links.of_type(*zoned) for zone in zones_of(one)})
    subnets = [one for one in links.of_type("azurerm_subnet") if _in_main(links, one)]
    tiers = {one.address: _tier(links, one) for one in subnets}
    return Ground(_title(links), tuple(zones), tuple(_bands(subnets, tiers)), tiers)


def _main(links: Links) -> Resource | None:
    return max(
        links.of_type("azurerm_virtual_network"),
        key=lambda one: sum(user.type == "azurerm_subnet" for user in links.naming(one)),
        default=None,
    )


def _in_main(links: Links, subnet: Resource) -> bool:
    named = [one for one in links.named_by(subnet) if one.type == "azurerm_virtual_network"]
    return not named or _main(links) in named


def _title(links: Links) -> str:
    main = _main(links)
    if main is None:
        return "Existing virtual network"
    ranges = [one for one in main.get("address_space", []) if isinstance(one, str)]
    return f"Virtual network {', '.join(ranges)}".strip()


def _tier(links: Links, subnet: Resource) -> Tier:
    """By what it is called, else by who uses it."""
    said = tier_said([str(subnet.key or ""), text_of(subnet.values, "name"), subnet.name])
    if said:
        return said
    users = {one.type for one in links.naming(subnet)}
    if "azurerm_application_gateway" in users:
        return Tier.PUBLIC
    return Tier.DATA if _delegated(subnet) and users & set(_STORES) else Tier.PRIVATE


def _bands(subnets: list[Resource], tiers: Mapping[str, Tier]) -> Iterator[Subnet]:
    for tier in Tier:
        same = [one for one in subnets if tiers[one.address] is tier]
        if same:
            yield band(tier, "Subnet", [(text_of(one.values, "name"), _range(one)) for one in same])


def _range(subnet: Resource) -> str:
    return ", ".join(one for one in subnet.get("address_prefixes", []) if isinstance(one, str))
