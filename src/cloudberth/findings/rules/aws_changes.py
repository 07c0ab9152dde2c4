"""What a plan changes on AWS: data that goes, protection that is removed, restarts."""

from __future__ import annotations

from collections.abc import Iterator

from cloudberth.findings.context import Context
from cloudberth.findings.model import Severity
from cloudberth.findings.rules.changes import changed, deleted, replaced
from cloudberth.findings.rules.registry import Hit, resource_rule, rule
from cloudberth.findings.values import at, before
from cloudberth.infra.plan import Action, Resource

_DATA = {
    "aws_db_instance": "the database",
    "aws_rds_cluster": "the database",
    "aws_s3_bucket": "the files",
    "aws_elasticache_replication_group": "sessions and queued tasks",
    "aws_elasticache_cluster": "sessions and queued tasks",
    "aws_ebs_volume": "the disk",
    "aws_efs_file_system": "the files",
    "aws_dynamodb_table": "the table",
    "aws_opensearch_domain": "the index",
    "aws_secretsmanager_secret": "the secret",
    "aws_kms_key": "everything encrypted with it",
}
_ENTRANCES = ("aws_lb", "aws_eip", "aws_cloudfront_distribution")
_DATABASES = ("aws_db_instance", "aws_rds_cluster")


@rule(
    "changes.data-deleted",
    Severity.CRITICAL,
    "Plan deletes data",
    why="After the apply it is gone, except for snapshots made beforehand.",
    remedy="Keep the section in berth.yaml, or take a snapshot first and delete on purpose (`berth down "
    "--delete-data`).",
    types=tuple(_DATA),
)
def data_deleted(context: Context) -> Iterator[Hit]:
    yield from deleted(context, _DATA)


@rule(
    "changes.data-replaced",
    Severity.CRITICAL,
    "Plan replaces a data store with an empty one",
    why="Terraform deletes the old one; the new one starts without data.",
    remedy="Undo the change that forces it (name, engine, encryption, zone …), or migrate the data first.",
    types=tuple(_DATA),
)
def data_replaced(context: Context) -> Iterator[Hit]:
    yield from replaced(context, _DATA)


@rule(
    "changes.network-replaced",
    Severity.HIGH,
    "Plan replaces the network",
    why="Everything in it is rebuilt with it: databases, machines, addresses.",
    remedy="Leave network.cidr as it is, or set up a second deployment and move.",
    types=("aws_vpc", "aws_subnet"),
)
def network_replaced(context: Context) -> Iterator[Hit]:
    for resource in changed(context, Action.REPLACE, ("aws_vpc", "aws_subnet")):
        yield Hit(resource.address, "It is replaced.")


@rule(
    "changes.address-replaced",
    Severity.MEDIUM,
    "Plan changes the public address",
    why="DNS records outside this plan, allow-lists and webhooks point at the old one.",
    remedy="Undo the change that forces it (usually the name), or announce the move.",
    types=_ENTRANCES,
)
def address_replaced(context: Context) -> Iterator[Hit]:
    for action in (Action.REPLACE, Action.DELETE):
        for resource in changed(context, action, _ENTRANCES):
            yield Hit(resource.address, f"{action.value}: the old address ends.")


@resource_rule(
    "changes.protection-removed",
    Severity.HIGH,
    "Plan removes the protection of data",
    why="Often the first step of a deletion; between the two, one wrong command is enough.",
    remedy="database.deletion_protection: true, backup.retention_days as before",
    types=(*_DATABASES, "aws_s3_bucket_versioning", "aws_s3_bucket"),
)
def protection_removed(resource: Resource) -> str | None:
    if resource.action is not Action.UPDATE:
        return None
    if before(resource, "deletion_protection").on and at(resource, "deletion_protection").off:
        return "deletion_protection is switched off."
    if before(resource, "force_destroy").off and at(resource, "force_destroy").on:
        return "force_destroy is switched on."
    status = "versioning_configuration.0.status"
    was, now = before(resource, status).text, at(resource, status).text
    return f"Versioning becomes {now}." if was == "Enabled" and now not in ("Enabled", "") else None


@resource_rule(
    "changes.retention-shortened",
    Severity.MEDIUM,
    "Plan shortens how long backups or logs are kept",
    why="What is older than the new limit is deleted soon after the apply.",
    remedy="backup.retention_days / logs.retention_days as before, or export first",
    types=(*_DATABASES, "aws_cloudwatch_log_group", "aws_elasticache_replication_group"),
)
def retention_shortened(resource: Resource) -> str | None:
    if resource.action is not Action.UPDATE:
        return None
    for name in ("backup_retention_period", "retention_in_days", "snapshot_retention_limit"):
        was, now = before(resource, name).number, at(resource, name).number
        forever = name == "retention_in_days" and was == 0
        if was is not None and now is not None and now != 0 and (now < was or forever):
            return f"{name}: {was:g} → {now:g}."
    return None


@resource_rule(
    "changes.database-restarts",
    Severity.MEDIUM,
    "Plan restarts the database at once",
    why="Changing machine or version takes it away for minutes, in the middle of the day.",
    remedy="Apply in a quiet hour, or leave apply_immediately off so that it waits for backup.maintenance.",
    types=_DATABASES,
)
def database_restarts(database: Resource) -> str | None:
    if database.action is not Action.UPDATE or not at(database, "apply_immediately").on:
        return None
    for name in ("engine_version", "instance_class", "db_cluster_instance_class"):
        was, now = before(database, name), at(database, name)
        if was.known and now.known and was.text != now.text:
            return f"{name}: {was.text} → {now.text}."
    return None
