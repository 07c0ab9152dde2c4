"""Caches of AWS: ElastiCache for Valkey and Redis. For Dify the cache is also the queue."""

from __future__ import annotations

from cloudberth.findings.model import Severity
from cloudberth.findings.rules.aws_database import parameter
from cloudberth.findings.rules.registry import resource_rule
from cloudberth.findings.values import at
from cloudberth.infra.plan import Resource

GROUP, NODE, SERVERLESS = (
    "aws_elasticache_replication_group",
    "aws_elasticache_cluster",
    "aws_elasticache_serverless_cache",
)
_PARAMETERS = "aws_elasticache_parameter_group"
_EVICTION = "maxmemory-policy"


def is_member(node: Resource) -> bool:
    """Whether a cluster is a read copy inside a replication group, which carries the settings."""
    group, engine = at(node, "replication_group_id"), at(node, "engine")
    # Left out, the group reads as unknown; then only a node with an engine of its own stands alone.
    return node.type == NODE and (group.known or (group.unknown and not engine.known))


@resource_rule(
    "cache.evicts-any-key",
    Severity.HIGH,
    "Cache throws away queued tasks when it is full",
    why="With an allkeys policy the lists of the task queue are evicted like any cached value: indexing "
    "jobs and workflow runs vanish without an error.",
    remedy="maxmemory-policy: noeviction (Cloudberth's cache module always sets it).",
    types=(_PARAMETERS,),
)
def evicts_any_key(group: Resource) -> str | None:
    policy = parameter(group, _EVICTION).text
    return f"{_EVICTION} is {policy}." if policy.startswith("allkeys-") else None


@resource_rule(
    "cache.evicts-expiring-keys",
    Severity.MEDIUM,
    "Cache may throw away locks, sessions and task results",
    why="A volatile policy (ElastiCache's default is volatile-lru) drops keys that have an expiry when "
    "memory is full: locks open early, sign-ins end, task results disappear.",
    remedy="A parameter group with maxmemory-policy: noeviction (Cloudberth's cache module sets it).",
    types=(_PARAMETERS, GROUP, NODE),
)
def evicts_expiring_keys(resource: Resource) -> str | None:
    if resource.type == _PARAMETERS:
        policy = parameter(resource, _EVICTION)
        if policy.absent and "memcached" not in at(resource, "family").text:
            return f"{_EVICTION} is not set, so it is volatile-lru."
        return f"{_EVICTION} is {policy.text}." if policy.text.startswith("volatile-") else None
    name = at(resource, "parameter_group_name").text
    plain = name.startswith(("default.redis", "default.valkey")) and not is_member(resource)
    return f"It uses the group {name}." if plain else None


@resource_rule(
    "cache.no-authentication",
    Severity.HIGH,
    "Cache without a password",
    why="Everything in the network can read sessions and put tasks into the queue, which workers then "
    "execute.",
    remedy="auth_token_wo or user_group_ids (Cloudberth's cache module always sets one).",
    types=(GROUP,),
)
def no_authentication(cache: Resource) -> str | None:
    names = ("auth_token", "auth_token_wo_version", "user_group_ids")
    return "No token and no user group." if all(at(cache, name).absent for name in names) else None


@resource_rule(
    "cache.transit-unencrypted",
    Severity.HIGH,
    "Cache traffic is not encrypted",
    why="Sessions, tasks and the cache's password cross the network readable.",
    remedy="transit_encryption_enabled: true (Cloudberth's cache module always sets it).",
    types=(GROUP, NODE),
)
def transit_unencrypted(cache: Resource) -> str | None:
    off = at(cache, "transit_encryption_enabled").off and not is_member(cache)
    return "transit_encryption_enabled is off." if off else None


@resource_rule(
    "cache.transit-optional",
    Severity.MEDIUM,
    "Cache still accepts plain connections",
    why="transit_encryption_mode preferred is meant for a migration: a client without TLS is let in.",
    remedy="transit_encryption_mode: required",
    types=(GROUP,),
)
def transit_optional(cache: Resource) -> str | None:
    return "Its mode is preferred." if at(cache, "transit_encryption_mode").text == "preferred" else None


@resource_rule(
    "cache.unencrypted",
    Severity.MEDIUM,
    "Cache stored unencrypted",
    why="Backups and swap hold sessions and task data; encryption cannot be switched on later.",
    remedy="at_rest_encryption_enabled: true (Cloudberth's cache module always sets it).",
    types=(GROUP,),
)
def unencrypted(cache: Resource) -> str | None:
    return "at_rest_encryption_enabled is off." if at(cache, "at_rest_encryption_enabled").off else None


@resource_rule(
    "cache.single-zone",
    Severity.MEDIUM,
    "Cache cannot fail over",
    why="The queue and all sessions stop with the one machine or zone, and queued tasks are lost with it.",
    remedy="cache.replicas: 1 and cache.multi_zone: true",
    types=(GROUP,),
    by_size={"small": Severity.INFO},
)
def single_zone(cache: Resource) -> str | None:
    if at(cache, "num_cache_clusters").number == 1 or at(cache, "replicas_per_node_group").number == 0:
        return "It has one node."
    if at(cache, "automatic_failover_enabled").off:
        return "Automatic failover is off."
    return "All nodes may lie in one zone." if at(cache, "multi_az_enabled").off else None


@resource_rule(
    "cache.no-snapshots",
    Severity.LOW,
    "Cache without snapshots",
    why="The queue lives here: without a snapshot, waiting tasks cannot be brought back after a loss.",
    remedy="backup.retention_days: 1 (or more)",
    types=(GROUP,),
    by_size={"small": Severity.INFO},
)
def no_snapshots(cache: Resource) -> str | None:
    limit = at(cache, "snapshot_retention_limit")
    return "No snapshot is kept." if limit.absent or limit.number == 0 else None


@resource_rule(
    "cache.cluster-mode",
    Severity.HIGH,
    "Cache in cluster mode cannot carry a Celery queue",
    why="Celery's transport does not speak the cluster protocol: workers of Dify fail with MOVED or "
    "CROSSSLOT errors.",
    remedy="One shard with replicas, cluster mode off (Cloudberth's cache module does so).",
    types=(GROUP, SERVERLESS),
)
def cluster_mode(cache: Resource) -> str | None:
    if cache.type == SERVERLESS:
        engine = at(cache, "engine")
        always = engine.known and engine.text != "memcached"
        return "A serverless cache always runs in cluster mode." if always else None
    shards = at(cache, "num_node_groups").number
    if shards is not None and shards > 1:
        return f"It has {shards:g} shards."
    return "Cluster mode is on." if at(cache, "cluster_mode").text == "enabled" else None


@resource_rule(
    "cache.minor-upgrades-off",
    Severity.LOW,
    "Security updates of the cache are off",
    why="Minor versions carry the fixes for published flaws; nobody installs them by hand.",
    remedy="auto_minor_version_upgrade: true (the provider's default).",
    types=(GROUP, NODE),
)
def minor_upgrades_off(cache: Resource) -> str | None:
    off = at(cache, "auto_minor_version_upgrade").turned_off
    return "auto_minor_version_upgrade is false." if off else None
