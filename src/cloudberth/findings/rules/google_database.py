"""Databases of Google Cloud: Cloud SQL and AlloyDB."""

from __future__ import annotations

import re
from collections.abc import Iterator

from cloudberth.findings.context import Context
from cloudberth.findings.model import Severity
from cloudberth.findings.rules.openings import is_world
from cloudberth.findings.rules.registry import (
    Hit,
    also,
    also_relation,
    also_resource,
    relation_rule,
    resource_rule,
)
from cloudberth.findings.values import at, blocks
from cloudberth.infra.plan import Resource

INSTANCE, ALLOY = "google_sql_database_instance", "google_alloydb_instance"
_CLOUD_SQL = (INSTANCE,)
_BACKUPS, _ADDRESS = "settings.0.backup_configuration.0", "settings.0.ip_configuration.0"
# The last major version out of the community's support, beyond which Google bills extended support.
_LAST_UNSUPPORTED = {"POSTGRES": 13, "MYSQL": 5}
_SHARED_CORE = ("db-f1-micro", "db-g1-small")


def is_replica(instance: Resource) -> bool:
    """Whether it copies another instance: ``replica_configuration``, or a master that it names."""
    return at(instance, "master_instance_name").known or at(instance, "replica_configuration").known


@also(
    "database.public",
    types=(INSTANCE, ALLOY),
    remedy="Remove the network from authorized_networks; ipv4_enabled: false.",
)
def public(context: Context) -> Iterator[Hit]:
    for instance in context.of_type(INSTANCE):
        ranges = [n.at("value").text for n in blocks(instance, f"{_ADDRESS}.authorized_networks")]
        if any(is_world(cidr) for cidr in ranges):
            yield Hit(instance.address, "Every address is let in.")
    for instance in context.of_type(ALLOY):
        networks = blocks(instance, "network_config.0.authorized_external_networks")
        if any(is_world(network.at("cidr_range").text) for network in networks):
            yield Hit(instance.address, "Every address is let in.")


@also_relation(
    "database.public-address", types=(INSTANCE, ALLOY), remedy="ipv4_enabled: false, private_network"
)
def public_address(instance: Resource, _: Context) -> str | None:
    if instance.type == ALLOY:
        on = at(instance, "network_config.0.enable_public_ip").on
        return "enable_public_ip is on." if on else None
    if at(instance, "settings").unknown or at(instance, f"{_ADDRESS}.psc_config.0.psc_enabled").on:
        return None
    given = at(instance, f"{_ADDRESS}.ipv4_enabled")
    return "ipv4_enabled is on." if given.absent or given.on else None


@also_resource("database.tls-not-required", types=_CLOUD_SQL, remedy="ssl_mode: ENCRYPTED_ONLY")
def tls_not_required(instance: Resource) -> str | None:
    mode = at(instance, f"{_ADDRESS}.ssl_mode").text
    return f"ssl_mode is {mode}." if mode == "ALLOW_UNENCRYPTED_AND_ENCRYPTED" else None


@also_resource("database.single-zone", types=_CLOUD_SQL)
def single_zone(instance: Resource) -> str | None:
    kind = at(instance, "settings.0.availability_type")
    zonal = (kind.absent or kind.text == "ZONAL") and not is_replica(instance)
    return "availability_type is ZONAL." if zonal and at(instance, "settings").known else None


@also_resource("database.backups-off", types=_CLOUD_SQL)
def backups_off(instance: Resource) -> str | None:
    off = at(instance, f"{_BACKUPS}.enabled").off and at(instance, "settings").known
    return "Backups are off." if off and not is_replica(instance) else None


@also_resource("database.backups-short", types=_CLOUD_SQL)
def backups_short(instance: Resource) -> str | None:
    """Google makes one a day, so that their number is a number of days."""
    kept = at(instance, f"{_BACKUPS}.backup_retention_settings.0.retained_backups").number
    return f"{kept:g} daily backups are kept." if kept is not None and 0 < kept < 7 else None


@resource_rule(
    "database.point-in-time-off",
    Severity.MEDIUM,
    "Database can only go back to the last nightly backup",
    why="What was written since then is lost with a wrong delete or a bad migration.",
    remedy="point_in_time_recovery_enabled: true (Cloudberth's database module sets it).",
    types=_CLOUD_SQL,
    by_size={"small": Severity.LOW},
)
def point_in_time_off(instance: Resource) -> str | None:
    backed_up = at(instance, f"{_BACKUPS}.enabled").on and not is_replica(instance)
    names = ("point_in_time_recovery_enabled", "binary_log_enabled")
    off = all(at(instance, f"{_BACKUPS}.{name}").off for name in names)
    return "point_in_time_recovery_enabled is off." if backed_up and off else None


@also_resource("database.deletion-protection-off", types=_CLOUD_SQL)
def deletion_protection_off(instance: Resource) -> str | None:
    """Two switches: Terraform's own, on by default, and Google's."""
    unguarded = at(instance, "deletion_protection").turned_off
    inside = at(instance, "settings.0.deletion_protection_enabled").off
    off = unguarded and inside and not is_replica(instance)
    return "deletion_protection is off." if off else None


@also_resource("database.final-snapshot-skipped", types=_CLOUD_SQL)
def final_snapshot_skipped(instance: Resource) -> str | None:
    final = at(instance, "settings.0.final_backup_config.0.enabled")
    kept = at(instance, "settings.0.retain_backups_on_delete")
    skipped = final.off and kept.off and at(instance, "settings").known
    return "No last backup is made." if skipped and not is_replica(instance) else None


@also_resource(
    "database.old-engine",
    types=_CLOUD_SQL,
    why="Flaws that become known are no longer fixed by the community; Google bills extended support per "
    "vCPU and hour on top, and Dify tests against newer versions.",
)
def old_engine(instance: Resource) -> str | None:
    version = at(instance, "database_version").text
    match = re.match(r"([A-Z]+)_(\d+)", version)
    old = match is not None and int(match[2]) <= _LAST_UNSUPPORTED.get(match[1], 0)
    return f"{version}." if old else None


@also_resource("database.storage-cannot-grow", types=_CLOUD_SQL)
def storage_cannot_grow(instance: Resource) -> str | None:
    if at(instance, "settings.0.disk_autoresize").turned_off:
        return "disk_autoresize is off."
    limit, size = (at(instance, f"settings.0.{n}").number for n in ("disk_autoresize_limit", "disk_size"))
    # A limit of 0 means none.
    full = limit is not None and size is not None and 0 < limit <= size
    return f"It stays at {limit:g} GB." if full else None


@also(
    "database.burstable-at-size-large",
    types=_CLOUD_SQL,
    why="Shared-core machines have a fraction of a processor, and no promise of availability.",
    remedy="database.machine_type: db-custom-2-8192 or larger",
)
def burstable_at_size_large(context: Context) -> Iterator[Hit]:
    if context.size != "large":
        return
    for instance in context.of_type(INSTANCE):
        kind = at(instance, "settings.0.tier").text
        if kind in _SHARED_CORE:
            yield Hit(instance.address, f"It runs on {kind}.")


@relation_rule(
    "database.statements-in-logs",
    Severity.MEDIUM,
    "Database writes whole statements into its log",
    why="Statements hold what users wrote: prompts, documents and names then stand in the log, readable for "
    "whoever reads logs.",
    remedy="log_statement: ddl, log_parameter_max_length: 0 (Cloudberth's database module sets them).",
    types=_CLOUD_SQL,
)
def statements_in_logs(instance: Resource, _: Context) -> str | None:
    for flag in blocks(instance, "settings.0.database_flags"):
        if flag.at("name").text == "log_statement" and flag.at("value").text in ("all", "mod"):
            return f"log_statement is {flag.at('value').text}."
    return None
