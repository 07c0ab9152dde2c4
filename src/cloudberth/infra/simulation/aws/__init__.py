"""AWS in the simulation: everything that is only true of AWS lives in this package.

behaviour.py   the Aws class: defaults, tags, what the API would refuse
shapes.py      identifiers, ARNs, endpoints and other computed values, as patterns per resource type
replace.py     which arguments force a new resource, which are sensitive
rules.py       checks of arguments
data.py        data sources and ephemeral resources
policy.py      the IAM policy document, rendered for real
"""

from cloudberth.infra.simulation.aws.behaviour import Aws

__all__ = ["Aws"]
