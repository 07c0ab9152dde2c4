"""What the review says about the examples, planned by real Terraform against simulated providers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from cloudberth import pipeline
from cloudberth.deployment.model import Deployment
from cloudberth.findings.model import Finding, Severity
from cloudberth.findings.review import review
from cloudberth.infra.plan import Plan, Resource

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
NAMES = sorted(file.name for file in EXAMPLES.glob("*.yaml"))
# All that the review may say about an example, and when it is true. Each is a choice that the file makes.
TRUE_WHEN: dict[str, Callable[[Deployment], bool]] = {
    "alarms.no-recipient": lambda d: d.alarms.enabled and not d.alarms.emails,
    "alarms.none": lambda d: not d.alarms.enabled,
    "balancer.no-https": lambda d: d.domain is None,
    "balancer.no-waf": lambda d: not d.access.waf and d.size != "small",
    "cache.single-zone": lambda d: d.cache is not None and not (d.cache.replicas and d.cache.multi_zone),
    "compute.single-machine": lambda d: d.compute.app.min == 1,
    "cost.budget-without-recipient": lambda d: d.budget is not None and not d.budget.emails,
    "cost.no-budget": lambda d: d.budget is None,
    "database.cluster-single-instance": lambda d: _database(d, "aurora"),
    "database.single-zone": lambda d: _database(d, "postgres"),
    "network.single-nat": lambda d: d.network.nat == "single" and d.size != "small",
}


def _database(deployment: Deployment, engine: str) -> bool:
    database = deployment.database
    return database is not None and database.engine == engine and not database.multi_zone


pytestmark = pytest.mark.terraform


@cache
def planned(name: str) -> tuple[Deployment, Plan]:
    deployment = pipeline.read(EXAMPLES / name)
    return deployment, pipeline.rehearse_plan(deployment)


def findings(name: str) -> tuple[Finding, ...]:
    deployment, plan = planned(name)
    files = {
        path.removeprefix("stack/"): text
        for path, text in pipeline.lay_out(deployment).items()
        if path.startswith("stack/")
    }
    return review(plan, deployment.size, deployment.suppress, stack=files)


@pytest.mark.parametrize("name", NAMES)
def test_few_and_true_findings(name: str) -> None:
    deployment, _ = planned(name)
    found = {finding.id: finding.detail for finding in findings(name)}
    assert set(found) == {rule for rule, holds in TRUE_WHEN.items() if holds(deployment)}, found


@pytest.mark.parametrize("name", NAMES)
def test_nothing_critical(name: str) -> None:
    assert not [finding for finding in findings(name) if finding.severity is Severity.CRITICAL]


def changed(plan: Plan, kind: str, **values: Any) -> Plan:
    """The plan with every resource of a type given other values, now known."""

    def change(resource: Resource) -> Resource:
        if resource.type != kind:
            return resource
        unknown = {name: tree for name, tree in resource.unknown.items() if name not in values}
        return replace(resource, values={**resource.values, **values}, unknown=unknown)

    return replace(plan, resources=tuple(change(resource) for resource in plan.resources))


def without(plan: Plan, kind: str) -> Plan:
    return replace(plan, resources=tuple(r for r in plan.resources if r.type != kind))


WRONG = {
    "database.public": ("aws_db_instance", {"publicly_accessible": True}),
    "database.unencrypted": ("aws_db_instance", {"storage_encrypted": False}),
    "database.backups-off": ("aws_db_instance", {"backup_retention_period": 0}),
    "database.storage-cannot-grow": ("aws_db_instance", {"max_allocated_storage": 0}),
    "database.tls-not-required": (
        "aws_db_parameter_group",
        {"parameter": [{"name": "rds.force_ssl", "value": "0"}]},
    ),
    "cache.no-authentication": ("aws_elasticache_replication_group", {"auth_token_wo_version": None}),
    "cache.transit-unencrypted": ("aws_elasticache_replication_group", {"transit_encryption_enabled": False}),
    "cache.evicts-any-key": (
        "aws_elasticache_parameter_group",
        {"parameter": [{"name": "maxmemory-policy", "value": "allkeys-lru"}]},
    ),
    "compute.metadata-v1": ("aws_launch_template", {"metadata_options": [{"http_tokens": "optional"}]}),
    "compute.scales-to-zero": ("aws_autoscaling_group", {"min_size": 0}),
    "balancer.idle-timeout-short": ("aws_lb", {"idle_timeout": 60}),
    "balancer.access-logs-off": ("aws_lb", {"access_logs": []}),
    "logs.retention-forever": ("aws_cloudwatch_log_group", {"retention_in_days": 0}),
    "storage.public-access-allowed": ("aws_s3_bucket_public_access_block", {"block_public_policy": False}),
    "storage.force-destroy": ("aws_s3_bucket", {"force_destroy": True}),
    "secrets.value-in-state": ("aws_db_instance", {"password": "correct-horse"}),
    "network.all-ports-open": (
        "aws_vpc_security_group_ingress_rule",
        {"ip_protocol": "-1", "cidr_ipv4": "0.0.0.0/0"},
    ),
    "cost.gp2-disk": ("aws_db_instance", {"storage_type": "gp2"}),
    "identity.every-action": (
        "aws_iam_role_policy",
        {"policy": '{"Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}'},
    ),
}


@pytest.mark.parametrize("rule", WRONG)
def test_a_wrong_value_in_a_real_plan_is_reported(rule: str) -> None:
    deployment, plan = planned("dify-aws.yaml")
    kind, values = WRONG[rule]
    assert rule not in {finding.id for finding in review(plan, deployment.size)}
    assert rule in {finding.id for finding in review(changed(plan, kind, **values), deployment.size)}


MISSING = {
    "network.flow-logs-off": "aws_flow_log",
    "storage.versioning-off": "aws_s3_bucket_versioning",
    "storage.tls-not-required": "aws_s3_bucket_policy",
    "storage.unfinished-uploads-kept": "aws_s3_bucket_lifecycle_configuration",
    "storage.public-access-guard-missing": "aws_s3_bucket_public_access_block",
    "storage.volume-without-backup": "aws_dlm_lifecycle_policy",
    "alarms.none": "aws_cloudwatch_metric_alarm",
    "cost.no-budget": "aws_budgets_budget",
    "cost.object-store-through-nat": "aws_vpc_endpoint",
    "compute.never-scales": "aws_autoscaling_policy",
}


@pytest.mark.parametrize("rule", MISSING)
def test_a_missing_part_of_a_real_plan_is_reported(rule: str) -> None:
    deployment, plan = planned("dify-aws.yaml")
    assert rule not in {finding.id for finding in review(plan, deployment.size)}
    assert rule in {finding.id for finding in review(without(plan, MISSING[rule]), deployment.size)}
