"""Azure Front Door: TLS to users and to the origin, waiting, protection."""

from __future__ import annotations

from cloudberth.findings.context import Context
from cloudberth.findings.rules.registry import also_relation, also_resource
from cloudberth.findings.values import at, blocks
from cloudberth.infra.plan import Resource

_ROUTE, _PROFILE = "azurerm_cdn_frontdoor_route", "azurerm_cdn_frontdoor_profile"
_DOMAIN, _POLICY = "azurerm_cdn_frontdoor_custom_domain", "azurerm_cdn_frontdoor_firewall_policy"
_DEFAULT_WAIT_SECONDS = 120


@also_resource("cdn.old-tls", types=(_DOMAIN,), remedy='tls { minimum_version = "TLS12" } (the default)')
def old_tls(domain: Resource) -> str | None:
    versions = (tls.at("minimum_version").text for tls in blocks(domain, "tls"))
    return next((f"Minimum version {text}." for text in versions if text in ("TLS10", "TLS11")), None)


@also_resource("cdn.plain-http", types=(_ROUTE,), remedy="https_redirect_enabled: true (the default)")
def plain_http(route: Resource) -> str | None:
    open_line = "Http" in at(route, "supported_protocols").texts
    kept = at(route, "https_redirect_enabled").turned_off
    return "HTTP is answered, not redirected." if open_line and kept else None


@also_resource(
    "cdn.plain-origin",
    types=(_ROUTE,),
    why="The part of the way from Front Door to the gateway is then open to whoever runs a network on it.",
    remedy="domain.certificate, so that the gateway has a certificate that Front Door trusts; "
    "forwarding_protocol: HttpsOnly",
)
def plain_origin(route: Resource) -> str | None:
    protocol = at(route, "forwarding_protocol").text
    return "forwarding_protocol is HttpOnly." if protocol == "HttpOnly" else None


@also_resource(
    "cdn.short-origin-timeout",
    types=(_PROFILE,),
    why="Front Door waits for the first byte as long as it is told (two minutes by default, four at most): "
    "longer answers that are not streamed end as a 504.",
    remedy="response_timeout_seconds: 240",
)
def short_origin_timeout(profile: Resource) -> str | None:
    wait = at(profile, "response_timeout_seconds")
    seconds = _DEFAULT_WAIT_SECONDS if wait.absent else wait.number
    return f"It waits {seconds:g} s for the origin." if seconds is not None and seconds < 60 else None


@also_relation("cdn.no-waf", types=(_PROFILE,))
def no_waf(profile: Resource, context: Context) -> str | None:
    policies = context.companions(
        profile, ("azurerm_cdn_frontdoor_security_policy",), "cdn_frontdoor_profile_id"
    )
    gateways = tuple(context.of_type("azurerm_application_gateway"))
    behind = any(not at(gateway, "firewall_policy_id").absent for gateway in gateways)
    return "It has no security policy." if policies.missing and not behind else None


@also_resource("balancer.firewall-only-counts", types=(_POLICY,), remedy="mode: Prevention")
def firewall_only_counts(policy: Resource) -> str | None:
    return "Its mode is Detection." if at(policy, "mode").text == "Detection" else None


@also_relation(
    "cdn.access-logs-off",
    types=(_PROFILE,),
    remedy="A diagnostic setting of the profile with FrontDoorAccessLog.",
)
def access_logs_off(profile: Resource, context: Context) -> str | None:
    settings = context.companions(profile, ("azurerm_monitor_diagnostic_setting",), "target_resource_id")
    return "No diagnostic setting keeps its logs." if settings.missing else None
