"""Plans for the rules about databases, caches, storage and secrets of Google Cloud."""

from __future__ import annotations

from functools import partial
from typing import Any

from finding_plans import Sample, case, one, resource, sample

google = partial(case, provider="google")
SQL = "google_sql_database_instance.a"
ALLOY = "google_alloydb_instance.a"
REDIS = "google_redis_instance.a"
VALKEY = "google_memorystore_instance.a"
CLUSTER = "google_redis_cluster.a"
BUCKET = "google_storage_bucket.a"


def sql(**settings: Any) -> Sample:
    """Of db-custom-2-8192, with other settings."""
    return one(SQL, settings=[{"tier": "db-custom-2-8192"} | settings])


def address(**values: Any) -> Sample:
    return sql(ip_configuration=[values])


def backup(**values: Any) -> Sample:
    return sql(backup_configuration=[values])


def replica(**settings: Any) -> Sample:
    return one(SQL, master_instance_name="main", settings=[{"tier": "db-custom-2-8192"} | settings])


# The database.

WORLD = {"name": "all", "value": "0.0.0.0/0"}
google(
    "database.public",
    reported=[
        address(ipv4_enabled=True, authorized_networks=[WORLD]),
        one(ALLOY, network_config=[{"authorized_external_networks": [{"cidr_range": "0.0.0.0/0"}]}]),
    ],
    silent=[
        address(ipv4_enabled=True, authorized_networks=[{"value": "203.0.113.0/24"}]),
        address(ipv4_enabled=False),
        one(ALLOY, network_config=[{"enable_public_ip": True}]),
    ],
)
google(
    "database.public-address",
    reported=[address(ipv4_enabled=True), sql(), one(ALLOY, network_config=[{"enable_public_ip": True}])],
    silent=[
        address(ipv4_enabled=False),
        address(psc_config=[{"psc_enabled": True}]),
        one(ALLOY),
        one(SQL, unknown={"settings": True}),
    ],
)
google(
    "database.tls-not-required",
    reported=[address(ssl_mode="ALLOW_UNENCRYPTED_AND_ENCRYPTED")],
    silent=[address(ssl_mode="ENCRYPTED_ONLY"), sql()],
)
google(
    "database.single-zone",
    reported=[sql(availability_type="ZONAL"), sql()],
    silent=[sql(availability_type="REGIONAL"), replica(), one(SQL, unknown={"settings": True})],
)
google(
    "database.backups-off",
    reported=[sql(), backup(enabled=False)],
    silent=[backup(enabled=True), replica()],
)
google(
    "database.backups-short",
    reported=[backup(enabled=True, backup_retention_settings=[{"retained_backups": 3}])],
    silent=[backup(enabled=True, backup_retention_settings=[{"retained_backups": 7}]), backup(enabled=True)],
)
google(
    "database.point-in-time-off",
    reported=[backup(enabled=True), backup(enabled=True, point_in_time_recovery_enabled=False)],
    silent=[
        backup(enabled=True, point_in_time_recovery_enabled=True),
        backup(enabled=True, binary_log_enabled=True),
        backup(enabled=False),
    ],
)
google(
    "database.deletion-protection-off",
    reported=[one(SQL, deletion_protection=False, settings=[{"deletion_protection_enabled": False}])],
    silent=[
        one(SQL, deletion_protection=True),
        one(SQL),
        one(SQL, deletion_protection=False, settings=[{"deletion_protection_enabled": True}]),
        one(SQL, deletion_protection=False, master_instance_name="main"),
    ],
)
google(
    "database.final-snapshot-skipped",
    reported=[sql(), sql(final_backup_config=[{"enabled": False}])],
    silent=[sql(final_backup_config=[{"enabled": True}]), sql(retain_backups_on_delete=True), replica()],
)
google(
    "database.old-engine",
    reported=[one(SQL, database_version="POSTGRES_13"), one(SQL, database_version="MYSQL_5_7")],
    silent=[
        one(SQL, database_version="POSTGRES_16"),
        one(SQL, database_version="MYSQL_8_0"),
        one(SQL, unknown={"database_version": True}),
    ],
)
google(
    "database.storage-cannot-grow",
    reported=[sql(disk_autoresize=False), sql(disk_size=100, disk_autoresize_limit=100)],
    silent=[
        sql(),
        sql(disk_autoresize=True, disk_size=20, disk_autoresize_limit=0),
        sql(disk_autoresize_limit=100),
    ],
)
google(
    "database.burstable-at-size-large",
    reported=[one(SQL, settings=[{"tier": "db-g1-small"}], at_size="large")],
    silent=[
        one(SQL, settings=[{"tier": "db-g1-small"}], at_size="small"),
        one(SQL, settings=[{"tier": "db-custom-2-8192"}], at_size="large"),
    ],
)
google(
    "database.statements-in-logs",
    reported=[sql(database_flags=[{"name": "log_statement", "value": "all"}])],
    silent=[sql(database_flags=[{"name": "log_statement", "value": "ddl"}]), sql()],
)

# The cache.

KEPT = {"maxmemory-policy": "noeviction"}
google(
    "cache.evicts-any-key",
    reported=[
        one(REDIS, redis_configs={"maxmemory-policy": "allkeys-lru"}),
        one(VALKEY, engine_configs={"maxmemory-policy": "allkeys-lfu"}),
    ],
    silent=[one(REDIS, redis_configs=KEPT), one(REDIS), one(VALKEY, engine_configs=KEPT)],
)
google(
    "cache.evicts-expiring-keys",
    reported=[one(REDIS), one(REDIS, redis_configs={"maxmemory-policy": "volatile-ttl"})],
    silent=[one(REDIS, redis_configs=KEPT), one(REDIS, unknown={"redis_configs": True})],
)
google(
    "cache.no-authentication",
    reported=[one(REDIS), one(VALKEY, authorization_mode="AUTH_DISABLED"), one(CLUSTER)],
    silent=[
        one(REDIS, auth_enabled=True),
        one(VALKEY, authorization_mode="IAM_AUTH"),
        one(VALKEY, unknown={"authorization_mode": True}),
    ],
)
google(
    "cache.transit-unencrypted",
    reported=[one(REDIS), one(VALKEY, transit_encryption_mode="TRANSIT_ENCRYPTION_DISABLED")],
    silent=[
        one(REDIS, transit_encryption_mode="SERVER_AUTHENTICATION"),
        one(VALKEY, unknown={"transit_encryption_mode": True}),
    ],
)
google(
    "cache.single-zone",
    reported=[one(REDIS), one(REDIS, tier="BASIC")],
    silent=[one(REDIS, tier="STANDARD_HA"), one(REDIS, unknown={"tier": True})],
)
google(
    "cache.no-snapshots",
    reported=[one(REDIS), one(REDIS, persistence_config=[{"persistence_mode": "DISABLED"}])],
    silent=[
        one(REDIS, persistence_config=[{"persistence_mode": "RDB"}]),
        one(REDIS, unknown={"persistence_config": True}),
    ],
)
google(
    "cache.cluster-mode",
    reported=[one(VALKEY, mode="CLUSTER"), one(CLUSTER, shard_count=3)],
    silent=[one(VALKEY, mode="CLUSTER_DISABLED"), one(VALKEY, unknown={"mode": True}), one(REDIS)],
)
google(
    "cache.deletion-protection-off",
    reported=[one(REDIS, deletion_protection=False)],
    silent=[
        one(REDIS, deletion_protection=True),
        one(REDIS),
        one(REDIS, deletion_protection=False, at_size="small"),
    ],
)

# Storage.


def lifecycle(
    kind: str, storage_class: str | None = None, versioned: bool = False, **condition: Any
) -> Sample:
    rule = {"action": [{"type": kind, "storage_class": storage_class}], "condition": [condition]}
    return one(BUCKET, lifecycle_rule=[rule], versioning=[{"enabled": versioned}])


def grant(kind: str, **values: Any) -> Sample:
    return one(f"google_storage_bucket_iam_{kind}.a", role="roles/storage.objectViewer", **values)


google(
    "storage.public-acl",
    reported=[
        one("google_storage_bucket_acl.a", predefined_acl="publicRead"),
        one("google_storage_default_object_acl.a", role_entity=["READER:allUsers"]),
    ],
    silent=[
        one("google_storage_bucket_acl.a", predefined_acl="private"),
        one("google_storage_bucket_acl.a", role_entity=["OWNER:user-a@example.com"]),
    ],
)
google(
    "storage.public-policy",
    reported=[grant("member", member="allUsers"), grant("binding", members=["allAuthenticatedUsers"])],
    silent=[
        grant("member", member="serviceAccount:a@example.com"),
        grant("binding", unknown={"members": True}),
    ],
)
google(
    "storage.public-access-allowed",
    reported=[one(BUCKET, public_access_prevention="inherited")],
    silent=[
        one(BUCKET, public_access_prevention="enforced"),
        one(BUCKET, unknown={"public_access_prevention": True}),
    ],
)
google(
    "storage.acls-in-use",
    reported=[one(BUCKET, uniform_bucket_level_access=False)],
    silent=[
        one(BUCKET, uniform_bucket_level_access=True),
        one(BUCKET, unknown={"uniform_bucket_level_access": True}),
    ],
)
NEVER = [{"retention_duration_seconds": 0}]
google(
    "storage.versioning-off",
    reported=[
        one(BUCKET, soft_delete_policy=NEVER),
        one(BUCKET, soft_delete_policy=NEVER, versioning=[{"enabled": False}]),
    ],
    silent=[
        one(BUCKET, soft_delete_policy=NEVER, versioning=[{"enabled": True}]),
        one(BUCKET),
        one(BUCKET, name="x-access-logs", soft_delete_policy=NEVER),
    ],
)
google(
    "storage.unfinished-uploads-kept",
    reported=[one(BUCKET), lifecycle("Delete", age=30)],
    silent=[
        lifecycle("AbortIncompleteMultipartUpload", age=7),
        one(BUCKET, unknown={"lifecycle_rule": True}),
    ],
)
google(
    "storage.versions-forever",
    reported=[lifecycle("AbortIncompleteMultipartUpload", versioned=True, age=7)],
    silent=[
        lifecycle("Delete", versioned=True, days_since_noncurrent_time=30),
        lifecycle("AbortIncompleteMultipartUpload", age=7),
    ],
)
google(
    "storage.live-objects-expire",
    reported=[lifecycle("Delete", age=90)],
    silent=[
        lifecycle("Delete", age=90, matches_prefix=["temporary/"]),
        lifecycle("Delete", age=90, with_state="ARCHIVED"),
        lifecycle("SetStorageClass", "NEARLINE", age=90),
    ],
)
google(
    "storage.small-objects-moved",
    reported=[lifecycle("SetStorageClass", "NEARLINE", age=30)],
    silent=[
        lifecycle("SetStorageClass", "NEARLINE", age=30, size_above_bytes=131072),
        lifecycle("SetStorageClass", "STANDARD", age=30),
    ],
)
google(
    "storage.force-destroy",
    reported=[one(BUCKET, force_destroy=True)],
    silent=[one(BUCKET, force_destroy=False), one(BUCKET, name="x-logs", force_destroy=True)],
)
google(
    "storage.cors-for-anybody",
    reported=[one(BUCKET, cors=[{"origin": ["*"], "method": ["GET", "PUT"]}])],
    silent=[
        one(BUCKET, cors=[{"origin": ["*"], "method": ["GET"]}]),
        one(BUCKET, cors=[{"origin": ["https://dify.example.com"], "method": ["PUT"]}]),
    ],
)
DISK = "google_compute_disk.a"
ATTACHED = resource(
    "google_compute_disk_resource_policy_attachment.a", unknown={"disk": True}, references=[DISK]
)
google(
    "storage.volume-without-backup",
    reported=[one(DISK)],
    silent=[
        sample(resource(DISK, unknown={"id": True}), ATTACHED),
        sample(resource(DISK), resource("google_backup_dr_backup_plan_association.a")),
    ],
)

# Secrets.

google(
    "secrets.value-in-state",
    reported=[
        one("google_sql_user.a", password="correct-horse"),
        one("google_secret_manager_secret_version.a", unknown={"secret_data": True}),
        one("google_alloydb_cluster.a", initial_user=[{"password": "correct-horse"}]),
    ],
    silent=[
        one("google_sql_user.a", password=None, password_wo_version=1),
        one("google_secret_manager_secret_version.a", secret_data_wo_version="1"),
    ],
)
SECRET = "google_secret_manager_secret.a"
google(
    "secrets.deleted-at-once",
    reported=[one(SECRET)],
    silent=[one(SECRET, version_destroy_ttl="604800s"), one(SECRET, deletion_protection=True)],
)
google(
    "secrets.key-not-rotated",
    reported=[one("google_kms_crypto_key.a"), one("google_kms_crypto_key.a", purpose="ENCRYPT_DECRYPT")],
    silent=[
        one("google_kms_crypto_key.a", rotation_period="7776000s"),
        one("google_kms_crypto_key.a", purpose="ASYMMETRIC_SIGN"),
    ],
)
google(
    "secrets.whole-store-readable",
    reported=[one("google_project_iam_member.a", role="roles/secretmanager.secretAccessor")],
    silent=[
        one("google_project_iam_member.a", role="roles/logging.logWriter"),
        one(
            "google_project_iam_member.a",
            role="roles/secretmanager.secretAccessor",
            condition=[{"title": "a"}],
        ),
    ],
)
