"""What a Redis or Valkey says of itself, over all nodes that take writes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cloudberth.cache.contract import Health
from cloudberth.cache.settings import RedisSettings

_FACTS = {
    "role": "role",
    "maxmemory_policy": "policy",
    "connected_slaves": "replicas",
    "connected_clients": "clients",
    "evicted_keys": "evicted",
    "keyspace_hits": "hits of the server",
    "keyspace_misses": "misses of the server",
    "aof_enabled": "append-only file",
}


def health_of(client: Any, settings: RedisSettings, seconds: float) -> Health:
    """From INFO of every node that takes writes."""
    nodes = list(_nodes(client, settings))
    first = nodes[0]
    facts = {word: str(first[name]) for name, word in _FACTS.items() if name in first}
    facts |= _of_settings(settings)
    if len(nodes) > 1:
        facts["nodes"] = str(len(nodes))
    for name, word in _FACTS.items():
        if name.startswith(("evicted", "keyspace")) and name in first:
            facts[word] = str(sum(int(node.get(name, 0)) for node in nodes))
    limits = [int(node.get("maxmemory", 0)) for node in nodes]
    database = f"db{settings.db}"
    return Health(
        seconds=seconds,
        product="Valkey" if "valkey_version" in first else "Redis",
        version=str(first.get("valkey_version") or first.get("redis_version", "")),
        entries=sum(int(node.get(database, {}).get("keys", 0)) for node in nodes),
        bytes_used=sum(int(node.get("used_memory", 0)) for node in nodes),
        bytes_limit=sum(limits) if all(limits) else None,
        facts=facts,
    )


def _of_settings(settings: RedisSettings) -> dict[str, str]:
    verified = "verified" if settings.cert_reqs == "required" else "not verified"
    hosts = {
        "sentinel": [host for host, _ in settings.sentinel_addresses],
        "cluster": [host for host, _ in settings.cluster_addresses],
        "standalone": [settings.host],
    }[settings.mode]
    password = settings.password or (settings.mode == "cluster" and settings.cluster_password)
    return {
        "mode": settings.mode,
        "tls": verified if settings.tls else "off",
        "signed in by": settings.signed_in_by or ("password" if password else "nothing"),
        "loopback": "yes" if all(_here(host) for host in hosts) else "no",
    }


def _here(host: str) -> bool:
    return host in {"localhost", "::1"} or host.startswith("127.")


def _nodes(client: Any, settings: RedisSettings) -> list[Mapping[str, Any]]:
    if settings.mode != "cluster":
        return [client.info()]
    return (
        list(client.info(target_nodes=type(client).PRIMARIES).values()) if _many(client) else [client.info()]
    )


def _many(client: Any) -> bool:
    # With one primary redis-py gives its answer alone, not by node.
    return len(client.get_primaries()) > 1
