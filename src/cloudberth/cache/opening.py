"""Which cache: by Dify's variables, or by a location as people write it.

::

    redis://host:6379/0  rediss://user@host:6379/0          one server, plain or over TLS
    redis+sentinel://s1:26379,s2:26379/service/0            behind Sentinels (rediss+sentinel: TLS everywhere)
    redis+cluster://h1:6379,h2:6379                         a cluster (rediss+cluster)
    valkey://, valkeys://, …                                the same
    memory://                                               this process
    local:///var/lib/app/cache.db, ./cache.db               a file, for the processes of this machine

The query of a URL holds settings (``?prefix=app&ca_file=ca.pem``), never secrets: passwords come from the
variables, since everybody on a machine can read its command lines.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote

from cloudberth.cache.addresses import address, addresses
from cloudberth.cache.cache import Cache
from cloudberth.cache.contract import Backend
from cloudberth.cache.layers import Behaviour
from cloudberth.cache.registry import REGISTRY
from cloudberth.cache.settings import REDIS_PORT, LocalSettings, RedisSettings
from cloudberth.errors import InvalidInput
from cloudberth.settings import EnvironmentSettings

TYPE = "CACHE_TYPE"
_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://(.*)", re.DOTALL)
_REDIS = {"redis": False, "rediss": True, "valkey": False, "valkeys": True}
_FORMS = "redis://host:6379/0, rediss://…, redis+sentinel://…, redis+cluster://…, memory://, or a path"


def from_environment(environment: Mapping[str, str], behaviour: Behaviour | None = None) -> Cache:
    """The cache that the variables name. CACHE_TYPE: redis, local or memory; without it, redis when
    REDIS_HOST, REDIS_SENTINELS or REDIS_CLUSTERS is set, else memory.
    """
    named = environment.get(TYPE, "").strip()
    if not named:
        servers = ("REDIS_HOST", "REDIS_SENTINELS", "REDIS_CLUSTERS")
        named = "redis" if any(environment.get(name, "").strip() for name in servers) else "memory"
    kind = REGISTRY.load(named)
    settings = kind.settings.from_environment(environment)
    return _cache(named, settings, behaviour)


def from_location(text: str, environment: Mapping[str, str], behaviour: Behaviour | None = None) -> Cache:
    """The cache at a location; what it does not say, secrets first of all, comes from the environment."""
    match = _URL.fullmatch(text)
    if match is None:
        if not text or "://" in text:
            raise InvalidInput("this names no cache", where=text or "''", hint=f"there are: {_FORMS}")
        path = str(Path(text).expanduser().absolute())
        return _cache("local", LocalSettings.from_environment(environment, path=path), behaviour)
    scheme, rest = match[1].lower(), match[2]
    main, _, query = rest.partition("?")
    base, _, mode = scheme.partition("+")
    if base in _REDIS and mode in {"", "sentinel", "cluster"}:
        given = _redis(base, mode, main, f"{scheme}://") | _query(query, RedisSettings, scheme)
        return _cache("redis", RedisSettings.from_environment(environment, **given), behaviour)
    if scheme in {"local", "file"}:
        given = {"path": _path(main, text)} | _query(query, LocalSettings, scheme)
        return _cache("local", LocalSettings.from_environment(environment, **given), behaviour)
    if scheme == "memory" and not main.strip("/"):
        given = _query(query, LocalSettings, scheme)
        return _cache("memory", LocalSettings.from_environment(environment, **given), behaviour)
    raise InvalidInput("this names no cache", where=f"{scheme}://", hint=f"there are: {_FORMS}")


def _cache(type_id: str, settings: Any, behaviour: Behaviour | None) -> Cache:
    if type_id == "memory":
        settings = settings.model_copy(update={"path": ""})
    if type_id == "local" and not settings.path:
        raise InvalidInput("is not set", where="CACHE_PATH", hint="the file of CACHE_TYPE=local")
    backend: Backend = REGISTRY.load(type_id).open(settings)
    return Cache(backend, behaviour or _behaviour(settings))


def _behaviour(settings: object) -> Behaviour:
    if not isinstance(settings, RedisSettings):
        return Behaviour()
    return Behaviour(
        retries=settings.retries,
        backoff_base=settings.backoff_base,
        backoff_cap=settings.backoff_cap,
        deadline=max(settings.timeout, settings.connect_timeout),
    )


def _redis(base: str, mode: str, main: str, where: str) -> dict[str, str]:
    authority, _, path = main.partition("/")
    user, at, hosts = authority.rpartition("@")
    if ":" in user:
        raise InvalidInput(
            "a location holds no password: everybody on this machine can see it",
            where=where,
            hint="set REDIS_PASSWORD, or name a .env file",
        )
    given: dict[str, str] = {"tls": "true"} if _REDIS[base] else {}
    given |= {"username": unquote(user)} if at else {}
    given |= {"use_sentinel": str(mode == "sentinel"), "use_cluster": str(mode == "cluster")}
    parts = [unquote(part) for part in path.split("/") if part]
    try:
        addresses(hosts, REDIS_PORT)
        if mode:
            given["sentinels" if mode == "sentinel" else "clusters"] = hosts
        else:
            host, port = address(hosts, REDIS_PORT)
            given |= {"host": host, "port": str(port)}
    except ValueError as error:
        raise InvalidInput(str(error), where=where) from None
    if mode == "sentinel":
        if not parts:
            raise InvalidInput("names no service", where=where, hint=f"{where}s1:26379,s2:26379/mymaster/0")
        given["service"] = parts.pop(0)
    given["db"] = parts.pop(0) if parts else "0"
    if parts:
        raise InvalidInput(f"/{'/'.join(parts)} means nothing here", where=where)
    return given


def _path(main: str, text: str) -> str:
    if not main.startswith("/"):
        raise InvalidInput("the path is not absolute", where=text, hint="local:///srv/app/cache.db")
    return unquote(main)


def _query(query: str, kind: type[EnvironmentSettings], scheme: str) -> dict[str, str]:
    given = dict(parse_qsl(query, keep_blank_values=True))
    for name in given:
        if name in kind.secret_fields():
            variable = kind.variables()[name]
            raise InvalidInput(f"{name} is a secret: set the variable {variable}", where=f"{scheme}://")
        if name not in kind.model_fields:
            known = ", ".join(sorted(set(kind.model_fields) - kind.secret_fields()))
            raise InvalidInput(
                f"there is no setting {name!r}", where=f"{scheme}://", hint=f"there are: {known}"
            )
    return given
