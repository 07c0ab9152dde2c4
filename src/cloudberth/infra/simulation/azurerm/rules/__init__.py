"""Checks of Azure's arguments: what the provider or the API would refuse although the schema allows it.

Values and limits are those of Azure's API references, its naming rules for resources, and the provider's
documentation (5.x). Only certain refusals stand here: a rule that is wrong would reject a plan that works.
An unknown value is never complained about.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from cloudberth.infra.simulation.azurerm.rules import machines, network, stores, watching, ways_in
from cloudberth.infra.simulation.rules import AnyRule

RESOURCE_RULES: Final[Mapping[str, Sequence[AnyRule]]] = {
    **network.RULES,
    **ways_in.RULES,
    **stores.RULES,
    **machines.RULES,
    **watching.RULES,
}
