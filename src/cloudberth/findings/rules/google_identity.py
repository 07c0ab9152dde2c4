"""Identities of Google Cloud: who may do what, and where."""

from __future__ import annotations

import re

from cloudberth.findings.context import Context
from cloudberth.findings.rules.google_storage import everybody
from cloudberth.findings.rules.registry import also_relation, also_resource
from cloudberth.findings.values import at
from cloudberth.infra.plan import Resource

_WIDE = tuple(
    f"google_{level}_iam_{kind}"
    for level in ("project", "folder", "organization")
    for kind in ("member", "binding")
)
_CUSTOM = ("google_project_iam_custom_role",)
_KEYS = ("google_service_account_key", "google_storage_hmac_key")
_SHARED = (
    *_WIDE,
    "google_secret_manager_secret_iam_member",
    "google_secret_manager_secret_iam_binding",
    "google_service_account_iam_member",
    "google_service_account_iam_binding",
    "google_pubsub_topic_iam_member",
    "google_kms_crypto_key_iam_member",
)
_REPOSITORIES = ("google_artifact_registry_repository_iam_member",)
_BROAD = ("roles/owner", "roles/editor")
# Each of these, on a project, is a way to every right in it.
_ESCALATES = (
    "roles/iam.securityAdmin",
    "roles/iam.serviceAccountAdmin",
    "roles/iam.serviceAccountKeyAdmin",
    "roles/iam.serviceAccountTokenCreator",
    "roles/iam.serviceAccountUser",
    "roles/resourcemanager.projectIamAdmin",
    "roles/resourcemanager.folderIamAdmin",
    "roles/resourcemanager.organizationAdmin",
)
_ESCALATING_PERMISSIONS = (
    "iam.serviceAccountKeys.create",
    "iam.serviceAccounts.actAs",
    "iam.serviceAccounts.getAccessToken",
    "iam.serviceAccounts.setIamPolicy",
    "resourcemanager.projects.setIamPolicy",
)
_SERVICES = "storage|secretmanager|cloudkms|cloudsql|redis|pubsub|run|compute|container|artifactregistry|dns"
_WHOLE_SERVICE = re.compile(rf"^roles/(?:{_SERVICES})\.admin$")
# Roles that read or change what an application keeps, and belong on the one thing that it uses.
_SHARP = re.compile(
    r"^roles/(?:storage\.(?:object|legacy)\w+|secretmanager\.\w+|cloudkms\.cryptoKey\w+"
    r"|pubsub\.(?:publisher|subscriber|editor)|bigquery\.data\w+)$"
)


def _role(grant: Resource) -> str:
    return at(grant, "role").text


def _conditional(grant: Resource) -> bool:
    return not at(grant, "condition").absent


@also_resource(
    "identity.broad-managed-policy",
    types=_WIDE,
    why="Owner and editor cover every service of the project, now and in future.",
    remedy="A role for what is needed, on the resource that it is needed for.",
)
def broad_managed_policy(grant: Resource) -> str | None:
    return f"It gives {_role(grant)}." if _role(grant) in _BROAD else None


@also_resource(
    "identity.privilege-escalation",
    types=(*_WIDE, *_CUSTOM),
    remedy="The role on the one service account that it is for (google_service_account_iam_member).",
)
def privilege_escalation(resource: Resource) -> str | None:
    if resource.type in _CUSTOM:
        found = sorted(set(at(resource, "permissions").texts) & set(_ESCALATING_PERMISSIONS))
        return f"It holds {', '.join(found)}." if found else None
    escalates = _role(resource) in _ESCALATES and not _conditional(resource)
    return f"{_role(resource)} on the whole project." if escalates else None


@also_resource("identity.whole-service", types=_WIDE)
def whole_service(grant: Resource) -> str | None:
    whole = _WHOLE_SERVICE.match(_role(grant)) and not _conditional(grant)
    return f"It gives {_role(grant)}." if whole else None


@also_resource(
    "identity.every-resource",
    types=_WIDE,
    why="The application then also reads secrets, files and keys of everything else in the project.",
    remedy="The role on the bucket, secret or topic itself, or a condition.",
)
def every_resource(grant: Resource) -> str | None:
    sharp = _SHARP.match(_role(grant)) and not _conditional(grant)
    return f"{_role(grant)} on the whole project." if sharp else None


@also_resource(
    "identity.long-lived-key",
    types=_KEYS,
    remedy="The machine's service account (Cloudberth reaches storage and secrets without keys).",
)
def long_lived_key(key: Resource) -> str | None:
    return "A static key is created." if at(key, "state").text != "INACTIVE" else None


@also_resource(
    "identity.policy-for-anybody",
    types=_SHARED,
    why="Anybody with a Google account, or without one, may do what the role allows.",
    remedy="Name the service accounts or groups.",
)
def policy_for_anybody(grant: Resource) -> str | None:
    member = everybody(grant)
    return f"{member} has {_role(grant) or 'a role'}." if member and not _conditional(grant) else None


@also_relation("containers.registry-public", types=_REPOSITORIES)
def registry_public(grant: Resource, _: Context) -> str | None:
    member = everybody(grant)
    return f"{member} has {_role(grant) or 'a role'}." if member else None


@also_resource(
    "containers.registry-tags-move",
    types=("google_artifact_registry_repository",),
    remedy="docker_config { immutable_tags = true }",
)
def registry_tags_move(repository: Resource) -> str | None:
    docker = at(repository, "format").text == "DOCKER"
    own = at(repository, "mode").text in ("", "STANDARD_REPOSITORY")
    moves = at(repository, "docker_config.0.immutable_tags").off
    return "Its tags are mutable." if docker and own and moves else None
