"""Settings → a client of redis-py: one server, behind Sentinels, or a cluster; TLS and ACL in all three.

redis-py's own repeats are switched off: it repeats every command, also those that may have been done
(INCR), and the layers know which can be.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cloudberth.cache.identities import RotatingCredentials
from cloudberth.cache.settings import RedisSettings
from cloudberth.errors import InvalidInput
from cloudberth.extras import late_import
from cloudberth.settings import revealed


def library(name: str = "redis") -> Any:
    return late_import(name, extra="redis", needed_for="a cache on Redis or Valkey")


def client_of(settings: RedisSettings, tokens: RotatingCredentials | None) -> Any:
    """A client; for a cluster this asks a node for the others, else no request is made."""
    if settings.mode == "sentinel":
        return _behind_sentinels(settings, tokens)
    if settings.mode == "cluster":
        return _cluster(settings, tokens)
    redis = library()
    own = _connection(settings) | _signed_in(settings, tokens, revealed(settings.password))
    return redis.Redis(host=settings.host, port=settings.port, db=settings.db, **own)


def _behind_sentinels(settings: RedisSettings, tokens: RotatingCredentials | None) -> Any:
    sentinel = library("redis.sentinel")
    asking = {
        **_connection(settings),
        "socket_timeout": settings.sentinel_timeout,
        "socket_connect_timeout": settings.sentinel_timeout,
        "username": settings.sentinel_username or None,
        "password": revealed(settings.sentinel_password) or None,
    }
    own = _connection(settings) | _signed_in(settings, tokens, revealed(settings.password))
    found = sentinel.Sentinel(
        list(settings.sentinel_addresses), sentinel_kwargs=asking, db=settings.db, **own
    )
    return found.master_for(settings.service)


def _cluster(settings: RedisSettings, tokens: RotatingCredentials | None) -> Any:
    cluster = library("redis.cluster")
    password = revealed(settings.cluster_password) or revealed(settings.password)
    own = _connection(settings) | _signed_in(settings, tokens, password)
    nodes = [cluster.ClusterNode(host, port) for host, port in settings.cluster_addresses]
    return cluster.RedisCluster(startup_nodes=nodes, **own)


def _signed_in(settings: RedisSettings, tokens: RotatingCredentials | None, password: str) -> dict[str, Any]:
    if tokens is not None:
        return {"credential_provider": tokens}
    return {"username": settings.username or None, "password": password or None}


def _connection(settings: RedisSettings) -> dict[str, Any]:
    retry, backoff = library("redis.retry"), library("redis.backoff")
    return {
        "protocol": settings.protocol,
        "socket_timeout": settings.timeout,
        "socket_connect_timeout": settings.connect_timeout,
        "socket_keepalive": True,
        "health_check_interval": settings.health_check_interval,
        "max_connections": settings.max_connections,
        "retry": retry.Retry(backoff.NoBackoff(), 0),
        **_tls(settings),
    }


def _tls(settings: RedisSettings) -> dict[str, Any]:
    if not settings.tls:
        return {}
    verified = settings.cert_reqs != "none"
    found = {
        "ssl": True,
        "ssl_cert_reqs": settings.cert_reqs,
        "ssl_check_hostname": verified,
        "ssl_ca_certs": _file(settings.ca_file, "REDIS_SSL_CA_CERTS"),
        "ssl_certfile": _file(settings.certificate_file, "REDIS_SSL_CERTFILE"),
        "ssl_keyfile": _file(settings.key_file, "REDIS_SSL_KEYFILE"),
    }
    return {name: value for name, value in found.items() if value is not None}


def _file(name: str, variable: str) -> str | None:
    if not name:
        return None
    if not Path(name).is_file():
        raise InvalidInput(f"there is no file {name}", where=variable)
    return name


def drop_idle_connections(client: Any) -> None:
    """Let connections that nobody uses sign in anew; those in use are dropped the next time."""
    nodes = client.get_nodes() if hasattr(client, "get_nodes") else ()
    pools = [node.redis_connection.connection_pool for node in nodes if node.redis_connection is not None]
    for pool in pools or [client.connection_pool]:
        pool.disconnect(inuse_connections=False)
