"""Object storage, disks and file systems of AWS."""

from __future__ import annotations

import re
from collections.abc import Iterator

from cloudberth.findings.context import Context
from cloudberth.findings.model import Severity
from cloudberth.findings.rules.policy_document import requires_tls, statements_of
from cloudberth.findings.rules.registry import Hit, relation_rule, resource_rule, rule
from cloudberth.findings.values import Node, at, blocks
from cloudberth.infra.plan import Resource

BUCKET = "aws_s3_bucket"
_POLICY, _VERSIONING, _LIFECYCLE = (
    "aws_s3_bucket_policy",
    "aws_s3_bucket_versioning",
    "aws_s3_bucket_lifecycle_configuration",
)
_BLOCK, _ACL = "aws_s3_bucket_public_access_block", "aws_s3_bucket_acl"
_BLOCK_SWITCHES = (
    "block_public_acls",
    "block_public_policy",
    "ignore_public_acls",
    "restrict_public_buckets",
)
# A CDN is none of them: it mostly names the bucket that it serves.
_LOG_WRITERS = (
    "aws_lb",
    "aws_alb",
    "aws_flow_log",
    "aws_cloudtrail",
    "aws_wafv2_web_acl_logging_configuration",
)
_INFREQUENT = ("STANDARD_IA", "ONEZONE_IA")
_OFFLINE = ("GLACIER", "DEEP_ARCHIVE")


def is_log_bucket(bucket: Resource, context: Context) -> bool:
    """Whether the bucket receives logs: losing old versions of those matters to nobody."""
    names = f"{at(bucket, 'bucket').text}-{at(bucket, 'bucket_prefix').text}-{bucket.name}"
    if {"log", "logs", "accesslogs"} & set(re.split(r"[-_.]", names)):
        return True
    return any(context.refers(writer, bucket) for writer in context.of_type(*_LOG_WRITERS))


def _enabled_rules(configuration: Resource) -> Iterator[Node]:
    for entry in blocks(configuration, "rule"):
        if entry.at("status").text == "Enabled":
            yield entry


def _prefix(entry: Node) -> str:
    names = ("filter.0.prefix", "filter.0.and.0.prefix", "prefix")
    return next((entry.at(name).text for name in names if entry.at(name).known), "")


def _owner_is_log_bucket(configuration: Resource, context: Context) -> bool:
    owners = [b for b in context.of_type(BUCKET) if context.points_at(configuration, "bucket", b)]
    return any(is_log_bucket(bucket, context) for bucket in owners)


@resource_rule(
    "storage.public-acl",
    Severity.CRITICAL,
    "Bucket readable by anybody",
    why="Uploads, documents and Dify's tenant keys (privkeys/) can be downloaded by whoever guesses a name.",
    remedy="acl: private, or no ACL at all (Cloudberth's storage module sets none).",
    types=(BUCKET, _ACL),
)
def public_acl(resource: Resource) -> str | None:
    acl = at(resource, "acl").text
    return f"Its ACL is {acl}." if acl.startswith("public-") or acl == "authenticated-read" else None


@relation_rule(
    "storage.public-policy",
    Severity.CRITICAL,
    "Bucket policy lets anybody in",
    why="Everything the policy allows is allowed to the whole internet, without credentials.",
    remedy="Name the roles that need access, or serve public files through the CDN (storage.cdn: true).",
    types=(_POLICY, BUCKET),
)
def public_policy(policy: Resource, context: Context) -> str | None:
    for statement in statements_of(policy, "policy", context):
        if statement.allow and statement.for_everybody and not statement.conditions:
            return f"Everybody may {', '.join(statement.actions) or 'do what it does not exclude'}."
    return None


@relation_rule(
    "storage.public-access-allowed",
    Severity.HIGH,
    "Guard against public buckets is switched off",
    why="With the guard on, a wrong ACL or policy has no effect; with it off, it publishes the data.",
    remedy="Set all four switches of aws_s3_bucket_public_access_block to true.",
    types=(_BLOCK,),
)
def public_access_allowed(guard: Resource, context: Context) -> str | None:
    logs = _owner_is_log_bucket(guard, context)
    # CloudFront and other services write their logs with an ACL.
    switches = [name for name in _BLOCK_SWITCHES if not (logs and "acls" in name)]
    off = [name for name in switches if at(guard, name).off]
    return f"Off: {', '.join(off)}." if off else None


@relation_rule(
    "storage.public-access-guard-missing",
    Severity.LOW,
    "Bucket without a guard against public access",
    why="New buckets are guarded by AWS, but nothing in this plan would notice if somebody opened this one.",
    remedy="Add aws_s3_bucket_public_access_block (Cloudberth's storage module does).",
    types=(BUCKET,),
)
def public_access_guard_missing(bucket: Resource, context: Context) -> str | None:
    missing = context.companions(bucket, (_BLOCK,), "bucket").missing
    account_wide = context.has("aws_s3_account_public_access_block")
    return "No public access block belongs to it." if missing and not account_wide else None


@relation_rule(
    "storage.tls-not-required",
    Severity.MEDIUM,
    "Bucket accepts requests without TLS",
    why="A client with an http:// endpoint sends documents and signatures readable through the network.",
    remedy="A bucket policy that denies aws:SecureTransport = false (Cloudberth's storage module has one).",
    types=(BUCKET,),
)
def tls_not_required(bucket: Resource, context: Context) -> str | None:
    policies = context.companions(bucket, (_POLICY,), "bucket")
    if policies.uncertain or any(not at(policy, "policy").known for policy in policies.found):
        return None
    texts = [at(policy, "policy") for policy in policies.found]
    return None if any(requires_tls(text) for text in texts) else "No policy refuses plain HTTP."


@relation_rule(
    "storage.versioning-off",
    Severity.MEDIUM,
    "Bucket keeps no old versions",
    why="A wrong delete or overwrite is final. Dify's tenant keys (privkeys/) lie here: without them all "
    "stored model credentials are unreadable.",
    remedy="storage.versioning: true",
    types=(BUCKET,),
)
def versioning_off(bucket: Resource, context: Context) -> str | None:
    if is_log_bucket(bucket, context) or any(v.at("enabled").on for v in blocks(bucket, "versioning")):
        return None
    settings = context.companions(bucket, (_VERSIONING,), "bucket")
    states = [at(s, "versioning_configuration.0.status") for s in settings.found]
    if settings.missing:
        return "Versioning is not set."
    stopped = bool(states) and all(state.known and state.text != "Enabled" for state in states)
    return f"Versioning is {states[0].text}." if stopped else None


@relation_rule(
    "storage.unfinished-uploads-kept",
    Severity.LOW,
    "Unfinished uploads are kept and billed forever",
    why="Parts of multipart uploads that broke off are invisible in listings and stored until a rule "
    "removes them.",
    remedy="storage.abort_multipart_days: 7",
    types=(BUCKET,),
)
def unfinished_uploads_kept(bucket: Resource, context: Context) -> str | None:
    settings = context.companions(bucket, (_LIFECYCLE,), "bucket")
    kept = all(
        entry.at("abort_incomplete_multipart_upload").absent
        for configuration in settings.found
        for entry in _enabled_rules(configuration)
    )
    unreadable = settings.uncertain or any(at(s, "rule").unknown for s in settings.found)
    old_style = any(
        not r.at("abort_incomplete_multipart_upload_days").absent for r in blocks(bucket, "lifecycle_rule")
    )
    return "No rule removes them." if kept and not unreadable and not old_style else None


@relation_rule(
    "storage.versions-forever",
    Severity.LOW,
    "Old versions are kept and billed forever",
    why="Every overwritten or deleted object stays on the bill; in a busy bucket they outgrow the live data.",
    remedy="storage.noncurrent_days: 30",
    types=(_VERSIONING,),
)
def versions_forever(versioning: Resource, context: Context) -> str | None:
    if at(versioning, "versioning_configuration.0.status").text != "Enabled":
        return None
    for bucket in context.of_type(BUCKET):
        if context.points_at(versioning, "bucket", bucket):
            settings = context.companions(bucket, (_LIFECYCLE,), "bucket")
            entries = [e for s in settings.found for e in blocks(s, "rule")]
            unreadable = settings.uncertain or any(at(s, "rule").unknown for s in settings.found)
            ends = any(not entry.at("noncurrent_version_expiration").absent for entry in entries)
            return None if unreadable or ends else "No rule ends old versions."
    return None


@resource_rule(
    "storage.transition-too-early",
    Severity.HIGH,
    "Lifecycle rule that AWS refuses",
    why="Objects must be 30 days old before they may move to an infrequent-access class: the apply fails.",
    remedy="storage.lifecycle[].after_days: 30 (or more) for tier infrequent",
    types=(_LIFECYCLE,),
)
def transition_too_early(configuration: Resource) -> str | None:
    for entry in _enabled_rules(configuration):
        for move in entry.at("transition").children():
            days, tier = move.at("days").number, move.at("storage_class").text
            if tier in _INFREQUENT and days is not None and days < 30:
                return f"Move to {tier} after {days:g} days."
    return None


@resource_rule(
    "storage.small-objects-moved",
    Severity.LOW,
    "Small objects are moved to a class that bills at least 128 KB",
    why="Below 128 KB the move costs a request and saves nothing; many small files make the bill higher.",
    remedy="storage.lifecycle[].min_size_kb: 128",
    types=(_LIFECYCLE,),
)
def small_objects_moved(configuration: Resource) -> str | None:
    guarded = at(configuration, "transition_default_minimum_object_size").text != "varies_by_storage_class"
    for entry in _enabled_rules(configuration):
        sizes = [entry.at(f"filter.0.{path}object_size_greater_than").number for path in ("", "and.0.")]
        smallest = next((size for size in sizes if size), None)
        tiers = {move.at("storage_class").text for move in entry.at("transition").children()}
        moved = tiers & {*_INFREQUENT, "GLACIER_IR"}
        if moved and ((smallest is not None and smallest < 127 * 1024) or (smallest is None and not guarded)):
            return f"Objects from {(smallest or 0) / 1024:g} KB move to {', '.join(sorted(moved))}."
    return None


@relation_rule(
    "storage.live-objects-go-offline",
    Severity.HIGH,
    "Files of the application move to an archive it cannot read",
    why="Objects in Glacier Flexible Retrieval or Deep Archive must be restored for hours first: downloads "
    "and re-indexing in the application fail.",
    remedy="storage.lifecycle[].tier: archive-instant, or a prefix that the application does not read any "
    "more",
    types=(_LIFECYCLE,),
)
def live_objects_go_offline(configuration: Resource, context: Context) -> str | None:
    if _owner_is_log_bucket(configuration, context):
        return None
    for entry in _enabled_rules(configuration):
        tiers = {move.at("storage_class").text for move in entry.at("transition").children()} & set(_OFFLINE)
        if tiers:
            return f"Objects under {_prefix(entry)!r} move to {', '.join(sorted(tiers))}."
    return None


@relation_rule(
    "storage.live-objects-expire",
    Severity.HIGH,
    "Lifecycle rule deletes the application's files",
    why="A rule without a prefix also deletes what must never go: uploads, and Dify's tenant keys under "
    "privkeys/.",
    remedy="Give the rule a prefix, or move objects to a cheaper class instead (storage.lifecycle).",
    types=(_LIFECYCLE,),
)
def live_objects_expire(configuration: Resource, context: Context) -> str | None:
    if _owner_is_log_bucket(configuration, context):
        return None
    for entry in _enabled_rules(configuration):
        days = entry.at("expiration.0.days").number
        tagged = not entry.at("filter.0.tag").absent or not entry.at("filter.0.and.0.tags").absent
        if days and not tagged and not entry.at("filter").unknown and _prefix(entry) == "":
            return f"Every object is deleted after {days:g} days."
    return None


@relation_rule(
    "storage.force-destroy",
    Severity.MEDIUM,
    "Bucket is deleted with everything in it",
    why="A destroy, or a change that replaces the bucket, removes all files and versions without a question.",
    remedy="force_destroy: false; `berth down --delete-data` is the way to delete data on purpose.",
    types=(BUCKET,),
)
def force_destroy(bucket: Resource, context: Context) -> str | None:
    forced = at(bucket, "force_destroy").on and not is_log_bucket(bucket, context)
    return "force_destroy is true." if forced else None


@resource_rule(
    "storage.filesystem-unencrypted",
    Severity.HIGH,
    "File system stored unencrypted",
    why="Encryption of a file system cannot be switched on later without copying everything.",
    remedy="encrypted: true",
    types=("aws_efs_file_system", "aws_fsx_lustre_file_system"),
)
def filesystem_unencrypted(filesystem: Resource) -> str | None:
    return "encrypted is false." if at(filesystem, "encrypted").turned_off else None


@rule(
    "storage.volume-without-backup",
    Severity.MEDIUM,
    "Data disk without snapshots",
    why="Installed plugins and their state live on this disk in one zone; when it is lost, so are they.",
    remedy="A snapshot schedule (aws_dlm_lifecycle_policy) or AWS Backup over the disk; "
    "backup.retention_days.",
    types=("aws_ebs_volume",),
    by_size={"small": Severity.LOW},
)
def volume_without_backup(context: Context) -> Iterator[Hit]:
    if context.has("aws_dlm_lifecycle_policy", "aws_backup_selection"):
        return
    for volume in context.of_type("aws_ebs_volume"):
        yield Hit(volume.address, "Nothing takes snapshots of it.")


@resource_rule(
    "storage.acls-in-use",
    Severity.LOW,
    "Bucket still works with access lists",
    why="Objects can then belong to other accounts and carry rights of their own, which no policy shows.",
    remedy="object_ownership: BucketOwnerEnforced (Cloudberth's storage module sets it).",
    types=("aws_s3_bucket_ownership_controls",),
)
def acls_in_use(controls: Resource) -> str | None:
    kind = at(controls, "rule.0.object_ownership")
    return f"object_ownership is {kind.text}." if kind.known and kind.text != "BucketOwnerEnforced" else None


@resource_rule(
    "storage.cors-for-anybody",
    Severity.MEDIUM,
    "Any web page may write to the bucket",
    why="With origin * and a writing method, a foreign page can use a visitor's signed links.",
    remedy="allowed_origins with your own domain.",
    types=("aws_s3_bucket_cors_configuration",),
)
def cors_for_anybody(configuration: Resource) -> str | None:
    for entry in blocks(configuration, "cors_rule"):
        writing = {"PUT", "POST", "DELETE"} & set(entry.at("allowed_methods").texts)
        if "*" in entry.at("allowed_origins").texts and writing:
            return f"Origin * may {', '.join(sorted(writing))}."
    return None


@resource_rule(
    "storage.filesystem-transit-plain",
    Severity.MEDIUM,
    "Containers reach the shared file system unencrypted",
    why="Files cross the network readable.",
    remedy='efs_volume_configuration { transit_encryption = "ENABLED" }',
    types=("aws_ecs_task_definition",),
)
def filesystem_transit_plain(task: Resource) -> str | None:
    for volume in blocks(task, "volume"):
        for shared in volume.at("efs_volume_configuration").children():
            mode = shared.at("transit_encryption")
            if mode.absent or mode.text == "DISABLED":
                return f"Volume {volume.at('name').text}."
    return None
