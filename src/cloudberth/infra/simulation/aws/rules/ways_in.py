"""Load balancers, certificates, DNS records, web firewall, content delivery."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from cloudberth.infra.simulation.aws.rules.formats import (
    BALANCER_NAME,
    NAME_OR_PREFIX,
    PORT,
    PROTOCOLS,
)
from cloudberth.infra.simulation.rules import (
    AnyRule,
    Combination,
    Rule,
    between,
    conflicting,
    every,
    exactly_one_of,
    length,
    matches,
    one_of,
    only_when,
    requires,
    requires_when,
    zero_or_between,
)
from cloudberth.infra.simulation.values import Value


def _two_subnets(values: Mapping[str, Value]) -> tuple[str, str] | None:
    subnets = values.get("subnets")
    if (
        values.get("load_balancer_type") in (None, "application")
        and isinstance(subnets, list)
        and len(subnets) == 1
    ):
        return "subnets", "an application load balancer needs subnets in at least two zones"
    return None


def _timeout_below_interval(values: Mapping[str, Value]) -> tuple[str, str] | None:
    timeout, interval = values.get("timeout"), values.get("interval")
    if isinstance(timeout, int) and isinstance(interval, int) and timeout >= interval:
        return "timeout", f"timeout ({timeout}) must be smaller than interval ({interval})"
    return None


RULES: Final[Mapping[str, Sequence[AnyRule]]] = {
    "aws_lb": (
        NAME_OR_PREFIX,
        Rule("name", BALANCER_NAME),
        Rule("name_prefix", length(1, 6)),
        Rule("load_balancer_type", one_of("application", "network", "gateway")),
        Rule("ip_address_type", one_of("ipv4", "dualstack", "dualstack-without-public-ipv4")),
        Rule("idle_timeout", between(1, 4000)),
        Rule("client_keep_alive", between(60, 604800)),
        Rule("desync_mitigation_mode", one_of("monitor", "defensive", "strictest")),
        Rule("xff_header_processing_mode", one_of("append", "preserve", "remove")),
        exactly_one_of("subnets", "subnet_mapping"),
        Combination("", _two_subnets),
    ),
    "aws_lb_target_group": (
        NAME_OR_PREFIX,
        Rule("name", BALANCER_NAME),
        Rule("name_prefix", length(1, 6)),
        Rule("port", PORT),
        Rule("protocol", PROTOCOLS),
        Rule("protocol_version", one_of("GRPC", "HTTP1", "HTTP2")),
        Rule("target_type", one_of("instance", "ip", "lambda", "alb")),
        Rule("deregistration_delay", between(0, 3600)),
        Rule("slow_start", zero_or_between(30, 900)),
        Rule("health_check.*.interval", between(5, 300)),
        Rule("health_check.*.timeout", between(2, 120)),
        Rule("health_check.*.healthy_threshold", between(2, 10)),
        Rule("health_check.*.unhealthy_threshold", between(2, 10)),
        Rule("health_check.*.protocol", matches("(?i)http|https|tcp", "be HTTP, HTTPS or TCP")),
        Rule("health_check.*.path", matches(r"/.*", "start with /")),
        Rule("health_check.*.matcher", matches(r"\d{1,3}([,-]\d{1,3})*", "be codes such as 200 or 200-299")),
        Combination("health_check.*", _timeout_below_interval),
        Rule(
            "stickiness.*.type",
            one_of("lb_cookie", "app_cookie", "source_ip", "source_ip_dest_ip", "source_ip_dest_ip_proto"),
        ),
        Rule(
            "load_balancing_algorithm_type",
            one_of("round_robin", "least_outstanding_requests", "weighted_random"),
        ),
    ),
    "aws_lb_listener": (
        Rule("port", PORT),
        Rule("protocol", PROTOCOLS),
        Rule(
            "ssl_policy", matches(r"ELBSecurityPolicy-[\w-]+", "be a predefined policy (ELBSecurityPolicy-…)")
        ),
        Rule(
            "default_action.*.type",
            one_of(
                "forward",
                "authenticate-oidc",
                "authenticate-cognito",
                "redirect",
                "fixed-response",
                "jwt-validation",
            ),
        ),
        requires_when("type", ("redirect",), "redirect", block="default_action.*"),
        requires_when("type", ("fixed-response",), "fixed_response", block="default_action.*"),
        Rule("default_action.*.redirect.*.status_code", one_of("HTTP_301", "HTTP_302")),
        requires_when("protocol", ("HTTPS", "TLS"), "certificate_arn"),
        only_when("certificate_arn", "protocol", ("HTTPS", "TLS")),
    ),
    "aws_lb_listener_rule": (
        Rule("priority", between(1, 50000)),
        Rule(
            "action.*.type",
            one_of(
                "forward",
                "authenticate-oidc",
                "authenticate-cognito",
                "redirect",
                "fixed-response",
                "jwt-validation",
            ),
        ),
    ),
    "aws_acm_certificate": (
        Rule("validation_method", one_of("DNS", "EMAIL", "NONE")),
        Rule(
            "domain_name",
            every(
                length(1, 253),
                matches(r"(\*\.)?[^.\s]+(\.[^.\s]+)+", "be a domain name, without a dot at the end"),
            ),
        ),
        Rule(
            "key_algorithm",
            matches("RSA_(1024|2048|3072|4096)|EC_(prime256v1|secp384r1|secp521r1)", "be a key algorithm"),
        ),
    ),
    "aws_route53_record": (
        Rule(
            "type",
            one_of(
                "SOA",
                "A",
                "TXT",
                "NS",
                "CNAME",
                "MX",
                "NAPTR",
                "PTR",
                "SRV",
                "SPF",
                "AAAA",
                "CAA",
                "DS",
                "TLSA",
                "SSHFP",
                "SVCB",
                "HTTPS",
            ),
        ),
        exactly_one_of("alias", "records"),
        conflicting("alias", "ttl"),
        requires("records", "ttl"),
    ),
    "aws_wafv2_web_acl": (
        Rule("scope", one_of("REGIONAL", "CLOUDFRONT")),
        Rule("name", every(length(1, 128), matches(r"[\w-]+", "have only letters, digits, _ and -"))),
        exactly_one_of("allow", "block", block="default_action.*"),
    ),
    "aws_wafv2_ip_set": (
        Rule("scope", one_of("REGIONAL", "CLOUDFRONT")),
        Rule("ip_address_version", one_of("IPV4", "IPV6")),
    ),
    "aws_cloudfront_distribution": (
        Rule("price_class", one_of("PriceClass_All", "PriceClass_200", "PriceClass_100", "None")),
        Rule("http_version", one_of("http1.1", "http2", "http3", "http2and3")),
        Rule(
            "viewer_certificate.*.minimum_protocol_version",
            matches(r"SSLv3|TLSv1(\.[123])?_?(20\d\d)?", "be a TLS policy"),
        ),
        Rule(
            "default_cache_behavior.*.viewer_protocol_policy",
            one_of("allow-all", "https-only", "redirect-to-https"),
        ),
        Rule(
            "ordered_cache_behavior.*.viewer_protocol_policy",
            one_of("allow-all", "https-only", "redirect-to-https"),
        ),
        Rule("restrictions.*.geo_restriction.*.restriction_type", one_of("none", "blacklist", "whitelist")),
        Rule(
            "origin.*.custom_origin_config.*.origin_protocol_policy",
            one_of("http-only", "https-only", "match-viewer"),
        ),
        Rule("origin.*.custom_origin_config.*.origin_read_timeout", between(1, 120)),
    ),
}
