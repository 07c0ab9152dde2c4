"""RDS, ElastiCache, S3."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from cloudberth.infra.simulation.aws.rules.formats import (
    BUCKET_NAME,
    CACHE_TYPE,
    DATABASE_CLASS,
    DAY_WINDOW,
    EMBEDDED_POLICY,
    HYPHENATED,
    NAME_OR_PREFIX,
    STORAGE_CLASS,
    TRANSITION_DAYS,
    WEEK_WINDOW,
)
from cloudberth.infra.simulation.rules import (
    AnyRule,
    Combination,
    Rule,
    between,
    conflicting,
    every,
    length,
    matches,
    one_of,
    ordered,
    requires,
)
from cloudberth.infra.simulation.values import Value


def _failover_needs_replicas(values: Mapping[str, Value]) -> tuple[str, str] | None:
    if values.get("multi_az_enabled") is True and values.get("automatic_failover_enabled") is not True:
        return "multi_az_enabled", "multi_az_enabled needs automatic_failover_enabled = true"
    nodes = values.get("num_cache_clusters")
    if values.get("automatic_failover_enabled") is True and isinstance(nodes, int) and nodes < 2:
        return "num_cache_clusters", "automatic_failover_enabled needs num_cache_clusters of at least 2"
    return None


def _token_needs_tls(values: Mapping[str, Value]) -> tuple[str, str] | None:
    for name in ("auth_token", "auth_token_wo"):
        if values.get(name) is not None and values.get("transit_encryption_enabled") is False:
            return name, f"{name} needs transit_encryption_enabled = true"
    return None


def _small_encrypted_classes(values: Mapping[str, Value]) -> tuple[str, str] | None:
    size = values.get("allocated_storage")
    most = values.get("max_allocated_storage")
    if isinstance(size, int) and isinstance(most, int) and 0 < most <= size:
        return "max_allocated_storage", "max_allocated_storage must be greater than allocated_storage (or 0)"
    return None


def _final_snapshot(values: Mapping[str, Value]) -> tuple[str, str] | None:
    if values.get("skip_final_snapshot") is False and values.get("final_snapshot_identifier") is None:
        return "skip_final_snapshot", "final_snapshot_identifier is needed when skip_final_snapshot = false"
    return None


def _expiry_after_transition(values: Mapping[str, Value]) -> tuple[str, str] | None:
    expiration = (values.get("expiration") or [{}])[0]
    last = expiration.get("days") if isinstance(expiration, Mapping) else None
    for transition in values.get("transition") or ():
        days = transition.get("days") if isinstance(transition, Mapping) else None
        if isinstance(last, int) and isinstance(days, int) and days >= last > 0:
            return (
                "expiration",
                f"objects expire after {last} days, before or with the transition after {days}",
            )
    return None


def _infrequent_access_days(values: Mapping[str, Value]) -> tuple[str, str] | None:
    days = values.get("days")
    if values.get("storage_class") in ("STANDARD_IA", "ONEZONE_IA") and isinstance(days, int) and days < 30:
        return (
            "days",
            f"objects can move to {values['storage_class']} after 30 days at the earliest, got: {days}",
        )
    return None


RULES: Final[Mapping[str, Sequence[AnyRule]]] = {
    "aws_db_instance": (
        conflicting("identifier", "identifier_prefix"),
        Rule("identifier", every(length(1, 63), HYPHENATED)),
        Rule("instance_class", DATABASE_CLASS),
        Rule(
            "engine",
            matches(
                r"postgres|mysql|mariadb|aurora-(mysql|postgresql)|db2-\w+|custom-[\w-]+|(oracle|sqlserver)-[\w-]+",
                "be an RDS engine",
            ),
        ),
        Rule("storage_type", one_of("standard", "gp2", "gp3", "io1", "io2", "aurora", "aurora-iopt1")),
        Rule("allocated_storage", between(5, 65536)),
        Rule("backup_retention_period", between(0, 35)),
        Rule("backup_window", DAY_WINDOW),
        Rule("maintenance_window", WEEK_WINDOW),
        Rule("monitoring_interval", one_of(0, 1, 5, 10, 15, 30, 60)),
        Rule("performance_insights_retention_period", matches(r"7|731|\d+", "be 7, 731 or a multiple of 31")),
        Rule("port", between(1150, 65535)),
        Rule(
            "username",
            every(
                length(1, 63),
                matches(
                    r"(?!(?i:rdsadmin|admin_?rds)$)[A-Za-z]\w*", "start with a letter and not be reserved"
                ),
            ),
        ),
        Rule(
            "db_name",
            every(
                length(1, 64),
                matches(r"[A-Za-z]\w*", "start with a letter and have only letters, digits and _"),
            ),
        ),
        Rule("network_type", one_of("IPV4", "DUAL")),
        conflicting("password", "password_wo", "manage_master_user_password"),
        requires("password_wo", "password_wo_version"),
        Combination("", _small_encrypted_classes),
        Combination("", _final_snapshot),
    ),
    "aws_db_subnet_group": (
        NAME_OR_PREFIX,
        Rule(
            "name",
            every(
                length(1, 255),
                matches(
                    r"(?!default$)[a-z0-9 ._-]+",
                    "have only lower-case letters, digits, space, ._- and not be default",
                ),
            ),
        ),
    ),
    "aws_db_parameter_group": (
        NAME_OR_PREFIX,
        Rule("name", every(length(1, 255), HYPHENATED)),
        Rule("parameter.*.apply_method", one_of("immediate", "pending-reboot")),
    ),
    "aws_rds_cluster": (
        conflicting("cluster_identifier", "cluster_identifier_prefix"),
        Rule("cluster_identifier", every(length(1, 63), HYPHENATED)),
        Rule(
            "engine",
            matches(
                r"aurora-mysql|aurora-postgresql|mysql|postgres|custom-[\w-]+",
                "be aurora-postgresql, aurora-mysql, mysql or postgres",
            ),
        ),
        Rule(
            "engine_mode", one_of("", "global", "multimaster", "parallelquery", "provisioned", "serverless")
        ),
        Rule("backup_retention_period", between(1, 35)),
        Rule("preferred_backup_window", DAY_WINDOW),
        Rule("preferred_maintenance_window", WEEK_WINDOW),
        Rule("serverlessv2_scaling_configuration.*.min_capacity", between(0, 256)),
        Rule("serverlessv2_scaling_configuration.*.max_capacity", between(1, 256)),
        ordered("min_capacity", "max_capacity", block="serverlessv2_scaling_configuration.*"),
        Rule(
            "enabled_cloudwatch_logs_exports.*",
            one_of(
                "audit",
                "error",
                "general",
                "iam-db-auth-error",
                "instance",
                "postgresql",
                "slowquery",
                "upgrade",
            ),
        ),
        conflicting("master_password", "master_password_wo", "manage_master_user_password"),
        requires("master_password_wo", "master_password_wo_version"),
        Combination("", _final_snapshot),
    ),
    "aws_rds_cluster_instance": (
        Rule("instance_class", DATABASE_CLASS),
        Rule("promotion_tier", between(0, 15)),
        Rule("monitoring_interval", one_of(0, 1, 5, 10, 15, 30, 60)),
    ),
    "aws_elasticache_replication_group": (
        Rule("replication_group_id", every(length(1, 40), HYPHENATED)),
        Rule("node_type", CACHE_TYPE),
        Rule("engine", one_of("redis", "valkey")),
        Rule("engine_version", matches(r"\d+\.(\d+|x)(\.\d+)?", "be a version such as 8.0 or 7.1")),
        Rule("snapshot_retention_limit", between(0, 35)),
        Rule("num_cache_clusters", between(1, 6)),
        Rule("replicas_per_node_group", between(0, 5)),
        Rule("snapshot_window", DAY_WINDOW),
        Rule("maintenance_window", WEEK_WINDOW),
        Rule("transit_encryption_mode", one_of("preferred", "required")),
        Rule("auth_token", every(length(16, 128), matches(r"[^@\"/\s]+", 'have no @, ", / or space'))),
        Rule("auth_token_wo", every(length(16, 128), matches(r"[^@\"/\s]+", 'have no @, ", / or space'))),
        Rule("auth_token_update_strategy", one_of("SET", "ROTATE", "DELETE")),
        Rule("log_delivery_configuration.*.destination_type", one_of("cloudwatch-logs", "kinesis-firehose")),
        Rule("log_delivery_configuration.*.log_format", one_of("json", "text")),
        Rule("log_delivery_configuration.*.log_type", one_of("engine-log", "slow-log")),
        conflicting("num_cache_clusters", "num_node_groups"),
        conflicting("num_cache_clusters", "replicas_per_node_group"),
        conflicting("auth_token", "auth_token_wo", "user_group_ids"),
        Combination("", _failover_needs_replicas),
        Combination("", _token_needs_tls),
    ),
    "aws_elasticache_parameter_group": (
        Rule("family", matches(r"redis\d(\.\d|\.x)?|valkey\d|memcached1\.\d", "be a family such as valkey8")),
    ),
    "aws_s3_bucket": (
        conflicting("bucket", "bucket_prefix"),
        Rule("bucket", BUCKET_NAME),
        Rule("bucket_prefix", length(1, 37)),
    ),
    "aws_s3_bucket_versioning": (
        Rule("versioning_configuration.*.status", one_of("Enabled", "Suspended", "Disabled")),
    ),
    "aws_s3_bucket_server_side_encryption_configuration": (
        Rule(
            "rule.*.apply_server_side_encryption_by_default.*.sse_algorithm",
            one_of("AES256", "aws:kms", "aws:kms:dsse"),
        ),
    ),
    "aws_s3_bucket_ownership_controls": (
        Rule(
            "rule.*.object_ownership", one_of("BucketOwnerPreferred", "ObjectWriter", "BucketOwnerEnforced")
        ),
    ),
    "aws_s3_bucket_policy": (Rule("policy", EMBEDDED_POLICY),),
    "aws_s3_bucket_lifecycle_configuration": (
        Rule("rule.*.status", one_of("Enabled", "Disabled")),
        Rule("rule.*.id", length(1, 255)),
        Rule("rule.*.transition.*.storage_class", STORAGE_CLASS),
        Rule("rule.*.noncurrent_version_transition.*.storage_class", STORAGE_CLASS),
        Rule("rule.*.abort_incomplete_multipart_upload.*.days_after_initiation", TRANSITION_DAYS),
        Rule("rule.*.expiration.*.days", between(0, 2147483647)),
        Combination("rule.*.transition.*", _infrequent_access_days),
        Combination("rule.*", _expiry_after_transition),
    ),
}
