"""Resource type → quantity function, over all providers.

A quantity function is pure: it reads one resource (and, through the context, its neighbours and the usage
figures) and says how much of what a month of it takes. Prices are looked up elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import cache

from cloudberth.cost.model import Quantity
from cloudberth.cost.quantities.context import Context
from cloudberth.infra.plan import Resource

QuantityFunction = Callable[[Resource, Context], Iterable[Quantity]]
AccountFunction = Callable[[Context], Iterable[Quantity]]

STATE_ONLY: Mapping[str, str] = dict.fromkeys(
    (
        "null_resource", "random_id", "random_integer", "random_password", "random_pet", "random_string",
        "random_uuid", "terraform_data", "time_rotating", "time_sleep", "time_static", "tls_private_key",
    ),
    "exists in Terraform's state only",
)  # fmt: skip


@cache
def priced() -> Mapping[str, QuantityFunction]:
    """Every type with a quantity function."""
    from cloudberth.cost.quantities import aws

    return aws.PRICED


@cache
def free() -> Mapping[str, str]:
    """Every type that is known to cost nothing by itself, with the reason."""
    from cloudberth.cost.quantities import aws

    return {**STATE_ONLY, **aws.FREE}


@cache
def account_functions() -> tuple[AccountFunction, ...]:
    """Quantities that belong to the deployment and not to one resource."""
    from cloudberth.cost.quantities import aws

    return aws.ACCOUNT
