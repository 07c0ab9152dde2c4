"""Every Azure resource type that we can price, and every one that is known to cost nothing by itself."""

from __future__ import annotations

from collections.abc import Mapping

from cloudberth.cost.quantities import azure_compute, azure_data, azure_network, azure_operations
from cloudberth.cost.quantities.context import Context
from cloudberth.cost.quantities.registry import AccountFunction, Cloud, QuantityFunction
from cloudberth.cost.usage import PlanFacts

PRICED: Mapping[str, QuantityFunction] = {
    "azurerm_application_gateway": azure_network.application_gateway,
    "azurerm_application_insights_standard_web_test": azure_operations.web_test,
    "azurerm_cdn_frontdoor_profile": azure_network.front_door,
    "azurerm_data_protection_backup_instance_disk": azure_compute.disk_backup,
    "azurerm_dns_zone": azure_network.public_zone,
    "azurerm_key_vault": azure_operations.vault,
    "azurerm_key_vault_key": azure_operations.key,
    "azurerm_linux_virtual_machine": azure_compute.machine,
    "azurerm_linux_virtual_machine_scale_set": azure_compute.scale_set,
    "azurerm_log_analytics_workspace": azure_operations.workspace,
    "azurerm_managed_disk": azure_compute.managed_disk,
    "azurerm_managed_redis": azure_data.managed_redis,
    "azurerm_monitor_action_group": azure_operations.action_group,
    "azurerm_monitor_diagnostic_setting": azure_operations.diagnostic_setting,
    "azurerm_monitor_metric_alert": azure_operations.metric_alert,
    "azurerm_monitor_scheduled_query_rules_alert_v2": azure_operations.query_alert,
    "azurerm_nat_gateway": azure_network.nat_gateway,
    "azurerm_network_watcher_flow_log": azure_network.flow_log,
    "azurerm_orchestrated_virtual_machine_scale_set": azure_compute.scale_set,
    "azurerm_postgresql_flexible_server": azure_data.postgresql,
    "azurerm_private_dns_zone": azure_network.private_zone,
    "azurerm_private_endpoint": azure_network.private_endpoint,
    "azurerm_public_ip": azure_network.public_ip,
    "azurerm_public_ip_prefix": azure_network.public_ip_prefix,
    "azurerm_snapshot": azure_compute.snapshot,
    "azurerm_storage_account": azure_data.storage_account,
}

ACCOUNT: tuple[AccountFunction, ...] = (azure_network.traffic,)
"""Quantities of the deployment as a whole."""

_PERMISSION = "permissions are free"
_NETWORK = "a setting of the network; what runs in it is billed"
_STORAGE = "part of a storage account; the blobs are billed"
_DATABASE = "part of a database server, which is billed"
_RECORD = "a record of a zone; the zone and its queries are billed"
_FRONT_DOOR = "part of a Front Door profile, which is billed"
_LOGS = "a setting of the workspace; what it takes in is billed"
_SAVED = "a saved query or view is free"
_BACKUP = "a setting of backups; the snapshots are billed"

FREE: Mapping[str, str] = {
    "azurerm_application_insights": "a view of a workspace, which bills what it takes in",
    "azurerm_application_insights_workbook": _SAVED,
    "azurerm_application_security_group": _NETWORK,
    "azurerm_cdn_frontdoor_custom_domain": _FRONT_DOOR,
    "azurerm_cdn_frontdoor_custom_domain_association": _FRONT_DOOR,
    "azurerm_cdn_frontdoor_endpoint": _FRONT_DOOR,
    "azurerm_cdn_frontdoor_firewall_policy": "its rules are part of the profile's base fee",
    "azurerm_cdn_frontdoor_origin": _FRONT_DOOR,
    "azurerm_cdn_frontdoor_origin_group": _FRONT_DOOR,
    "azurerm_cdn_frontdoor_route": _FRONT_DOOR,
    "azurerm_cdn_frontdoor_rule": _FRONT_DOOR,
    "azurerm_cdn_frontdoor_rule_set": _FRONT_DOOR,
    "azurerm_cdn_frontdoor_secret": _FRONT_DOOR,
    "azurerm_cdn_frontdoor_security_policy": _FRONT_DOOR,
    "azurerm_consumption_budget_resource_group": "budgets are free",
    "azurerm_consumption_budget_subscription": "budgets are free",
    "azurerm_cost_anomaly_alert": "cost anomaly alerts are free",
    "azurerm_data_protection_backup_policy_disk": _BACKUP,
    "azurerm_data_protection_backup_vault": _BACKUP,
    "azurerm_dns_a_record": _RECORD,
    "azurerm_dns_aaaa_record": _RECORD,
    "azurerm_dns_caa_record": _RECORD,
    "azurerm_dns_cname_record": _RECORD,
    "azurerm_dns_txt_record": _RECORD,
    "azurerm_federated_identity_credential": _PERMISSION,
    "azurerm_key_vault_access_policy": _PERMISSION,
    "azurerm_key_vault_certificate": "a certificate costs by its operations, which are billed with the vault",
    "azurerm_key_vault_certificate_issuer": "a setting of the vault",
    "azurerm_key_vault_secret": "a secret costs by its operations, which are billed with the vault",
    "azurerm_log_analytics_query_pack": _SAVED,
    "azurerm_log_analytics_query_pack_query": _SAVED,
    "azurerm_log_analytics_saved_search": _SAVED,
    "azurerm_log_analytics_solution": _LOGS,
    "azurerm_log_analytics_workspace_table": _LOGS,
    "azurerm_log_analytics_workspace_table_custom_log": _LOGS,
    "azurerm_maintenance_configuration": "when machines are updated is a setting",
    "azurerm_management_lock": "a lock is a setting",
    "azurerm_monitor_activity_log_alert": "alerts on the activity log are free",
    "azurerm_monitor_alert_processing_rule_suppression": "a setting of alerts",
    "azurerm_monitor_autoscale_setting": "scaling is free; the scale set's mean size follows its profiles",
    "azurerm_monitor_data_collection_endpoint": _LOGS,
    "azurerm_monitor_data_collection_rule": _LOGS,
    "azurerm_monitor_data_collection_rule_association": _LOGS,
    "azurerm_nat_gateway_public_ip_association": "the gateway and the address are billed",
    "azurerm_nat_gateway_public_ip_prefix_association": "the gateway and the addresses are billed",
    "azurerm_network_interface": "free; an attached public address is billed",
    "azurerm_network_interface_security_group_association": _NETWORK,
    "azurerm_network_security_group": _NETWORK,
    "azurerm_network_security_rule": _NETWORK,
    "azurerm_network_watcher": "flow logs and tests are billed, not the watcher",
    "azurerm_portal_dashboard": _SAVED,
    "azurerm_postgresql_flexible_server_active_directory_administrator": _PERMISSION,
    "azurerm_postgresql_flexible_server_configuration": _DATABASE,
    "azurerm_postgresql_flexible_server_database": _DATABASE,
    "azurerm_postgresql_flexible_server_firewall_rule": _DATABASE,
    "azurerm_private_dns_a_record": _RECORD,
    "azurerm_private_dns_cname_record": _RECORD,
    "azurerm_private_dns_zone_virtual_network_link": "a link of a zone; the zone is billed",
    "azurerm_private_endpoint_application_security_group_association": _NETWORK,
    "azurerm_proximity_placement_group": "placement is free",
    "azurerm_resource_group": "a group of resources",
    "azurerm_resource_provider_registration": "a setting of the subscription",
    "azurerm_role_assignment": _PERMISSION,
    "azurerm_role_definition": _PERMISSION,
    "azurerm_route": _NETWORK,
    "azurerm_route_table": _NETWORK,
    "azurerm_ssh_public_key": "a public key",
    "azurerm_storage_account_network_rules": _STORAGE,
    "azurerm_storage_blob": "a few kilobytes; blobs are billed with the account",
    "azurerm_storage_container": _STORAGE,
    "azurerm_storage_container_immutability_policy": _STORAGE,
    "azurerm_storage_encryption_scope": _STORAGE,
    "azurerm_storage_management_policy": _STORAGE,
    "azurerm_subnet": _NETWORK,
    "azurerm_subnet_nat_gateway_association": _NETWORK,
    "azurerm_subnet_network_security_group_association": _NETWORK,
    "azurerm_subnet_route_table_association": _NETWORK,
    "azurerm_user_assigned_identity": _PERMISSION,
    "azurerm_virtual_machine_data_disk_attachment": "the disk and the machine are billed",
    "azurerm_virtual_machine_extension": "an agent on a machine",
    "azurerm_virtual_machine_run_command": "a command on a machine",
    "azurerm_virtual_machine_scale_set_extension": "an agent on machines",
    "azurerm_virtual_network": _NETWORK,
    "azurerm_web_application_firewall_policy": "its rules are part of the firewall gateway's price",
}
"""Type → why it costs nothing by itself."""


def plan_facts(context: Context) -> PlanFacts:
    """Machines, zones and secrets of a plan. Machines send logs to public addresses of the logs service, so
    they go through the NAT gateway unless an endpoint of Azure Monitor is there."""
    endpoints = context.of_type("azurerm_private_endpoint")
    connections = [c for e in endpoints for c in e.get("private_service_connection") or ()]
    targets = {str(name) for c in connections for name in c.get("subresource_names") or ()}
    return PlanFacts(
        machines=azure_compute.machine_count(context, context.figures.usage.app_machines_average),
        zones=azure_network.zone_count(context),
        secrets=len(context.of_type("azurerm_key_vault_secret")),
        cdn=azure_network.cdn_in_front(context),
        log_endpoint="azuremonitor" in targets,
        store_endpoints=bool(targets.intersection(("blob", "redisEnterprise"))),
    )


CLOUD = Cloud(name="azure", priced=PRICED, free=FREE, account=ACCOUNT, facts=plan_facts)
