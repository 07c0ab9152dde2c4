"""What follows from the deployment file for the application: the values behind ``${setting.…}``, and the
choices between groups of variables (``storage-{storage}``)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from cloudberth.apps.cloud_data import cloud_data
from cloudberth.apps.connections import Pools, pools
from cloudberth.apps.model import App, Size
from cloudberth.apps.references import from_user
from cloudberth.deployment.facts import facts
from cloudberth.deployment.model import Deployment
from cloudberth.environment.template import escape

_LONGEST_REQUEST = 360
"""Seconds a request may take in the API before its process is replaced; Dify's own default in production."""


_CACHE_CERTIFICATES: Mapping[str, str] = {
    "cache_certificates": "CERT_REQUIRED",
    "cache_certificates_url": "required",
    "daemon_cache_certificates": "CERT_OPTIONAL",
}
"""How clients judge the cache's certificate: by the CAs of the system, unless the cloud says otherwise. In
the words of Python, of Redis URLs, and of the plugin daemon (which wants a CA file for CERT_REQUIRED)."""


@dataclass(frozen=True, slots=True)
class Settings:
    """size: column of the sized figures. values: name → text, which may hold references to secrets.

    choices: the variants of groups of variables. extra_env: variables (templates) of the deployment file.
    """

    size: Size
    values: Mapping[str, str]
    choices: Mapping[str, str]
    extra_env: Mapping[str, str] = field(default_factory=dict)


def settings(app: App, deployment: Deployment) -> Settings:
    """Raises InvalidInput when the database cannot carry the connections of all machines."""
    own = {**deployment.env, **({} if deployment.vector.store == "pgvector" else deployment.vector.env)}
    return Settings(
        size=deployment.size,
        values=_values(app, deployment, pools(app, deployment)),
        choices=_choices(app, deployment),
        extra_env={name: from_user(value) for name, value in own.items()},
    )


def _values(app: App, deployment: Deployment, shares: Pools) -> dict[str, str]:
    tracing = deployment.tracing
    return {
        "log_level": deployment.logs.level,
        "database_pool_size": str(shares.size),
        "database_pool_overflow": str(shares.overflow),
        "vector_pool_size": str(shares.vector),
        "vector_store": escape(deployment.vector.store),
        "request_seconds": str(request_seconds(deployment)),
        "otlp_endpoint": escape(tracing.otlp_endpoint or ""),
        "otlp_sampling": str(tracing.sampling),
        "otlp_api_key": from_user(tracing.headers_secret or ""),
        "release": f"{app.name}-{app.version}",
        **_cache_databases(app, deployment),
        **_CACHE_CERTIFICATES,
        **cloud_data(deployment.cloud).get("settings", {}),
    }


def single_database(deployment: Deployment) -> bool:
    """Whether the cloud's cache has one logical database, which key prefixes divide."""
    return facts(deployment.cloud).cache_databases == 1


def _cache_databases(app: App, deployment: Deployment) -> dict[str, str]:
    """Numbers of the logical databases, and the prefix of keys where there is one database alone."""
    single = single_database(deployment)
    return {
        "cache_broker_database": "0" if single else "1",
        "cache_agent_database": "0" if single else "2",
        "cache_prefix": app.name if single else "",
    }


def request_seconds(deployment: Deployment) -> int:
    """The longest request, kept below the load balancer's idle timeout so that the API gives up first."""
    return max(10, min(_LONGEST_REQUEST, deployment.access.idle_timeout_seconds - 10))


def _choices(app: App, deployment: Deployment) -> dict[str, str]:
    known_store = f"vector-{deployment.vector.store}" in app.shared_env
    return {
        "storage": deployment.storage.type,
        "cache": "prefixes" if single_database(deployment) else "databases",
        "vector": deployment.vector.store if known_store else "other",
        "tracing": "on" if deployment.tracing.otlp_endpoint else "off",
        "tracing_key": "on"
        if deployment.tracing.otlp_endpoint and deployment.tracing.headers_secret
        else "off",
    }
