"""Secrets in AWS: where they must not stand, and the store that keeps them."""

from __future__ import annotations

from collections.abc import Iterator

from cloudberth.findings.bundle import SOURCES, unpack
from cloudberth.findings.context import Context
from cloudberth.findings.model import Severity
from cloudberth.findings.rules.registry import Hit, resource_rule, rule
from cloudberth.findings.rules.secret_text import (
    assigned_secret,
    is_secret_name,
    kind_of_secret,
    looks_literal,
    published_secret,
)
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


@rule(
    "secrets.generated-into-state",
    Severity.MEDIUM,
    "Generated secret stands in the state",
    why="random_password and tls_private_key are resources: what they make stays readable in the state.",
    remedy="Use the ephemeral resource of the same name (Terraform 1.10 and later) with write-only "
    "arguments.",
    types=("random_password", "tls_private_key"),
)
def generated_into_state(context: Context) -> Iterator[Hit]:
    for resource in context.of_type("random_password", "tls_private_key"):
        yield Hit(resource.address, "Its result is stored in the state.")


@resource_rule(
    "secrets.in-user-data",
    Severity.HIGH,
    "Secret in what machines fetch at boot",
    why="User data can be read by every process on the machine and by everyone with "
    "DescribeLaunchTemplateVersions.",
    remedy="Read it at boot from the secret store with the machine's role, as Cloudberth's boot step does.",
    types=tuple(SOURCES),
)
def in_user_data(machine: Resource) -> str | None:
    for name in SOURCES[machine.type]:
        for path, text in unpack(at(machine, name).text):
            kind, assigned = kind_of_secret(text), assigned_secret(text)
            place = path or name
            if kind:
                return f"{place} holds {kind}."
            if assigned and not path.endswith((".py", ".sh")):
                return f"{place} sets {assigned}."
    return None


@rule(
    "secrets.in-tags",
    Severity.HIGH,
    "Secret in a tag",
    why="Tags are shown in consoles, bills and inventories, and cannot be hidden from anyone.",
    remedy="Remove it from tags, and change the secret: it is known now.",
    types=(),
)
def in_tags(context: Context) -> Iterator[Hit]:
    for resource in context.plan.managed():
        tags = at(resource, "tags").value
        for name, value in tags.items() if isinstance(tags, dict) else ():
            text = str(value or "")
            if kind_of_secret(text) or (is_secret_name(str(name)) and looks_literal(text)):
                yield Hit(resource.address, f"Tag {name} looks like a secret.")


@rule(
    "secrets.in-variables",
    Severity.MEDIUM,
    "Secret in a Terraform variable",
    why="Values of variables are kept in the plan file, and often in a .tfvars file in the repository.",
    remedy="Put it into the secret store and pass its name (secret_references).",
    types=(),
)
def in_variables(context: Context) -> Iterator[Hit]:
    for name, value in sorted(context.plan.variables.items()):
        if not isinstance(value, str) or not value:
            continue
        kind = kind_of_secret(value)
        if kind or (is_secret_name(name) and looks_literal(value)):
            yield Hit("", f"Variable {name} holds {kind or 'a value'}.")


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


@rule(
    "secrets.published-default",
    Severity.CRITICAL,
    "Published default password in use",
    why="These values stand in public compose files; scanners try them first.",
    remedy="Leave the variable out of env: Cloudberth generates every secret.",
    types=(),
)
def published_default(context: Context) -> Iterator[Hit]:
    for container in context.bundle.containers:
        for name, value in sorted(container.environment.items()):
            kind = published_secret(value)
            if kind:
                yield Hit(_place(container.origin), f"{name} of {container.name} is {kind}.")


def _place(origin: str) -> str:
    return "" if origin.startswith("stack/") else origin
