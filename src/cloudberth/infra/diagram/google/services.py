"""Services beside the network: stores, secrets, logs, alerts, money, names, CDN, firewall."""

from __future__ import annotations

from collections.abc import Iterator

from cloudberth.infra.diagram.drawn import Drawn, addresses, counted, label_of, number, some, span
from cloudberth.infra.diagram.links import Links, text_of
from cloudberth.infra.diagram.model import Node, Place, Role
from cloudberth.infra.plan import Resource

_BACKENDS = (
    "google_compute_backend_service",
    "google_compute_region_backend_service",
    "google_compute_backend_bucket",
)
CDN = "cloud-cdn"
_BUCKETS_SHOWN = 3


def account_services(links: Links) -> Iterator[Drawn]:
    """What has no region: names, CDN, firewall, the budget."""
    for part in (_cdn, _firewalls, _names, _budget):
        yield from part(links)


def region_services(links: Links) -> Iterator[Drawn]:
    """What stands beside the network, from operations down to the data."""
    for part in (_alerts, _channels, _logs, _secrets, _buckets):
        yield from part(links)


def _cdn(links: Links) -> Iterator[Drawn]:
    """Cloud CDN is a switch of backend services and backend buckets."""
    cached = tuple(one for one in links.of_type(*_BACKENDS) if one.get("enable_cdn") is True)
    if cached:
        modes = {str(one.get("cdn_policy.0.cache_mode", "")) for one in cached}
        words = {"CACHE_ALL_STATIC": "caches static files", "USE_ORIGIN_HEADERS": "caches as told by the app"}
        paths = [path for one in cached for path in _paths_to(links, one)]
        said = next((words[mode] for mode in sorted(modes) if mode in words), "")
        captions = (f"caches {some(paths, 1)}" if paths else said,)
        yield Drawn(
            Node(CDN, Role.CDN, "Cloud CDN", Place.ACCOUNT, captions, detail=addresses(cached)), cached
        )


def _paths_to(links: Links, backend: Resource) -> Iterator[str]:
    """Paths that a map of paths sends to a backend of its own."""
    maps = [one for one in links.naming(backend) if one.type.endswith("url_map")]
    for one in maps or links.of_type("google_compute_url_map"):
        for matcher in one.get("path_matcher", []):
            for rule in matcher.get("path_rule", []) if isinstance(matcher, dict) else []:
                yield from (path for path in rule.get("paths") or [] if isinstance(path, str))


def _firewalls(links: Links) -> Iterator[Drawn]:
    found = tuple(links.of_type("google_compute_security_policy"))
    if found:
        rules = [rule for one in found for rule in one.get("rule", []) if isinstance(rule, dict)]
        rules += [one.values for one in links.of_type("google_compute_security_policy_rule")]  # type: ignore[misc]
        managed = [rule for rule in rules if "evaluatePreconfigured" in str(rule.get("match", ""))]
        own = len(rules) - len(managed)
        captions = (
            counted(len(managed), "managed rule group") if managed else "",
            counted(own, "own rule") if own else "",
            "" if rules else "rules known after apply",
        )
        node = Node("cloud-armor", Role.WAF, "Cloud Armor", Place.ACCOUNT, captions, detail=addresses(found))
        yield Drawn(node, found)


def _names(links: Links) -> Iterator[Drawn]:
    """Names that users look up: not those of private zones, and not proofs of ownership."""
    records = tuple(
        one
        for one in links.of_type("google_dns_record_set")
        if one.get("type") in ("A", "AAAA") and not _private(links, one)
    )
    if records:
        names = tuple(dict.fromkeys(text_of(one.values, "name").rstrip(".") for one in records))
        shown = tuple(one for one in names if one)
        node = Node(
            "names", Role.DNS, "Cloud DNS", Place.ACCOUNT, (some(shown, 1),), detail=addresses(records)
        )
        yield Drawn(node, records)


def _private(links: Links, record: Resource) -> bool:
    zones = [one for one in links.named_by(record) if one.type == "google_dns_managed_zone" and not one.data]
    return bool(zones) and all(one.get("visibility") == "private" for one in zones)


def _budget(links: Links) -> Iterator[Drawn]:
    budgets = tuple(links.of_type("google_billing_budget"))
    if not budgets:
        return
    first = budgets[0]
    units = first.get("amount.0.specified_amount.0.units")
    unit = first.get("amount.0.specified_amount.0.currency_code", "")
    levels = sorted(
        {
            float(rule["threshold_percent"]) * 100
            for rule in first.get("threshold_rules", [])
            if isinstance(rule, dict) and isinstance(rule.get("threshold_percent"), int | float)
        }
    )
    captions = (
        f"{units} {unit} a month".replace("  ", " ") if units else "",
        f"mail at {', '.join(f'{level:g}' for level in levels)} %" if levels else "",
    )
    yield Drawn(
        Node("budget", Role.BUDGET, "Budget", Place.ACCOUNT, captions, detail=addresses(budgets)), budgets
    )


def _alerts(links: Links) -> Iterator[Drawn]:
    alerts = tuple(links.of_type("google_monitoring_alert_policy"))
    checks = tuple(links.of_type("google_monitoring_uptime_check_config"))
    boards = tuple(links.of_type("google_monitoring_dashboard"))
    shown = (*alerts, *checks, *boards)
    if shown:
        captions = (
            counted(len(alerts), "alert policy", "alert policies") if alerts else "",
            counted(len(checks), "uptime check") if checks else "",
            counted(len(boards), "dashboard") if boards else "",
        )
        yield Drawn(
            Node("alarms", Role.ALARMS, "Cloud Monitoring", Place.REGION, captions, detail=addresses(shown)),
            shown,
        )


def _channels(links: Links) -> Iterator[Drawn]:
    found = tuple(links.of_type("google_monitoring_notification_channel"))
    if found:
        mails = [one for one in found if one.get("type") == "email"]
        others = len(found) - len(mails)
        captions = (
            counted(len(mails), "mail address", "mail addresses") if mails else "",
            counted(others, "other channel") if others else "",
        )
        node = Node(
            "channels",
            Role.MAIL,
            "Notification channels",
            Place.REGION,
            captions,
            detail=addresses(found),
        )
        yield Drawn(node, found)


def _logs(links: Links) -> Iterator[Drawn]:
    buckets = tuple(links.of_type("google_logging_project_bucket_config"))
    if buckets:
        days = [one.get("retention_days") or 30 for one in buckets]
        flows = any(one.get("log_config") for one in links.of_type("google_compute_subnetwork"))
        captions = (
            counted(len(buckets), "log bucket"),
            f"kept {span(min(days), max(days))} days",
            "network flows" if flows else "",
        )
        yield Drawn(
            Node("logs", Role.LOGS, "Cloud Logging", Place.REGION, captions, detail=addresses(buckets)),
            buckets,
        )


def _secrets(links: Links) -> Iterator[Drawn]:
    found = tuple(links.of_type("google_secret_manager_secret", "google_secret_manager_regional_secret"))
    if found:
        captions = (counted(len(found), "secret"),)
        yield Drawn(
            Node("secrets", Role.SECRETS, "Secret Manager", Place.REGION, captions, detail=addresses(found)),
            found,
        )


def _buckets(links: Links) -> Iterator[Drawn]:
    """Buckets one by one, or together where there are many."""
    buckets = tuple(links.of_type("google_storage_bucket"))
    if len(buckets) > _BUCKETS_SHOWN:
        captions: tuple[str, ...] = (counted(len(buckets), "bucket"),)
        yield Drawn(
            Node("buckets", Role.OBJECTS, "Cloud Storage", Place.REGION, captions, detail=addresses(buckets)),
            buckets,
        )
        return
    for one in buckets:
        captions = tuple(_bucket_facts(links, one))
        yield Drawn(
            Node(one.address, Role.OBJECTS, "Cloud Storage", Place.REGION, captions, detail=addresses([one])),
            (one,),
        )


def _bucket_facts(links: Links, bucket: Resource) -> Iterator[str]:
    named = text_of(bucket.values, "name")
    short = named.rpartition(f"{links.plan.name}-")[2] if links.plan.name else named
    yield short.strip("-_ ").replace("-", " ") or label_of(links, bucket)
    if bucket.get("versioning.0.enabled") is True:
        yield "versioned"
    tiers = [
        rule
        for rule in bucket.get("lifecycle_rule", [])
        if isinstance(rule, dict) and "SetStorageClass" in str(rule.get("action", ""))
    ]
    if tiers:
        yield f"{number(len(tiers))} storage tier {'rule' if len(tiers) == 1 else 'rules'}"
