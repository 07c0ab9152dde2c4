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
from shared_rehearsals import plan_of
from thoroughness import with_thorough

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
NAMES = sorted(file.name for file in EXAMPLES.glob("*-*.yaml"))
# All that the review may say about an example, and when it is true. Each is a choice that the file makes.
TRUE_WHEN: dict[str, Callable[[Deployment], bool]] = {
    "alarms.no-recipient": lambda d: d.alarms.enabled and not d.alarms.emails,
    "alarms.none": lambda d: not d.alarms.enabled,
    "balancer.no-https": lambda d: d.domain is None,
    "balancer.no-waf": lambda d: not d.access.waf and d.size != "small",
    "cache.single-zone": lambda d: d.cache is not None and not (d.cache.replicas and d.cache.multi_zone),
    "compute.single-machine": lambda d: d.compute.app.min == 1,
    # Without addresses Azure tells the owners of the resource group.
    "cost.budget-without-recipient": lambda d: (
        d.cloud != "azure" and _has_budget(d) and d.budget is not None and not d.budget.emails
    ),
    "cost.no-budget": lambda d: not _has_budget(d),
    "database.cluster-single-instance": lambda d: _database(d, "aurora"),
    "database.single-zone": lambda d: _database(d, "postgres"),
    # Google's NAT stands in all zones.
    "network.single-nat": lambda d: d.network.nat == "single" and d.size != "small" and d.cloud != "google",
}


def _database(deployment: Deployment, engine: str) -> bool:
    database = deployment.database
    return database is not None and database.engine == engine and not database.multi_zone


def _has_budget(deployment: Deployment) -> bool:
    """Google keeps budgets with the account that pays, which the file must name."""
    budget = deployment.budget
    return budget is not None and not (deployment.cloud == "google" and budget.billing_account is None)


pytestmark = pytest.mark.terraform


@cache
def planned(name: str) -> tuple[Deployment, Plan]:
    deployment = pipeline.read(EXAMPLES / name)
    return deployment, plan_of(deployment)


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


@pytest.mark.parametrize("size", with_thorough(["large"], ["medium"]))
@pytest.mark.parametrize("cloud", ["azure", "google"])
def test_few_and_true_findings_at_every_size(cloud: str, size: str, tmp_path: Path) -> None:
    file = tmp_path / "berth.yaml"
    file.write_text((EXAMPLES / f"dify-{cloud}.yaml").read_text(encoding="utf-8") + f"size: {size}\n")
    deployment = pipeline.read(file)
    found = {finding.id: finding.detail for finding in review(plan_of(deployment), size)}
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


ELSEWHERE = [
    (
        "azure",
        "database.public-address",
        "azurerm_postgresql_flexible_server",
        {"delegated_subnet_id": None, "public_network_access_enabled": True},
    ),
    (
        "azure",
        "database.storage-cannot-grow",
        "azurerm_postgresql_flexible_server",
        {"auto_grow_enabled": False},
    ),
    (
        "azure",
        "database.tls-not-required",
        "azurerm_postgresql_flexible_server_configuration",
        {"name": "require_secure_transport", "value": "OFF"},
    ),
    (
        "azure",
        "cache.evicts-any-key",
        "azurerm_managed_redis",
        {"default_database": [{"eviction_policy": "AllKeysLRU", "clustering_policy": "NoCluster"}]},
    ),
    ("azure", "cache.public-address", "azurerm_managed_redis", {"public_network_access": "Enabled"}),
    ("azure", "storage.public-acl", "azurerm_storage_container", {"container_access_type": "blob"}),
    ("azure", "storage.keys-allowed", "azurerm_storage_account", {"shared_access_key_enabled": True}),
    (
        "azure",
        "network.all-ports-open",
        "azurerm_network_security_rule",
        {
            "access": "Allow",
            "direction": "Inbound",
            "protocol": "*",
            "source_address_prefix": "*",
            "destination_port_range": "*",
        },
    ),
    (
        "azure",
        "compute.scales-to-zero",
        "azurerm_monitor_autoscale_setting",
        {"profile": [{"name": "a", "capacity": [{"minimum": 0, "maximum": 3}]}]},
    ),
    ("azure", "identity.broad-managed-policy", "azurerm_role_assignment", {"role_definition_name": "Owner"}),
    (
        "azure",
        "balancer.idle-timeout-short",
        "azurerm_application_gateway",
        {"backend_http_settings": [{"name": "app", "request_timeout": 20, "probe_name": "app"}]},
    ),
    ("azure", "secrets.value-in-state", "azurerm_key_vault_secret", {"value": "correct-horse"}),
    (
        "google",
        "database.public",
        "google_sql_database_instance",
        {"settings": [{"ip_configuration": [{"authorized_networks": [{"value": "0.0.0.0/0"}]}]}]},
    ),
    (
        "google",
        "database.backups-off",
        "google_sql_database_instance",
        {"settings": [{"backup_configuration": [{"enabled": False}]}]},
    ),
    ("google", "cache.no-authentication", "google_redis_instance", {"auth_enabled": False}),
    ("google", "cache.transit-unencrypted", "google_redis_instance", {"transit_encryption_mode": "DISABLED"}),
    (
        "google",
        "cache.evicts-any-key",
        "google_redis_instance",
        {"redis_configs": {"maxmemory-policy": "allkeys-lru"}},
    ),
    ("google", "storage.public-policy", "google_storage_bucket_iam_member", {"member": "allUsers"}),
    ("google", "storage.force-destroy", "google_storage_bucket", {"force_destroy": True}),
    (
        "google",
        "network.admin-port-open",
        "google_compute_firewall",
        {
            "direction": "INGRESS",
            "source_ranges": ["0.0.0.0/0"],
            "allow": [{"protocol": "tcp", "ports": ["22"]}],
        },
    ),
    (
        "google",
        "compute.default-account",
        "google_compute_instance_template",
        {"service_account": [{"email": "1-compute@developer.gserviceaccount.com"}]},
    ),
    ("google", "identity.broad-managed-policy", "google_project_iam_member", {"role": "roles/editor"}),
    ("google", "balancer.idle-timeout-short", "google_compute_backend_service", {"timeout_sec": 30}),
    ("google", "logs.retention-short", "google_logging_project_bucket_config", {"retention_days": 1}),
]


@pytest.mark.parametrize(
    ("cloud", "rule", "kind", "values"), ELSEWHERE, ids=[f"{c}-{r}" for c, r, _, _ in ELSEWHERE]
)
def test_a_wrong_value_on_another_cloud_is_reported(
    cloud: str, rule: str, kind: str, values: dict[str, Any]
) -> None:
    _, plan = planned(f"dify-{cloud}.yaml")
    assert rule not in {finding.id for finding in review(plan)}
    assert rule in {finding.id for finding in review(changed(plan, kind, **values))}


@pytest.mark.parametrize("rule", WRONG)
def test_a_wrong_value_in_a_real_plan_is_reported(rule: str) -> None:
    deployment, plan = planned("dify-aws.yaml")
    kind, values = WRONG[rule]
    assert rule not in {finding.id for finding in review(plan, deployment.size)}
    assert rule in {finding.id for finding in review(changed(plan, kind, **values), deployment.size)}


MISSING_ELSEWHERE = [
    ("azure", "network.flow-logs-off", "azurerm_network_watcher_flow_log"),
    ("azure", "database.deletion-protection-off", "azurerm_management_lock"),
    ("azure", "storage.volume-without-backup", "azurerm_data_protection_backup_instance_disk"),
    ("azure", "alarms.none", "azurerm_monitor_metric_alert"),
    ("azure", "cost.no-budget", "azurerm_consumption_budget_resource_group"),
    ("azure", "cost.object-store-through-nat", "azurerm_private_endpoint"),
    ("azure", "compute.never-scales", "azurerm_monitor_autoscale_setting"),
    ("google", "storage.volume-without-backup", "google_compute_disk_resource_policy_attachment"),
    ("google", "alarms.none", "google_monitoring_alert_policy"),
    ("google", "compute.never-scales", "google_compute_region_autoscaler"),
]


@pytest.mark.parametrize(
    ("cloud", "rule", "kind"), MISSING_ELSEWHERE, ids=[f"{c}-{r}" for c, r, _ in MISSING_ELSEWHERE]
)
def test_a_missing_part_on_another_cloud_is_reported(cloud: str, rule: str, kind: str) -> None:
    deployment, plan = planned(f"dify-{cloud}.yaml")
    assert rule not in {finding.id for finding in review(plan, deployment.size)}
    rest = without(plan, kind)
    if rule == "alarms.none":
        rest = without(rest, "azurerm_monitor_scheduled_query_rules_alert_v2")
    assert rule in {finding.id for finding in review(rest, deployment.size)}


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
