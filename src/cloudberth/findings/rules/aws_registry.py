"""Image registry of AWS."""

from __future__ import annotations

from cloudberth.findings.context import Context
from cloudberth.findings.model import Severity
from cloudberth.findings.rules.registry import relation_rule, resource_rule
from cloudberth.findings.values import at
from cloudberth.infra.plan import Resource

_REPOSITORY = ("aws_ecr_repository",)


@resource_rule(
    "containers.registry-tags-move",
    Severity.LOW,
    "Image tags can be overwritten",
    why="The same tag may mean another image tomorrow: a rollback brings something else back.",
    remedy="image_tag_mutability: IMMUTABLE",
    types=_REPOSITORY,
)
def registry_tags_move(repository: Resource) -> str | None:
    kind = at(repository, "image_tag_mutability")
    return "Its tags are mutable." if kind.absent or kind.text == "MUTABLE" else None


@relation_rule(
    "containers.registry-not-scanned",
    Severity.LOW,
    "Images are not scanned for known flaws",
    why="A published flaw in a base image stays unnoticed until somebody uses it.",
    remedy="image_scanning_configuration { scan_on_push = true }",
    types=_REPOSITORY,
)
def registry_not_scanned(repository: Resource, context: Context) -> str | None:
    scanning = at(repository, "image_scanning_configuration")
    scanned = any(not entry.at("scan_on_push").off for entry in scanning.children())
    central = context.has("aws_ecr_registry_scanning_configuration")
    return None if scanned or central or scanning.unknown else "scan_on_push is off."
