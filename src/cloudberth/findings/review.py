"""A plan → findings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase

from cloudberth.deployment.model import Suppression
from cloudberth.findings.context import Context
from cloudberth.findings.model import Finding, Severity
from cloudberth.findings.rules import RuleInfo, rules
from cloudberth.infra.plan import Plan

UNKNOWN_SUPPRESSION = RuleInfo(
    id="review.unknown-suppression",
    severity=Severity.LOW,
    title="A suppression names no rule",
    why="A misspelt id suppresses nothing, and a rule that was renamed comes back unnoticed.",
    remedy="Correct or remove the entry under suppress; the ids are in the reference of findings.",
    types=(),
)
_ORDER = {severity: place for place, severity in enumerate(Severity)}


def review(
    plan: Plan,
    size: str | None = None,
    suppressions: Sequence[Suppression] = (),
    stack: Mapping[str, str] | None = None,
) -> tuple[Finding, ...]:
    """All remarks about a plan, the worst first, then by id and resource.

    size: ``small``, ``medium``, ``large``; None: unknown, judged as production. suppressions: findings that
    they name are kept, with the reason (`Finding.suppressed`); ``resource`` may hold ``*``. stack: path →
    text of the files that run on the machines, for a plan whose user data is only known after apply.
    """
    context = Context(plan, size, stack)
    found = [*_apply(context), *_unknown(suppressions)]
    marked = (_mark(finding, suppressions) for finding in found)
    return tuple(sorted(marked, key=lambda finding: (_ORDER[finding.severity], finding.id, finding.resource)))


def catalogue() -> tuple[RuleInfo, ...]:
    """Every rule that `review` applies, by id; its types are those of all clouds."""
    by_id: dict[str, RuleInfo] = {UNKNOWN_SUPPRESSION.id: UNKNOWN_SUPPRESSION}
    for rule in rules():
        first = by_id.setdefault(rule.info.id, rule.info)
        if first is not rule.info:
            by_id[first.id] = replace(first, types=(*first.types, *rule.info.types))
    return tuple(by_id[id] for id in sorted(by_id))


def _apply(context: Context) -> Iterator[Finding]:
    present = {resource.type for resource in context.plan.resources}
    for rule in rules():
        severity = rule.info.severity_at(context.size)
        if severity is None or (rule.info.types and present.isdisjoint(rule.info.types)):
            continue
        for hit in rule.check(context):
            info = rule.info
            yield Finding(info.id, severity, info.title, hit.detail, hit.resource, info.remedy)


def _unknown(suppressions: Sequence[Suppression]) -> Iterator[Finding]:
    known = {info.id for info in catalogue()}
    info = UNKNOWN_SUPPRESSION
    for name in sorted({suppression.id for suppression in suppressions} - known):
        detail = f"There is no rule {name!r}."
        yield Finding(info.id, info.severity, info.title, detail, "", info.remedy)


def _mark(finding: Finding, suppressions: Sequence[Suppression]) -> Finding:
    for suppression in suppressions:
        if suppression.id == finding.id and _covers(suppression, finding.resource):
            return Finding(
                finding.id,
                finding.severity,
                finding.title,
                finding.detail,
                finding.resource,
                finding.remedy,
                suppressed=suppression.reason,
            )
    return finding


def _covers(suppression: Suppression, resource: str) -> bool:
    """``[`` is literal: Terraform addresses are full of it, so only ``*`` is a wildcard."""
    if suppression.resource is None:
        return True
    return fnmatchcase(resource, suppression.resource.replace("[", "[[]").replace("?", "[?]"))
