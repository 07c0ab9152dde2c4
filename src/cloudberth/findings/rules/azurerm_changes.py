"""What a plan changes on Azure: data that goes, protection that is removed, restarts."""

from __future__ import annotations

from collections.abc import Iterator

from cloudberth.findings.context import Context
from cloudberth.findings.rules.changes import changed, deleted, replaced
from cloudberth.findings.rules.registry import Hit, also, also_resource
from cloudberth.findings.values import at, before
from cloudberth.infra.plan import Action, Resource

_SERVERS = ("azurerm_postgresql_flexible_server", "azurerm_mysql_flexible_server")
_DATA = {
    "azurerm_postgresql_flexible_server": "the database",
    "azurerm_postgresql_flexible_server_database": "the database",
    "azurerm_mysql_flexible_server": "the database",
    "azurerm_mssql_database": "the database",
    "azurerm_cosmosdb_account": "the database",
    "azurerm_storage_account": "the files",
    "azurerm_storage_container": "the files",
    "azurerm_storage_share": "the files",
    "azurerm_managed_redis": "sessions and queued tasks",
    "azurerm_redis_cache": "sessions and queued tasks",
    "azurerm_managed_disk": "the disk",
    "azurerm_key_vault": "every secret in it",
    "azurerm_key_vault_secret": "the secret",
    "azurerm_key_vault_key": "everything encrypted with it",
    "azurerm_search_service": "the index",
    # Azure deletes what is in a group with it, whether Terraform knows it or not.
    "azurerm_resource_group": "everything in it",
}
_NETWORKS = ("azurerm_virtual_network", "azurerm_subnet")
_ENTRANCES = ("azurerm_application_gateway", "azurerm_public_ip", "azurerm_cdn_frontdoor_endpoint")
_LOGS = ("azurerm_log_analytics_workspace", "azurerm_log_analytics_workspace_table_custom_log")
_LOCK, _ACCOUNT, _VAULT = "azurerm_management_lock", "azurerm_storage_account", "azurerm_key_vault"


@also("changes.data-deleted", types=tuple(_DATA))
def data_deleted(context: Context) -> Iterator[Hit]:
    yield from deleted(context, _DATA)


@also("changes.data-replaced", types=tuple(_DATA))
def data_replaced(context: Context) -> Iterator[Hit]:
    yield from replaced(context, _DATA)


@also("changes.network-replaced", types=_NETWORKS)
def network_replaced(context: Context) -> Iterator[Hit]:
    for resource in changed(context, Action.REPLACE, _NETWORKS):
        yield Hit(resource.address, "It is replaced.")


@also("changes.address-replaced", types=_ENTRANCES)
def address_replaced(context: Context) -> Iterator[Hit]:
    for action in (Action.REPLACE, Action.DELETE):
        for resource in changed(context, action, _ENTRANCES):
            yield Hit(resource.address, f"{action.value}: the old address ends.")


@also("changes.protection-removed", types=(_LOCK, _ACCOUNT, _VAULT))
def protection_removed(context: Context) -> Iterator[Hit]:
    for lock in changed(context, Action.DELETE, (_LOCK,)):
        yield Hit(lock.address, "The lock is removed.")
    for account in changed(context, Action.UPDATE, (_ACCOUNT,)):
        name = "blob_properties.0.versioning_enabled"
        if before(account, name).on and at(account, name).off:
            yield Hit(account.address, "Versioning is switched off.")


@also_resource("changes.retention-shortened", types=(*_SERVERS, *_LOGS))
def retention_shortened(resource: Resource) -> str | None:
    if resource.action is not Action.UPDATE:
        return None
    for name in ("backup_retention_days", "retention_in_days"):
        was, now = before(resource, name).number, at(resource, name).number
        if was is not None and now is not None and 0 < now < was:
            return f"{name}: {was:g} → {now:g}."
    return None


@also_resource(
    "changes.database-restarts",
    types=_SERVERS,
    remedy="Apply in a quiet hour.",
)
def database_restarts(server: Resource) -> str | None:
    """Azure changes size and version at once, whatever the maintenance window says."""
    if server.action is not Action.UPDATE:
        return None
    for name in ("version", "sku_name"):
        was, now = before(server, name), at(server, name)
        if was.known and now.known and was.text != now.text:
            return f"{name}: {was.text} → {now.text}."
    return None
