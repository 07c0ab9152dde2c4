"""Plans for the rules about databases and caches."""

from __future__ import annotations

from typing import Any

from finding_plans import Sample, case, resource, sample


def database(**values: Any) -> Sample:
    unknown = values.pop("unknown", {})
    return sample(resource("aws_db_instance.a", unknown=unknown, **values))


def cluster(**values: Any) -> Sample:
    return sample(resource("aws_rds_cluster.a", **values))


case(
    "database.public",
    reported=[
        database(publicly_accessible=True),
        sample(resource("aws_rds_cluster_instance.a", publicly_accessible=True)),
    ],
    silent=[database(publicly_accessible=False), database(unknown={"publicly_accessible": True})],
)
case(
    "database.unencrypted",
    reported=[database(storage_encrypted=False), database(), cluster(storage_encrypted=False)],
    silent=[
        database(storage_encrypted=True),
        database(unknown={"storage_encrypted": True}),
        database(replicate_source_db="main"),
        cluster(engine_mode="serverless"),
    ],
)
FORCE, NO_FORCE = {"name": "rds.force_ssl", "value": "1"}, {"name": "rds.force_ssl", "value": "0"}
case(
    "database.tls-not-required",
    reported=[
        sample(resource("aws_db_parameter_group.a", family="postgres16", parameter=[NO_FORCE])),
        sample(
            resource(
                "aws_rds_cluster_parameter_group.a",
                parameter=[{"name": "require_secure_transport", "value": "OFF"}],
            )
        ),
    ],
    silent=[
        sample(resource("aws_db_parameter_group.a", family="postgres16", parameter=[FORCE])),
        sample(resource("aws_db_parameter_group.a", unknown={"parameter": True})),
    ],
)
OLD = {"engine": "postgres", "engine_version": "14.10"}
case(
    "database.tls-optional-by-default",
    reported=[database(**OLD), cluster(engine="aurora-postgresql", engine_version="16.4")],
    silent=[
        database(engine="postgres", engine_version="15.2"),
        cluster(engine="aurora-postgresql", engine_version="17.1"),
        sample(
            resource("aws_db_instance.a", references=["aws_db_parameter_group.a"], **OLD),
            resource("aws_db_parameter_group.a", parameter=[FORCE]),
        ),
        database(parameter_group_name="company-standard", **OLD),
        database(engine="mysql", engine_version="8.4"),
    ],
)
case(
    "database.single-zone",
    reported=[database(multi_az=False), database(multi_az=False)],
    silent=[
        database(multi_az=True),
        database(unknown={"multi_az": True}),
        database(multi_az=False, replicate_source_db="main"),
    ],
)


def aurora(*names: str) -> Sample:
    members = [
        resource(
            f"aws_rds_cluster_instance.{name}",
            unknown={"cluster_identifier": True},
            references=["aws_rds_cluster.a"],
        )
        for name in names
    ]
    return sample(resource("aws_rds_cluster.a"), *members)


case("database.cluster-single-instance", reported=[aurora("a")], silent=[aurora("a", "b"), aurora()])
case(
    "database.backups-off",
    reported=[database(backup_retention_period=0)],
    silent=[
        database(backup_retention_period=7),
        database(unknown={"backup_retention_period": True}),
        database(backup_retention_period=0, replicate_source_db="main"),
    ],
)
case(
    "database.backups-short",
    reported=[database(backup_retention_period=1), cluster(backup_retention_period=6)],
    silent=[database(backup_retention_period=7), database(backup_retention_period=0)],
)
case(
    "database.deletion-protection-off",
    reported=[database(), database(deletion_protection=False)],
    silent=[database(deletion_protection=True), database(unknown={"deletion_protection": True})],
)
case(
    "database.final-snapshot-skipped",
    reported=[database(skip_final_snapshot=True)],
    silent=[database(skip_final_snapshot=False), database()],
)
case(
    "database.old-engine",
    reported=[
        database(engine="postgres", engine_version="13.14"),
        database(engine="mysql", engine_version="5.7.44"),
    ],
    silent=[
        database(engine="postgres", engine_version="16"),
        database(engine="mysql", engine_version="8.4.3"),
        database(engine="postgres", unknown={"engine_version": True}),
        database(engine="oracle-se2", engine_version="12.1"),
    ],
)
case(
    "database.minor-upgrades-off",
    reported=[database(auto_minor_version_upgrade=False)],
    silent=[database(auto_minor_version_upgrade=True), database()],
)
case(
    "database.storage-cannot-grow",
    reported=[
        database(allocated_storage=50),
        database(allocated_storage=50, max_allocated_storage=50),
    ],
    silent=[
        database(allocated_storage=50, max_allocated_storage=200),
        database(allocated_storage=50, unknown={"max_allocated_storage": True}),
        database(allocated_storage=1, engine="aurora-postgresql"),
    ],
)
PRE_PING = {
    "app/compose.yaml": "services: {api: {image: 'x:1', environment: {SQLALCHEMY_POOL_PRE_PING: 'true'}}}"
}
case(
    "database.aurora-pauses",
    reported=[cluster(serverlessv2_scaling_configuration=[{"min_capacity": 0, "max_capacity": 4}])],
    silent=[
        cluster(serverlessv2_scaling_configuration=[{"min_capacity": 0.5, "max_capacity": 4}]),
        cluster(serverlessv2_scaling_configuration=[]),
        sample(
            resource("aws_rds_cluster.a", serverlessv2_scaling_configuration=[{"min_capacity": 0}]),
            stack=PRE_PING,
        ),
    ],
)
case(
    "database.logs-not-exported",
    reported=[database(enabled_cloudwatch_logs_exports=[]), cluster()],
    silent=[database(enabled_cloudwatch_logs_exports=["postgresql"])],
)
case(
    "database.expired-ca",
    reported=[database(ca_cert_identifier="rds-ca-2019")],
    silent=[database(ca_cert_identifier="rds-ca-rsa2048-g1"), database(unknown={"ca_cert_identifier": True})],
)
T4G = resource("aws_db_instance.a", instance_class="db.t4g.large")
case(
    "database.burstable-at-size-large",
    reported=[sample(T4G, size="large")],
    silent=[
        sample(T4G, size="small"),
        sample(T4G),
        sample(resource("aws_db_instance.a", instance_class="db.r8g.large"), size="large"),
    ],
)
case(
    "database.apply-immediately",
    reported=[database(apply_immediately=True)],
    silent=[database(apply_immediately=False), database()],
)
case(
    "database.windows-overlap",
    reported=[
        database(backup_window="03:00-04:00", maintenance_window="sun:03:30-sun:04:30"),
        database(backup_window="23:30-00:30", maintenance_window="sat:00:00-sat:01:00"),
        cluster(preferred_backup_window="01:00-02:00", preferred_maintenance_window="sun:23:00-mon:01:30"),
    ],
    silent=[
        database(backup_window="02:00-03:00", maintenance_window="sun:03:00-sun:04:00"),
        database(backup_window="02:00-03:00", unknown={"maintenance_window": True}),
        database(backup_window="nightly", maintenance_window="sun:03:00-sun:04:00"),
    ],
)

# The cache.

CACHE = "aws_elasticache_replication_group.a"
SETTINGS = "aws_elasticache_parameter_group.a"


def policy_group(value: str | None, family: str = "valkey8") -> Sample:
    parameters = [] if value is None else [{"name": "maxmemory-policy", "value": value}]
    return sample(resource(SETTINGS, family=family, parameter=parameters))


def cache(**values: Any) -> Sample:
    unknown = values.pop("unknown", {})
    return sample(resource(CACHE, unknown=unknown, **values))


case(
    "cache.evicts-any-key",
    reported=[policy_group("allkeys-lru")],
    silent=[policy_group("noeviction"), policy_group("volatile-lru"), policy_group(None)],
)
case(
    "cache.evicts-expiring-keys",
    reported=[
        policy_group("volatile-lru"),
        policy_group(None),
        cache(parameter_group_name="default.valkey8"),
    ],
    silent=[
        policy_group("noeviction"),
        policy_group(None, "memcached1.6"),
        cache(unknown={"parameter_group_name": True}),
        sample(resource(SETTINGS, family="valkey8", unknown={"parameter": True})),
    ],
)
case(
    "cache.no-authentication",
    reported=[cache()],
    silent=[
        cache(auth_token_wo_version=1),
        cache(auth_token="x"),
        cache(unknown={"user_group_ids": True}),
        cache(user_group_ids=["g"]),
    ],
)
case(
    "cache.transit-unencrypted",
    reported=[
        cache(transit_encryption_enabled=False),
        sample(resource("aws_elasticache_cluster.a", engine="redis", transit_encryption_enabled=False)),
        sample(
            resource(
                "aws_elasticache_cluster.a",
                engine="redis",
                transit_encryption_enabled=False,
                unknown={"replication_group_id": True},
            )
        ),
    ],
    silent=[
        cache(transit_encryption_enabled=True),
        cache(unknown={"transit_encryption_enabled": True}),
        sample(
            resource(
                "aws_elasticache_cluster.a",
                replication_group_id="main",
                transit_encryption_enabled=False,
                unknown={"engine": True},
            )
        ),
        sample(
            resource(
                "aws_elasticache_cluster.a",
                engine="valkey",
                replication_group_id="main",
                transit_encryption_enabled=False,
            )
        ),
        sample(
            resource(
                "aws_elasticache_cluster.a",
                transit_encryption_enabled=False,
                unknown={"engine": True, "replication_group_id": True},
            )
        ),
    ],
)
case(
    "cache.transit-optional",
    reported=[cache(transit_encryption_enabled=True, transit_encryption_mode="preferred")],
    silent=[cache(transit_encryption_enabled=True, transit_encryption_mode="required"), cache()],
)
case(
    "cache.unencrypted",
    reported=[cache(at_rest_encryption_enabled="false")],
    silent=[cache(at_rest_encryption_enabled="true"), cache(unknown={"at_rest_encryption_enabled": True})],
)
FAILOVER = {"num_cache_clusters": 2, "automatic_failover_enabled": True}
case(
    "cache.single-zone",
    reported=[
        cache(num_cache_clusters=1),
        cache(num_cache_clusters=2, automatic_failover_enabled=False),
        cache(multi_az_enabled=False, **FAILOVER),
        cache(**FAILOVER),
    ],
    silent=[
        cache(multi_az_enabled=True, **FAILOVER),
        cache(unknown={"multi_az_enabled": True}, **FAILOVER),
    ],
)
case(
    "cache.no-snapshots",
    reported=[cache(), cache(snapshot_retention_limit=0)],
    silent=[cache(snapshot_retention_limit=7)],
)
case(
    "cache.cluster-mode",
    reported=[
        cache(num_node_groups=3),
        cache(cluster_mode="enabled"),
        sample(resource("aws_elasticache_serverless_cache.a", engine="valkey")),
    ],
    silent=[
        cache(num_node_groups=1, cluster_mode="disabled"),
        cache(unknown={"num_node_groups": True, "cluster_mode": True}),
        sample(resource("aws_elasticache_serverless_cache.a", engine="memcached")),
    ],
)
case(
    "cache.minor-upgrades-off",
    reported=[cache(auto_minor_version_upgrade="false")],
    silent=[cache(auto_minor_version_upgrade="true"), cache(unknown={"auto_minor_version_upgrade": True})],
)
