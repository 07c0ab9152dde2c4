"""Checks of AWS arguments: what the provider or the API would refuse although the schema allows it.

Values and limits are those of the services' API references and of the provider's documentation (6.x). Only
limits that AWS does not raise on request are here. An unknown value is never complained about.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from cloudberth.infra.simulation.aws import policy
from cloudberth.infra.simulation.aws.rules import identity, machines, network, stores, watching, ways_in
from cloudberth.infra.simulation.aws.rules.formats import REGION
from cloudberth.infra.simulation.rules import (
    AnyRule,
    Combination,
    Complaint,
    Rule,
    between,
    conflicting,
    length,
    matches,
    one_of,
)
from cloudberth.infra.simulation.values import Value

RESOURCE_RULES: Final[Mapping[str, Sequence[AnyRule]]] = {
    **network.RULES,
    **machines.RULES,
    **ways_in.RULES,
    **stores.RULES,
    **identity.RULES,
    **watching.RULES,
}


def _statement(config: Mapping[str, Value]) -> tuple[str, str] | None:
    for _, _, words in policy.invalid_elements(config):
        return "statement", words
    return None


DATA_RULES: Final[Mapping[str, Sequence[AnyRule]]] = {
    "aws_iam_policy_document": (
        Rule("statement.*.effect", one_of("Allow", "Deny")),
        Rule("version", one_of("2008-10-17", "2012-10-17")),
        Rule("statement.*.principals.*.type", one_of("AWS", "Service", "Federated", "CanonicalUser", "*")),
        Combination("", _statement),
    ),
    "aws_secretsmanager_random_password": (Rule("password_length", between(1, 4096)),),
    "aws_ami": (Rule("owners", length(1, 200)),),
}
"""Data sources and ephemeral resources."""


def provider_complaints(config: Mapping[str, Value]) -> Sequence[Complaint]:
    """The provider block: a region that has the form of one, accounts that exclude each other."""
    rules: Sequence[AnyRule] = (
        Rule("region", REGION),
        conflicting("allowed_account_ids", "forbidden_account_ids"),
        Rule("allowed_account_ids.*", matches(r"\d{12}", "be an account number of 12 digits")),
    )
    return [complaint for rule in rules for complaint in rule.complaints(config)]
