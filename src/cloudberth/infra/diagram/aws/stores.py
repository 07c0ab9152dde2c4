"""Databases and caches in the network."""

from __future__ import annotations

from collections.abc import Iterator

from cloudberth.infra.diagram.aws.subnets import Ground
from cloudberth.infra.diagram.drawn import Drawn, addresses, counted, number, span
from cloudberth.infra.diagram.links import Links, text_of
from cloudberth.infra.diagram.model import Edge, Node, Place, Role, Tier, Traffic
from cloudberth.infra.plan import Resource

_ENGINES = {
    "postgres": "PostgreSQL",
    "aurora-postgresql": "PostgreSQL",
    "mysql": "MySQL",
    "aurora-mysql": "MySQL",
    "mariadb": "MariaDB",
    "valkey": "Valkey",
    "redis": "Redis",
    "memcached": "Memcached",
}


def engine_name(resource: Resource) -> str:
    """The engine as people call it."""
    engine = text_of(resource.values, "engine")
    return _ENGINES.get(engine, engine)


def databases(links: Links, ground: Ground) -> Iterator[tuple[Drawn, Edge | None]]:
    """Every database with its standby and readers, each with the copying edge that leads to it."""
    clusters = tuple(links.of_type("aws_rds_cluster"))
    for database in links.of_type("aws_db_instance"):
        yield from _instance(links, ground, database)
    for cluster in clusters:
        yield from _cluster(links, ground, cluster)


def _instance(links: Links, ground: Ground, database: Resource) -> Iterator[tuple[Drawn, Edge | None]]:
    spot = ground.spot(links, database)
    tier, zones = spot.tier or Tier.DATA, spot.zones or ground.zones
    source = next((one for one in links.named_by(database) if one.type == "aws_db_instance"), None)
    reader = source is not None or bool(database.values.get("replicate_source_db"))
    title = "Read replica" if reader else f"RDS {engine_name(database)}".strip()
    node = Node(
        database.address,
        Role.STANDBY if reader else Role.DATABASE,
        title,
        Place.ZONES,
        tuple(_instance_facts(database, reader)),
        tier,
        zones[1:2] if reader and len(zones) > 1 else zones[:1],
        addresses([database]),
    )
    yield Drawn(node, (database,)), Edge(source.address, node.id, Traffic.COPY) if source else None
    if database.get("multi_az") is True:
        facts = ("synchronous copy", "takes over by itself")
        name = f"{database.address}#standby"
        standby = Node(name, Role.STANDBY, "Standby", Place.ZONES, facts, tier, zones[1:2], node.detail)
        yield Drawn(standby, ()), Edge(node.id, standby.id, Traffic.COPY)


def _instance_facts(database: Resource, reader: bool) -> Iterator[str]:
    yield text_of(database.values, "instance_class")
    version = text_of(database.values, "engine_version")
    yield f"version {version}" if version else ""
    yield _storage(database)
    yield _backups(database.get("backup_retention_period"))
    yield "" if reader or database.get("multi_az") is True else "one zone"


def _storage(database: Resource) -> str:
    size, most = database.get("allocated_storage"), database.get("max_allocated_storage")
    if size is None:
        return ""
    kind = text_of(database.values, "storage_type")
    grows = f", grows to {number(most)}" if most and most != size else ""
    return f"{number(size)} GB {kind}".strip() + grows


def _backups(days: object) -> str:
    return f"backups {number(days)} days" if days else ""


def _cluster(links: Links, ground: Ground, cluster: Resource) -> Iterator[tuple[Drawn, Edge | None]]:
    members = [one for one in links.naming(cluster) if one.type == "aws_rds_cluster_instance"]
    spot = ground.spot(links, cluster)
    zones = spot.zones or ground.zones
    tier = spot.tier or Tier.DATA
    title = f"Aurora {engine_name(cluster)}".strip()
    writer = Node(
        cluster.address,
        Role.DATABASE,
        title,
        Place.ZONES,
        tuple(_cluster_facts(cluster, members)),
        tier,
        zones[:1],
        addresses([cluster, *members]),
    )
    yield Drawn(writer, (cluster, *members[:1])), None
    for index, member in enumerate(members[1:], start=1):
        zone = zones[index % len(zones) : index % len(zones) + 1] if zones else ()
        reader = Node(
            member.address,
            Role.STANDBY,
            "Aurora reader",
            Place.ZONES,
            (_class(member), "takes over by itself"),
            tier,
            zone,
            addresses([member]),
        )
        yield Drawn(reader, (member,)), Edge(writer.id, reader.id, Traffic.COPY)


def _cluster_facts(cluster: Resource, members: list[Resource]) -> Iterator[str]:
    scaling = cluster.get("serverlessv2_scaling_configuration.0", {})
    if scaling:
        yield f"Serverless v2, {span(scaling.get('min_capacity'), scaling.get('max_capacity'))} ACU"
    elif members:
        yield _class(members[0])
    version = text_of(cluster.values, "engine_version")
    yield f"version {version}" if version else ""
    yield _backups(cluster.get("backup_retention_period"))
    yield "one zone" if len(members) == 1 else ""


def _class(member: Resource) -> str:
    named = text_of(member.values, "instance_class")
    return "Serverless v2" if named == "db.serverless" else named


def caches(links: Links, ground: Ground) -> Iterator[tuple[Drawn, Edge | None]]:
    """Replication groups: the primary, and its replicas in the other zones."""
    for group in links.of_type("aws_elasticache_replication_group"):
        spot = ground.spot(links, group)
        zones = spot.zones or ground.zones
        tier = spot.tier or Tier.DATA
        replicas = _replicas(group)
        spread = group.get("multi_az_enabled") is True and len(zones) > 1
        facts = (
            text_of(group.values, "node_type"),
            f"version {text_of(group.values, 'engine_version')}" if group.get("engine_version") else "",
            "TLS" if group.get("transit_encryption_enabled") is True else "",
            "" if spread or not replicas else counted(replicas, "replica"),
            "" if replicas else "one node",
        )
        title = f"ElastiCache {engine_name(group)}".strip()
        primary = Node(
            group.address, Role.CACHE, title, Place.ZONES, facts, tier, zones[:1], addresses([group])
        )
        yield Drawn(primary, (group,)), None
        for index in range(1, min(replicas + 1, len(zones)) if spread else 1):
            copy = Node(
                f"{group.address}#{index}",
                Role.STANDBY,
                "Cache replica",
                Place.ZONES,
                ("takes over by itself",),
                tier,
                zones[index : index + 1],
                addresses([group]),
            )
            yield Drawn(copy, ()), Edge(primary.id, copy.id, Traffic.COPY)


def _replicas(group: Resource) -> int:
    nodes = group.get("num_cache_clusters")
    each = group.get("replicas_per_node_group")
    return int(nodes) - 1 if nodes else int(each or 0)
