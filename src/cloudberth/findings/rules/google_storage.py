"""Buckets and disks of Google Cloud."""

from __future__ import annotations

from collections.abc import Iterator

from cloudberth.findings.context import Context
from cloudberth.findings.rules.registry import Hit, also, also_resource
from cloudberth.findings.values import Node, at, blocks
from cloudberth.infra.plan import Resource

BUCKET = "google_storage_bucket"
_BUCKETS = (BUCKET,)
_GRANTS = ("google_storage_bucket_iam_member", "google_storage_bucket_iam_binding")
_ACLS = ("google_storage_bucket_acl", "google_storage_default_object_acl")
_EVERYBODY = ("allUsers", "allAuthenticatedUsers")
_COLD = ("NEARLINE", "COLDLINE", "ARCHIVE")


def everybody(grant: Resource) -> str | None:
    """``allUsers`` or ``allAuthenticatedUsers`` where a grant names one of them."""
    members = (at(grant, "member").text, *at(grant, "members").texts)
    return next((member for member in members if member in _EVERYBODY), None)


@also_resource(
    "storage.public-acl", types=_ACLS, remedy="Uniform access (Cloudberth's storage module sets it)."
)
def public_acl(acl: Resource) -> str | None:
    named = [entry for entry in at(acl, "role_entity").texts if entry.partition(":")[2] in _EVERYBODY]
    predefined = at(acl, "predefined_acl").text.lower()
    if predefined.startswith("public") or predefined == "authenticatedread":
        return f"Its ACL is {at(acl, 'predefined_acl').text}."
    return f"It grants {named[0]}." if named else None


@also_resource("storage.public-policy", types=_GRANTS, remedy="Name the service accounts that need access.")
def public_policy(grant: Resource) -> str | None:
    member = everybody(grant)
    return f"{member} has {at(grant, 'role').text or 'a role'}." if member else None


@also_resource(
    "storage.public-access-allowed",
    types=_BUCKETS,
    why="Enforced, a wrong grant has no effect; inherited, it publishes the data unless the organisation "
    "forbids it.",
    remedy="public_access_prevention: enforced (Cloudberth's storage module sets it).",
)
def public_access_allowed(bucket: Resource) -> str | None:
    """Left out, the value is the organisation's, which the plan does not know."""
    inherited = at(bucket, "public_access_prevention").text == "inherited"
    return "public_access_prevention is inherited." if inherited else None


@also_resource("storage.acls-in-use", types=_BUCKETS, remedy="uniform_bucket_level_access: true")
def acls_in_use(bucket: Resource) -> str | None:
    off = at(bucket, "uniform_bucket_level_access").turned_off
    return "uniform_bucket_level_access is false." if off else None


@also_resource(
    "storage.versioning-off",
    types=_BUCKETS,
    why="Without versions and soft delete a wrong delete or overwrite is final. Dify's tenant keys "
    "(privkeys/) lie here: without them all stored model credentials are unreadable.",
)
def versioning_off(bucket: Resource) -> str | None:
    """Google's soft delete, on for a week unless told otherwise, keeps what was deleted or overwritten."""
    versions = any(not entry.at("enabled").off for entry in blocks(bucket, "versioning"))
    never = at(bucket, "soft_delete_policy.0.retention_duration_seconds").number == 0
    off = not versions and never and not at(bucket, "versioning").unknown
    return "Neither versions nor deleted files are kept." if off and not _holds_logs(bucket) else None


def _holds_logs(bucket: Resource) -> bool:
    names = {part for name in (at(bucket, "name").text, bucket.name) for part in name.split("-")}
    return bool(names & {"log", "logs", "accesslogs"})


def _rules(bucket: Resource, action: str) -> Iterator[tuple[Node, Node]]:
    """(action, condition) of the lifecycle rules with an action."""
    for rule in blocks(bucket, "lifecycle_rule"):
        for entry in rule.at("action").children():
            if entry.at("type").text == action:
                yield entry, rule.at("condition.0")


@also_resource("storage.unfinished-uploads-kept", types=_BUCKETS)
def unfinished_uploads_kept(bucket: Resource) -> str | None:
    ended = any(True for _ in _rules(bucket, "AbortIncompleteMultipartUpload"))
    return "No rule removes them." if not ended and not at(bucket, "lifecycle_rule").partly_unknown else None


@also_resource("storage.versions-forever", types=_BUCKETS)
def versions_forever(bucket: Resource) -> str | None:
    if not at(bucket, "versioning.0.enabled").on or at(bucket, "lifecycle_rule").partly_unknown:
        return None
    names = ("days_since_noncurrent_time", "num_newer_versions", "noncurrent_time_before")
    ends = any(
        any(not condition.at(name).absent for name in names) or condition.at("with_state").text == "ARCHIVED"
        for _, condition in _rules(bucket, "Delete")
    )
    return None if ends else "No rule ends old versions."


@also_resource("storage.live-objects-expire", types=_BUCKETS)
def live_objects_expire(bucket: Resource) -> str | None:
    if _holds_logs(bucket):
        return None
    for _, condition in _rules(bucket, "Delete"):
        days = condition.at("age").number
        narrow = ("matches_prefix", "matches_suffix", "matches_storage_class", "days_since_noncurrent_time")
        limited = any(not condition.at(name).absent for name in (*narrow, "num_newer_versions"))
        if days and not limited and condition.at("with_state").text != "ARCHIVED":
            return f"Every object is deleted after {days:g} days."
    return None


@also_resource(
    "storage.small-objects-moved",
    types=_BUCKETS,
    why="Every move costs a request, and reading from a colder class is billed by the gigabyte: with many "
    "small files the bill gets higher.",
)
def small_objects_moved(bucket: Resource) -> str | None:
    for action, condition in _rules(bucket, "SetStorageClass"):
        kind, size = action.at("storage_class").text, condition.at("size_above_bytes")
        smallest = 0.0 if size.absent else size.number
        if kind in _COLD and smallest is not None and smallest < 127 * 1024:
            return f"Objects from {smallest / 1024:g} KB move to {kind}."
    return None


@also_resource("storage.force-destroy", types=_BUCKETS)
def force_destroy(bucket: Resource) -> str | None:
    forced = at(bucket, "force_destroy").on and not _holds_logs(bucket)
    return "force_destroy is true." if forced else None


@also_resource("storage.cors-for-anybody", types=_BUCKETS, remedy="origin with your own domain.")
def cors_for_anybody(bucket: Resource) -> str | None:
    for entry in blocks(bucket, "cors"):
        writing = {"PUT", "POST", "DELETE", "*"} & set(entry.at("method").texts)
        if "*" in entry.at("origin").texts and writing:
            return f"Origin * may {', '.join(sorted(writing))}."
    return None


@also(
    "storage.volume-without-backup",
    types=("google_compute_disk",),
    remedy="google_compute_disk_resource_policy_attachment with a snapshot schedule (Cloudberth's compute "
    "module has one).",
)
def volume_without_backup(context: Context) -> Iterator[Hit]:
    if context.has("google_backup_dr_backup_plan_association"):
        return
    for disk in context.of_type("google_compute_disk"):
        if context.companions(disk, ("google_compute_disk_resource_policy_attachment",), "disk").missing:
            yield Hit(disk.address, "Nothing takes snapshots of it.")
