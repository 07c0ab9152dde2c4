"""Secrets in AWS: where they must not stand, and the store that keeps them."""

from __future__ import annotations

from cloudberth.findings.model import Severity
from cloudberth.findings.rules.registry import resource_rule
from cloudberth.findings.rules.secret_text import is_secret_name
from cloudberth.findings.values import at
from cloudberth.infra.plan import Resource

# Arguments that Terraform keeps readable in plan and state; each has a write-only sibling or a managed way.
_STATE_ARGUMENTS = {
    "aws_db_instance": ("password",),
    "aws_rds_cluster": ("master_password",),
    "aws_redshift_cluster": ("master_password",),
    "aws_elasticache_replication_group": ("auth_token",),
    "aws_elasticache_user": ("passwords",),
    "aws_secretsmanager_secret_version": ("secret_string",),
    "aws_opensearch_domain": ("advanced_security_options.0.master_user_options.0.master_user_password",),
}


@resource_rule(
    "secrets.value-in-state",
    Severity.HIGH,
    "Password stands in plan and state",
    why="Whoever may read the plan file or the state (pipelines, colleagues, backups) has the password.",
    remedy="Use the write-only argument (…_wo) fed from the secret store, as Cloudberth's modules do, or "
    "manage_master_user_password.",
    types=tuple(_STATE_ARGUMENTS),
)
def value_in_state(resource: Resource) -> str | None:
    written = [name for name in _STATE_ARGUMENTS[resource.type] if not at(resource, name).absent]
    return f"{written[0].rpartition('.')[2]} is set." if written else None


@resource_rule(
    "secrets.parameter-not-encrypted",
    Severity.MEDIUM,
    "Parameter with a secret's name is stored as plain text",
    why="A parameter of type String is readable by everyone who may list parameters, and is not encrypted.",
    remedy="type: SecureString with value_wo",
    types=("aws_ssm_parameter",),
)
def parameter_not_encrypted(parameter: Resource) -> str | None:
    name = at(parameter, "name").text.rpartition("/")[2]
    plain = at(parameter, "type").text == "String" and is_secret_name(name)
    return "Its type is String." if plain else None


@resource_rule(
    "secrets.deleted-at-once",
    Severity.LOW,
    "Secret is deleted without a way back",
    why="With a recovery window of 0 a wrong destroy takes the password of a living database with it.",
    remedy="recovery_window_in_days: 7 (or more) in your own Terraform.",
    types=("aws_secretsmanager_secret",),
)
def deleted_at_once(secret: Resource) -> str | None:
    return "Its recovery window is 0 days." if at(secret, "recovery_window_in_days").number == 0 else None


@resource_rule(
    "secrets.key-not-rotated",
    Severity.LOW,
    "Encryption key is never rotated",
    why="Rotation is free of effort (old data stays readable) and limits what one leaked key is worth.",
    remedy="enable_key_rotation: true",
    types=("aws_kms_key",),
)
def key_not_rotated(key: Resource) -> str | None:
    spec, usage = at(key, "customer_master_key_spec"), at(key, "key_usage")
    symmetric = (spec.absent or spec.text == "SYMMETRIC_DEFAULT") and (
        usage.absent or usage.text == "ENCRYPT_DECRYPT"
    )
    external = not at(key, "custom_key_store_id").absent
    return (
        "enable_key_rotation is off."
        if symmetric and not external and at(key, "enable_key_rotation").off
        else None
    )
