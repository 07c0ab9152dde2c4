"""Azure in the simulation: everything that is only true of Azure lives in this package.

behaviour.py   the Azurerm class: ids, names that answer, data sources, secrets of the vault
shapes.py      types of Azure's resource manager per Terraform type, and computed values as patterns
replace.py     which arguments force a new resource, which are sensitive
rules/         checks of arguments
"""

from cloudberth.infra.simulation.azurerm.behaviour import Azurerm

__all__ = ["Azurerm"]
