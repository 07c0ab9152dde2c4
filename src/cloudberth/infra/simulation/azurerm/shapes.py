"""How Azure names what it makes: the part of an id after the resource group, and other computed values.

In braces stand arguments of the resource ({name}) and the words of `behaviour.py` ({region}, {uuid}).
Types without an entry get an id of the right form with their own name in it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

NETWORK: Final = "Microsoft.Network"
INSIGHTS: Final = "Microsoft.Insights"

KINDS: Final[Mapping[str, str]] = {
    "azurerm_application_gateway": f"{NETWORK}/applicationGateways",
    "azurerm_application_insights_workbook": f"{INSIGHTS}/workbooks",
    "azurerm_application_security_group": f"{NETWORK}/applicationSecurityGroups",
    "azurerm_cdn_frontdoor_firewall_policy": f"{NETWORK}/frontDoorWebApplicationFirewallPolicies",
    "azurerm_cdn_frontdoor_profile": "Microsoft.Cdn/profiles",
    "azurerm_consumption_budget_resource_group": "Microsoft.Consumption/budgets",
    "azurerm_data_protection_backup_vault": "Microsoft.DataProtection/backupVaults",
    "azurerm_dns_zone": f"{NETWORK}/dnsZones",
    "azurerm_key_vault": "Microsoft.KeyVault/vaults",
    "azurerm_linux_virtual_machine_scale_set": "Microsoft.Compute/virtualMachineScaleSets",
    "azurerm_log_analytics_workspace": "Microsoft.OperationalInsights/workspaces",
    "azurerm_managed_disk": "Microsoft.Compute/disks",
    "azurerm_managed_redis": "Microsoft.Cache/redisEnterprise",
    "azurerm_monitor_action_group": f"{INSIGHTS}/actionGroups",
    "azurerm_monitor_autoscale_setting": f"{INSIGHTS}/autoScaleSettings",
    "azurerm_monitor_data_collection_endpoint": f"{INSIGHTS}/dataCollectionEndpoints",
    "azurerm_monitor_data_collection_rule": f"{INSIGHTS}/dataCollectionRules",
    "azurerm_monitor_metric_alert": f"{INSIGHTS}/metricAlerts",
    "azurerm_monitor_scheduled_query_rules_alert_v2": f"{INSIGHTS}/scheduledQueryRules",
    "azurerm_nat_gateway": f"{NETWORK}/natGateways",
    "azurerm_network_security_group": f"{NETWORK}/networkSecurityGroups",
    "azurerm_orchestrated_virtual_machine_scale_set": "Microsoft.Compute/virtualMachineScaleSets",
    "azurerm_postgresql_flexible_server": "Microsoft.DBforPostgreSQL/flexibleServers",
    "azurerm_private_dns_zone": f"{NETWORK}/privateDnsZones",
    "azurerm_private_endpoint": f"{NETWORK}/privateEndpoints",
    "azurerm_public_ip": f"{NETWORK}/publicIPAddresses",
    "azurerm_storage_account": "Microsoft.Storage/storageAccounts",
    "azurerm_user_assigned_identity": "Microsoft.ManagedIdentity/userAssignedIdentities",
    "azurerm_virtual_network": f"{NETWORK}/virtualNetworks",
    "azurerm_web_application_firewall_policy": f"{NETWORK}/applicationGatewayWebApplicationFirewallPolicies",
}
"""Types that stand in a resource group under their own name."""

CHILDREN: Final[Mapping[str, tuple[str, str]]] = {
    "azurerm_cdn_frontdoor_custom_domain": ("cdn_frontdoor_profile_id", "customDomains"),
    "azurerm_cdn_frontdoor_endpoint": ("cdn_frontdoor_profile_id", "afdEndpoints"),
    "azurerm_cdn_frontdoor_origin": ("cdn_frontdoor_origin_group_id", "origins"),
    "azurerm_cdn_frontdoor_origin_group": ("cdn_frontdoor_profile_id", "originGroups"),
    "azurerm_cdn_frontdoor_route": ("cdn_frontdoor_endpoint_id", "routes"),
    "azurerm_cdn_frontdoor_security_policy": ("cdn_frontdoor_profile_id", "securityPolicies"),
    "azurerm_consumption_budget_resource_group": (
        "resource_group_id",
        "providers/Microsoft.Consumption/budgets",
    ),
    "azurerm_data_protection_backup_instance_disk": ("vault_id", "backupInstances"),
    "azurerm_data_protection_backup_policy_disk": ("vault_id", "backupPolicies"),
    "azurerm_log_analytics_saved_search": ("log_analytics_workspace_id", "savedSearches"),
    "azurerm_log_analytics_workspace_table_custom_log": ("workspace_id", "tables"),
    "azurerm_management_lock": ("scope", "providers/Microsoft.Authorization/locks"),
    "azurerm_monitor_diagnostic_setting": (
        "target_resource_id",
        "providers/Microsoft.Insights/diagnosticSettings",
    ),
    "azurerm_postgresql_flexible_server_configuration": ("server_id", "configurations"),
    "azurerm_postgresql_flexible_server_database": ("server_id", "databases"),
    "azurerm_private_dns_zone_virtual_network_link": ("private_dns_zone_id", "virtualNetworkLinks"),
    "azurerm_storage_container": ("storage_account_id", "blobServices/default/containers"),
}
"""Types whose id goes on from that of another resource: the argument that holds it, and the step."""

VALUES: Final[Mapping[str, Mapping[str, str]]] = {
    "azurerm_application_gateway": {},
    "azurerm_cdn_frontdoor_custom_domain": {"validation_token": "_{hex32}", "expiration_date": ""},
    "azurerm_cdn_frontdoor_endpoint": {"host_name": "{name}-{hex16}.z01.azurefd.net"},
    "azurerm_cdn_frontdoor_profile": {"resource_guid": "{uuid}"},
    "azurerm_dns_a_record": {"fqdn": "{name}.{zone_name}."},
    "azurerm_key_vault": {"vault_uri": "https://{name}.vault.azure.net/"},
    "azurerm_key_vault_certificate": {
        "id": "https://{vault}.vault.azure.net/certificates/{name}/{hex32}",
        "versionless_id": "https://{vault}.vault.azure.net/certificates/{name}",
        "secret_id": "https://{vault}.vault.azure.net/secrets/{name}/{hex32}",
        "versionless_secret_id": "https://{vault}.vault.azure.net/secrets/{name}",
        "thumbprint": "{hex40}",
        "version": "{hex32}",
    },
    "azurerm_key_vault_secret": {
        "id": "https://{vault}.vault.azure.net/secrets/{name}/{hex32}",
        "versionless_id": "https://{vault}.vault.azure.net/secrets/{name}",
        "version": "{hex32}",
        "resource_id": "{key_vault_id}/secrets/{name}/versions/{hex32}",
        "resource_versionless_id": "{key_vault_id}/secrets/{name}",
    },
    "azurerm_log_analytics_workspace": {"workspace_id": "{uuid}"},
    "azurerm_managed_redis": {"hostname": "{name}.{region}.redis.azure.net"},
    "azurerm_monitor_data_collection_endpoint": {
        "logs_ingestion_endpoint": "https://{name}-{hex4}.{region}-1.ingest.monitor.azure.com"
    },
    "azurerm_monitor_data_collection_rule": {"immutable_id": "dcr-{hex32}"},
    "azurerm_postgresql_flexible_server": {"fqdn": "{name}.postgres.database.azure.com"},
    "azurerm_public_ip": {
        "ip_address": "203.0.113.{octet}",
        "fqdn": "{domain_name_label}.{region}.cloudapp.azure.com",
    },
    "azurerm_role_assignment": {
        "id": "{scope}/providers/Microsoft.Authorization/roleAssignments/{uuid}",
        "name": "{uuid}",
    },
    "azurerm_role_definition": {
        "id": "{scope}/providers/Microsoft.Authorization/roleDefinitions/{uuid}|{scope}",
        "role_definition_id": "{uuid}",
        "role_definition_resource_id": "{scope}/providers/Microsoft.Authorization/roleDefinitions/{uuid}",
    },
    "azurerm_storage_account": {
        "primary_blob_endpoint": "https://{name}.blob.core.windows.net/",
        "primary_blob_host": "{name}.blob.core.windows.net",
        "primary_location": "{region}",
    },
    "azurerm_storage_blob": {"url": "{container_url}/{name}", "id": "{container_url}/{name}"},
    "azurerm_storage_container": {"url": "{container_url}"},
    "azurerm_subnet": {
        "id": "{group}/providers/Microsoft.Network/virtualNetworks/{virtual_network_name}/subnets/{name}"
    },
    "azurerm_network_security_rule": {
        "id": "{group}/providers/Microsoft.Network/networkSecurityGroups/"
        "{network_security_group_name}/securityRules/{name}"
    },
    "azurerm_network_watcher_flow_log": {
        "id": "{group}/providers/Microsoft.Network/networkWatchers/{network_watcher_name}/flowLogs/{name}"
    },
    "azurerm_dns_txt_record": {"fqdn": "{name}.{zone_name}."},
    "azurerm_storage_management_policy": {"id": "{storage_account_id}/managementPolicies/default"},
    "azurerm_subnet_nat_gateway_association": {"id": "{subnet_id}"},
    "azurerm_subnet_network_security_group_association": {"id": "{subnet_id}"},
    "azurerm_nat_gateway_public_ip_association": {"id": "{nat_gateway_id}|{public_ip_address_id}"},
    "azurerm_user_assigned_identity": {
        "client_id": "{uuid}",
        "principal_id": "{uuid}",
        "tenant_id": "{tenant}",
    },
    "azurerm_cost_anomaly_alert": {
        "id": "/subscriptions/{subscription}/providers/Microsoft.CostManagement/scheduledActions/{name}"
    },
}
"""Type → computed attribute → pattern."""
