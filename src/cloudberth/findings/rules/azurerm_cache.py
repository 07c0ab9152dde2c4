"""Caches of Azure: Azure Managed Redis, and Azure Cache for Redis that it follows."""

from __future__ import annotations

from cloudberth.findings.context import Context
from cloudberth.findings.model import Severity
from cloudberth.findings.rules.registry import also_resource, relation_rule, resource_rule
from cloudberth.findings.values import Node, at
from cloudberth.infra.plan import Resource

MANAGED, CLASSIC = "azurerm_managed_redis", "azurerm_redis_cache"
_BOTH = (MANAGED, CLASSIC)


def _eviction(cache: Resource) -> Node:
    path = "default_database.0.eviction_policy"
    return at(cache, path if cache.type == MANAGED else "redis_configuration.0.maxmemory_policy")


def _configured(cache: Resource) -> bool:
    """Whether there is a database whose settings could be read: one of Managed Redis may stand apart."""
    return cache.type == CLASSIC or at(cache, "default_database").known


@also_resource(
    "cache.evicts-any-key",
    types=_BOTH,
    remedy="eviction_policy: NoEviction (Cloudberth's cache module always sets it).",
)
def evicts_any_key(cache: Resource) -> str | None:
    policy = _eviction(cache).text
    return f"Its eviction policy is {policy}." if policy.lower().startswith("allkeys") else None


@also_resource(
    "cache.evicts-expiring-keys",
    types=_BOTH,
    why="A volatile policy (Azure's default is VolatileLRU) drops keys that have an expiry when memory is "
    "full: locks open early, sign-ins end, task results disappear.",
    remedy="eviction_policy: NoEviction (Cloudberth's cache module always sets it).",
)
def evicts_expiring_keys(cache: Resource) -> str | None:
    policy = _eviction(cache)
    if policy.absent and _configured(cache) and not at(cache, "redis_configuration").unknown:
        return "Its eviction policy is not set, so it is volatile-lru."
    volatile = policy.text.lower().startswith("volatile")
    return f"Its eviction policy is {policy.text}." if volatile else None


@also_resource(
    "cache.no-authentication",
    types=(CLASSIC,),
    remedy="redis_configuration { authentication_enabled = true } (the default).",
)
def no_authentication(cache: Resource) -> str | None:
    off = at(cache, "redis_configuration.0.authentication_enabled").turned_off
    return "authentication_enabled is false." if off else None


@also_resource(
    "cache.transit-unencrypted",
    types=_BOTH,
    remedy="client_protocol: Encrypted (Cloudberth's cache module always sets it).",
)
def transit_unencrypted(cache: Resource) -> str | None:
    if at(cache, "non_ssl_port_enabled").on:
        return "The port without TLS is open."
    plain = at(cache, "default_database.0.client_protocol").text == "Plaintext"
    return "Its client protocol is Plaintext." if plain else None


@also_resource("cache.single-zone", types=_BOTH)
def single_zone(cache: Resource) -> str | None:
    if cache.type == CLASSIC:
        return "The tier Basic has one node." if at(cache, "sku_name").text == "Basic" else None
    off = at(cache, "high_availability_enabled").turned_off
    return "high_availability_enabled is false." if off else None


@also_resource(
    "cache.no-snapshots",
    types=_BOTH,
    remedy="persistence_append_only_file_backup_frequency (Cloudberth's cache module sets it).",
)
def no_snapshots(cache: Resource) -> str | None:
    if cache.type == CLASSIC:
        kept = [at(cache, f"redis_configuration.0.{name}_backup_enabled") for name in ("aof", "rdb")]
        return "Nothing is written to disk." if all(node.off for node in kept) else None
    names = ("persistence_append_only_file_backup_frequency", "persistence_redis_database_backup_frequency")
    absent = all(at(cache, f"default_database.0.{name}").absent for name in names)
    return "Nothing is written to disk." if absent and _configured(cache) else None


@also_resource(
    "cache.cluster-mode",
    types=_BOTH,
    remedy="clustering_policy: NoCluster (Cloudberth's cache module sets it).",
)
def cluster_mode(cache: Resource) -> str | None:
    if cache.type == CLASSIC:
        shards = at(cache, "shard_count").number
        return f"It has {shards:g} shards." if shards is not None and shards > 1 else None
    policy = at(cache, "default_database.0.clustering_policy")
    if policy.absent and _configured(cache):
        return "Its clustering policy is not set, so it is OSSCluster."
    return "Its clustering policy is OSSCluster." if policy.text == "OSSCluster" else None


@relation_rule(
    "cache.public-address",
    Severity.MEDIUM,
    "Cache has a public address",
    why="Sessions and the task queue are then one leaked key away from the internet.",
    remedy="public_network_access: Disabled, and a private endpoint (Cloudberth's cache module does so).",
    types=_BOTH,
)
def public_address(cache: Resource, _: Context) -> str | None:
    if cache.type == MANAGED:
        access = at(cache, "public_network_access")
        return "Public network access is on." if access.absent or access.text == "Enabled" else None
    access = at(cache, "public_network_access_enabled")
    inside = not at(cache, "subnet_id").absent
    return "Public network access is on." if (access.absent or access.on) and not inside else None


@resource_rule(
    "cache.retiring-product",
    Severity.LOW,
    "Azure Cache for Redis is being retired",
    why="Azure takes it away on 2028-09-30, and has not let new customers create one since April 2026.",
    remedy="azurerm_managed_redis (Cloudberth's cache module uses it).",
    types=(CLASSIC,),
)
def retiring_product(cache: Resource) -> str | None:
    kind = at(cache, "sku_name").text
    return f"Tier {kind}." if kind else None
