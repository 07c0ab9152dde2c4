"""Everything that `berth plan` knows, as one value with a documented JSON form.

``docs/reference/plan.schema.json`` is generated from these classes. Money is a decimal string, US dollars a
month.
"""

from __future__ import annotations

from typing import Any, cast

from pydantic import TypeAdapter
from pydantic.dataclasses import dataclass
from typing_extensions import TypedDict

from cloudberth.cost.model import Estimate
from cloudberth.cost.report import as_json as cost_as_json
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


class CostComponent(TypedDict):
    """price and monthlyCost are null when the price is unknown (reason says why)."""

    name: str
    component: str
    unit: str
    monthlyQuantity: str | None
    freeQuantity: str
    price: str | None
    monthlyCost: str | None
    usageBased: bool
    assumptions: list[str]
    reason: str
    note: str
    as_of: str | None
    source: str | None
    confidence: str | None
    tiers: list[dict[str, str]]


class CostResource(TypedDict):
    name: str
    monthlyCost: str
    unknownCount: int
    costComponents: list[CostComponent]


class CostAssumption(TypedDict):
    key: str
    value: str
    unit: str
    given: bool
    description: str
    derivedFrom: list[str]


class Cost(TypedDict):
    """The field names are those that cost tools for Terraform use."""

    currency: str
    region: str
    totalMonthlyCost: str
    fixedMonthlyCost: str
    usageMonthlyCost: str
    unknownCount: int
    resources: list[CostResource]
    assumptions: list[CostAssumption]
    unpricedTypes: list[str]
    freeResources: int
    notes: list[str]


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
    cost: Cost
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
        cost=cast(Cost, cost_as_json(estimate)),
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
