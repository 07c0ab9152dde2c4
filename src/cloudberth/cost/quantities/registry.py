"""Resource type → quantity function, over all clouds.

A quantity function is pure: it reads one resource (and, through the context, its neighbours and the usage
figures) and says how much of what a month of it takes. Prices are looked up elsewhere. A cloud is one
module with a `CLOUD`; adding one is one line in `CLOUDS`.
"""

from __future__ import annotations

import importlib
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache

from cloudberth.cost.model import Quantity
from cloudberth.cost.quantities.context import Context
from cloudberth.cost.usage import PlanFacts
from cloudberth.infra.plan import Plan, Resource

CLOUDS: Mapping[str, str] = {
    "aws": "cloudberth.cost.quantities.aws",
    "azure": "cloudberth.cost.quantities.azure",
    "google": "cloudberth.cost.quantities.google",
}
"""Name of a cloud in the price book → its module."""

QuantityFunction = Callable[[Resource, Context], Iterable[Quantity]]
AccountFunction = Callable[[Context], Iterable[Quantity]]


@dataclass(frozen=True, slots=True)
class Cloud:
    """What one cloud brings.

    priced: quantity function per type. free: types known to cost nothing by themselves, with the reason.
    account: quantities that belong to the deployment and not to one resource. facts: what usage formulas
    need of a plan.
    """

    name: str
    priced: Mapping[str, QuantityFunction]
    free: Mapping[str, str]
    account: tuple[AccountFunction, ...]
    facts: Callable[[Context], PlanFacts]


STATE_ONLY: Mapping[str, str] = dict.fromkeys(
    (
        "null_resource", "random_id", "random_integer", "random_password", "random_pet", "random_string",
        "random_uuid", "terraform_data", "time_rotating", "time_sleep", "time_static", "tls_private_key",
    ),
    "exists in Terraform's state only",
)  # fmt: skip


@cache
def clouds() -> tuple[Cloud, ...]:
    """Every cloud, in the order of CLOUDS."""
    found = []
    for module in CLOUDS.values():
        cloud: Cloud = importlib.import_module(module).CLOUD
        found.append(cloud)
    return tuple(found)


@cache
def priced() -> Mapping[str, QuantityFunction]:
    """Every type with a quantity function."""
    return {kind: function for cloud in clouds() for kind, function in cloud.priced.items()}


@cache
def free() -> Mapping[str, str]:
    """Every type that is known to cost nothing by itself, with the reason."""
    return {**STATE_ONLY, **{kind: reason for cloud in clouds() for kind, reason in cloud.free.items()}}


def cloud_of(plan: Plan) -> Cloud:
    """The cloud that most of the plan's resources belong to; the first one for a plan without any."""
    types = Counter(resource.type for resource in plan.managed())
    return max(
        clouds(),
        key=lambda cloud: sum(n for kind, n in types.items() if kind in cloud.priced or kind in cloud.free),
    )
