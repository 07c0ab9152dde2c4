"""Services of the region and of the account: stores, secrets, logs, alarms, money, names, CDN, firewall."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from cloudberth.infra.diagram.drawn import Drawn, addresses, counted, label_of, number, some, span
from cloudberth.infra.diagram.links import Links, text_of
from cloudberth.infra.diagram.model import Node, Place, Role
from cloudberth.infra.plan import Resource


def account_services(links: Links) -> Iterator[Drawn]:
    """What has no region: names, CDN, its firewall, the budget."""
    for part in (_cdn, _firewalls, _names, _budget):
        yield from part(links)


def region_services(links: Links) -> Iterator[Drawn]:
    """What stands beside the network, from operations down to the data."""
    for part in (_alarms, _topics, _logs, _secrets, _parameters, _buckets):
        yield from part(links)


def _grouped(
    links: Links, kind: str, role: Role, title: str, facts: Callable[[tuple[Resource, ...]], tuple[str, ...]]
) -> Iterator[Drawn]:
    """All resources of a type as one node of the region."""
    found = tuple(links.of_type(kind))
    if found:
        yield Drawn(Node(kind, role, title, Place.REGION, facts(found), detail=addresses(found)), found)


def _names(links: Links) -> Iterator[Drawn]:
    """Names that users look up: records that are an alias or an address, not proofs of ownership."""
    records = tuple(
        one
        for one in links.of_type("aws_route53_record")
        if one.get("type") in ("A", "AAAA", "CNAME") and not _proves(links, one)
    )
    if records:
        names = tuple(dict.fromkeys(text_of(one.values, "name", "fqdn").rstrip(".") for one in records))
        shown = tuple(one for one in names if one)
        node = Node(
            "names", Role.DNS, "Route 53", Place.ACCOUNT, (some(shown, 1),), detail=addresses(records)
        )
        yield Drawn(node, records)


def _proves(links: Links, record: Resource) -> bool:
    """Whether the record only proves to the certificate authority who owns the name."""
    return any(one.type == "aws_acm_certificate" for one in links.named_by(record))


def _cdn(links: Links) -> Iterator[Drawn]:
    for one in links.of_type("aws_cloudfront_distribution"):
        cached = [
            text_of(rule, "path_pattern")
            for rule in one.get("ordered_cache_behavior", [])
            if isinstance(rule, dict)
        ]
        paths = some([path for path in cached if path], 1)
        captions = (f"caches {paths}" if paths else "",)
        yield Drawn(
            Node(one.address, Role.CDN, "CloudFront", Place.ACCOUNT, captions, detail=addresses([one])),
            (one,),
        )


def _firewalls(links: Links) -> Iterator[Drawn]:
    for one in links.of_type("aws_wafv2_web_acl"):
        everywhere = one.get("scope") == "CLOUDFRONT"
        rules = [rule for rule in one.get("rule", []) if isinstance(rule, dict)]
        managed = [rule for rule in rules if _has_managed(rule)]
        own = len(rules) - len(managed)
        captions = (
            counted(len(managed), "managed rule group") if managed else "",
            counted(own, "own rule") if own else "",
        )
        place = Place.ACCOUNT if everywhere else Place.ENTRY
        yield Drawn(
            Node(one.address, Role.WAF, "Web firewall (WAF)", place, captions, detail=addresses([one])),
            (one,),
        )


def _has_managed(rule: dict[str, object]) -> bool:
    statement = rule.get("statement")
    first = statement[0] if isinstance(statement, list) and statement else {}
    return bool(isinstance(first, dict) and first.get("managed_rule_group_statement"))


def _budget(links: Links) -> Iterator[Drawn]:
    budgets = tuple(links.of_type("aws_budgets_budget"))
    watchers = tuple(links.of_type("aws_ce_anomaly_monitor", "aws_ce_anomaly_subscription"))
    if not budgets and not watchers:
        return
    captions = []
    for one in budgets[:1]:
        amount = text_of(one.values, "limit_amount")
        captions.append(
            f"{float(amount):g} {text_of(one.values, 'limit_unit')} a month" if _is_number(amount) else ""
        )
        levels = sorted(
            {
                float(rule["threshold"])
                for rule in one.get("notification", [])
                if isinstance(rule, dict) and _is_number(rule.get("threshold"))
            }
        )
        captions.append(f"mail at {', '.join(f'{level:g}' for level in levels)} %" if levels else "")
    captions.append("watches for anomalies" if watchers else "")
    shown = (*budgets, *watchers)
    yield Drawn(
        Node("budget", Role.BUDGET, "Budget", Place.ACCOUNT, tuple(captions), detail=addresses(shown)), shown
    )


def _is_number(value: object) -> bool:
    try:
        float(str(value))
    except ValueError:
        return False
    return True


def _alarms(links: Links) -> Iterator[Drawn]:
    alarms = tuple(links.of_type("aws_cloudwatch_metric_alarm", "aws_cloudwatch_composite_alarm"))
    boards = tuple(links.of_type("aws_cloudwatch_dashboard"))
    if alarms or boards:
        captions = (
            counted(len(alarms), "alarm") if alarms else "",
            counted(len(boards), "dashboard") if boards else "",
        )
        shown = (*alarms, *boards)
        node = Node(
            "alarms", Role.ALARMS, "CloudWatch alarms", Place.REGION, captions, detail=addresses(shown)
        )
        yield Drawn(node, shown)


def _heard(links: Links) -> str:
    return "" if links.has("aws_sns_topic_subscription") else "nobody subscribed"


def _topics(links: Links) -> Iterator[Drawn]:
    def facts(topics: tuple[Resource, ...]) -> tuple[str, ...]:
        mails = [
            one
            for one in links.of_type("aws_sns_topic_subscription")
            if one.get("protocol") in ("email", "email-json")
        ]
        return (
            counted(len(topics), "topic") if len(topics) > 1 else "",
            counted(len(mails), "mail address", "mail addresses") if mails else _heard(links),
        )

    yield from _grouped(links, "aws_sns_topic", Role.MAIL, "SNS notifications", facts)


def _logs(links: Links) -> Iterator[Drawn]:
    def facts(groups: tuple[Resource, ...]) -> tuple[str, ...]:
        days = [one.get("retention_in_days") or 0 for one in groups]
        kept = "kept for ever" if 0 in days else f"kept {span(min(days), max(days))} days"
        flows = "network flows" if links.has("aws_flow_log") else ""
        return counted(len(groups), "log group"), kept, flows

    yield from _grouped(links, "aws_cloudwatch_log_group", Role.LOGS, "CloudWatch Logs", facts)


def _secrets(links: Links) -> Iterator[Drawn]:
    yield from _grouped(
        links,
        "aws_secretsmanager_secret",
        Role.SECRETS,
        "Secrets Manager",
        lambda found: (counted(len(found), "secret"),),
    )


def _parameters(links: Links) -> Iterator[Drawn]:
    """Parameters that are secrets; plain ones are settings."""
    found = tuple(one for one in links.of_type("aws_ssm_parameter") if one.get("type") == "SecureString")
    if found:
        captions = (counted(len(found), "secret parameter"),)
        node = Node(
            "parameters", Role.SECRETS, "Parameter Store", Place.REGION, captions, detail=addresses(found)
        )
        yield Drawn(node, found)


_BUCKETS_SHOWN = 3


def _buckets(links: Links) -> Iterator[Drawn]:
    """Buckets one by one, or together where there are many."""
    buckets = tuple(links.of_type("aws_s3_bucket"))
    if len(buckets) > _BUCKETS_SHOWN:
        node = Node(
            "buckets",
            Role.OBJECTS,
            "S3 buckets",
            Place.REGION,
            (counted(len(buckets), "bucket"),),
            detail=addresses(buckets),
        )
        yield Drawn(node, buckets)
        return
    for bucket in buckets:
        captions = tuple(_bucket_facts(links, bucket))
        node = Node(
            bucket.address, Role.OBJECTS, "S3 bucket", Place.REGION, captions, detail=addresses([bucket])
        )
        yield Drawn(node, (bucket,))


def _bucket_facts(links: Links, bucket: Resource) -> Iterator[str]:
    around = links.naming(bucket)
    yield _short(links, bucket)
    if any(one.type == "aws_s3_bucket_versioning" and _versioned(one) for one in around):
        yield "versioned"
    rules = [
        rule
        for one in around
        if one.type == "aws_s3_bucket_lifecycle_configuration"
        for rule in one.get("rule", [])
    ]
    tiers = [rule for rule in rules if isinstance(rule, dict) and rule.get("transition")]
    if tiers:
        yield f"{number(len(tiers))} storage tier {'rule' if len(tiers) == 1 else 'rules'}"


def _versioned(setting: Resource) -> bool:
    return bool(setting.get("versioning_configuration.0.status") == "Enabled")


def _short(links: Links, bucket: Resource) -> str:
    named = text_of(bucket.values, "bucket", "bucket_prefix") or str(bucket.get("tags.Name", ""))
    short = named.removeprefix(links.plan.name) if links.plan.name else named
    return short.strip("-_ ").replace("-", " ") or label_of(links, bucket)
