"""What computes and what lets traffic in and out: scale sets, gateways, NAT, private endpoints."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from cloudberth.infra.diagram.azurerm.ground import SCALE_SETS, Ground, zones_of
from cloudberth.infra.diagram.drawn import Drawn, addresses, counted, label_of, number, span, titled
from cloudberth.infra.diagram.links import Links, text_of
from cloudberth.infra.diagram.model import Node, Place, Role, Tier
from cloudberth.infra.plan import Resource

_ENDPOINTS = {"blob": "Blob", "vault": "Key Vault", "file": "Files", "queue": "Queue", "registry": "Registry"}


def groups(links: Links, ground: Ground) -> Iterator[Drawn]:
    """Virtual machine scale sets: one that can grow, or one of exactly one machine."""
    for group in links.of_type(*SCALE_SETS):
        scaler = next(
            (one for one in links.naming(group) if one.type == "azurerm_monitor_autoscale_setting"), None
        )
        profiles = _profiles(scaler)
        low, high = _sizes(group, profiles)
        alone = high == 1
        disks = _own_disks(links, group) if alone else ()
        spot = ground.spot(links, group)
        zones = spot.zones
        if alone and len(zones) > 1:
            at = {zone for disk in disks for zone in zones_of(disk)}
            zones = tuple(zone for zone in zones if zone in at)[:1] or zones[:1]
        captions = (
            *_machines(group, low, high),
            *(_disk(group, disks) if alone else ()),
            *_scaling(profiles),
            "in one of the zones" if alone and len(spot.zones) > 1 and not disks else "",
        )
        shown = tuple(one for one in (group, scaler, *disks) if one is not None)
        title = titled(f"{label_of(links, group)} scale set".strip(), "Scale set")
        role, tier = Role.STATEFUL if alone else Role.APP, spot.tier or Tier.PRIVATE
        node = Node(group.address, role, title, Place.ZONES, captions, tier, zones, addresses(shown))
        yield Drawn(node, shown)


def _profiles(scaler: Resource | None) -> list[Mapping[str, Any]]:
    found = scaler.get("profile", []) if scaler else []
    return [one for one in found if isinstance(one, dict)]


def _sizes(group: Resource, profiles: list[Mapping[str, Any]]) -> tuple[object, object]:
    """Of the profile that holds when no schedule does."""
    for profile in profiles:
        if not profile.get("recurrence") and profile.get("capacity"):
            capacity = profile["capacity"][0]
            return capacity.get("minimum"), capacity.get("maximum")
    return group.get("instances"), group.get("instances")


def _machines(group: Resource, low: object, high: object) -> Iterator[str]:
    """How many of which size, and how many of them on spot."""
    mixed = [one for one in group.get("sku_profile.0.virtual_machine_size", []) if isinstance(one, dict)]
    sizes = [str(one.get("name")) for one in sorted(mixed, key=lambda one: one.get("rank") or 0)]
    sizes = sizes or [one for one in (text_of(group.values, "sku_name", "sku"),) if one]
    more = f" (or {counted(len(sizes) - 1, 'other size')})" if len(sizes) > 1 else ""
    count = span(low, high)
    size = sizes[0].removeprefix("Standard_") if sizes else ""
    yield f"{count} × {size}{more}" if size else f"{count} machine{'' if count == '1' else 's'}"
    if group.get("priority") == "Spot":
        base = group.get("priority_mix.0.base_regular_count", 0)
        share = 100 - group.get("priority_mix.0.regular_percentage_above_base", 0)
        yield f"{number(base)} regular, then {number(share)} % spot" if base else f"{number(share)} % spot"


def _scaling(profiles: list[Mapping[str, Any]]) -> Iterator[str]:
    """The scaling target and the schedules."""
    for profile in profiles[:1]:
        for rule in profile.get("rule") or []:
            trigger = (rule.get("metric_trigger") or [{}])[0]
            if trigger.get("metric_name") == "Percentage CPU" and str(trigger.get("operator")).startswith(
                "G"
            ):
                yield f"grows at {number(trigger.get('threshold'))} % CPU"
    schedules = [one for one in profiles if one.get("recurrence")]
    for one in schedules[:2]:
        capacity = (one.get("capacity") or [{}])[0]
        yield f"{one.get('name')} {span(capacity.get('minimum'), capacity.get('maximum'))} ({_when(one)})"
    if len(schedules) > 2:
        yield counted(len(schedules) - 2, "more schedule")


def _when(profile: Mapping[str, Any]) -> str:
    """``Mon–Fri 8:00``: days and time of day."""
    when = profile["recurrence"][0]
    days = [str(day)[:3] for day in when.get("days") or []]
    said = "daily" if len(days) == 7 else f"{days[0]}–{days[-1]}" if len(days) > 2 else ", ".join(days)
    hour, minute = (when.get("hours") or ["?"])[0], (when.get("minutes") or [0])[0]
    return f"{said} {hour}:{minute:02d}" if isinstance(minute, int) else said


def _own_disks(links: Links, group: Resource) -> tuple[Resource, ...]:
    """Disks of a single machine: those of its module, where no other single machine stands."""
    disks = tuple(one for one in links.of_type("azurerm_managed_disk") if one.module == group.module)
    alone = [
        one for one in links.of_type(*SCALE_SETS) if one.module == group.module and one.get("instances") == 1
    ]
    return disks if group in alone and (len(alone) == 1 or alone[-1] == group) else ()


def _disk(group: Resource, disks: tuple[Resource, ...]) -> Iterator[str]:
    for disk in disks[:1]:
        kind = text_of(disk.values, "storage_account_type").replace("_", " ")
        yield f"data disk {number(disk.get('disk_size_gb'))} GB"
        yield kind
    inner = [one for one in group.get("data_disk", []) if isinstance(one, dict)]
    for one in inner[: 0 if disks else 1]:
        yield f"data disk {number(one.get('disk_size_gb'))} GB"


def balancers(links: Links, ground: Ground) -> Iterator[Drawn]:
    """Application gateways and load balancers, with their listeners."""
    for gateway in links.of_type("azurerm_application_gateway"):
        timeout = max(
            (one.get("request_timeout") or 0 for one in gateway.get("backend_http_settings", [])), default=0
        )
        scale = gateway.get("autoscale_configuration.0", {})
        logged = any(one.type == "azurerm_monitor_diagnostic_setting" for one in links.naming(gateway))
        captions = (
            ", ".join(listeners(gateway)),
            f"request timeout {number(timeout)} s" if timeout else "",
            f"{span(scale.get('min_capacity'), scale.get('max_capacity'))} capacity units" if scale else "",
            "logs kept" if logged else "",
        )
        yield _balancer(links, ground, gateway, "Application Gateway", captions)
    for balancer in links.of_type("azurerm_lb"):
        yield _balancer(links, ground, balancer, "Load Balancer", ())


def _balancer(
    links: Links, ground: Ground, balancer: Resource, title: str, captions: tuple[str, ...]
) -> Drawn:
    spot = ground.spot(links, balancer)
    tier = spot.tier or Tier.PUBLIC
    detail = addresses([balancer])
    node = Node(
        balancer.address,
        Role.BALANCER,
        title,
        Place.ZONES,
        captions,
        tier,
        spot.zones or ground.zones,
        detail,
    )
    return Drawn(node, (balancer,))


def listeners(gateway: Resource) -> tuple[str, ...]:
    """Protocol and port of each listener, those that only redirect marked as such."""
    ports = {str(one.get("name")): one.get("port") for one in _blocks(gateway, "frontend_port")}
    redirects = {
        one.get("http_listener_name")
        for one in _blocks(gateway, "request_routing_rule")
        if one.get("redirect_configuration_name")
    }
    found = [
        (
            one.get("name") in redirects,
            f"{str(one.get('protocol', '')).upper()} {number(ports.get(str(one.get('frontend_port_name'))))}",
        )
        for one in _blocks(gateway, "http_listener")
    ]
    return tuple(f"{words} redirects" if redirect else words for redirect, words in sorted(found))


def _blocks(resource: Resource, name: str) -> list[Mapping[str, Any]]:
    return [one for one in resource.get(name, []) if isinstance(one, dict)]


def gateways(links: Links, ground: Ground) -> Iterator[Drawn]:
    """The address that users reach, and the NAT gateways."""
    fronts = {
        one.address
        for balancer in links.of_type("azurerm_application_gateway", "azurerm_lb")
        for one in links.named_by(balancer)
    }
    doors = tuple(one for one in links.of_type("azurerm_public_ip") if one.address in fronts)
    if doors:
        title = "Public IP address"
        yield Drawn(
            Node(doors[0].address, Role.GATEWAY, title, Place.GATEWAY, detail=addresses(doors)), doors
        )
    for nat in links.of_type("azurerm_nat_gateway"):
        zones = tuple(zone for zone in ground.zones if zone in zones_of(nat))
        around = [one for one in links.naming(nat) if one.type.startswith("azurerm_nat_gateway_public_ip")]
        fixed = tuple(
            ip for one in around for ip in links.named_by(one) if ip.type.startswith("azurerm_public_ip")
        )
        captions = (
            "for all zones" if len(zones) != 1 else "in one zone",
            counted(len(fixed), "public address", "public addresses") if fixed else "",
        )
        shown = (nat, *fixed)
        node = Node(
            nat.address,
            Role.NAT,
            "NAT gateway",
            Place.ZONES,
            captions,
            Tier.PUBLIC,
            (zones or ground.zones)[:1],
            addresses(shown),
        )
        yield Drawn(node, shown)


def endpoints(links: Links, taken: tuple[Resource, ...]) -> Iterator[Drawn]:
    """Private ways to services of the region. taken: endpoints that are drawn with the store they lead to."""
    for one in links.of_type("azurerm_private_endpoint"):
        if one in taken:
            continue
        kinds = one.get("private_service_connection.0.subresource_names", [])
        kind = str(kinds[0]) if kinds else label_of(links, one)
        node = Node(
            one.address,
            Role.ENDPOINT,
            titled(_ENDPOINTS.get(kind, kind.replace("_", " ")), "Endpoint"),
            Place.ENDPOINT,
            ("private endpoint",),
            detail=addresses([one]),
        )
        yield Drawn(node, (one,))
