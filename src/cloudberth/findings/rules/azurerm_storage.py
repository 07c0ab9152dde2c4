"""Storage accounts, containers and disks of Azure."""

from __future__ import annotations

from collections.abc import Iterator

from cloudberth.findings.context import Context
from cloudberth.findings.model import Severity
from cloudberth.findings.rules.registry import Hit, also, also_relation, also_resource, relation_rule
from cloudberth.findings.values import Node, at, blocks
from cloudberth.infra.plan import Resource

ACCOUNT, CONTAINER = "azurerm_storage_account", "azurerm_storage_container"
_POLICY = "azurerm_storage_management_policy"
_ACCOUNTS = (ACCOUNT,)
_OFFLINE = "tier_to_archive_after_days_since_"
_DELETED = "delete_after_days_since_"


def is_for_flow_logs(account: Resource, context: Context) -> bool:
    """Whether Network Watcher writes into it: with the account's key, and nothing that would be missed."""
    writers = context.of_type("azurerm_network_watcher_flow_log")
    return any(context.points_at(writer, "storage_account_id", account) for writer in writers)


@also_resource(
    "storage.public-acl",
    types=(CONTAINER,),
    remedy="container_access_type: private (Cloudberth's storage module sets it).",
)
def public_acl(container: Resource) -> str | None:
    kind = at(container, "container_access_type").text
    return f"Its access type is {kind}." if kind in ("blob", "container") else None


@also_resource(
    "storage.public-access-allowed",
    types=_ACCOUNTS,
    why="With it off, a container that somebody opens has no effect; with it on, it publishes the data.",
    remedy="allow_nested_items_to_be_public: false (Cloudberth's storage module sets it).",
)
def public_access_allowed(account: Resource) -> str | None:
    on = at(account, "allow_nested_items_to_be_public").on
    return "allow_nested_items_to_be_public is on." if on else None


@also_resource("storage.tls-not-required", types=_ACCOUNTS, remedy="https_traffic_only_enabled: true")
def tls_not_required(account: Resource) -> str | None:
    if at(account, "https_traffic_only_enabled").turned_off:
        return "https_traffic_only_enabled is false."
    version = at(account, "min_tls_version").text
    return f"min_tls_version is {version}." if version in ("TLS1_0", "TLS1_1") else None


@relation_rule(
    "storage.keys-allowed",
    Severity.MEDIUM,
    "Storage account can be opened with a key",
    why="Its two keys open everything in it, work from anywhere, never expire and name nobody in the logs.",
    remedy="shared_access_key_enabled: false; machines use their identity (Cloudberth's storage module).",
    types=_ACCOUNTS,
)
def keys_allowed(account: Resource, context: Context) -> str | None:
    keyed = at(account, "shared_access_key_enabled")
    allowed = keyed.absent or keyed.on
    return "Shared keys are accepted." if allowed and not is_for_flow_logs(account, context) else None


@also_relation(
    "storage.versioning-off",
    types=_ACCOUNTS,
    why="Without versions and soft delete a wrong delete or overwrite is final. Dify's tenant keys "
    "(privkeys/) lie here: without them all stored model credentials are unreadable.",
)
def versioning_off(account: Resource, context: Context) -> str | None:
    settings = at(account, "blob_properties")
    versions = at(account, "blob_properties.0.versioning_enabled")
    soft = at(account, "blob_properties.0.delete_retention_policy")
    lost = settings.absent or (versions.off and soft.absent)
    return (
        "Neither versions nor deleted files are kept."
        if lost and not is_for_flow_logs(account, context)
        else None
    )


@also_relation("storage.versions-forever", types=_ACCOUNTS)
def versions_forever(account: Resource, context: Context) -> str | None:
    if not at(account, "blob_properties.0.versioning_enabled").on:
        return None
    policies = context.companions(account, (_POLICY,), "storage_account_id")
    ends = any(
        not actions.at(f"version.0.{_DELETED}creation").absent
        for policy in policies.found
        for actions in _actions(policy)
    )
    unreadable = policies.uncertain or any(at(p, "rule").unknown for p in policies.found)
    return None if ends or unreadable else "No rule ends old versions."


def _rules(policy: Resource) -> Iterator[Node]:
    return (entry for entry in blocks(policy, "rule") if entry.at("enabled").on)


def _actions(policy: Resource) -> Iterator[Node]:
    for entry in _rules(policy):
        yield from entry.at("actions").children()


def _whole_container(entry: Node) -> bool:
    """Whether the rule covers everything in some container: its prefixes hold no path, or there is none."""
    prefixes = entry.at("filters.0.prefix_match")
    if prefixes.unknown or not entry.at("filters.0.match_blob_index_tag").absent:
        return False
    return prefixes.absent or any("/" not in text.rstrip("/") for text in prefixes.texts)


def _asked(block: Node, prefix: str) -> float | None:
    """Days after which an action of this name takes place, whatever they are counted from."""
    names = ("modification_greater_than", "creation_greater_than", "last_access_time_greater_than")
    days = (block.at(f"{prefix}{name}").number for name in names)
    # The provider writes -1 for an action that is not asked for.
    return next((number for number in days if number is not None and number >= 0), None)


@also_resource(
    "storage.live-objects-go-offline",
    types=(_POLICY,),
    why="Blobs in the archive tier must be brought back for hours first: downloads and re-indexing in the "
    "application fail.",
)
def live_objects_go_offline(policy: Resource) -> str | None:
    for entry in _rules(policy):
        days = _asked(entry.at("actions.0.base_blob.0"), _OFFLINE)
        if days is not None:
            places = ", ".join(entry.at("filters.0.prefix_match").texts) or "every prefix"
            return f"Blobs under {places} move to the archive tier."
    return None


@also_resource("storage.live-objects-expire", types=(_POLICY,))
def live_objects_expire(policy: Resource) -> str | None:
    for entry in _rules(policy):
        days = _asked(entry.at("actions.0.base_blob.0"), _DELETED)
        if days is not None and _whole_container(entry):
            return f"Every blob is deleted after {days:g} days."
    return None


@also_resource("storage.cors-for-anybody", types=_ACCOUNTS)
def cors_for_anybody(account: Resource) -> str | None:
    for entry in blocks(account, "blob_properties.0.cors_rule"):
        writing = {"PUT", "POST", "DELETE", "PATCH", "MERGE"} & set(entry.at("allowed_methods").texts)
        if "*" in entry.at("allowed_origins").texts and writing:
            return f"Origin * may {', '.join(sorted(writing))}."
    return None


@also(
    "storage.volume-without-backup",
    types=("azurerm_managed_disk",),
    remedy="azurerm_data_protection_backup_instance_disk (Cloudberth's compute module has one).",
)
def volume_without_backup(context: Context) -> Iterator[Hit]:
    if context.has("azurerm_backup_protected_vm"):
        return
    for disk in context.of_type("azurerm_managed_disk"):
        if context.companions(disk, ("azurerm_data_protection_backup_instance_disk",), "disk_id").missing:
            yield Hit(disk.address, "Nothing takes snapshots of it.")


@also_relation(
    "storage.force-destroy",
    types=_ACCOUNTS,
    why="Azure deletes an account with everything in it, without a question; a lock is what refuses.",
    remedy="azurerm_management_lock with CanNotDelete on the account (Cloudberth's storage module has one).",
)
def force_destroy(account: Resource, context: Context) -> str | None:
    locks = context.companions(account, ("azurerm_management_lock",), "scope")
    groups = tuple(context.of_type("azurerm_resource_group"))
    others = tuple(context.of_type("azurerm_management_lock"))
    above = any(context.points_at(lock, "scope", group) for lock in others for group in groups)
    return (
        "No lock keeps it."
        if locks.missing and not above and not is_for_flow_logs(account, context)
        else None
    )
