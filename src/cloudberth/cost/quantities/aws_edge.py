"""The edge: firewall, content delivery, names. Their prices have no region, or the same in each."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from cloudberth.cost.model import Quantity
from cloudberth.cost.pricebook import GLOBAL
from cloudberth.cost.quantities.context import Context, Meter
from cloudberth.infra.plan import Resource


def web_acl(resource: Resource, context: Context) -> Iterator[Quantity]:
    """A firewall list: itself, each rule or managed rule group in it, and the requests it inspects."""
    meter = Meter(context, resource, "firewall")
    yield meter.fixed("web ACL", "wafv2", "web-acl", "month", 1)
    rules = resource.values.get("rule")
    count = len(rules) if rules is not None else None
    yield meter.fixed("rules", "wafv2", "rule", "rule-month", count, why="number of rules not known")
    millions = context.figures["requests_millions"]
    yield meter.usage("requests", "wafv2", "requests-1m", "1M-requests", millions, ("requests_millions",))


def distribution(resource: Resource, context: Context) -> Iterator[Quantity]:
    """A CDN: data out and requests, at the price of the United States and Europe."""
    meter = Meter(context, resource, "cdn")
    share = len(context.of_type("aws_cloudfront_distribution"))
    figures = context.figures
    yield meter.usage(
        "data out", "cloudfront", "data-out-us-eu", "GB", figures["cdn_gb"] / share, ("cdn_gb",), GLOBAL
    )
    requests = figures["cdn_requests"] / share / 10_000
    yield meter.usage(
        "HTTPS requests", "cloudfront", "https-10k-us", "10k-requests", requests, ("cdn_requests",), GLOBAL
    )


def zone(resource: Resource, context: Context) -> Iterator[Quantity]:
    """A hosted zone (private ones cost the same) and, for public ones, their queries."""
    meter = Meter(context, resource, "dns")
    yield meter.fixed("hosted zone", "route53", "zone", "zone-month", 1, GLOBAL)
    if resource.get("vpc"):
        return
    public = [z for z in context.of_type("aws_route53_zone") if not z.get("vpc")]
    queries = context.figures["dns_queries_millions"] / len(public)
    yield meter.usage(
        "queries", "route53", "queries-1m", "1M-queries", queries, ("dns_queries_millions",), GLOBAL
    )


def health_check(resource: Resource, context: Context) -> Iterator[Quantity]:
    yield Meter(context, resource, "dns").fixed(
        "health check", "route53", "health-check", "check-month", Decimal(1), GLOBAL
    )
