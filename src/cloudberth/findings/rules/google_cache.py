"""Caches of Google Cloud: Memorystore for Redis, for Valkey, and for Redis Cluster."""

from __future__ import annotations

from cloudberth.findings.model import Severity
from cloudberth.findings.rules.registry import also_resource, resource_rule
from cloudberth.findings.values import at
from cloudberth.infra.plan import Resource

REDIS, VALKEY, CLUSTER = "google_redis_instance", "google_memorystore_instance", "google_redis_cluster"
_ALL = (REDIS, VALKEY, CLUSTER)
_EVICTION = "maxmemory-policy"


def _settings(cache: Resource) -> str:
    return "engine_configs" if cache.type == VALKEY else "redis_configs"


@also_resource("cache.evicts-any-key", types=_ALL)
def evicts_any_key(cache: Resource) -> str | None:
    policy = at(cache, f"{_settings(cache)}.{_EVICTION}").text
    return f"{_EVICTION} is {policy}." if policy.startswith("allkeys-") else None


@also_resource(
    "cache.evicts-expiring-keys",
    types=_ALL,
    why="A volatile policy (Google's default is volatile-lru) drops keys that have an expiry when memory is "
    "full: locks open early, sign-ins end, task results disappear.",
    remedy="maxmemory-policy: noeviction (Cloudberth's cache module sets it).",
)
def evicts_expiring_keys(cache: Resource) -> str | None:
    policy = at(cache, f"{_settings(cache)}.{_EVICTION}")
    if policy.absent and not at(cache, _settings(cache)).unknown:
        return f"{_EVICTION} is not set, so it is volatile-lru."
    return f"{_EVICTION} is {policy.text}." if policy.text.startswith("volatile-") else None


@also_resource(
    "cache.no-authentication", types=_ALL, remedy="auth_enabled: true (Cloudberth's cache module sets it)."
)
def no_authentication(cache: Resource) -> str | None:
    if cache.type == REDIS:
        return "auth_enabled is off." if at(cache, "auth_enabled").off else None
    mode = at(cache, "authorization_mode")
    open_to_all = mode.text in ("AUTH_DISABLED", "AUTH_MODE_DISABLED")
    return "Authorization is off." if open_to_all or (cache.type == CLUSTER and mode.absent) else None


@also_resource(
    "cache.transit-unencrypted",
    types=_ALL,
    remedy="transit_encryption_mode: SERVER_AUTHENTICATION (Cloudberth's cache module sets it).",
)
def transit_unencrypted(cache: Resource) -> str | None:
    mode = at(cache, "transit_encryption_mode")
    plain = mode.text in ("DISABLED", "TRANSIT_ENCRYPTION_DISABLED", "TRANSIT_ENCRYPTION_MODE_DISABLED")
    return "Its traffic is not encrypted." if plain or (mode.absent and cache.type != VALKEY) else None


@also_resource("cache.single-zone", types=(REDIS,))
def single_zone(cache: Resource) -> str | None:
    tier = at(cache, "tier")
    return "The tier BASIC has one node." if tier.absent or tier.text == "BASIC" else None


@also_resource("cache.no-snapshots", types=(REDIS,), remedy='persistence_config { persistence_mode = "RDB" }')
def no_snapshots(cache: Resource) -> str | None:
    mode = at(cache, "persistence_config.0.persistence_mode")
    none = at(cache, "persistence_config").absent or mode.text == "DISABLED"
    return "Nothing is written to disk." if none else None


@also_resource(
    "cache.cluster-mode",
    types=(VALKEY, CLUSTER),
    remedy="google_redis_instance (Cloudberth's cache module uses it), or mode: CLUSTER_DISABLED",
)
def cluster_mode(cache: Resource) -> str | None:
    if cache.type == CLUSTER:
        shards = at(cache, "shard_count").number
        return f"It has {shards:g} shards." if shards is not None else None
    return "Its mode is CLUSTER." if at(cache, "mode").text == "CLUSTER" else None


@resource_rule(
    "cache.deletion-protection-off",
    Severity.LOW,
    "Cache can be deleted by mistake",
    why="Sessions and waiting tasks go with it, and the application stands still until there is another.",
    remedy="deletion_protection: true; follows database.deletion_protection in Cloudberth.",
    types=(REDIS,),
    by_size={"small": None},
)
def deletion_protection_off(cache: Resource) -> str | None:
    return "deletion_protection is off." if at(cache, "deletion_protection").turned_off else None
