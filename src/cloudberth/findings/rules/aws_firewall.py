"""Web application firewall of AWS: an ACL that is there should also do something, and say so."""

from __future__ import annotations

from cloudberth.findings.context import Context
from cloudberth.findings.model import Severity
from cloudberth.findings.rules.registry import relation_rule, resource_rule
from cloudberth.findings.values import Node, at, blocks
from cloudberth.infra.plan import Resource

_ACL = ("aws_wafv2_web_acl",)
_KNOWN_ATTACKS = ("AWSManagedRulesKnownBadInputsRuleSet", "AWSManagedRulesCommonRuleSet")


def _managed_groups(acl: Resource) -> tuple[Node, ...]:
    """The rules of an ACL that use a group which AWS or a vendor keeps up to date."""
    group = "statement.0.managed_rule_group_statement.0.name"
    return tuple(rule for rule in blocks(acl, "rule") if rule.at(group).known)


def _separate_rules(acl: Resource, context: Context) -> bool:
    """Whether rules are attached from outside, which the ACL itself does not show."""
    found = context.companions(
        acl, ("aws_wafv2_web_acl_rule", "aws_wafv2_web_acl_rule_group_association"), "web_acl_arn"
    )
    return bool(found.found) or found.uncertain or at(acl, "rule_json").known


@relation_rule(
    "balancer.firewall-empty",
    Severity.HIGH,
    "Web application firewall that lets everything through",
    why="An ACL that allows by default and has no rules filters nothing, and everybody relies on it.",
    remedy="access.waf: true (Cloudberth's rules: address reputation, known attacks, a rate limit).",
    types=_ACL,
)
def firewall_empty(acl: Resource, context: Context) -> str | None:
    allows = at(acl, "default_action.0.allow").known
    empty = at(acl, "rule").absent and not _separate_rules(acl, context)
    return "It allows by default and has no rule." if allows and empty else None


@relation_rule(
    "balancer.firewall-without-known-attacks",
    Severity.LOW,
    "Web application firewall does not look for known attacks",
    why="AWS keeps rule groups for published exploits (Log4Shell among them) up to date; without them the "
    "ACL knows only what you wrote yourself.",
    remedy="Add AWSManagedRulesKnownBadInputsRuleSet and AWSManagedRulesCommonRuleSet.",
    types=_ACL,
)
def firewall_without_known_attacks(acl: Resource, context: Context) -> str | None:
    rules, group = at(acl, "rule"), "statement.0.managed_rule_group_statement.0.name"
    known = any(rule.at(group).text in _KNOWN_ATTACKS for rule in _managed_groups(acl))
    readable = rules.known and not any(rule.at("statement").unknown for rule in rules.children())
    if not readable or known or _separate_rules(acl, context):
        return None
    return "No managed group for known attacks."


@resource_rule(
    "balancer.firewall-only-counts",
    Severity.MEDIUM,
    "Web application firewall counts attacks instead of stopping them",
    why="Counting is meant for trying a rule group out; left that way it protects nobody.",
    remedy="override_action { none {} } on the managed rule groups.",
    types=_ACL,
)
def firewall_only_counts(acl: Resource) -> str | None:
    groups = _managed_groups(acl)
    counting = [group for group in groups if group.at("override_action.0.count").known]
    return (
        f"All {len(groups)} managed groups only count." if groups and len(counting) == len(groups) else None
    )


@relation_rule(
    "balancer.firewall-not-logged",
    Severity.LOW,
    "Web application firewall without logs",
    why="When it blocks a user by mistake, or an attack gets through, nobody can see why.",
    remedy="aws_wafv2_web_acl_logging_configuration (Cloudberth's balancer module has one).",
    types=_ACL,
    by_size={"small": None},
)
def firewall_not_logged(acl: Resource, context: Context) -> str | None:
    missing = context.companions(acl, ("aws_wafv2_web_acl_logging_configuration",), "resource_arn").missing
    return "Nothing records what it blocks." if missing else None
