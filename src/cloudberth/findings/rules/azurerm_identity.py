"""Identities of Azure: who may do what, and where."""

from __future__ import annotations

import re

from cloudberth.findings.context import Context
from cloudberth.findings.model import Severity
from cloudberth.findings.rules.registry import also_resource, relation_rule
from cloudberth.findings.values import at, blocks
from cloudberth.infra.plan import Resource

_ASSIGNMENT, _DEFINITION = "azurerm_role_assignment", "azurerm_role_definition"
_REGISTRY = "azurerm_container_registry"
_BROAD = ("Owner", "Contributor")
_GIVES_AWAY = ("Owner", "User Access Administrator", "Role Based Access Control Administrator")
# Roles that read or change what an application keeps, and belong on the one thing that it uses.
_SHARP = re.compile(
    r"^(?:Storage (?:Blob|Queue|Table|File).* (?:Contributor|Owner|Reader)|Key Vault .*"
    r"|Storage Account (?:Contributor|Key Operator Service Role)|Virtual Machine Contributor"
    r"|SQL .*Contributor)$"
)
_WIDE_SCOPE = re.compile(
    r"^(?:/subscriptions/[^/]+|/providers/Microsoft\.Management/managementGroups/[^/]+|/)$"
)
_ESCALATES = ("Microsoft.Authorization/roleAssignments/write", "Microsoft.Authorization/*")


def _is_wide(assignment: Resource) -> bool:
    """Whether it holds for a whole subscription or more."""
    return bool(_WIDE_SCOPE.match(at(assignment, "scope").text))


@also_resource(
    "identity.broad-managed-policy",
    types=(_ASSIGNMENT,),
    why="Owner and Contributor may change and delete everything in their scope, now and in future.",
    remedy="A role for what is needed, on the resource that it is needed for.",
)
def broad_managed_policy(assignment: Resource) -> str | None:
    role = at(assignment, "role_definition_name").text
    return f"It gives {role}." if role in _BROAD else None


@also_resource(
    "identity.privilege-escalation",
    types=(_ASSIGNMENT, _DEFINITION),
    remedy="condition and condition_version, with the roles that may be given away.",
)
def privilege_escalation(resource: Resource) -> str | None:
    if resource.type == _DEFINITION:
        actions = [a for entry in blocks(resource, "permissions") for a in entry.at("actions").texts]
        found = [action for action in actions if action in _ESCALATES]
        return f"It allows {found[0]}." if found else None
    role = at(resource, "role_definition_name").text
    limited = not at(resource, "condition").absent
    return f"{role} may give every role away." if role in _GIVES_AWAY and not limited else None


@also_resource("identity.every-action", types=(_DEFINITION,))
def every_action(definition: Resource) -> str | None:
    for entry in blocks(definition, "permissions"):
        if "*" in entry.at("actions").texts and entry.at("not_actions").absent:
            return "It allows *."
    return None


@also_resource(
    "identity.whole-service",
    types=(_DEFINITION,),
)
def whole_service(definition: Resource) -> str | None:
    names = [
        action
        for entry in blocks(definition, "permissions")
        for action in (*entry.at("actions").texts, *entry.at("data_actions").texts)
        if re.fullmatch(r"Microsoft\.\w+/\*", action)
    ]
    return f"It allows {', '.join(sorted(set(names)))}." if names else None


@also_resource(
    "identity.every-resource",
    types=(_ASSIGNMENT,),
    why="The application then also reads secrets, files and keys of everything else in the subscription.",
    remedy="scope: the id of the vault, account or set that it is for.",
)
def every_resource(assignment: Resource) -> str | None:
    role = at(assignment, "role_definition_name").text
    return (
        f"{role} on {at(assignment, 'scope').text}." if _SHARP.match(role) and _is_wide(assignment) else None
    )


@relation_rule(
    "containers.registry-shared-login",
    Severity.MEDIUM,
    "Image registry with a shared login",
    why="Its password may push, names nobody in the logs and is changed by nobody.",
    remedy="admin_enabled: false, and the role AcrPull for the machines' identity.",
    types=(_REGISTRY,),
)
def registry_shared_login(registry: Resource, _: Context) -> str | None:
    return "admin_enabled is true." if at(registry, "admin_enabled").on else None


@relation_rule(
    "containers.registry-public",
    Severity.HIGH,
    "Anybody can pull images",
    why="Images hold your code, and often more than was meant to be in them.",
    remedy="anonymous_pull_enabled: false; on Google no allUsers in the repository's policy.",
    types=(_REGISTRY,),
)
def registry_public(registry: Resource, _: Context) -> str | None:
    return "anonymous_pull_enabled is true." if at(registry, "anonymous_pull_enabled").on else None
