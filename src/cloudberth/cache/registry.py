"""Which cache types there are."""

from __future__ import annotations

from typing import Any

from cloudberth.registry import Registry

# Third parties add types through the entry point group `cloudberth.cache` (name: the type, value:
# ``module:Class`` of a Backend with the class attribute `settings` and the class method `open`).
REGISTRY: Registry[Any] = Registry(
    role="cache type",
    variable="CACHE_TYPE",
    group="cloudberth.cache",
    backends={
        "local": "cloudberth.cache.local:Local",
        "memory": "cloudberth.cache.local:Local",
        "redis": "cloudberth.cache.redis:Redis",
        "valkey": "cloudberth.cache.redis:Redis",
    },
)
