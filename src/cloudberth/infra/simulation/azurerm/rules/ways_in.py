"""Application gateway, its firewall, Front Door."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from cloudberth.infra.simulation.azurerm.rules.formats import PORT, RESOURCE_NAME, SWITCH
from cloudberth.infra.simulation.rules import AnyRule, Rule, between, matches, one_of, ordered

_GATEWAY_SIZES: Final = one_of(
    "Basic",
    "Standard_Small",
    "Standard_Medium",
    "Standard_Large",
    "Standard_v2",
    "WAF_Medium",
    "WAF_Large",
    "WAF_v2",
)

RULES: Final[Mapping[str, Sequence[AnyRule]]] = {
    "azurerm_application_gateway": (
        Rule("name", RESOURCE_NAME),
        Rule("sku.*.name", _GATEWAY_SIZES),
        Rule("sku.*.tier", one_of("Basic", "Standard", "Standard_v2", "WAF", "WAF_v2")),
        Rule("autoscale_configuration.*.min_capacity", between(0, 100)),
        Rule("autoscale_configuration.*.max_capacity", between(2, 125)),
        ordered("min_capacity", "max_capacity", block="autoscale_configuration.*"),
        Rule("frontend_port.*.port", PORT),
        Rule("backend_http_settings.*.port", PORT),
        Rule("backend_http_settings.*.protocol", one_of("Http", "Https")),
        Rule("backend_http_settings.*.cookie_based_affinity", SWITCH),
        Rule("backend_http_settings.*.request_timeout", between(1, 86400)),
        Rule("backend_http_settings.*.connection_draining.*.drain_timeout_sec", between(1, 3600)),
        Rule("http_listener.*.protocol", one_of("Http", "Https")),
        Rule("probe.*.interval", between(1, 86400)),
        Rule("probe.*.timeout", between(1, 86400)),
        Rule("probe.*.unhealthy_threshold", between(1, 20)),
        Rule("request_routing_rule.*.rule_type", one_of("Basic", "PathBasedRouting")),
        Rule("request_routing_rule.*.priority", between(1, 20000)),
        Rule("redirect_configuration.*.redirect_type", one_of("Permanent", "Temporary", "Found", "SeeOther")),
        Rule("ssl_policy.*.policy_type", one_of("Predefined", "Custom", "CustomV2")),
        Rule(
            "ssl_policy.*.policy_name",
            matches(r"AppGwSslPolicy\d{8}S?", "be a policy such as AppGwSslPolicy20220101"),
        ),
        Rule("ssl_policy.*.min_protocol_version", one_of("TLSv1_0", "TLSv1_1", "TLSv1_2", "TLSv1_3")),
    ),
    "azurerm_web_application_firewall_policy": (
        Rule("policy_settings.*.mode", one_of("Detection", "Prevention")),
        Rule("custom_rules.*.priority", between(1, 100)),
        Rule("custom_rules.*.rule_type", one_of("MatchRule", "RateLimitRule", "Invalid")),
        Rule("custom_rules.*.rate_limit_duration", one_of("OneMin", "FiveMins")),
    ),
    "azurerm_cdn_frontdoor_profile": (
        Rule("sku_name", one_of("Standard_AzureFrontDoor", "Premium_AzureFrontDoor")),
        Rule("response_timeout_seconds", between(16, 240)),
    ),
    "azurerm_cdn_frontdoor_origin": (
        Rule("http_port", PORT),
        Rule("https_port", PORT),
        Rule("priority", between(1, 5)),
        Rule("weight", between(1, 1000)),
    ),
    "azurerm_cdn_frontdoor_firewall_policy": (
        Rule("mode", one_of("Detection", "Prevention")),
        Rule("name", matches(r"[A-Za-z][A-Za-z0-9]{0,127}", "have only letters and digits, a letter first")),
    ),
    "azurerm_dns_a_record": (Rule("ttl", between(0, 2147483647)),),
}
