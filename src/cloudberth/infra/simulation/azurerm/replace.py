"""Which arguments of Azure resources force a new resource, and which results are sensitive.

Name, place and resource group do on every type that has them; the others are those of the provider's
documentation (azurerm 5). A recovered schema holds none of this.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final


def _table(text: str) -> Mapping[str, frozenset[str]]:
    """Lines of `type: argument argument …`; an indented line continues the one before."""
    rows = (line.partition(":") for line in text.strip().replace("\n ", " ").splitlines())
    return {name.strip(): frozenset(arguments.split()) for name, _, arguments in rows}


ALWAYS: Final = frozenset({"name", "location", "resource_group_name"})

FORCE_NEW: Final = _table("""
azurerm_application_gateway: zones
azurerm_cdn_frontdoor_custom_domain: cdn_frontdoor_profile_id host_name
azurerm_cdn_frontdoor_endpoint: cdn_frontdoor_profile_id
azurerm_cdn_frontdoor_origin: cdn_frontdoor_origin_group_id
azurerm_cdn_frontdoor_origin_group: cdn_frontdoor_profile_id
azurerm_cdn_frontdoor_profile: sku_name
azurerm_cdn_frontdoor_route: cdn_frontdoor_endpoint_id
azurerm_data_protection_backup_instance_disk: vault_id disk_id snapshot_resource_group_name
azurerm_data_protection_backup_policy_disk: vault_id backup_repeating_time_intervals
  default_retention_duration
azurerm_data_protection_backup_vault: datastore_type redundancy
azurerm_key_vault: tenant_id
azurerm_key_vault_certificate: key_vault_id
azurerm_key_vault_secret: key_vault_id
azurerm_linux_virtual_machine_scale_set: admin_username computer_name_prefix zones priority overprovision
azurerm_log_analytics_saved_search: log_analytics_workspace_id display_name category query function_alias
azurerm_log_analytics_workspace_table_custom_log: workspace_id
azurerm_managed_disk: zone create_option
azurerm_management_lock: scope lock_level notes
azurerm_monitor_diagnostic_setting: target_resource_id
azurerm_nat_gateway: sku_name zones
azurerm_nat_gateway_public_ip_association: nat_gateway_id public_ip_address_id
azurerm_network_security_rule: network_security_group_name
azurerm_orchestrated_virtual_machine_scale_set: platform_fault_domain_count zone_balance
  eviction_policy priority
azurerm_postgresql_flexible_server: administrator_login delegated_subnet_id geo_redundant_backup_enabled
azurerm_postgresql_flexible_server_configuration: server_id
azurerm_postgresql_flexible_server_database: server_id charset collation
azurerm_private_dns_zone_virtual_network_link: private_dns_zone_id virtual_network_id
azurerm_private_endpoint: subnet_id private_service_connection
azurerm_public_ip: allocation_method sku zones ip_version
azurerm_role_assignment: scope role_definition_name role_definition_id principal_id principal_type description
azurerm_role_definition: scope role_definition_id
azurerm_storage_account: account_tier account_kind infrastructure_encryption_enabled
azurerm_storage_blob: type source_content storage_container_id
azurerm_storage_container: storage_account_id
azurerm_subnet: virtual_network_name
azurerm_subnet_nat_gateway_association: subnet_id nat_gateway_id
azurerm_subnet_network_security_group_association: subnet_id network_security_group_id
""")

SENSITIVE: Final[Mapping[str, frozenset[str]]] = {
    "azurerm_key_vault_secret": frozenset({"value"}),
    "azurerm_linux_virtual_machine_scale_set": frozenset({"admin_password", "custom_data"}),
    "azurerm_log_analytics_workspace": frozenset({"primary_shared_key", "secondary_shared_key"}),
    "azurerm_postgresql_flexible_server": frozenset({"administrator_password"}),
    "azurerm_storage_account": frozenset(
        {
            "primary_access_key",
            "primary_blob_connection_string",
            "primary_connection_string",
            "secondary_access_key",
            "secondary_blob_connection_string",
            "secondary_connection_string",
        }
    ),
}
