"""Vaults, storage accounts, databases, caches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from cloudberth.infra.simulation.azurerm.rules.formats import RETENTION_OF_DELETED, SWITCH
from cloudberth.infra.simulation.rules import (
    AnyRule,
    Rule,
    between,
    conflicting,
    length,
    matches,
    one_of,
    requires,
)

_STORAGE_MB: Final = one_of(
    *(32768, 65536, 131072, 262144, 524288, 1048576, 2097152),
    *(4193280, 4194304, 8388608, 16777216, 33553408),
)
"""Sizes in which PostgreSQL servers have storage (provider's documentation, storage_mb)."""

RULES: Final[Mapping[str, Sequence[AnyRule]]] = {
    "azurerm_key_vault": (
        Rule(
            "name",
            matches(
                r"(?!.*--)[A-Za-z][A-Za-z0-9-]{1,22}[A-Za-z0-9]",
                "have 3 to 24 letters, digits and single hyphens and start with a letter",
            ),
        ),
        Rule("sku_name", one_of("standard", "premium")),
        Rule("soft_delete_retention_days", between(7, 90)),
        Rule("network_acls.*.default_action", one_of("Allow", "Deny")),
        Rule("network_acls.*.bypass", one_of("AzureServices", "None")),
    ),
    "azurerm_key_vault_secret": (
        Rule("name", matches(r"[A-Za-z0-9-]{1,127}", "have 1 to 127 letters, digits and hyphens")),
        Rule("content_type", length(0, 255)),
        conflicting("value", "value_wo"),
        requires("value_wo", "value_wo_version"),
    ),
    "azurerm_key_vault_certificate": (
        Rule("name", matches(r"[A-Za-z0-9-]{1,127}", "have 1 to 127 letters, digits and hyphens")),
        Rule(
            "certificate_policy.*.key_properties.*.key_type", one_of("EC", "EC-HSM", "RSA", "RSA-HSM", "oct")
        ),
        Rule("certificate_policy.*.key_properties.*.key_size", one_of(256, 384, 521, 2048, 3072, 4096)),
    ),
    "azurerm_storage_account": (
        Rule("name", matches(r"[a-z0-9]{3,24}", "have 3 to 24 lower-case letters and digits, nothing else")),
        Rule(
            "account_kind", one_of("BlobStorage", "BlockBlobStorage", "FileStorage", "Storage", "StorageV2")
        ),
        Rule("account_tier", one_of("Standard", "Premium")),
        Rule("account_replication_type", one_of("LRS", "ZRS", "GRS", "RAGRS", "GZRS", "RAGZRS")),
        Rule("access_tier", one_of("Hot", "Cool", "Cold", "Premium")),
        Rule("min_tls_version", one_of("TLS1_0", "TLS1_1", "TLS1_2", "TLS1_3")),
        Rule("blob_properties.*.delete_retention_policy.*.days", RETENTION_OF_DELETED),
        Rule("blob_properties.*.container_delete_retention_policy.*.days", RETENTION_OF_DELETED),
    ),
    "azurerm_storage_container": (
        Rule(
            "name",
            matches(
                r"\$root|\$web|(?!.*--)[a-z0-9][a-z0-9-]{1,61}[a-z0-9]",
                "have 3 to 63 lower-case letters, digits and single hyphens",
            ),
        ),
        Rule("container_access_type", one_of("blob", "container", "private")),
    ),
    "azurerm_postgresql_flexible_server": (
        Rule(
            "name",
            matches(
                r"[a-z0-9][a-z0-9-]{1,61}[a-z0-9]", "have 3 to 63 lower-case letters, digits and hyphens"
            ),
        ),
        Rule("version", matches(r"1[1-9]", "be a major release such as 16")),
        Rule("sku_name", matches(r"(B|GP|MO)_Standard_\w+", "be a size such as GP_Standard_D2ds_v5")),
        Rule("storage_mb", _STORAGE_MB),
        Rule("backup_retention_days", between(7, 35)),
        Rule("zone", one_of("1", "2", "3")),
        Rule("high_availability.*.mode", one_of("ZoneRedundant", "SameZone")),
        Rule("maintenance_window.*.day_of_week", between(0, 6)),
        Rule("maintenance_window.*.start_hour", between(0, 23)),
        Rule("maintenance_window.*.start_minute", between(0, 59)),
        conflicting("administrator_password", "administrator_password_wo"),
        requires("administrator_password_wo", "administrator_password_wo_version"),
        requires("delegated_subnet_id", "private_dns_zone_id"),
    ),
    "azurerm_managed_redis": (
        Rule(
            "sku_name",
            matches(
                r"(Balanced_B|MemoryOptimized_M|ComputeOptimized_X|FlashOptimized_A)\d+",
                "be a size such as Balanced_B1",
            ),
        ),
        Rule("public_network_access", SWITCH),
        Rule("default_database.*.client_protocol", one_of("Encrypted", "Plaintext")),
        Rule("default_database.*.clustering_policy", one_of("EnterpriseCluster", "OSSCluster", "NoCluster")),
        Rule(
            "default_database.*.eviction_policy",
            one_of(
                *("AllKeysLFU", "AllKeysLRU", "AllKeysRandom", "NoEviction"),
                *("VolatileLFU", "VolatileLRU", "VolatileRandom", "VolatileTTL"),
            ),
        ),
    ),
    "azurerm_management_lock": (
        Rule("lock_level", one_of("CanNotDelete", "ReadOnly")),
        Rule("notes", length(0, 512)),
    ),
}
