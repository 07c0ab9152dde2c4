"""What ACM asks for to validate a certificate: one DNS record for each name.

The provider knows the names already in the plan and only the records' contents after apply, so that
`for_each = {for o in …domain_validation_options : o.domain_name => o}` works in the first plan.
"""

from __future__ import annotations

from collections.abc import Mapping

from cloudberth.infra.simulation.behaviour import digest
from cloudberth.infra.simulation.values import UNKNOWN, Value, known

RECORD = ("resource_record_name", "resource_record_type", "resource_record_value")


def planned(values: Mapping[str, Value]) -> Mapping[str, Value]:
    """Attributes of a certificate that a plan can tell; nothing while a name is unknown."""
    domain, others = values.get("domain_name"), values.get("subject_alternative_names")
    if not isinstance(domain, str):
        return {}
    alternatives = [] if others in (None, UNKNOWN) else others
    if not known(alternatives):
        return {}
    names = sorted({domain, *alternatives})
    found: dict[str, Value] = {"subject_alternative_names": names} if others is UNKNOWN else {}
    options = [{"domain_name": name, **dict.fromkeys(RECORD, UNKNOWN)} for name in names]
    found["domain_validation_options"] = options if values.get("validation_method") == "DNS" else []
    return found


def validation_options(options: Value, seed: str) -> Value:
    """The planned options with their records. A wildcard shares the record of its domain."""
    return [
        {
            "domain_name": option["domain_name"],
            "resource_record_name": f"_{digest(32, seed, 'name', _base(option))}.{_base(option)}.",
            "resource_record_type": "CNAME",
            "resource_record_value": f"_{digest(32, seed, 'value', _base(option))}.acm-validations.aws.",
        }
        for option in options
    ]


def _base(option: Mapping[str, Value]) -> str:
    return str(option["domain_name"]).removeprefix("*.")
