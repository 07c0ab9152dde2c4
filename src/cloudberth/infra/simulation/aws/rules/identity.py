"""IAM, KMS, Secrets Manager."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from cloudberth.infra.simulation.aws.rules.formats import (
    ARN,
    EMBEDDED_POLICY,
    IAM_NAME,
    NAME_OR_PREFIX,
    ROLE_NAME,
)
from cloudberth.infra.simulation.rules import (
    AnyRule,
    Rule,
    between,
    conflicting,
    every,
    length,
    matches,
    requires,
    zero_or_between,
)

RULES: Final[Mapping[str, Sequence[AnyRule]]] = {
    "aws_iam_role": (
        NAME_OR_PREFIX,
        Rule("name", ROLE_NAME),
        Rule("name_prefix", length(1, 38)),
        Rule("assume_role_policy", EMBEDDED_POLICY),
        Rule("max_session_duration", between(3600, 43200)),
        Rule("path", matches(r"/|/[\x21-\x7e]+/", "begin and end with /")),
    ),
    "aws_iam_policy": (NAME_OR_PREFIX, Rule("name", IAM_NAME), Rule("policy", EMBEDDED_POLICY)),
    "aws_iam_role_policy": (NAME_OR_PREFIX, Rule("name", IAM_NAME), Rule("policy", EMBEDDED_POLICY)),
    "aws_iam_role_policy_attachment": (Rule("policy_arn", ARN),),
    "aws_iam_instance_profile": (NAME_OR_PREFIX, Rule("name", IAM_NAME)),
    "aws_kms_key": (
        Rule("deletion_window_in_days", between(7, 30)),
        Rule("rotation_period_in_days", between(90, 2560)),
        Rule("policy", EMBEDDED_POLICY),
    ),
    "aws_kms_alias": (Rule("name", matches(r"alias/[\w/-]+", "begin with alias/")),),
    "aws_secretsmanager_secret": (
        NAME_OR_PREFIX,
        Rule("name", every(length(1, 512), matches(r"[\w/+=.@-]+", "have only letters, digits and /_+=.@-"))),
        Rule("recovery_window_in_days", zero_or_between(7, 30)),
        Rule("policy", EMBEDDED_POLICY),
    ),
    "aws_secretsmanager_secret_version": (
        conflicting("secret_string", "secret_string_wo"),
        conflicting("secret_binary", "secret_string"),
        conflicting("secret_binary", "secret_string_wo"),
        requires("secret_string_wo", "secret_string_wo_version"),
        requires("secret_string_wo_version", "secret_string_wo"),
        Rule("secret_string", length(1, 65536)),
        Rule("secret_string_wo", length(1, 65536)),
    ),
}
