"""The simulated Azure refuses what the real one would, and nothing else."""

from __future__ import annotations

from typing import Any

import pytest

from cloudberth.infra.simulation.azurerm import Azurerm
from cloudberth.infra.simulation.azurerm.rules import RESOURCE_RULES
from cloudberth.infra.simulation.behaviour import Account
from cloudberth.infra.simulation.rules import Rule
from cloudberth.infra.simulation.schema import Block, ProviderSchema
from cloudberth.infra.simulation.values import UNKNOWN

SCHEMA = ProviderSchema.load("azurerm")


def leads_somewhere(block: Block, steps: list[str]) -> bool:
    """Whether a path of a rule ends at an argument or block of a type."""
    steps = steps[1:] if steps[:1] == ["*"] else steps
    if not steps:
        return True
    name, *rest = steps
    if name in block.blocks:
        return leads_somewhere(block.blocks[name].block, rest)
    return name in block.attributes and rest in ([], ["*"])


def test_every_rule_leads_to_an_argument() -> None:
    wrong = []
    for name, rules in RESOURCE_RULES.items():
        for rule in rules:
            path = rule.path if isinstance(rule, Rule) else rule.block
            if path and not leads_somewhere(SCHEMA.resource(name), path.split(".")):
                wrong.append(f"{name}: {path}")
    assert not wrong
    assert sum(len(rules) for rules in RESOURCE_RULES.values()) >= 60


def complaints(name: str, config: dict[str, Any]) -> list[str]:
    return [each.detail for rule in Azurerm(Account()).rules(name) for each in rule.complaints(config)]


@pytest.mark.parametrize(
    ("name", "right", "wrong"),
    [
        ("azurerm_key_vault", {"name": "dify-0a1b2c3d"}, {"name": "dify_vault"}),
        ("azurerm_key_vault", {"soft_delete_retention_days": 90}, {"soft_delete_retention_days": 91}),
        ("azurerm_storage_account", {"name": "dify0a1b2c3d"}, {"name": "dify-files"}),
        ("azurerm_storage_account", {"min_tls_version": "TLS1_2"}, {"min_tls_version": "TLS12"}),
        ("azurerm_log_analytics_workspace", {"retention_in_days": 730}, {"retention_in_days": 731}),
        ("azurerm_log_analytics_workspace", {"retention_in_days": 30}, {"retention_in_days": 29}),
        ("azurerm_network_security_rule", {"priority": 100}, {"priority": 99}),
        (
            "azurerm_network_security_rule",
            {"source_address_prefix": "Internet"},
            {"source_address_prefix": "10.0.0.0/33"},
        ),
        (
            "azurerm_network_security_rule",
            {"source_port_range": "*"},
            {"source_port_range": "*", "source_port_ranges": ["80"]},
        ),
        ("azurerm_subnet", {"address_prefixes": ["fd00::/64"]}, {"address_prefixes": ["10.0.0.1/24"]}),
        ("azurerm_virtual_network", {"address_space": UNKNOWN}, {"address_space": ["10.0.0.0"]}),
        ("azurerm_postgresql_flexible_server", {"storage_mb": 32768}, {"storage_mb": 40000}),
        ("azurerm_managed_redis", {"sku_name": "Balanced_B1"}, {"sku_name": "Standard_C1"}),
        (
            "azurerm_key_vault_secret",
            {"value_wo": UNKNOWN, "value_wo_version": 1},
            {"value_wo": "x", "value": "y", "value_wo_version": 1},
        ),
    ],
)
def test_a_rule_refuses_the_wrong_value_only(name: str, right: dict[str, Any], wrong: dict[str, Any]) -> None:
    assert not complaints(name, right)
    assert complaints(name, wrong)
