"""The bucket's own settings: who can see it, what becomes of deleted and of half-written objects. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from cloudberth.storage.doctor.facts import Check, Facts, Verdict

OK, WARN, FAIL, UNKNOWN = Verdict.OK, Verdict.WARN, Verdict.FAIL, Verdict.UNKNOWN
BUCKET = "Bucket"
# Types whose facts say when a rule aborts unfinished uploads.
_TELL_OF_ABORTING = {"s3"}
_OLD_UPLOAD = timedelta(days=1)


def bucket_checks(facts: Facts) -> Iterator[Check]:
    """Nothing when the bucket could not be looked at at all."""
    if facts.settings is None:
        return
    if facts.type == "local":  # a folder has none of these
        yield from _uploads(facts)
        return
    yield _public(facts)
    yield _versioning(facts)
    yield _encryption(facts)
    if facts.multipart:
        yield _lifecycle(facts)
    yield _cors(facts)
    yield from _uploads(facts)


def _unread(facts: Facts, *names: str) -> str:
    """Why a setting is not known."""
    unreadable = facts.settings.unreadable if facts.settings else {}
    reason = next((unreadable[name] for name in names if name in unreadable), "")
    return f"may not be asked: {reason}" if reason else f"{facts.type} does not tell"


def _public(facts: Facts) -> Check:
    said_public = facts.settings.public if facts.settings else None
    if facts.exposed:
        what = " and ".join(facts.exposed)
        return Check(
            "public", BUCKET, "public access", FAIL, f"anybody can {what} without credentials",
            "block public access: Dify keeps private keys of tenants in its bucket",
        )  # fmt: skip
    if said_public:
        return Check(
            "public", BUCKET, "public access", FAIL, "the settings of the bucket let everybody in",
            "block public access: Dify keeps private keys of tenants in its bucket",
        )  # fmt: skip
    if facts.exposed is not None:
        return Check("public", BUCKET, "public access", OK, "none: requests without credentials are refused")
    if said_public is not None:
        return Check("public", BUCKET, "public access", OK, "none, by the settings of the bucket")
    return Check("public", BUCKET, "public access", UNKNOWN, _unread(facts, "acl", "container", "public"))


def _versioning(facts: Facts) -> Check:
    known = facts.settings.versioning if facts.settings else None
    if known is None:
        return Check("versioning", BUCKET, "versioning", UNKNOWN, _unread(facts, "versioning"))
    if known:
        return Check("versioning", BUCKET, "versioning", OK, "on")
    return Check(
        "versioning", BUCKET, "versioning", WARN, "off: what is deleted or overwritten is gone",
        "switch it on, with a rule that removes old versions after some weeks; or keep backups",
    )  # fmt: skip


def _encryption(facts: Facts) -> Check:
    known = facts.settings.encryption if facts.settings else None
    if known is None:
        return Check("encryption", BUCKET, "encryption", UNKNOWN, _unread(facts, "encryption"))
    if known.lower() in {"none", "off"}:
        return Check(
            "encryption", BUCKET, "encryption", WARN, "objects lie unencrypted on the vendor's disks",
            "switch on encryption by default",
        )  # fmt: skip
    return Check("encryption", BUCKET, "encryption", OK, known)


def _lifecycle(facts: Facts) -> Check:
    known = facts.settings.lifecycle if facts.settings else None
    if known is None:
        return Check("lifecycle", BUCKET, "lifecycle", UNKNOWN, _unread(facts, "lifecycle"))
    if "unfinished" in known or facts.type in {"azure-blob", "google-storage"}:
        # Azure forgets uncommitted blocks after a week, Google a resumable upload: no rule is needed.
        return Check("lifecycle", BUCKET, "lifecycle", OK, known)
    if facts.type not in _TELL_OF_ABORTING and not known.startswith("0 "):
        said = f"{known}; whether one aborts unfinished uploads is not told"
        return Check("lifecycle", BUCKET, "lifecycle", OK, said)
    return Check(
        "lifecycle", BUCKET, "lifecycle", WARN, f"{known}, and none that aborts unfinished uploads",
        "add a rule AbortIncompleteMultipartUpload of some days: forgotten parts cost money for ever",
    )  # fmt: skip


def _cors(facts: Facts) -> Check:
    known = facts.settings.cors if facts.settings else None
    if known is None:
        return Check("cors", BUCKET, "CORS", UNKNOWN, _unread(facts, "cors", "service properties"))
    none = known.startswith("0 ")
    said = f"{known}: only needed for browsers that use signed URLs" if none else known
    return Check("cors", BUCKET, "CORS", OK, said)


def _uploads(facts: Facts) -> Iterator[Check]:
    attempt = facts.uploads
    if attempt is None or attempt.outcome == "absent":
        return
    title = "unfinished uploads"
    if attempt.outcome != "ok":
        reason = attempt.error.what if attempt.error else ""
        right = facts.rights.get("uploads", "")
        remedy = f"allow {right}" if right else ""
        yield Check("uploads", BUCKET, title, UNKNOWN, f"may not be listed: {reason}", remedy)
        return
    if not facts.pending:
        yield Check("uploads", BUCKET, title, OK, "none")
        return
    oldest = facts.oldest_upload
    since = f", the oldest of {oldest:%Y-%m-%d %H:%M} UTC" if oldest else ""
    old = oldest is not None and facts.at - oldest > _OLD_UPLOAD
    yield Check(
        "uploads", BUCKET, title, WARN if old else OK, f"{facts.pending:,}{since}",
        "berth storage uploads LOCATION --abort --older-than 1d" if old else "",
    )  # fmt: skip
