"""Plans for the rules about logs, alarms, cost and changes of Azure."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

from finding_plans import Sample, case, changed, one, resource, sample

from cloudberth.infra.plan import Action, Resource

azure = partial(case, provider="azurerm")
SERVER = "azurerm_postgresql_flexible_server.a"
WORKSPACE = "azurerm_log_analytics_workspace.a"
TABLE = "azurerm_log_analytics_workspace_table_custom_log.a"
GROUP = "azurerm_monitor_action_group.a"
BUDGET = "azurerm_consumption_budget_resource_group.a"
GATEWAY = "azurerm_application_gateway.a"
SET = "azurerm_linux_virtual_machine_scale_set.a"
ACCOUNT = "azurerm_storage_account.a"

azure(
    "logs.retention-forever",
    reported=[one(TABLE, retention_in_days=4383)],
    silent=[one(TABLE, retention_in_days=30), one(WORKSPACE, unknown={"retention_in_days": True})],
)
azure(
    "logs.retention-short",
    reported=[one(TABLE, retention_in_days=4)],
    silent=[one(TABLE, retention_in_days=7), one(TABLE, retention_in_days=4, at_size="small"), one(TABLE)],
)


def alert(metric: str, **values: Any) -> Any:
    criteria = [{"metric_namespace": "n", "metric_name": metric}]
    return resource(f"azurerm_monitor_metric_alert.{metric}", criteria=criteria, **values)


WATCHED = [alert(metric) for metric in ("storage_free", "active_connections", "cpu_percent")]
azure(
    "alarms.none", reported=[one(SERVER)], silent=[sample(resource(SERVER), alert("cpu_percent")), sample()]
)
azure(
    "alarms.gap",
    reported=[sample(resource(SERVER), alert("cpu_percent"))],
    silent=[
        sample(resource(SERVER), *WATCHED),
        one(SERVER),
        sample(resource(SERVER), resource("azurerm_monitor_metric_alert.a", unknown={"criteria": True})),
    ],
)


def acting(one_alert: Resource) -> Sample:
    """With the block called action, which a plan's resource has besides what is done to it."""
    return sample(replace(one_alert, values={**one_alert.values, "action": [{"action_group_id": "g"}]}))


azure(
    "alarms.without-action",
    reported=[sample(alert("a")), acting(alert("a", enabled=False))],
    silent=[acting(alert("a"))],
)
ASKS = alert("a", references=[GROUP])
azure(
    "alarms.no-recipient",
    reported=[sample(ASKS, resource(GROUP, short_name="a", email_receiver=[]))],
    silent=[
        sample(ASKS, resource(GROUP, email_receiver=[{"name": "a", "email_address": "a@example.com"}])),
        sample(ASKS, resource(GROUP, unknown={"webhook_receiver": True})),
        one(GROUP, email_receiver=[]),
    ],
)
azure(
    "cost.no-budget",
    reported=[one(SERVER)],
    silent=[sample(resource(SERVER), resource(BUDGET)), sample()],
)
azure(
    "cost.budget-without-recipient",
    reported=[one(BUDGET, notification=[{"threshold": 80}])],
    silent=[
        one(BUDGET, notification=[{"contact_emails": ["a@example.com"]}]),
        one(BUDGET, notification=[{"contact_roles": ["Owner"]}]),
        one(BUDGET, unknown={"notification": True}),
    ],
)
azure(
    "cost.untagged",
    reported=[one(SERVER), one(ACCOUNT)],
    silent=[one(SERVER, tags={"a": "b"}), one(SERVER, unknown={"tags": True})],
)
azure(
    "cost.previous-generation",
    reported=[
        one(SET, sku="Standard_D2s_v3"),
        one(
            "azurerm_orchestrated_virtual_machine_scale_set.a",
            sku_profile=[{"virtual_machine_size": [{"name": "Standard_E4_v3"}]}],
        ),
    ],
    silent=[one(SET, sku="Standard_D2s_v5"), one(SET, sku="Standard_B2as_v2"), one(SET, sku="Mix")],
)

# Changes.

azure(
    "changes.data-deleted",
    reported=[
        changed(address, Action.DELETE)
        for address in (
            SERVER,
            "azurerm_postgresql_flexible_server_database.a",
            ACCOUNT,
            "azurerm_storage_container.a",
            "azurerm_managed_redis.a",
            "azurerm_managed_disk.a",
            "azurerm_key_vault.a",
            "azurerm_key_vault_secret.a",
            "azurerm_resource_group.a",
        )
    ],
    silent=[changed(SERVER, Action.NONE), changed(GATEWAY, Action.DELETE)],
)
azure(
    "changes.data-replaced",
    reported=[changed(SERVER, Action.REPLACE), changed("azurerm_managed_disk.a", Action.REPLACE)],
    silent=[changed(SERVER, Action.UPDATE), changed(SET, Action.REPLACE)],
)
azure(
    "changes.network-replaced",
    reported=[
        changed("azurerm_virtual_network.a", Action.REPLACE),
        changed("azurerm_subnet.a", Action.REPLACE),
    ],
    silent=[changed("azurerm_virtual_network.a", Action.UPDATE)],
)
azure(
    "changes.address-replaced",
    reported=[changed("azurerm_public_ip.a", Action.REPLACE), changed(GATEWAY, Action.DELETE)],
    silent=[changed("azurerm_public_ip.a", Action.UPDATE)],
)


def versions(on: bool) -> dict[str, Any]:
    return {"blob_properties": [{"versioning_enabled": on}]}


azure(
    "changes.protection-removed",
    reported=[
        changed("azurerm_management_lock.a", Action.DELETE),
        changed(ACCOUNT, Action.UPDATE, versions(True), **versions(False)),
    ],
    silent=[
        changed("azurerm_management_lock.a", Action.UPDATE),
        changed(ACCOUNT, Action.UPDATE, versions(True), **versions(True)),
    ],
)


def days(name: str, address: str, was: int, now: int) -> Sample:
    return changed(address, Action.UPDATE, {name: was}, **{name: now})


azure(
    "changes.retention-shortened",
    reported=[days("backup_retention_days", SERVER, 30, 7), days("retention_in_days", TABLE, 90, 30)],
    silent=[days("backup_retention_days", SERVER, 7, 30), days("retention_in_days", WORKSPACE, 30, 30)],
)
azure(
    "changes.database-restarts",
    reported=[
        changed(SERVER, Action.UPDATE, {"sku_name": "B_Standard_B2s"}, sku_name="GP_Standard_D2ds_v5"),
        changed(SERVER, Action.UPDATE, {"version": "15"}, version="16"),
    ],
    silent=[
        changed(SERVER, Action.UPDATE, {"sku_name": "B_Standard_B2s"}, sku_name="B_Standard_B2s"),
        changed(SERVER, Action.CREATE, {}, sku_name="B_Standard_B2s"),
    ],
)
