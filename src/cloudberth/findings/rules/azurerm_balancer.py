"""Application Gateway of Azure and its web application firewall."""

from __future__ import annotations

from cloudberth.findings.context import Context
from cloudberth.findings.rules.azurerm_network import openings
from cloudberth.findings.rules.containers import application_timeout
from cloudberth.findings.rules.registry import also_relation, also_resource
from cloudberth.findings.values import Node, at, blocks
from cloudberth.infra.plan import Resource

GATEWAY, _POLICY = "azurerm_application_gateway", "azurerm_web_application_firewall_policy"
_GATEWAYS, _POLICIES = (GATEWAY,), (_POLICY,)
_DEFAULT_REQUEST_SECONDS = 30
# Predefined policies whose lowest version is 1.0 or 1.1; the default is of 2022 and begins with 1.2.
_OLD_POLICIES = {"AppGwSslPolicy20150501": "TLS 1.0", "AppGwSslPolicy20170401": "TLS 1.1"}
_RULE_SETS = ("OWASP", "Microsoft_DefaultRuleSet")
_OLD_VERSIONS = {"TLSv1_0": "TLS 1.0", "TLSv1_1": "TLS 1.1"}


def is_public(gateway: Resource) -> bool:
    """Whether one of its frontends has a public address."""
    return any(not f.at("public_ip_address_id").absent for f in blocks(gateway, "frontend_ip_configuration"))


def _listeners(gateway: Resource, protocol: str) -> tuple[Node, ...]:
    return tuple(li for li in blocks(gateway, "http_listener") if li.at("protocol").text == protocol)


@also_relation("balancer.no-https", types=_GATEWAYS)
def no_https(gateway: Resource, context: Context) -> str | None:
    if context.has("azurerm_cdn_frontdoor_route") and not _world_reachable(context):
        # Users meet Front Door and nobody else gets in: the way from there is the CDN's concern.
        return None
    readable = not at(gateway, "http_listener").unknown
    plain = _listeners(gateway, "Http") and not _listeners(gateway, "Https")
    return "It has HTTP listeners only." if plain and readable and is_public(gateway) else None


@also_resource("balancer.http-without-redirect", types=_GATEWAYS)
def http_without_redirect(gateway: Resource) -> str | None:
    if not _listeners(gateway, "Https"):
        return None
    plain = {listener.at("name").text for listener in _listeners(gateway, "Http")}
    for rule in blocks(gateway, "request_routing_rule"):
        name = rule.at("http_listener_name").text
        serves = not rule.at("backend_address_pool_name").absent
        if name in plain and serves and rule.at("redirect_configuration_name").absent:
            return f"Listener {name} forwards plain HTTP."
    return None


@also_resource(
    "balancer.old-tls",
    types=_GATEWAYS,
    remedy="ssl_policy: Predefined, AppGwSslPolicy20220101 or newer.",
)
def old_tls(gateway: Resource) -> str | None:
    policies = [*blocks(gateway, "ssl_policy")]
    policies += [p for profile in blocks(gateway, "ssl_profile") for p in profile.at("ssl_policy").children()]
    for policy in policies:
        name, version = policy.at("policy_name").text, policy.at("min_protocol_version").text
        lowest = _OLD_POLICIES.get(name) or _OLD_VERSIONS.get(version)
        if lowest:
            return f"It begins with {lowest}."
    return None


@also_relation("balancer.idle-timeout-short", types=_GATEWAYS)
def idle_timeout_short(gateway: Resource, context: Context) -> str | None:
    limit = application_timeout(context)
    for settings in blocks(gateway, "backend_http_settings"):
        wait = settings.at("request_timeout")
        seconds = _DEFAULT_REQUEST_SECONDS if wait.absent else wait.number
        if seconds is not None and seconds < limit:
            return f"It waits {seconds:g} s for an answer; the application may take {limit:g} s."
    return None


@also_resource(
    "balancer.health-check-off", types=_GATEWAYS, remedy="A probe with the application's health path."
)
def health_check_off(gateway: Resource) -> str | None:
    """Without one the gateway asks for / and takes anything from 200 to 399, also a page that says sorry."""
    bare = [s.at("name").text for s in blocks(gateway, "backend_http_settings") if s.at("probe_name").absent]
    return f"{bare[0] or 'A backend'} has no probe." if bare else None


@also_relation("balancer.access-logs-off", types=_GATEWAYS)
def access_logs_off(gateway: Resource, context: Context) -> str | None:
    missing = not _logged(gateway, context, ("ApplicationGatewayAccessLog", "allLogs", "audit"))
    return "No diagnostic setting keeps its access log." if missing else None


def _logged(target: Resource, context: Context, wanted: tuple[str, ...]) -> bool:
    settings = context.companions(target, ("azurerm_monitor_diagnostic_setting",), "target_resource_id")
    if settings.uncertain:
        return True
    logs = [log for setting in settings.found for log in blocks(setting, "enabled_log")]
    names = {log.at(name).text for log in logs for name in ("category", "category_group")}
    unreadable = any(at(setting, "enabled_log").unknown for setting in settings.found)
    return unreadable or bool(names & set(wanted))


@also_relation("balancer.no-waf", types=_GATEWAYS)
def no_waf(gateway: Resource, context: Context) -> str | None:
    guarded = not at(gateway, "firewall_policy_id").absent or any(
        configuration.at("enabled").on for configuration in blocks(gateway, "waf_configuration")
    )
    per_listener = any(not li.at("firewall_policy_id").absent for li in blocks(gateway, "http_listener"))
    if guarded or per_listener or not is_public(gateway):
        return None
    return "No firewall policy is attached." if _world_reachable(context) else None


def _world_reachable(context: Context) -> bool:
    """Whether some rule lets the internet in, or there is none: a gateway needs none to be reached."""
    governed = context.has("azurerm_network_security_group", "azurerm_network_security_rule")
    return not governed or any(True for _ in openings(context))


@also_resource(
    "balancer.firewall-empty",
    types=_POLICIES,
    why="A policy without managed rules, or switched off, filters nothing, and everybody relies on it.",
)
def firewall_empty(policy: Resource) -> str | None:
    if at(policy, "policy_settings.0.enabled").turned_off:
        return "It is switched off."
    managed, own = at(policy, "managed_rules.0.managed_rule_set"), at(policy, "custom_rules")
    return "It has no rule." if managed.absent and own.absent else None


@also_resource(
    "balancer.firewall-only-counts",
    types=_POLICIES,
    remedy='policy_settings { mode = "Prevention" }',
)
def firewall_only_counts(policy: Resource) -> str | None:
    return "Its mode is Detection." if at(policy, "policy_settings.0.mode").text == "Detection" else None


@also_resource(
    "balancer.firewall-without-known-attacks",
    types=_POLICIES,
    why="Microsoft keeps rule sets for published exploits (Log4Shell among them) up to date; without them "
    "the policy knows only what you wrote yourself.",
    remedy="managed_rule_set of type Microsoft_DefaultRuleSet, version 2.1.",
)
def firewall_without_known_attacks(policy: Resource) -> str | None:
    sets = at(policy, "managed_rules.0.managed_rule_set")
    # Left out, the type is OWASP.
    known = any(entry.at("type").absent or entry.at("type").text in _RULE_SETS for entry in sets.children())
    unreadable = sets.unknown or any(entry.at("type").unknown for entry in sets.children())
    own_only = not at(policy, "custom_rules").absent or bool(tuple(sets.children()))
    return "No managed rules for known attacks." if own_only and not (known or unreadable) else None


@also_relation(
    "balancer.firewall-not-logged",
    types=_POLICIES,
    remedy="A diagnostic setting of the gateway with ApplicationGatewayFirewallLog.",
)
def firewall_not_logged(policy: Resource, context: Context) -> str | None:
    gateways = [g for g in context.of_type(GATEWAY) if context.points_at(g, "firewall_policy_id", policy)]
    wanted = ("ApplicationGatewayFirewallLog", "allLogs")
    silent = [gateway for gateway in gateways if not _logged(gateway, context, wanted)]
    return f"{silent[0].address} records nothing that it blocks." if silent else None
