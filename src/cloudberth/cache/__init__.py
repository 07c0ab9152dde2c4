"""A cache: Redis or Valkey, or their embedded twin, behind one contract.

::

    from cloudberth import cache

    with cache.open() as everything:                     # Dify's own variables: REDIS_HOST, …
        counts = everything.under("counts")
        counts.increment("visits", seconds=3600)

`open` takes the environment, any mapping (a parsed ``.env``) or a location (``redis://host/0``, ``memory://``,
``./cache.db``). Nothing of a vendor is imported before it is opened. What stands on it: `locks`,
`rate_limits`, `computed`, `responses`, `sessions`, `tokens`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

from cloudberth.cache.cache import Cache
from cloudberth.cache.contract import Backend, Capabilities, Decision, Health, Rate
from cloudberth.cache.layers import Behaviour
from cloudberth.cache.metrics import Metrics

__all__ = ["Backend", "Behaviour", "Cache", "Capabilities", "Decision", "Health", "Metrics", "Rate", "open"]


def open(
    where: str | Mapping[str, str] | None = None,
    behaviour: Behaviour | None = None,
    *,
    environment: Mapping[str, str] | None = None,
) -> Cache:
    """The cache at a location or that variables name; makes no request, `Cache.health` does.

    where: a location, or variables; None: this process's variables. environment: what a location does not say
    (passwords above all) comes from here, by default from this process's variables. Raises InvalidInput
    naming the variable that is missing or wrong.
    """
    from cloudberth.cache import opening

    if isinstance(where, str):
        return opening.from_location(where, os.environ if environment is None else environment, behaviour)
    return opening.from_environment(os.environ if where is None else where, behaviour)
