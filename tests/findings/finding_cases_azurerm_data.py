"""Plans for the rules about databases, caches, storage and secrets of Azure."""

from __future__ import annotations

from functools import partial
from typing import Any

from finding_plans import Sample, case, one, resource, sample

azure = partial(case, provider="azurerm")
SERVER = "azurerm_postgresql_flexible_server.a"
MYSQL = "azurerm_mysql_flexible_server.a"
REDIS = "azurerm_managed_redis.a"
CLASSIC = "azurerm_redis_cache.a"
ACCOUNT = "azurerm_storage_account.a"
POLICY = "azurerm_storage_management_policy.a"
LOCK = "azurerm_management_lock.a"


def beside(address: str, companion: str, attribute: str, **values: Any) -> Sample:
    """A resource, and another one that belongs to it."""
    own = values.pop("own", {})
    return sample(
        resource(address, unknown={"id": True}, **own),
        resource(companion, unknown={attribute: True}, references=[address], **values),
    )


# The database.

azure(
    "database.public",
    reported=[
        one(f"{kind}_firewall_rule.a", start_ip_address="0.0.0.0", end_ip_address=last)
        for kind in (SERVER[:-2], MYSQL[:-2])
        for last in ("255.255.255.255", "0.0.0.0")
    ],
    silent=[
        one(f"{SERVER[:-2]}_firewall_rule.a", start_ip_address="203.0.113.7", end_ip_address="203.0.113.7"),
        one(f"{SERVER[:-2]}_firewall_rule.a", start_ip_address="0.0.0.0", unknown={"end_ip_address": True}),
    ],
)
azure(
    "database.public-address",
    reported=[
        one(SERVER),
        one(SERVER, public_network_access_enabled=True),
        one(MYSQL, public_network_access="Enabled"),
    ],
    silent=[
        one(SERVER, public_network_access_enabled=False),
        one(SERVER, unknown={"delegated_subnet_id": True}),
        one(MYSQL, public_network_access="Disabled"),
        one(MYSQL, unknown={"public_network_access": True}),
    ],
)


def setting(name: str, value: str) -> Sample:
    return one(f"{SERVER[:-2]}_configuration.a", name=name, value=value)


azure(
    "database.tls-not-required",
    reported=[setting("require_secure_transport", "OFF"), setting("ssl_min_protocol_version", "TLSv1.1")],
    silent=[
        setting("require_secure_transport", "ON"),
        setting("ssl_min_protocol_version", "TLSv1.2"),
        setting("log_statement", "off"),
    ],
)
azure(
    "database.single-zone",
    reported=[one(SERVER), one(SERVER, high_availability=[{"mode": "SameZone"}])],
    silent=[
        one(SERVER, high_availability=[{"mode": "ZoneRedundant"}]),
        one(SERVER, create_mode="Replica"),
        one(SERVER, unknown={"high_availability": True}),
    ],
)
azure(
    "database.backups-short",
    reported=[one(MYSQL, backup_retention_days=1)],
    silent=[
        one(SERVER, backup_retention_days=7),
        one(SERVER, unknown={"backup_retention_days": True}),
        one(MYSQL, backup_retention_days=1, create_mode="Replica"),
    ],
)
GROUP = resource("azurerm_resource_group.a", unknown={"id": True})
GROUP_LOCK = resource(LOCK, unknown={"scope": True}, references=["azurerm_resource_group.a"])
azure(
    "database.deletion-protection-off",
    reported=[one(SERVER), sample(resource(SERVER), GROUP)],
    silent=[
        beside(SERVER, LOCK, "scope", lock_level="CanNotDelete"),
        sample(resource(SERVER), GROUP, GROUP_LOCK),
        one(SERVER, create_mode="Replica"),
    ],
)
azure(
    "database.old-engine",
    reported=[one(SERVER, version="13"), one(MYSQL, version="5.7")],
    silent=[one(SERVER, version="14"), one(MYSQL, version="8.0.21"), one(SERVER, unknown={"version": True})],
)
azure(
    "database.storage-cannot-grow",
    reported=[one(SERVER), one(MYSQL, storage=[{"auto_grow_enabled": False}])],
    silent=[one(SERVER, auto_grow_enabled=True), one(MYSQL), one(SERVER, create_mode="Replica")],
)
SETTING = "azurerm_monitor_diagnostic_setting.a"
azure(
    "database.logs-not-exported",
    reported=[one(SERVER)],
    silent=[beside(SERVER, SETTING, "target_resource_id")],
)
azure(
    "database.burstable-at-size-large",
    reported=[one(SERVER, sku_name="B_Standard_B2s", at_size="large")],
    silent=[
        one(SERVER, sku_name="B_Standard_B2s", at_size="medium"),
        one(SERVER, sku_name="GP_Standard_D2ds_v5", at_size="large"),
    ],
)

# The cache.


def managed(**database: Any) -> Sample:
    return one(REDIS, default_database=[{"client_protocol": "Encrypted"} | database])


def classic(**settings: Any) -> Sample:
    return one(CLASSIC, redis_configuration=[settings])


azure(
    "cache.evicts-any-key",
    reported=[managed(eviction_policy="AllKeysLRU"), classic(maxmemory_policy="allkeys-lru")],
    silent=[managed(eviction_policy="NoEviction"), managed(), classic(maxmemory_policy="noeviction")],
)
azure(
    "cache.evicts-expiring-keys",
    reported=[
        managed(),
        managed(eviction_policy="VolatileTTL"),
        classic(maxmemory_policy="volatile-lru"),
        one(CLASSIC),
    ],
    silent=[
        managed(eviction_policy="NoEviction"),
        classic(maxmemory_policy="noeviction"),
        one(REDIS),
        one(REDIS, default_database=[{}], unknown={"default_database": [{"eviction_policy": True}]}),
    ],
)
azure(
    "cache.no-authentication",
    reported=[classic(authentication_enabled=False)],
    silent=[classic(authentication_enabled=True), classic()],
)
azure(
    "cache.transit-unencrypted",
    reported=[managed(client_protocol="Plaintext"), one(CLASSIC, non_ssl_port_enabled=True)],
    silent=[managed(), one(CLASSIC), one(CLASSIC, non_ssl_port_enabled=False)],
)
azure(
    "cache.single-zone",
    reported=[one(REDIS, high_availability_enabled=False), one(CLASSIC, sku_name="Basic")],
    silent=[one(REDIS), one(REDIS, high_availability_enabled=True), one(CLASSIC, sku_name="Standard")],
)
azure(
    "cache.no-snapshots",
    reported=[managed(), classic(), one(CLASSIC)],
    silent=[
        managed(persistence_append_only_file_backup_frequency="1s"),
        classic(rdb_backup_enabled=True),
        one(REDIS),
    ],
)
azure(
    "cache.cluster-mode",
    reported=[managed(clustering_policy="OSSCluster"), managed(), one(CLASSIC, shard_count=3)],
    silent=[
        managed(clustering_policy="NoCluster"),
        managed(clustering_policy="EnterpriseCluster"),
        one(CLASSIC, shard_count=1),
        one(CLASSIC),
    ],
)
azure(
    "cache.public-address",
    reported=[
        one(REDIS),
        one(REDIS, public_network_access="Enabled"),
        one(CLASSIC, public_network_access_enabled=True),
    ],
    silent=[
        one(REDIS, public_network_access="Disabled"),
        one(CLASSIC, public_network_access_enabled=False),
        one(CLASSIC, subnet_id="/subscriptions/x"),
    ],
)
azure(
    "cache.retiring-product",
    reported=[one(CLASSIC, sku_name="Standard")],
    silent=[one(REDIS, sku_name="Balanced_B1")],
)

# Storage.


def kept(**properties: Any) -> Sample:
    return one(ACCOUNT, blob_properties=[properties])


FLOW = resource(
    "azurerm_network_watcher_flow_log.a", unknown={"storage_account_id": True}, references=[ACCOUNT]
)
FLOW_ACCOUNT = sample(resource(ACCOUNT, unknown={"id": True}), FLOW)
azure(
    "storage.public-acl",
    reported=[
        one("azurerm_storage_container.a", container_access_type=kind) for kind in ("blob", "container")
    ],
    silent=[
        one("azurerm_storage_container.a", container_access_type="private"),
        one("azurerm_storage_container.a"),
    ],
)
azure(
    "storage.public-access-allowed",
    reported=[one(ACCOUNT, allow_nested_items_to_be_public=True)],
    silent=[one(ACCOUNT, allow_nested_items_to_be_public=False), one(ACCOUNT)],
)
azure(
    "storage.tls-not-required",
    reported=[one(ACCOUNT, https_traffic_only_enabled=False), one(ACCOUNT, min_tls_version="TLS1_0")],
    silent=[one(ACCOUNT), one(ACCOUNT, https_traffic_only_enabled=True, min_tls_version="TLS1_2")],
)
azure(
    "storage.keys-allowed",
    reported=[one(ACCOUNT), one(ACCOUNT, shared_access_key_enabled=True)],
    silent=[one(ACCOUNT, shared_access_key_enabled=False), FLOW_ACCOUNT],
)
azure(
    "storage.versioning-off",
    reported=[one(ACCOUNT), kept(versioning_enabled=False)],
    silent=[
        kept(versioning_enabled=True),
        kept(delete_retention_policy=[{"days": 7}]),
        FLOW_ACCOUNT,
        one(ACCOUNT, unknown={"blob_properties": True}),
    ],
)
VERSIONED = {"blob_properties": [{"versioning_enabled": True}]}


def tidied(**actions: Any) -> Sample:
    rule = {"name": "a", "enabled": True, "actions": [actions]}
    return beside(ACCOUNT, POLICY, "storage_account_id", rule=[rule], own=VERSIONED)


azure(
    "storage.versions-forever",
    reported=[one(ACCOUNT, **VERSIONED), tidied(base_blob=[])],
    silent=[
        tidied(version=[{"delete_after_days_since_creation": 30}]),
        kept(versioning_enabled=False),
    ],
)


def lifecycle(*prefixes: str, enabled: bool = True, **blob: Any) -> Sample:
    rule = {
        "enabled": enabled,
        "filters": [{"prefix_match": list(prefixes)}],
        "actions": [{"base_blob": [blob]}],
    }
    return one(POLICY, rule=[rule])


ARCHIVED = {"tier_to_archive_after_days_since_modification_greater_than": 90}
DELETED = {"delete_after_days_since_modification_greater_than": 90}
azure(
    "storage.live-objects-go-offline",
    reported=[lifecycle("files/upload", **ARCHIVED)],
    silent=[
        lifecycle("files", enabled=False, **ARCHIVED),
        lifecycle("files", tier_to_cold_after_days_since_modification_greater_than=90),
        lifecycle("files", tier_to_archive_after_days_since_modification_greater_than=-1),
    ],
)
azure(
    "storage.live-objects-expire",
    reported=[lifecycle("files", **DELETED), lifecycle(**DELETED)],
    silent=[
        lifecycle("files/temporary", **DELETED),
        lifecycle("files", delete_after_days_since_modification_greater_than=-1),
        lifecycle("files", enabled=False, **DELETED),
    ],
)


def cors(origin: str, *methods: str) -> Sample:
    return kept(cors_rule=[{"allowed_origins": [origin], "allowed_methods": list(methods)}])


azure(
    "storage.cors-for-anybody",
    reported=[cors("*", "GET", "PUT")],
    silent=[cors("*", "GET"), cors("https://dify.example.com", "PUT"), one(ACCOUNT)],
)
DISK = "azurerm_managed_disk.a"
azure(
    "storage.volume-without-backup",
    reported=[one(DISK)],
    silent=[
        beside(DISK, "azurerm_data_protection_backup_instance_disk.a", "disk_id"),
        sample(resource(DISK), resource("azurerm_backup_protected_vm.a")),
    ],
)
azure(
    "storage.force-destroy",
    reported=[one(ACCOUNT)],
    silent=[
        beside(ACCOUNT, LOCK, "scope"),
        sample(resource(ACCOUNT), GROUP, GROUP_LOCK),
        FLOW_ACCOUNT,
    ],
)

# Secrets.

VAULT = "azurerm_key_vault.a"
azure(
    "secrets.value-in-state",
    reported=[
        one(SERVER, administrator_password="correct-horse"),
        one("azurerm_key_vault_secret.a", value="correct-horse"),
        one("azurerm_key_vault_secret.a", unknown={"value": True}),
    ],
    silent=[
        one(SERVER, administrator_password=None, administrator_password_wo_version=1),
        one("azurerm_key_vault_secret.a", value_wo_version=1),
    ],
)
azure(
    "secrets.deleted-at-once",
    reported=[one(VAULT), one(VAULT, purge_protection_enabled=False)],
    silent=[one(VAULT, purge_protection_enabled=True)],
)
azure(
    "secrets.key-not-rotated",
    reported=[one("azurerm_key_vault_key.a", key_type="RSA")],
    silent=[one("azurerm_key_vault_key.a", rotation_policy=[{"expire_after": "P90D"}])],
)
azure(
    "secrets.whole-store-readable",
    reported=[one(VAULT, rbac_authorization_enabled=False)],
    silent=[one(VAULT, rbac_authorization_enabled=True)],
)
