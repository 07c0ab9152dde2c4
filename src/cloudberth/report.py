"""Everything that `berth plan` knows, as one value with a documented JSON form.

``docs/reference/plan.schema.json`` is generated from these classes. Money is a decimal string in US dollars a month.
"""

from __future__ import annotations

from typing import Any

from pydantic import TypeAdapter
from pydantic.dataclasses import dataclass

from cloudberth.cost.model import Estimate
from cloudberth.findings.model import Finding
from cloudberth.infra.plan import Plan, Resource


@dataclass(frozen=True)
class ReportedResource:
    address: str
    type: str
    module: str
    action: str


@dataclass(frozen=True)
class ReportedPlan:
    """rehearsal: the providers were simulated, nothing was looked up in an account."""

    rehearsal: bool
    region: str
    terraform_version: str
    providers: dict[str, str]
    counts: dict[str, int]
    """Action → number of resources."""
    resources: list[ReportedResource]
    missing: list[str]
    """What the deployment lacks for production, in words."""


@dataclass(frozen=True)
class ReportedLine:
    resource: str
    component: str
    label: str
    quantity: str
    unit: str
    fixed: bool
    assumptions: list[str]
    unit_prices: list[str]
    """US dollars a unit, one for each price tier that was used."""
    monthly: str | None
    """US dollars; null when the price is unknown (see reason)."""
    reason: str
    as_of: list[str]
    source: list[str]


@dataclass(frozen=True)
class ReportedAssumption:
    key: str
    value: str
    unit: str
    given: bool
    description: str


@dataclass(frozen=True)
class ReportedEstimate:
    currency: str
    monthly: str
    fixed_monthly: str
    unknown: int
    """Lines whose price is unknown: not part of the sum."""
    lines: list[ReportedLine]
    assumptions: list[ReportedAssumption]
    unpriced_types: list[str]


@dataclass(frozen=True)
class ReportedFinding:
    id: str
    severity: str
    title: str
    detail: str
    resource: str
    remedy: str
    suppressed: str | None


@dataclass(frozen=True)
class Report:
    """format counts up when a field changes its meaning or goes."""

    format: int
    name: str
    app: str
    version: str
    cloud: str
    size: str
    plan: ReportedPlan
    cost: ReportedEstimate
    findings: list[ReportedFinding]
    diagram: str | None
    """Path of the SVG that was written."""


def report(
    plan: Plan,
    estimate: Estimate,
    findings: tuple[Finding, ...],
    *,
    name: str = "",
    app: str = "",
    version: str = "",
    cloud: str = "",
    size: str = "",
    diagram: str | None = None,
) -> Report:
    return Report(
        format=1,
        name=name,
        app=app,
        version=version,
        cloud=cloud,
        size=size,
        plan=_plan(plan),
        cost=_estimate(estimate),
        findings=[_finding(finding) for finding in findings],
        diagram=diagram,
    )


def as_json(value: Report) -> dict[str, Any]:
    """The report as plain JSON values."""
    document: dict[str, Any] = TypeAdapter(Report).dump_python(value, mode="json")
    return document


def json_schema() -> dict[str, Any]:
    """JSON Schema of `as_json`."""
    schema = TypeAdapter(Report).json_schema()
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def action_counts(plan: Plan) -> dict[str, int]:
    """Managed resources by action, in the order in which they first occur."""
    counts: dict[str, int] = {}
    for resource in plan.resources:
        if not resource.data:
            counts[resource.action.value] = counts.get(resource.action.value, 0) + 1
    return counts


def missing(plan: Plan) -> list[str]:
    value = plan.outputs.get("missing")
    return [str(item) for item in value] if isinstance(value, list | tuple) else []


def _resource(resource: Resource) -> ReportedResource:
    return ReportedResource(resource.address, resource.type, resource.module, resource.action.value)


def _plan(plan: Plan) -> ReportedPlan:
    return ReportedPlan(
        rehearsal=plan.rehearsal,
        region=plan.region,
        terraform_version=plan.terraform_version,
        providers=dict(plan.providers),
        counts=action_counts(plan),
        resources=[_resource(resource) for resource in plan.resources if not resource.data],
        missing=missing(plan),
    )


def _estimate(estimate: Estimate) -> ReportedEstimate:
    return ReportedEstimate(
        currency="USD",
        monthly=f"{estimate.monthly:.2f}",
        fixed_monthly=f"{estimate.fixed_monthly:.2f}",
        unknown=len(estimate.unknown),
        lines=[
            ReportedLine(
                resource=line.quantity.resource,
                component=line.quantity.component,
                label=line.quantity.label,
                quantity=str(line.quantity.amount),
                unit=line.quantity.price.unit,
                fixed=line.quantity.fixed,
                assumptions=list(line.quantity.assumptions),
                unit_prices=[str(price.usd) for price in line.prices],
                monthly=None if line.monthly is None else str(line.monthly),
                reason=line.reason,
                as_of=sorted({price.as_of.isoformat() for price in line.prices}),
                source=sorted({price.source for price in line.prices}),
            )
            for line in estimate.lines
        ],
        assumptions=[
            ReportedAssumption(a.key, str(a.value), a.unit, a.given, a.description)
            for a in estimate.assumptions
        ],
        unpriced_types=list(estimate.unpriced_types),
    )


def _finding(finding: Finding) -> ReportedFinding:
    return ReportedFinding(
        id=finding.id,
        severity=finding.severity.value,
        title=finding.title,
        detail=finding.detail,
        resource=finding.resource,
        remedy=finding.remedy,
        suppressed=finding.suppressed,
    )
