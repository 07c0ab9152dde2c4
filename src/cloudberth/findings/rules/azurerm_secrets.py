"""Secrets in Azure: values in the state, and the vault that keeps them."""

from __future__ import annotations

from cloudberth.findings.context import Context
from cloudberth.findings.model import Severity
from cloudberth.findings.rules.registry import also_resource, relation_rule
from cloudberth.findings.values import at
from cloudberth.infra.plan import Resource

# Arguments that Terraform keeps readable in plan and state; each has a write-only sibling or is not needed.
_STATE_ARGUMENTS = {
    "azurerm_postgresql_flexible_server": "administrator_password",
    "azurerm_mysql_flexible_server": "administrator_password",
    "azurerm_mssql_server": "administrator_login_password",
    "azurerm_key_vault_secret": "value",
    "azurerm_linux_virtual_machine": "admin_password",
    "azurerm_linux_virtual_machine_scale_set": "admin_password",
}
_VAULT, _KEY = "azurerm_key_vault", "azurerm_key_vault_key"


@also_resource(
    "secrets.value-in-state",
    types=tuple(_STATE_ARGUMENTS),
    remedy="Use the write-only argument (…_wo) fed from the vault, as Cloudberth's modules do.",
)
def value_in_state(resource: Resource) -> str | None:
    name = _STATE_ARGUMENTS[resource.type]
    return None if at(resource, name).absent else f"{name} is set."


@also_resource(
    "secrets.deleted-at-once",
    types=(_VAULT,),
    why="Without protection against purging, whoever deletes the vault by mistake or on purpose can empty "
    "the bin, too, and the password of a living database with it.",
    remedy="purge_protection_enabled: true; follows database.deletion_protection in Cloudberth.",
)
def deleted_at_once(vault: Resource) -> str | None:
    return "purge_protection_enabled is off." if at(vault, "purge_protection_enabled").off else None


@also_resource("secrets.key-not-rotated", types=(_KEY,), remedy="rotation_policy with automatic rotation")
def key_not_rotated(key: Resource) -> str | None:
    return "It has no rotation policy." if at(key, "rotation_policy").absent else None


@relation_rule(
    "secrets.whole-store-readable",
    Severity.MEDIUM,
    "Who may read one secret may read all",
    why="Access policies hold for the whole vault: a service that needs one password gets every one.",
    remedy="Roles on single secrets (Azure: rbac_authorization_enabled: true).",
    types=(_VAULT,),
)
def whole_store_readable(vault: Resource, _: Context) -> str | None:
    return (
        "rbac_authorization_enabled is false." if at(vault, "rbac_authorization_enabled").turned_off else None
    )
