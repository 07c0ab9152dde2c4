"""The Azure root in the shapes that deployment files can give it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from cloudberth import pipeline
from cloudberth.deployment.loader import load_text
from cloudberth.deployment.model import Deployment
from cloudberth.errors import CloudberthError
from cloudberth.infra import workspace
from cloudberth.infra.plan import Plan
from cloudberth.infra.rehearsal import rehearse_plan
from shared_rehearsals import life_of, plan_of
from thoroughness import MARK

pytestmark = pytest.mark.terraform

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
BASE = "name: dify\napp: dify\ncloud: azure\nregion: westeurope\n"
CERTIFICATE = (
    "/subscriptions/s/resourceGroups/shared/providers/Microsoft.KeyVault/vaults/certificates/secrets/dify"
)


SEVERAL = f"""\
size: medium
domain: {{name: dify.example.com, zone: example.com, certificate: {CERTIFICATE}}}
access: {{waf: true, idle_timeout_seconds: 900}}
compute:
  schedules:
    - {{name: evening, cron: "30 20 * * MON,FRI-SAT", min: 1, max: 2, time_zone: Europe/Berlin}}
    - {{name: morning, cron: "0 7 * * *", min: 2, max: 4}}
storage:
  lifecycle:
    - {{prefix: upload_files/, after_days: 30, tier: infrequent}}
    - {{prefix: upload_files/, after_days: 90, tier: archive-instant}}
tags: {{team: platform}}
"""
# Wishes that have nothing to do with one another, so one plan shows what becomes of each.


def deployment(text: str = "") -> Deployment:
    return load_text(BASE + text, environment={})


def planned(text: str = "") -> Plan:
    return plan_of(deployment(text))


def every(plan: Plan, kind: str) -> list[Any]:
    return [resource for resource in plan.resources if resource.type == kind]


def only(plan: Plan, kind: str) -> dict[str, Any]:
    (found,) = every(plan, kind)
    values: dict[str, Any] = found.values
    return values


def moved(name: str) -> str:
    """An AWS example on Azure: another cloud, region and machine types, and what is AWS's alone."""
    text = (EXAMPLES / name).read_text()
    text = text.replace("cloud: aws", "cloud: azure").replace("us-east-1", "eastus")
    text = re.sub(r"machine_types: \[m7g.*\]", "machine_types: [Standard_D4s_v5, Standard_D4as_v5]", text)
    text = re.sub(r"  endpoints: .*\n", "  endpoints: [blob, vault]\n", text)
    text = re.sub(r"database:\n(?:  .*\n)+", "database:\n  multi_zone: true\n", text)
    return re.sub(r"\nstate:\n(?:  .*\n)+", "\n", text)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param((EXAMPLES / "dify-azure.yaml").read_text(), id="small"),
        pytest.param(
            (EXAMPLES / "dify-aws.yaml")
            .read_text()
            .replace("cloud: aws", "cloud: azure")
            .replace("us-east-1", "eastus")
            .replace("eu-central-1", "westeurope"),
            id="small-moved-by-two-words",
            marks=MARK,
        ),
        pytest.param(moved("dify-aws-medium.yaml"), id="medium", marks=MARK),
        pytest.param(moved("dify-aws-large.yaml"), id="large"),
    ],
)
def test_a_whole_life(text: str) -> None:
    result = life_of(load_text(text, environment={}))
    assert result.changes == ()
    assert result.leaks == ()
    assert result.created == result.destroyed > 150
    assert result.facts["cache"]["port"] == 10000
    assert result.facts["storage"]["bucket"] == "files"


def test_every_service_has_an_environment_that_fits_azure() -> None:
    wanted = deployment()
    services = pipeline.wire(wanted, life_of(wanted).facts)
    api, daemon, agent = services["api"], services["plugin_daemon"], services["agent_backend"]
    assert api["STORAGE_TYPE"] == "azure-blob"
    assert api["AZURE_BLOB_ACCOUNT_KEY"] == "managedidentity"
    assert re.fullmatch(r"https://dify[0-9a-f]{8}\.blob\.core\.windows\.net", api["AZURE_BLOB_ACCOUNT_URL"])
    assert api["AZURE_BLOB_CONTAINER_NAME"] == "files"
    assert api["REDIS_KEY_PREFIX"] == "dify"
    assert ":10000/0?ssl_cert_reqs=required" in api["CELERY_BROKER_URL"]
    assert daemon["PLUGIN_STORAGE_TYPE"] == "azure_blob"
    assert daemon["AZURE_BLOB_STORAGE_USE_MANAGED_IDENTITY"] == "true"
    assert daemon["REDIS_KEY_PREFIX"] != api["REDIS_KEY_PREFIX"], "one database, so a prefix each"
    assert ":10000/0?" in agent["DIFY_AGENT_REDIS_URL"]
    assert agent["DIFY_AGENT_REDIS_PREFIX"] not in (api["REDIS_KEY_PREFIX"], daemon["REDIS_KEY_PREFIX"])
    assert not any("S3_" in name for service in services.values() for name in service)


def test_the_queue_is_measured_where_its_lists_are() -> None:
    queue = json.loads(pipeline.lay_out(deployment())["stack/stack.json"])["queue"]
    assert (queue["database"], queue["prefix"]) == (0, "dify:")
    other = load_text(BASE.replace("azure", "aws").replace("westeurope", "eu-central-1"), environment={})
    queue = json.loads(pipeline.lay_out(other)["stack/stack.json"])["queue"]
    assert (queue["database"], queue["prefix"]) == (1, "")


def test_without_a_domain_there_is_plain_http() -> None:
    plan = planned()
    gateway = only(plan, "azurerm_application_gateway")
    assert {port["port"] for port in gateway["frontend_port"]} == {80}
    assert gateway["redirect_configuration"] == []
    assert gateway["global"][0]["response_buffering_enabled"] is False
    assert gateway["ssl_policy"][0]["policy_name"] == "AppGwSslPolicy20220101"
    assert gateway["sku"][0]["name"] == "Standard_v2"


def test_a_certificate_of_ones_own() -> None:
    plan = planned(SEVERAL)
    gateway = only(plan, "azurerm_application_gateway")
    assert (
        gateway["ssl_certificate"][0]["key_vault_secret_id"]
        == "https://certificates.vault.azure.net/secrets/dify"
    )
    assert gateway["redirect_configuration"][0]["redirect_type"] == "Permanent"
    assert gateway["backend_http_settings"][0]["request_timeout"] == 900
    assert gateway["sku"][0]["name"] == "WAF_v2"
    assert every(plan, "azurerm_key_vault_certificate") == []
    scopes = {
        role.values["scope"] for role in every(plan, "azurerm_role_assignment") if "scope" in role.values
    }
    assert CERTIFICATE in scopes, "the gateway may read it, and no other secret of that vault"


def test_stores_are_closed_and_keyless() -> None:
    plan = planned()
    account = next(
        r.values for r in every(plan, "azurerm_storage_account") if r.address.startswith("module.storage.")
    )
    assert account["shared_access_key_enabled"] is False
    assert account["allow_nested_items_to_be_public"] is False
    assert account["min_tls_version"] == "TLS1_2"
    cache = only(plan, "azurerm_managed_redis")
    assert cache["public_network_access"] == "Disabled"
    assert cache["default_database"][0]["eviction_policy"] == "NoEviction"
    assert cache["default_database"][0]["clustering_policy"] == "NoCluster"
    assert only(plan, "azurerm_postgresql_flexible_server")["public_network_access_enabled"] is False
    values = {
        r.values["name"]: r.values["value"]
        for r in every(plan, "azurerm_postgresql_flexible_server_configuration")
    }
    assert values["azure.extensions"] == "UUID-OSSP,VECTOR"
    assert values["require_secure_transport"] == "ON"
    names = {r.values["name"] for r in every(plan, "azurerm_postgresql_flexible_server_database")}
    assert names == {"dify", "dify_plugin"}


def test_machines_are_let_in_by_the_gateway_and_each_other_alone() -> None:
    plan = planned()
    rules = [r.values for r in every(plan, "azurerm_network_security_rule")]
    groups = {rule["network_security_group_name"] for rule in rules}
    for group in groups:
        closing = [r for r in rules if r["network_security_group_name"] == group and r["priority"] == 4096]
        assert any(r["direction"] == "Inbound" and r["access"] == "Deny" for r in closing), group
    for rule in rules:
        open_to_all = rule["source_address_prefix"] == "*" and rule["access"] == "Allow"
        if open_to_all and rule["direction"] == "Inbound":
            assert rule["network_security_group_name"] == "dify-gateway"
    taken = [(r["network_security_group_name"], r["direction"], r["priority"]) for r in rules]
    assert len(taken) == len(set(taken)), "Azure refuses two rules of one priority"


def test_spot_mix_and_schedules() -> None:
    plan = planned(SEVERAL)
    group = only(plan, "azurerm_orchestrated_virtual_machine_scale_set")
    assert group["priority"] == "Spot"
    assert group["priority_mix"] == [{"base_regular_count": 1, "regular_percentage_above_base": 50}]
    assert group["sku_name"] == "Mix"
    profiles = only(plan, "azurerm_monitor_autoscale_setting")["profile"]
    assert [profile["name"] for profile in profiles] == ["always", "evening", "morning"]
    evening = profiles[1]["recurrence"][0]
    assert evening["timezone"] == "W. Europe Standard Time"
    assert evening["days"] == ["Monday", "Friday", "Saturday"]
    assert (evening["hours"], evening["minutes"]) == ([20], [30])
    assert len(profiles[2]["recurrence"][0]["days"]) == 7


def test_lifecycle_and_tiers() -> None:
    plan = planned(SEVERAL)
    _, cool, cold = only(plan, "azurerm_storage_management_policy")["rule"]
    assert cool["filters"][0]["prefix_match"] == ["files/upload_files/"]
    assert cool["actions"][0]["base_blob"][0]["tier_to_cool_after_days_since_modification_greater_than"] == 30
    assert cold["actions"][0]["base_blob"][0]["tier_to_cold_after_days_since_modification_greater_than"] == 90


def test_an_existing_network_is_left_as_it_is() -> None:
    network = "/subscriptions/s/resourceGroups/net/providers/Microsoft.Network/virtualNetworks/main"
    subnets = {name: f"{network}/subnets/{name}" for name in ("gateway", "machines", "database", "endpoints")}
    plan = planned(
        f"network:\n  existing:\n    id: {network}\n    public_subnets: [{subnets['gateway']}]\n"
        f"    private_subnets: [{subnets['machines']}]\n"
        f"    data_subnets: [{subnets['database']}, {subnets['endpoints']}]\n",
    )
    for kind in ("virtual_network", "subnet", "nat_gateway", "subnet_network_security_group_association"):
        assert every(plan, f"azurerm_{kind}") == []
    server = only(plan, "azurerm_postgresql_flexible_server")
    assert server["delegated_subnet_id"] == subnets["database"]
    assert {e.values["subnet_id"] for e in every(plan, "azurerm_private_endpoint")} == {subnets["endpoints"]}


@MARK
def test_an_application_without_stores() -> None:
    text = (
        "name: shop\napp: custom\ncloud: azure\nregion: westeurope\ndatabase: null\ncache: null\n"
        "alarms: {enabled: false}\nbudget: null\nservices:\n  web:\n    image: nginx:1\n    port: 80\n"
        "    routes: [{path: /}]\n    resources: {cpu: 1, memory_mb: 512}\n"
    )
    result = life_of(load_text(text, environment={}))
    assert result.changes == ()
    assert "database" not in result.facts
    assert "cache" not in result.facts


def test_everything_with_tags_carries_those_of_the_deployment() -> None:
    plan = planned(SEVERAL)
    tagged = [r for r in plan.resources if "tags" in r.values and not r.data]
    assert len(tagged) > 80
    for resource in tagged:
        assert resource.values["tags"]["Deployment"] == "dify", resource.address
        assert resource.values["tags"]["team"] == "platform", resource.address


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("database: {multi_zone: true}\n", "burstable sizes"),
        ("compute: {app: {on_demand: 0, spot_percent: 50}}\n", "never spot machines"),
        ("cache: {replicas: 2, multi_zone: true}\n", "keeps one copy at most"),
        ('compute: {schedules: [{name: x, cron: "*/5 * * * *", min: 1, max: 2}]}\n', "one time of day"),
        ("database: {engine: aurora}\n", "has no engine aurora"),
        ("region: eu-central-1\n", "no region"),
        ("cache: {machine_type: Balanced_B50}\n", "no cache node type"),
        ("logs: {retention_days: 3650}\n", "does not keep logs"),
    ],
)
def test_what_azure_cannot_do_is_said(tmp_path: Path, text: str, words: str) -> None:
    base = BASE.replace("region: westeurope\n", "") if text.startswith("region") else BASE
    with pytest.raises(CloudberthError) as caught:
        workspace.write(pipeline.lay_out(load_text(base + text, environment={})), tmp_path)
        rehearse_plan(tmp_path)
    assert words.replace(" ", "") in re.sub(r"\s", "", str(caught.value))
