"""CloudFront: TLS to users and to the origin, and what must not be cached."""

from __future__ import annotations

from collections.abc import Iterator

from cloudberth.findings.context import Context
from cloudberth.findings.model import Severity
from cloudberth.findings.rules.registry import relation_rule, resource_rule
from cloudberth.findings.values import Node, at, blocks
from cloudberth.infra.plan import Resource

_TYPES = ("aws_cloudfront_distribution",)
_OLD_PROTOCOLS = {"SSLv3", "TLSv1", "TLSv1.1"}


def _behaviours(distribution: Resource) -> Iterator[tuple[str, Node]]:
    for behaviour in blocks(distribution, "default_cache_behavior"):
        yield "*", behaviour
    for behaviour in blocks(distribution, "ordered_cache_behavior"):
        yield behaviour.at("path_pattern").text, behaviour


def _origins(distribution: Resource) -> Iterator[Node]:
    for origin in blocks(distribution, "origin"):
        yield from origin.at("custom_origin_config").children()


@resource_rule(
    "cdn.old-tls",
    Severity.HIGH,
    "CDN accepts TLS before 1.2",
    why="TLS 1.0 and 1.1 are broken and forbidden by common standards.",
    remedy="minimum_protocol_version: TLSv1.2_2021",
    types=_TYPES,
)
def old_tls(distribution: Resource) -> str | None:
    for certificate in blocks(distribution, "viewer_certificate"):
        own = not certificate.at("cloudfront_default_certificate").on
        version = certificate.at("minimum_protocol_version")
        modern = version.unknown or version.text.startswith(("TLSv1.2", "TLSv1.3"))
        if own and not modern:
            return f"Minimum version {version.text or 'TLSv1'}."
    return None


@resource_rule(
    "cdn.plain-http",
    Severity.MEDIUM,
    "CDN serves plain HTTP",
    why="Scripts delivered over an open line can be replaced on the way, and then read the session.",
    remedy="viewer_protocol_policy: redirect-to-https",
    types=_TYPES,
)
def plain_http(distribution: Resource) -> str | None:
    for path, behaviour in _behaviours(distribution):
        if behaviour.at("viewer_protocol_policy").text == "allow-all":
            return f"{path} is served over HTTP too."
    return None


@resource_rule(
    "cdn.plain-origin",
    Severity.MEDIUM,
    "CDN may talk to the origin over plain HTTP",
    why="The part of the way from the CDN to the balancer goes over the internet as well.",
    remedy="domain: {…}, so that the balancer has a certificate; origin_protocol_policy: https-only",
    types=_TYPES,
)
def plain_origin(distribution: Resource) -> str | None:
    for origin in _origins(distribution):
        policy = origin.at("origin_protocol_policy").text
        if policy in ("http-only", "match-viewer"):
            return f"origin_protocol_policy is {policy}."
    return None


@resource_rule(
    "cdn.old-tls-to-origin",
    Severity.LOW,
    "CDN may use TLS before 1.2 towards the origin",
    why="A weakness of old versions then also opens the way between CDN and balancer.",
    remedy="origin_ssl_protocols: [TLSv1.2]",
    types=_TYPES,
)
def old_tls_to_origin(distribution: Resource) -> str | None:
    for origin in _origins(distribution):
        old = set(origin.at("origin_ssl_protocols").texts) & _OLD_PROTOCOLS
        if old and origin.at("origin_protocol_policy").text != "http-only":
            return f"It may use {', '.join(sorted(old))}."
    return None


@resource_rule(
    "cdn.short-origin-timeout",
    Severity.MEDIUM,
    "CDN gives up before the application does",
    why="CloudFront waits 30 seconds by default: longer answers that are not streamed end as a 504. Serve "
    "only static paths through it, or raise the limit.",
    remedy="cdn paths that are static only (storage.cdn does so), or origin_read_timeout: 60 and more",
    types=_TYPES,
)
def short_origin_timeout(distribution: Resource) -> str | None:
    everything = any(
        "POST" in behaviour.at("allowed_methods").texts for _, behaviour in _behaviours(distribution)
    )
    for origin in _origins(distribution):
        wait = origin.at("origin_read_timeout")
        seconds = 30.0 if wait.absent else wait.number
        if everything and seconds is not None and seconds < 60:
            return f"It waits {seconds:g} s for the origin."
    return None


@resource_rule(
    "cdn.errors-cached",
    Severity.LOW,
    "CDN caches errors",
    why="CloudFront keeps a 404 for 10 seconds by default: a page or workflow that was just created stays "
    "missing, which Dify's console answers with conflicts.",
    remedy="custom_error_response with error_code 404 and error_caching_min_ttl 0",
    types=_TYPES,
)
def errors_cached(distribution: Resource) -> str | None:
    answers = at(distribution, "custom_error_response")
    covered = any(
        a.at("error_code").number == 404 and a.at("error_caching_min_ttl").number == 0
        for a in answers.children()
    )
    dynamic = any("POST" in b.at("allowed_methods").texts for _, b in _behaviours(distribution))
    return "A 404 is kept for 10 s." if dynamic and not covered and not answers.unknown else None


@resource_rule(
    "cdn.no-waf",
    Severity.MEDIUM,
    "CDN in front of the application without a web application firewall",
    why="Requests that come through the CDN reach login and API unfiltered; a firewall on the balancer alone "
    "sees only CloudFront's addresses.",
    remedy="access.waf: true",
    types=_TYPES,
    by_size={"small": None, "medium": Severity.INFO},
)
def no_waf(distribution: Resource) -> str | None:
    dynamic = any("POST" in b.at("allowed_methods").texts for _, b in _behaviours(distribution))
    return "It has no web ACL." if dynamic and at(distribution, "web_acl_id").absent else None


@relation_rule(
    "cdn.access-logs-off",
    Severity.LOW,
    "CDN without access logs",
    why="What the CDN answered itself appears in no other log: attacks and cache mistakes stay unseen.",
    remedy="logging_config, or a log delivery (Cloudberth's cdn module has one).",
    types=_TYPES,
    by_size={"small": None},
)
def access_logs_off(distribution: Resource, context: Context) -> str | None:
    own, real_time = at(distribution, "logging_config"), "realtime_log_config_arn"
    delivered = context.companions(distribution, ("aws_cloudwatch_log_delivery_source",), "resource_arn")
    streamed = any(not behaviour.at(real_time).absent for _, behaviour in _behaviours(distribution))
    return "No access log is written." if own.absent and delivered.missing and not streamed else None


@resource_rule(
    "cdn.bucket-without-identity",
    Severity.MEDIUM,
    "CDN reads a bucket without an identity of its own",
    why="The bucket must then be public, and everybody can go around the CDN and its firewall.",
    remedy="aws_cloudfront_origin_access_control on the origin.",
    types=_TYPES,
)
def bucket_without_identity(distribution: Resource) -> str | None:
    names = ("origin_access_control_id", "s3_origin_config", "custom_origin_config", "vpc_origin_config")
    for origin in blocks(distribution, "origin"):
        host = origin.at("domain_name").text
        if ".s3" in host and ".amazonaws.com" in host and all(origin.at(name).absent for name in names):
            return f"Origin {origin.at('origin_id').text}."
    return None
