"""Google Cloud in the simulation: everything that is only true of Google lives in this package.

behaviour.py   the Google class: defaults, labels, what is known at plan
shapes.py      ids, self links, addresses and other computed values, as patterns per resource type
replace.py     which arguments force a new resource, which are sensitive
rules.py       checks of arguments
data.py        data sources, ephemeral resources, secrets
"""

from cloudberth.infra.simulation.google.behaviour import Google

__all__ = ["Google"]
