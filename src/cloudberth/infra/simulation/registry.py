"""The providers that can be simulated: one line each (the schema file is `schemas/<name>.json.gz`)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from cloudberth.infra.simulation.aws import Aws
from cloudberth.infra.simulation.azurerm import Azurerm
from cloudberth.infra.simulation.behaviour import Behaviour
from cloudberth.infra.simulation.google import Google
from cloudberth.infra.simulation.random import Random
from cloudberth.infra.simulation.time import Time

REGISTRIES: Final = ("registry.terraform.io", "registry.opentofu.org")


@dataclass(frozen=True, slots=True)
class Registration:
    """namespace: of the provider in the registries. behaviour: what the cloud has to say."""

    namespace: str
    name: str
    behaviour: type[Behaviour]

    @property
    def sources(self) -> tuple[str, ...]:
        """Full source addresses, for Terraform and for OpenTofu."""
        return tuple(f"{host}/{self.namespace}/{self.name}" for host in REGISTRIES)


PROVIDERS: Final[dict[str, Registration]] = {
    "aws": Registration("hashicorp", "aws", Aws),
    "azurerm": Registration("hashicorp", "azurerm", Azurerm),
    "time": Registration("hashicorp", "time", Time),
    "google": Registration("hashicorp", "google", Google),
    "random": Registration("hashicorp", "random", Random),
}
