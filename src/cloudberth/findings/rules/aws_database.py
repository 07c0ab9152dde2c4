"""Databases of AWS: RDS instances and Aurora clusters."""

from __future__ import annotations

import re
from collections.abc import Iterator

from cloudberth.findings.context import Context
from cloudberth.findings.model import Severity
from cloudberth.findings.rules.registry import Hit, relation_rule, resource_rule, rule
from cloudberth.findings.values import Node, at, blocks
from cloudberth.infra.plan import Resource

INSTANCE, CLUSTER, MEMBER = "aws_db_instance", "aws_rds_cluster", "aws_rds_cluster_instance"
_PARAMETER_GROUPS = ("aws_db_parameter_group", "aws_rds_cluster_parameter_group")
# The newest major version whose standard support on RDS has ended, or ends within the coming months
# (AWS release calendars): PostgreSQL 13 on 2026-02-28, MySQL 8.0 on 2026-07-31.
_LAST_UNSUPPORTED = {"postgres": 13.0, "aurora-postgresql": 13.0, "mysql": 8.0, "aurora-mysql": 5.7}


def is_replica(instance: Resource) -> bool:
    """Whether it copies another instance, whose backups and protection count."""
    return not at(instance, "replicate_source_db").absent


def _major(engine: str, version: str) -> float | None:
    """``postgres``, ``16.4`` → 16; ``mysql``, ``8.0.36`` → 8.0."""
    match = re.match(r"(\d+)(?:\.(\d+))?", version)
    if match is None:
        return None
    return float(match.group(1)) if "postgres" in engine else float(f"{match.group(1)}.{match.group(2) or 0}")


@resource_rule(
    "database.public",
    Severity.CRITICAL,
    "Database reachable from the internet",
    why="Only a password then stands between anybody and all data.",
    remedy="publicly_accessible: false (Cloudberth's database module never sets it).",
    types=(INSTANCE, MEMBER, "aws_redshift_cluster", "aws_dms_replication_instance"),
)
def public(database: Resource) -> str | None:
    return "publicly_accessible is true." if at(database, "publicly_accessible").on else None


@resource_rule(
    "database.unencrypted",
    Severity.HIGH,
    "Database stored unencrypted",
    why="Disks, snapshots and their copies can be read by whoever gets hold of them, and encryption cannot "
    "be switched on later without a restore.",
    remedy="storage_encrypted: true (Cloudberth's database module always sets it).",
    types=(INSTANCE, CLUSTER),
)
def unencrypted(database: Resource) -> str | None:
    if is_replica(database) or at(database, "engine_mode").text == "serverless":
        return None
    return "storage_encrypted is off." if at(database, "storage_encrypted").off else None


@resource_rule(
    "database.tls-not-required",
    Severity.HIGH,
    "Database accepts connections without TLS",
    why="One client with the wrong setting sends passwords and data readable through the network.",
    remedy="Set rds.force_ssl (PostgreSQL) or require_secure_transport (MySQL) to 1 in the parameter group.",
    types=_PARAMETER_GROUPS,
)
def tls_not_required(group: Resource) -> str | None:
    for parameter in blocks(group, "parameter"):
        name, value = parameter.at("name").text, parameter.at("value").text.lower()
        if name in ("rds.force_ssl", "require_secure_transport") and value in ("0", "off"):
            return f"{name} is {value}."
    return None


@relation_rule(
    "database.tls-optional-by-default",
    Severity.MEDIUM,
    "Database version does not require TLS by itself",
    why="PostgreSQL before 15 on RDS, and before 17 on Aurora, takes plain connections unless told "
    "otherwise.",
    remedy="database.version: a newer one, or a parameter group with rds.force_ssl = 1.",
    types=(INSTANCE, CLUSTER),
)
def tls_optional_by_default(database: Resource, context: Context) -> str | None:
    engine, version = at(database, "engine").text, at(database, "engine_version").text
    required_from = {"postgres": 15, "aurora-postgresql": 17}.get(engine)
    major = _major(engine, version)
    if required_from is None or major is None or major >= required_from or is_replica(database):
        return None
    groups = [g for g in context.of_type(*_PARAMETER_GROUPS) if context.refers(database, g)]
    named = (
        at(database, "parameter_group_name").known or at(database, "db_cluster_parameter_group_name").known
    )
    decided = any(p.at("name").text == "rds.force_ssl" for g in groups for p in blocks(g, "parameter"))
    unreadable = (named and not groups) or any(at(g, "parameter").partly_unknown for g in groups)
    return None if decided or unreadable else f"{engine} {version} without rds.force_ssl."


@resource_rule(
    "database.single-zone",
    Severity.HIGH,
    "Database in one zone",
    why="When the zone or the machine fails, the application is down until the database is restored, often "
    "hours.",
    remedy="database.multi_zone: true",
    types=(INSTANCE,),
    by_size={"small": Severity.INFO, "medium": Severity.MEDIUM},
)
def single_zone(database: Resource) -> str | None:
    single = at(database, "multi_az").off and not is_replica(database)
    return "multi_az is off." if single else None


@relation_rule(
    "database.cluster-single-instance",
    Severity.HIGH,
    "Aurora cluster with one instance",
    why="Without a second instance there is nothing to fail over to: a new one is built first.",
    remedy="database.multi_zone: true",
    types=(CLUSTER,),
    by_size={"small": Severity.INFO, "medium": Severity.MEDIUM},
)
def cluster_single_instance(cluster: Resource, context: Context) -> str | None:
    members = context.companions(cluster, (MEMBER,), "cluster_identifier")
    return "It has one instance." if len(members.found) == 1 and not members.uncertain else None


@resource_rule(
    "database.backups-off",
    Severity.HIGH,
    "Database without backups",
    why="A wrong delete, a bad migration or a lost disk is final; point-in-time restore needs backups too.",
    remedy="backup.retention_days: 7 (or more)",
    types=(INSTANCE, CLUSTER),
)
def backups_off(database: Resource) -> str | None:
    off = at(database, "backup_retention_period").number == 0 and not is_replica(database)
    return "Backups are kept for 0 days." if off else None


@resource_rule(
    "database.backups-short",
    Severity.MEDIUM,
    "Database backups kept for less than a week",
    why="Damage that is noticed after a long weekend can no longer be undone.",
    remedy="backup.retention_days: 7 (or more)",
    types=(INSTANCE, CLUSTER),
    by_size={"small": Severity.LOW},
)
def backups_short(database: Resource) -> str | None:
    days = at(database, "backup_retention_period").number
    short = days is not None and 0 < days < 7 and not is_replica(database)
    return f"Backups are kept for {days:g} days." if short else None


@resource_rule(
    "database.deletion-protection-off",
    Severity.MEDIUM,
    "Database can be deleted by mistake",
    why="One wrong destroy or a renamed resource removes all data.",
    remedy="database.deletion_protection: true",
    types=(INSTANCE, CLUSTER),
    by_size={"small": Severity.LOW},
)
def deletion_protection_off(database: Resource) -> str | None:
    off = at(database, "deletion_protection").off and not is_replica(database)
    return "deletion_protection is off." if off else None


@resource_rule(
    "database.final-snapshot-skipped",
    Severity.MEDIUM,
    "Database is deleted without a last snapshot",
    why="Its automatic backups go with it; nothing is left to restore from.",
    remedy="backup.final_snapshot: true",
    types=(INSTANCE, CLUSTER),
    by_size={"small": Severity.LOW},
)
def final_snapshot_skipped(database: Resource) -> str | None:
    skipped = at(database, "skip_final_snapshot").on and not is_replica(database)
    return "skip_final_snapshot is true." if skipped else None


@resource_rule(
    "database.old-engine",
    Severity.MEDIUM,
    "Database version out of standard support",
    why="AWS charges extended support per vCPU and hour on top (for a small machine more than the machine "
    "itself), and Dify tests against newer versions.",
    remedy="database.version: a supported major version",
    types=(INSTANCE, CLUSTER),
)
def old_engine(database: Resource) -> str | None:
    engine, version = at(database, "engine").text, at(database, "engine_version").text
    major, last = _major(engine, version), _LAST_UNSUPPORTED.get(engine)
    return f"{engine} {version}." if major is not None and last is not None and major <= last else None


@resource_rule(
    "database.minor-upgrades-off",
    Severity.LOW,
    "Security updates of the database are off",
    why="Minor versions carry the fixes for published flaws; nobody installs them by hand.",
    remedy="auto_minor_version_upgrade: true (the provider's default).",
    types=(INSTANCE, MEMBER),
)
def minor_upgrades_off(database: Resource) -> str | None:
    off = at(database, "auto_minor_version_upgrade").turned_off
    return "auto_minor_version_upgrade is false." if off else None


@resource_rule(
    "database.storage-cannot-grow",
    Severity.MEDIUM,
    "Database disk cannot grow by itself",
    why="A full disk stops the database; knowledge bases and conversation logs only ever grow.",
    remedy="database.max_storage_gb: above database.storage_gb",
    types=(INSTANCE,),
)
def storage_cannot_grow(database: Resource) -> str | None:
    limit, size = at(database, "max_allocated_storage"), at(database, "allocated_storage").number
    aurora = at(database, "engine").text.startswith("aurora")
    if limit.unknown or aurora or size is None or is_replica(database):
        return None
    return f"It stays at {size:g} GB." if (limit.number or 0) <= size else None


@relation_rule(
    "database.aurora-pauses",
    Severity.MEDIUM,
    "Aurora may pause although the application keeps connections",
    why="Dify's pools hold connections open: either the cluster never pauses (no saving), or pooled "
    "connections are dead after a resume and the first requests fail, since SQLALCHEMY_POOL_PRE_PING is "
    "off by default.",
    remedy="database.min_capacity: 0.5 (or more), or env: {SQLALCHEMY_POOL_PRE_PING: 'true'}",
    types=(CLUSTER,),
)
def aurora_pauses(cluster: Resource, context: Context) -> str | None:
    zero = at(cluster, "serverlessv2_scaling_configuration.0.min_capacity").number == 0
    asked = (c.environment.get("SQLALCHEMY_POOL_PRE_PING", "") for c in context.bundle.containers)
    return (
        "Its minimum capacity is 0." if zero and not any(text.lower() == "true" for text in asked) else None
    )


@resource_rule(
    "database.logs-not-exported",
    Severity.INFO,
    "Database logs stay on the database",
    why="Slow queries and failed logins are gone with the instance and cannot raise an alarm.",
    remedy="enabled_cloudwatch_logs_exports in your own Terraform.",
    types=(INSTANCE, CLUSTER),
)
def logs_not_exported(database: Resource) -> str | None:
    return "No log is exported." if at(database, "enabled_cloudwatch_logs_exports").absent else None


@resource_rule(
    "database.expired-ca",
    Severity.HIGH,
    "Database uses a certificate authority that has expired",
    why="rds-ca-2019 ended in August 2024: clients that check certificates cannot connect.",
    remedy="ca_cert_identifier: rds-ca-rsa2048-g1",
    types=(INSTANCE, MEMBER),
)
def expired_ca(database: Resource) -> str | None:
    authority = at(database, "ca_cert_identifier").text
    return f"It uses {authority}." if authority in ("rds-ca-2015", "rds-ca-2019") else None


@rule(
    "database.burstable-at-size-large",
    Severity.LOW,
    "Burstable database machine at size large",
    why="Under steady load a burstable class is billed for surplus CPU and can cost more than a fixed one.",
    remedy="database.machine_type: a db.m or db.r class, e.g. db.r8g.large",
    types=(INSTANCE, MEMBER),
    by_size={"small": None, "medium": None},
)
def burstable_at_size_large(context: Context) -> Iterator[Hit]:
    if context.size != "large":
        return
    for database in context.of_type(INSTANCE, MEMBER):
        kind = at(database, "instance_class").text
        if kind.startswith("db.t"):
            yield Hit(database.address, f"It runs on {kind}.")


@resource_rule(
    "database.apply-immediately",
    Severity.LOW,
    "Database changes are applied at once",
    why="A change of machine or version restarts the database in the middle of the day, not in the "
    "maintenance window.",
    remedy="Leave apply_immediately off, and switch it on for the one change that needs it.",
    types=(INSTANCE, CLUSTER),
    by_size={"small": None},
)
def apply_immediately(database: Resource) -> str | None:
    return "apply_immediately is true." if at(database, "apply_immediately").on else None


def parameter(group: Resource, name: str) -> Node:
    """The value of a parameter in a parameter group; absent when the group does not set it."""
    for entry in blocks(group, "parameter"):
        if entry.at("name").text == name:
            return entry.at("value")
    return Node(None, at(group, "parameter").pending is True)
