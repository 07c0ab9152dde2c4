"""The rules, by cloud and concern. Importing this package registers all of them."""

from __future__ import annotations

from cloudberth.findings.rules import (
    aws_alarms,
    aws_balancer,
    aws_cache,
    aws_capacity,
    aws_cdn,
    aws_changes,
    aws_compute,
    aws_cost,
    aws_database,
    aws_firewall,
    aws_identity,
    aws_logs,
    aws_network,
    aws_registry,
    aws_secrets,
    aws_storage,
    aws_windows,
    containers,
)
from cloudberth.findings.rules.registry import Hit, Rule, RuleInfo, rules

MODULES = (
    aws_alarms,
    aws_balancer,
    aws_cache,
    aws_capacity,
    aws_cdn,
    aws_changes,
    aws_compute,
    aws_cost,
    aws_database,
    aws_firewall,
    aws_identity,
    aws_logs,
    aws_network,
    aws_registry,
    aws_secrets,
    aws_storage,
    aws_windows,
    containers,
)
"""Named so that importing this package is seen to register their rules."""

__all__ = ["MODULES", "Hit", "Rule", "RuleInfo", "rules"]
