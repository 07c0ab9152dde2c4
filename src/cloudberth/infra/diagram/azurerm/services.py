"""Services beside the network: stores, secrets, logs, alerts, money, names, Front Door, firewalls."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from cloudberth.infra.diagram.drawn import Drawn, addresses, counted, label_of, number, some, span
from cloudberth.infra.diagram.links import Links, text_of
from cloudberth.infra.diagram.model import Node, Place, Role
from cloudberth.infra.plan import Resource

PROFILES = ("azurerm_cdn_frontdoor_profile", "azurerm_cdn_profile")
EDGE_FIREWALL = "azurerm_cdn_frontdoor_firewall_policy"
FIREWALL = "azurerm_web_application_firewall_policy"
_BUDGETS = (
    "azurerm_consumption_budget_resource_group",
    "azurerm_consumption_budget_subscription",
    "azurerm_consumption_budget_management_group",
)
_ALERTS = (
    "azurerm_monitor_metric_alert",
    "azurerm_monitor_scheduled_query_rules_alert_v2",
    "azurerm_monitor_scheduled_query_rules_alert",
    "azurerm_monitor_activity_log_alert",
    "azurerm_monitor_alert_prometheus_rule_group",
)
_BOARDS = (
    "azurerm_portal_dashboard",
    "azurerm_application_insights_workbook",
    "azurerm_dashboard_grafana",
)
_CHECKS = ("azurerm_application_insights_standard_web_test", "azurerm_application_insights_web_test")
_ACCOUNTS_SHOWN = 3
_TIERS = ("cool", "cold", "archive")


def account_services(links: Links) -> Iterator[Drawn]:
    """What has no region: names, Front Door, its firewall, the budget."""
    for part in (_cdn, _firewalls, _names, _budget):
        yield from part(links)


def region_services(links: Links) -> Iterator[Drawn]:
    """What stands beside the network, from operations down to the data."""
    for part in (_alerts, _action_groups, _logs, _vaults, _accounts):
        yield from part(links)


def _blocks(value: object) -> list[dict[str, Any]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list | tuple) else []


def _cdn(links: Links) -> Iterator[Drawn]:
    for profile in links.of_type(*PROFILES):
        inner = tuple(
            one
            for one in links.plan.managed()
            if one.type.startswith("azurerm_cdn_frontdoor_") and one.module == profile.module
        )
        cached = [
            path
            for one in inner
            if one.type == "azurerm_cdn_frontdoor_route" and one.get("cache")
            for path in one.get("patterns_to_match", [])
        ]
        shown = (profile, *(one for one in inner if one.type not in (profile.type, EDGE_FIREWALL)))
        title = "Front Door" if profile.type == PROFILES[0] else "CDN"
        captions = (f"caches {some(cached, 1)}" if cached else "",)
        yield Drawn(
            Node(profile.address, Role.CDN, title, Place.ACCOUNT, captions, detail=addresses(shown)), shown
        )


def _firewalls(links: Links) -> Iterator[Drawn]:
    for one in links.of_type(EDGE_FIREWALL, FIREWALL):
        everywhere = one.type == EDGE_FIREWALL
        managed = len(_blocks(one.get("managed_rule"))) or sum(
            len(_blocks(block.get("managed_rule_set"))) for block in _blocks(one.get("managed_rules"))
        )
        own = len(_blocks(one.get("custom_rule"))) + len(_blocks(one.get("custom_rules")))
        captions = (
            counted(managed, "managed rule group") if managed else "",
            counted(own, "own rule") if own else "",
        )
        place = Place.ACCOUNT if everywhere else Place.ENTRY
        yield Drawn(
            Node(one.address, Role.WAF, "Web firewall (WAF)", place, captions, detail=addresses([one])),
            (one,),
        )


def _names(links: Links) -> Iterator[Drawn]:
    """Names that users look up; proofs of ownership are text records."""
    records = tuple(
        links.of_type("azurerm_dns_a_record", "azurerm_dns_aaaa_record", "azurerm_dns_cname_record")
    )
    if records:
        names = tuple(dict.fromkeys(_full_name(one) for one in records))
        node = Node(
            "names", Role.DNS, "Azure DNS", Place.ACCOUNT, (some(names, 1),), detail=addresses(records)
        )
        yield Drawn(node, records)


def _full_name(record: Resource) -> str:
    name, zone = text_of(record.values, "name"), text_of(record.values, "zone_name")
    return zone if name == "@" else f"{name}.{zone}".strip(".")


def _budget(links: Links) -> Iterator[Drawn]:
    budgets = tuple(links.of_type(*_BUDGETS))
    watchers = tuple(links.of_type("azurerm_cost_anomaly_alert"))
    shown = (*budgets, *watchers)
    if not shown:
        return
    captions = []
    for one in budgets[:1]:
        captions.append(f"{number(one.get('amount'))} a month")
        levels = sorted({float(rule.get("threshold") or 0) for rule in _blocks(one.get("notification"))})
        captions.append(f"mail at {', '.join(f'{level:g}' for level in levels)} %" if levels else "")
    captions.append("watches for anomalies" if watchers else "")
    yield Drawn(
        Node("budget", Role.BUDGET, "Budget", Place.ACCOUNT, tuple(captions), detail=addresses(shown)), shown
    )


def _alerts(links: Links) -> Iterator[Drawn]:
    alerts, checks, boards = (tuple(links.of_type(*kind)) for kind in (_ALERTS, _CHECKS, _BOARDS))
    shown = (*alerts, *checks, *boards)
    if shown:
        captions = (
            counted(len(alerts), "alert rule") if alerts else "",
            counted(len(checks), "web test") if checks else "",
            counted(len(boards), "dashboard") if boards else "",
        )
        yield Drawn(
            Node("alarms", Role.ALARMS, "Azure Monitor", Place.REGION, captions, detail=addresses(shown)),
            shown,
        )


def _action_groups(links: Links) -> Iterator[Drawn]:
    found = tuple(links.of_type("azurerm_monitor_action_group"))
    if found:
        mails = sum(len(_blocks(one.get("email_receiver"))) for one in found)
        captions = (
            counted(len(found), "group") if len(found) > 1 else "",
            counted(mails, "mail address", "mail addresses") if mails else "nobody subscribed",
        )
        yield Drawn(
            Node("actions", Role.MAIL, "Action group", Place.REGION, captions, detail=addresses(found)), found
        )


def _logs(links: Links) -> Iterator[Drawn]:
    spaces = tuple(links.of_type("azurerm_log_analytics_workspace"))
    if spaces:
        tables = [one for one in links.plan.managed() if "_workspace_table" in one.type]
        kept = [one.get("retention_in_days") for one in tables or spaces]
        days = [one for one in kept if isinstance(one, int)]
        captions = (
            counted(len(spaces), "workspace") if len(spaces) > 1 else "",
            counted(len(tables), "own table") if tables else "",
            f"kept {span(min(days), max(days))} days" if days else "",
            "network flows" if links.has("azurerm_network_watcher_flow_log") else "",
        )
        yield Drawn(
            Node("logs", Role.LOGS, "Log Analytics", Place.REGION, captions, detail=addresses(spaces)), spaces
        )


def _vaults(links: Links) -> Iterator[Drawn]:
    for vault in links.of_type("azurerm_key_vault"):
        held = [one for one in links.of_type("azurerm_key_vault_secret") if _held(links, one, vault)]
        proofs = [one for one in links.of_type("azurerm_key_vault_certificate") if _held(links, one, vault)]
        captions = (
            counted(len(held), "secret") if held else "",
            counted(len(proofs), "certificate") if proofs else "",
        )
        shown = (vault, *held)
        yield Drawn(
            Node(vault.address, Role.SECRETS, "Key Vault", Place.REGION, captions, detail=addresses(shown)),
            shown,
        )


def _held(links: Links, entry: Resource, vault: Resource) -> bool:
    """Whether the vault holds the entry; where its configuration does not tell, it is the vault's module."""
    named = [one for one in links.named_by(entry) if one.type == "azurerm_key_vault"]
    return vault in named if named else True


def _accounts(links: Links) -> Iterator[Drawn]:
    """Storage accounts one by one, or together where there are many."""
    accounts = tuple(links.of_type("azurerm_storage_account"))
    if len(accounts) > _ACCOUNTS_SHOWN:
        captions: tuple[str, ...] = (counted(len(accounts), "account"),)
        yield Drawn(
            Node(
                "accounts",
                Role.OBJECTS,
                "Storage accounts",
                Place.REGION,
                captions,
                detail=addresses(accounts),
            ),
            accounts,
        )
        return
    for one in accounts:
        inner = tuple(
            other
            for other in links.of_type("azurerm_storage_container")
            if one in links.reach(other, {one.type}, {"time_sleep"})
        )
        node = Node(
            one.address,
            Role.OBJECTS,
            "Storage account",
            Place.REGION,
            tuple(_account_facts(links, one, len(inner))),
            detail=addresses((one, *inner)),
        )
        yield Drawn(node, (one, *inner))


def _account_facts(links: Links, account: Resource, containers: int) -> Iterator[str]:
    around = links.naming(account)
    flows = any(one.type == "azurerm_network_watcher_flow_log" for one in around)
    yield (
        "flow logs" if flows else counted(containers, "container") if containers else label_of(links, account)
    )
    if account.get("blob_properties.0.versioning_enabled") is True:
        yield "versioned"
    rules = [
        rule
        for one in around
        if one.type == "azurerm_storage_management_policy"
        for rule in _blocks(one.get("rule"))
    ]
    tiered = [rule for rule in rules if _moves(rule)]
    if tiered:
        yield f"{number(len(tiered))} storage tier {'rule' if len(tiered) == 1 else 'rules'}"


def _moves(rule: dict[str, Any]) -> bool:
    """Whether the rule moves blobs to a cheaper tier."""
    blobs = [blob for action in _blocks(rule.get("actions")) for blob in _blocks(action.get("base_blob"))]
    return any(
        value is not None and name.startswith(tuple(f"tier_to_{tier}" for tier in _TIERS)) and value != -1
        for blob in blobs
        for name, value in blob.items()
    )
