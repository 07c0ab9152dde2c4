"""Secrets where they must not stand. For every cloud alike."""

from __future__ import annotations

from collections.abc import Iterator

from cloudberth.findings.bundle import SOURCES, unpack
from cloudberth.findings.context import Context
from cloudberth.findings.model import Severity
from cloudberth.findings.rules.containers import place as place_of
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
    why="User data can be read by every process on the machine and by everyone who "
    "may look at the machine's template.",
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
        for name, value in _tags(resource):
            if kind_of_secret(value) or (is_secret_name(name) and looks_literal(value)):
                yield Hit(resource.address, f"Tag {name} looks like a secret.")


def _tags(resource: Resource) -> Iterator[tuple[str, str]]:
    """Tags, under whatever name the provider has them."""
    for attribute in ("tags", "labels", "user_labels"):
        tags = at(resource, attribute).value
        for name, value in tags.items() if isinstance(tags, dict) else ():
            yield str(name), str(value or "")


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
                yield Hit(place_of(container), f"{name} of {container.name} is {kind}.")
