"""Scale sets, disks, and the snapshots of disks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from cloudberth.infra.simulation.azurerm.rules.formats import CACHING, DISK_TYPE, SCALE_SET_SIZE
from cloudberth.infra.simulation.rules import AnyRule, Rule, between, length, one_of

RULES: Final[Mapping[str, Sequence[AnyRule]]] = {
    "azurerm_linux_virtual_machine_scale_set": (
        Rule("sku", SCALE_SET_SIZE),
        Rule("upgrade_mode", one_of("Automatic", "Manual", "Rolling")),
        Rule("computer_name_prefix", length(1, 58)),
        Rule("os_disk.*.caching", CACHING),
        Rule("os_disk.*.storage_account_type", DISK_TYPE),
        Rule("os_disk.*.disk_size_gb", between(1, 4095)),
        Rule("identity.*.type", one_of("SystemAssigned", "UserAssigned", "SystemAssigned, UserAssigned")),
    ),
    "azurerm_orchestrated_virtual_machine_scale_set": (
        Rule("sku_name", SCALE_SET_SIZE),
        Rule("os_disk.*.caching", CACHING),
        Rule("os_disk.*.storage_account_type", DISK_TYPE),
        Rule("platform_fault_domain_count", between(1, 5)),
    ),
    "azurerm_managed_disk": (
        Rule("storage_account_type", DISK_TYPE),
        Rule(
            "create_option",
            one_of("Copy", "Empty", "FromImage", "Import", "ImportSecure", "Restore", "Upload"),
        ),
        Rule("disk_size_gb", between(1, 65536)),
        Rule("network_access_policy", one_of("AllowAll", "AllowPrivate", "DenyAll")),
        Rule("zone", one_of("1", "2", "3")),
    ),
    "azurerm_data_protection_backup_vault": (
        Rule("datastore_type", one_of("ArchiveStore", "OperationalStore", "SnapshotStore", "VaultStore")),
        Rule("redundancy", one_of("GeoRedundant", "LocallyRedundant", "ZoneRedundant")),
        Rule("soft_delete", one_of("On", "Off", "AlwaysOn")),
    ),
    "azurerm_user_assigned_identity": (Rule("name", length(3, 128)),),
}
