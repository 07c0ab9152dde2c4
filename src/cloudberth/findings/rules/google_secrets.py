"""Secrets in Google Cloud: values in the state, and the store that keeps them."""

from __future__ import annotations

from cloudberth.findings.context import Context
from cloudberth.findings.rules.registry import also_relation, also_resource
from cloudberth.findings.values import at
from cloudberth.infra.plan import Resource

# Arguments that Terraform keeps readable in plan and state; each has a write-only sibling.
_STATE_ARGUMENTS = {
    "google_sql_database_instance": "root_password",
    "google_sql_user": "password",
    "google_secret_manager_secret_version": "secret_data",
    "google_alloydb_cluster": "initial_user.0.password",
}
_SECRET, _KEY = "google_secret_manager_secret", "google_kms_crypto_key"
_READS = ("roles/secretmanager.secretAccessor", "roles/secretmanager.admin")


@also_resource(
    "secrets.value-in-state",
    types=tuple(_STATE_ARGUMENTS),
    remedy="Use the write-only argument (…_wo) fed from Secret Manager, as Cloudberth's modules do.",
)
def value_in_state(resource: Resource) -> str | None:
    name = _STATE_ARGUMENTS[resource.type]
    return None if at(resource, name).absent else f"{name.rpartition('.')[2]} is set."


@also_resource(
    "secrets.deleted-at-once",
    types=(_SECRET,),
    why="Without a delay, a version that is destroyed by mistake is gone, the password of a living database "
    "perhaps.",
    remedy="version_destroy_ttl: 604800s (Cloudberth's secrets module sets it).",
)
def deleted_at_once(secret: Resource) -> str | None:
    guarded = at(secret, "deletion_protection").on
    missing = at(secret, "version_destroy_ttl").absent and not guarded
    return "version_destroy_ttl is not set." if missing else None


@also_resource("secrets.key-not-rotated", types=(_KEY,), remedy="rotation_period: 7776000s (90 days)")
def key_not_rotated(key: Resource) -> str | None:
    purpose = at(key, "purpose")
    symmetric = purpose.absent or purpose.text == "ENCRYPT_DECRYPT"
    return "rotation_period is not set." if symmetric and at(key, "rotation_period").absent else None


@also_relation(
    "secrets.whole-store-readable",
    types=("google_project_iam_member", "google_project_iam_binding"),
    why="A role on the project holds for every secret in it: a service that needs one password gets all.",
    remedy="google_secret_manager_secret_iam_member (Cloudberth's compute module).",
)
def whole_store_readable(grant: Resource, _: Context) -> str | None:
    role = at(grant, "role").text
    return f"It gives {role}." if role in _READS and at(grant, "condition").absent else None
