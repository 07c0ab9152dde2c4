"""What a plan changes on Google Cloud: data that goes, protection that is removed, restarts."""

from __future__ import annotations

from collections.abc import Iterator

from cloudberth.findings.context import Context
from cloudberth.findings.rules.changes import changed, deleted, replaced
from cloudberth.findings.rules.registry import Hit, also, also_resource
from cloudberth.findings.values import at, before
from cloudberth.infra.plan import Action, Resource

_SQL, _BUCKET, _LOGS = (
    "google_sql_database_instance",
    "google_storage_bucket",
    "google_logging_project_bucket_config",
)
_DATA = {
    _SQL: "the database",
    "google_sql_database": "the database",
    "google_alloydb_cluster": "the database",
    _BUCKET: "the files",
    "google_redis_instance": "sessions and queued tasks",
    "google_redis_cluster": "sessions and queued tasks",
    "google_memorystore_instance": "sessions and queued tasks",
    "google_compute_disk": "the disk",
    "google_compute_region_disk": "the disk",
    "google_filestore_instance": "the files",
    "google_bigquery_dataset": "the tables",
    "google_secret_manager_secret": "the secret",
    "google_kms_crypto_key": "everything encrypted with it",
}
_NETWORKS = ("google_compute_network", "google_compute_subnetwork", "google_service_networking_connection")
_ENTRANCES = (
    "google_compute_global_address",
    "google_compute_global_forwarding_rule",
    "google_compute_address",
)
_BACKUPS = "settings.0.backup_configuration.0"


@also("changes.data-deleted", types=tuple(_DATA))
def data_deleted(context: Context) -> Iterator[Hit]:
    yield from deleted(context, _DATA)


@also("changes.data-replaced", types=tuple(_DATA))
def data_replaced(context: Context) -> Iterator[Hit]:
    yield from replaced(context, _DATA)


@also("changes.network-replaced", types=_NETWORKS)
def network_replaced(context: Context) -> Iterator[Hit]:
    for resource in changed(context, Action.REPLACE, _NETWORKS):
        yield Hit(resource.address, "It is replaced.")


@also("changes.address-replaced", types=_ENTRANCES)
def address_replaced(context: Context) -> Iterator[Hit]:
    for action in (Action.REPLACE, Action.DELETE):
        for resource in changed(context, action, _ENTRANCES):
            # A range inside the network is nobody's entrance; a rule keeps the address that it names.
            inside = "INTERNAL" in (before(resource, "address_type").text, at(resource, "address_type").text)
            rule = resource.type == "google_compute_global_forwarding_rule"
            named = rule and before(resource, "ip_address").text == at(resource, "ip_address").text != ""
            if not inside and not named:
                yield Hit(resource.address, f"{action.value}: the old address ends.")


@also_resource("changes.protection-removed", types=(_SQL, _BUCKET))
def protection_removed(resource: Resource) -> str | None:
    if resource.action is not Action.UPDATE:
        return None
    for name in ("deletion_protection", "settings.0.deletion_protection_enabled", f"{_BACKUPS}.enabled"):
        if before(resource, name).on and at(resource, name).off:
            return f"{name.rpartition('.0.')[2]} is switched off."
    if before(resource, "force_destroy").off and at(resource, "force_destroy").on:
        return "force_destroy is switched on."
    versions = "versioning.0.enabled"
    stopped = before(resource, versions).on and at(resource, versions).off
    return "Versioning is switched off." if stopped else None


@also_resource("changes.retention-shortened", types=(_SQL, _LOGS))
def retention_shortened(resource: Resource) -> str | None:
    if resource.action is not Action.UPDATE:
        return None
    kept = f"{_BACKUPS}.backup_retention_settings.0.retained_backups"
    for name in (kept, f"{_BACKUPS}.transaction_log_retention_days", "retention_days"):
        was, now = before(resource, name).number, at(resource, name).number
        if was is not None and now is not None and 0 < now < was:
            return f"{name.rpartition('.')[2]}: {was:g} → {now:g}."
    return None


@also_resource("changes.database-restarts", types=(_SQL,), remedy="Apply in a quiet hour.")
def database_restarts(instance: Resource) -> str | None:
    """Google changes tier and version at once, whatever the maintenance window says."""
    if instance.action is not Action.UPDATE:
        return None
    for name in ("database_version", "settings.0.tier", "settings.0.availability_type"):
        was, now = before(instance, name), at(instance, name)
        if was.known and now.known and was.text != now.text:
            return f"{name.rpartition('.')[2]}: {was.text} → {now.text}."
    return None
