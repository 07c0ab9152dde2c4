"""Databases and caches in the network."""

from __future__ import annotations

from collections.abc import Iterator

from cloudberth.infra.diagram.azurerm.ground import Ground, zones_of
from cloudberth.infra.diagram.drawn import Drawn, addresses, number
from cloudberth.infra.diagram.links import Links, text_of
from cloudberth.infra.diagram.model import Edge, Node, Place, Role, Tier, Traffic
from cloudberth.infra.plan import Resource

Copied = tuple[Drawn, Edge | None]
_ENGINES = {
    "azurerm_postgresql_flexible_server": ("PostgreSQL", 5432),
    "azurerm_managed_redis": ("Redis", 10000),
    "azurerm_mysql_flexible_server": ("MySQL", 3306),
    "azurerm_redis_cache": ("Redis", 6380),
}


def engine_of(store: Resource) -> tuple[str, int]:
    """Engine as people call it, and the port that Azure gives it (documentation of each service)."""
    return _ENGINES.get(store.type, ("", 0))


def endpoints_of(links: Links, store: Resource) -> tuple[Resource, ...]:
    """Private endpoints through which the store stands in the network."""
    return tuple(one for one in links.naming(store) if one.type == "azurerm_private_endpoint")


def databases(links: Links, ground: Ground) -> Iterator[Copied]:
    """PostgreSQL flexible servers with their standby, and replicas."""
    for database in links.of_type("azurerm_postgresql_flexible_server"):
        source = next((one for one in links.named_by(database) if one.type == database.type), None)
        mode = text_of(database.get("high_availability.0", {}), "mode")
        at = tuple(zone for zone in ground.zones if zone in zones_of(database))
        shown = (database, *endpoints_of(links, database))
        node = Node(
            database.address,
            Role.STANDBY if source else Role.DATABASE,
            "Read replica" if source else "Azure Database",
            Place.ZONES,
            tuple(_facts(database, mode)),
            Tier.DATA,
            at or _nth(ground, 1 if source else 0),
            addresses(shown),
        )
        yield Drawn(node, shown), Edge(source.address, node.id, Traffic.COPY) if source else None
        if mode:
            there = f"Zone {database.get('high_availability.0.standby_availability_zone', '')}"
            zone = there if there in ground.zones else ""
            facts = ("synchronous copy", "takes over by itself")
            other = (zone,) if zone else node.zones if mode == "SameZone" else _nth(ground, 1)
            yield _copy(node, "Standby", facts, other)


def _nth(ground: Ground, index: int) -> tuple[str, ...]:
    return ground.zones[index % len(ground.zones) :][:1] if ground.zones else ()


def _copy(source: Node, title: str, facts: tuple[str, ...], zones: tuple[str, ...]) -> Copied:
    """A copy that the cloud keeps, in another zone where it can."""
    name = f"{source.id}#copy"
    node = Node(name, Role.STANDBY, title, Place.ZONES, facts, Tier.DATA, zones, source.detail)
    return Drawn(node, ()), Edge(source.id, name, Traffic.COPY)


def _facts(database: Resource, mode: str) -> Iterator[str]:
    yield f"for PostgreSQL {text_of(database.values, 'version')}".strip()
    yield text_of(database.values, "sku_name").replace("Standard_", "")
    size = database.get("storage_mb")
    if size:
        grows = ", grows" if database.get("auto_grow_enabled") is True else ""
        yield f"{number(size // 1024)} GB{grows}"
    days = database.get("backup_retention_days")
    yield f"backups {number(days)} days" if days else ""
    yield "" if mode == "ZoneRedundant" else "one zone"


def caches(links: Links, ground: Ground) -> Iterator[Copied]:
    """Azure Managed Redis: the primary, and its replica in another zone."""
    for cache in links.of_type("azurerm_managed_redis"):
        copied = cache.get("high_availability_enabled", True) is True
        facts = (
            text_of(cache.values, "sku_name").replace("_", " "),
            "TLS" if cache.get("default_database.0.client_protocol", "Encrypted") == "Encrypted" else "",
            "" if copied else "one node",
        )
        shown = (cache, *endpoints_of(links, cache))
        node = Node(
            cache.address,
            Role.CACHE,
            "Azure Managed Redis",
            Place.ZONES,
            facts,
            Tier.DATA,
            _nth(ground, 0),
            addresses(shown),
        )
        yield Drawn(node, shown), None
        if copied and len(ground.zones) > 1:
            yield _copy(node, "Cache replica", ("takes over by itself",), _nth(ground, 1))
