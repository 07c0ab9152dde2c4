"""Databases and caches that are reached over the network."""

from __future__ import annotations

from collections.abc import Iterator

from cloudberth.infra.diagram.drawn import Drawn, addresses, counted, number
from cloudberth.infra.diagram.google.ground import Ground
from cloudberth.infra.diagram.links import Links, text_of
from cloudberth.infra.diagram.model import Edge, Node, Place, Role, Tier, Traffic
from cloudberth.infra.plan import Resource

_ENGINES = {"POSTGRES": ("PostgreSQL", 5432), "MYSQL": ("MySQL", 3306), "SQLSERVER": ("SQL Server", 1433)}
_TIERS = {"BASIC": "Basic tier", "STANDARD_HA": "Standard tier"}
Copied = tuple[Drawn, Edge | None]


def engine_of(store: Resource) -> tuple[str, int]:
    """Engine as people call it, and the port that it listens on (Memorystore: 6378 with TLS, else 6379)."""
    if store.type == "google_sql_database_instance":
        return _ENGINES.get(text_of(store.values, "database_version").partition("_")[0], ("SQL", 0))
    if store.type == "google_redis_instance":
        return "Redis", 6378 if store.get("transit_encryption_mode") == "SERVER_AUTHENTICATION" else 6379
    return ("Valkey", 6379) if store.type == "google_memorystore_instance" else ("", 0)


def databases(links: Links, ground: Ground) -> Iterator[Copied]:
    """Cloud SQL instances with their standby, and read replicas."""
    for database in links.of_type("google_sql_database_instance"):
        source = next((one for one in links.named_by(database) if one.type == database.type), None)
        engine, _ = engine_of(database)
        spread = database.get("settings.0.availability_type") == "REGIONAL"
        node = Node(
            database.address,
            Role.STANDBY if source else Role.DATABASE,
            "Read replica" if source else "Cloud SQL",
            Place.ZONES,
            tuple(_facts(database, engine, spread)),
            Tier.DATA,
            _nth(ground, 1 if source else 0),
            addresses([database]),
        )
        yield Drawn(node, (database,)), Edge(source.address, node.id, Traffic.COPY) if source else None
        if spread:
            facts = ("synchronous copy", "takes over by itself")
            yield _copy(ground, node, 1, "Standby", facts)


def _nth(ground: Ground, index: int) -> tuple[str, ...]:
    return ground.zones[index % len(ground.zones) :][:1] if ground.zones else ()


def _copy(ground: Ground, source: Node, index: int, title: str, facts: tuple[str, ...]) -> Copied:
    """A copy that the cloud keeps in another zone."""
    name = f"{source.id}#{index}"
    node = Node(name, Role.STANDBY, title, Place.ZONES, facts, Tier.DATA, _nth(ground, index), source.detail)
    return Drawn(node, ()), Edge(source.id, name, Traffic.COPY)


def _facts(database: Resource, engine: str, spread: bool) -> Iterator[str]:
    version = text_of(database.values, "database_version").partition("_")[2].replace("_", ".")
    yield f"{engine} {version}".strip()
    yield str(database.get("settings.0.tier", ""))
    yield _storage(database)
    kept = database.get("settings.0.backup_configuration.0.backup_retention_settings.0.retained_backups")
    yield f"{number(kept)} daily backups" if kept else ""
    yield "" if spread else "one zone"


def _storage(database: Resource) -> str:
    size, most = database.get("settings.0.disk_size"), database.get("settings.0.disk_autoresize_limit")
    if size is None:
        return ""
    kind = str(database.get("settings.0.disk_type", "")).removeprefix("PD_").replace("_", " ")
    grows = f", grows to {number(most)}" if most and most != size else ""
    return f"{number(size)} GB {kind}".strip() + grows


def caches(links: Links, ground: Ground) -> Iterator[Copied]:
    """Memorystore: the primary, and its replicas in the other zones."""
    for cache in links.of_type("google_redis_instance"):
        tiered = text_of(cache.values, "tier")
        replicas = int(cache.get("replica_count") or (1 if tiered == "STANDARD_HA" else 0))
        version = text_of(cache.values, "redis_version").removeprefix("REDIS_").replace("_", ".")
        facts = (
            f"{number(cache.get('memory_size_gb'))} GB {_TIERS.get(tiered, tiered)}".strip(),
            f"version {version.removesuffix('.X').lower()}" if version else "",
            "TLS" if cache.get("transit_encryption_mode") == "SERVER_AUTHENTICATION" else "",
        )
        yield from _cache(ground, cache, "Memorystore Redis", facts, replicas)
    for cache in links.of_type("google_memorystore_instance"):
        shards, replicas = int(cache.get("shard_count") or 1), int(cache.get("replica_count") or 0)
        version = text_of(cache.values, "engine_version").removeprefix("VALKEY_").replace("_", ".")
        words = (
            text_of(cache.values, "node_type").replace("_", " ").lower(),
            f"version {version}" if version else "",
            counted(shards, "shard") if shards > 1 else "",
            "TLS" if cache.get("transit_encryption_mode") == "SERVER_AUTHENTICATION" else "",
        )
        yield from _cache(ground, cache, "Memorystore Valkey", words, replicas)


def _cache(
    ground: Ground, cache: Resource, title: str, facts: tuple[str, ...], replicas: int
) -> Iterator[Copied]:
    captions = (*facts, "" if replicas else "one node")
    node = Node(
        cache.address,
        Role.CACHE,
        title,
        Place.ZONES,
        captions,
        Tier.DATA,
        _nth(ground, 0),
        addresses([cache]),
    )
    yield Drawn(node, (cache,)), None
    for index in range(1, min(replicas + 1, len(ground.zones))):
        yield _copy(ground, node, index, "Cache replica", ("takes over by itself",))
