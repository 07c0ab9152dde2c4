"""Plans for the rules about the web application firewall."""

from __future__ import annotations

from typing import Any

from finding_plans import case, resource, sample


def managed(name: str, action: str = "none") -> dict[str, Any]:
    return {
        "name": name,
        "override_action": [{action: [{}]}],
        "statement": [{"managed_rule_group_statement": [{"name": name, "vendor_name": "AWS"}]}],
    }


RATE = {"name": "rate", "statement": [{"rate_based_statement": [{"limit": 1000}]}]}
ALLOW = [{"allow": [{"custom_request_handling": []}], "block": []}]
BLOCK = [{"allow": [], "block": [{}]}]


def firewall(*rules: dict[str, Any], default: Any = ALLOW) -> Any:
    return resource("aws_wafv2_web_acl.a", default_action=default, rule=list(rules))


BAD_INPUTS = managed("AWSManagedRulesKnownBadInputsRuleSet")
SEPARATE = resource(
    "aws_wafv2_web_acl_rule.a", unknown={"web_acl_arn": True}, references=["aws_wafv2_web_acl.a"]
)
case(
    "balancer.firewall-empty",
    reported=[sample(firewall())],
    silent=[
        sample(firewall(RATE)),
        sample(firewall(default=BLOCK)),
        sample(firewall(), SEPARATE),
        sample(resource("aws_wafv2_web_acl.a", default_action=ALLOW, unknown={"rule": True})),
    ],
)
case(
    "balancer.firewall-without-known-attacks",
    reported=[sample(firewall(RATE))],
    silent=[sample(firewall(RATE, BAD_INPUTS)), sample(firewall(RATE), SEPARATE), sample(firewall())],
)
case(
    "balancer.firewall-only-counts",
    reported=[sample(firewall(managed("AWSManagedRulesCommonRuleSet", "count")))],
    silent=[
        sample(firewall(BAD_INPUTS)),
        sample(firewall(BAD_INPUTS, managed("AWSManagedRulesCommonRuleSet", "count"))),
        sample(firewall(RATE)),
    ],
)
case(
    "balancer.firewall-not-logged",
    reported=[sample(firewall(RATE))],
    silent=[
        sample(
            firewall(RATE),
            resource(
                "aws_wafv2_web_acl_logging_configuration.a",
                unknown={"resource_arn": True},
                references=["aws_wafv2_web_acl.a"],
            ),
        ),
        sample(firewall(RATE), size="small"),
    ],
)
