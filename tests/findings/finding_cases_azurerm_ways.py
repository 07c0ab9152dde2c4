"""Plans for the rules about the network, the gateway, the firewall and the CDN of Azure."""

from __future__ import annotations

from functools import partial
from typing import Any

from finding_plans import Sample, case, one, resource, sample

azure = partial(case, provider="azurerm")
RULE = "azurerm_network_security_rule.a"
GROUP = "azurerm_network_security_group.a"
NETWORK = "azurerm_virtual_network.a"
NAT = "azurerm_nat_gateway.a"
GATEWAY = "azurerm_application_gateway.a"
POLICY = "azurerm_web_application_firewall_policy.a"
SETTING = "azurerm_monitor_diagnostic_setting.a"
INWARD = {"direction": "Inbound", "access": "Allow", "protocol": "Tcp"}


def opened(*ports: str, source: str = "*", **values: Any) -> Sample:
    return one(
        RULE, **(INWARD | {"source_address_prefix": source, "destination_port_ranges": list(ports)} | values)
    )


def inline(port: str) -> Sample:
    rule = INWARD | {"source_address_prefixes": ["0.0.0.0/0"], "destination_port_range": port}
    return one(GROUP, security_rule=[rule])


azure(
    "network.all-ports-open",
    reported=[opened("*"), inline("0-65535")],
    silent=[
        opened("443"),
        opened("*", source="VirtualNetwork"),
        opened("*", access="Deny"),
        opened("*", direction="Outbound"),
        opened("65200-65535"),
        opened("*", protocol="Icmp"),
    ],
)
azure(
    "network.admin-port-open",
    reported=[opened("22"), inline("3389"), opened("22", source="Internet")],
    silent=[opened("22", source="203.0.113.0/24"), opened("443"), opened("443", "80")],
)
azure(
    "network.data-port-open",
    reported=[opened("5432"), inline("6379")],
    silent=[opened("5432", source="10.0.0.0/8"), opened("443")],
)
azure(
    "network.security-group-open",
    reported=[opened("8080"), opened("443", "8000-8010")],
    silent=[opened("80", "443"), opened("8080", source="10.0.0.0/8"), opened("22")],
)


def logged(**values: Any) -> Sample:
    log = resource(
        "azurerm_network_watcher_flow_log.a",
        unknown={"target_resource_id": True},
        references=[NETWORK],
        **values,
    )
    return sample(resource(NETWORK, unknown={"id": True}), log)


azure(
    "network.flow-logs-off",
    reported=[one(NETWORK), logged(enabled=False)],
    silent=[logged(enabled=True)],
)
azure(
    "network.subnet-auto-public-ip",
    reported=[one("azurerm_subnet.a", default_outbound_access_enabled=True)],
    silent=[one("azurerm_subnet.a", default_outbound_access_enabled=False), one("azurerm_subnet.a")],
)
MACHINES = resource("azurerm_linux_virtual_machine_scale_set.a", zones=["1", "2"])
azure(
    "network.single-nat",
    reported=[sample(resource(NAT, zones=["1"], sku_name="Standard"), MACHINES)],
    silent=[
        sample(resource(NAT, zones=["1", "2", "3"], sku_name="StandardV2"), MACHINES),
        one(NAT, zones=["1"]),
        sample(resource(NAT, zones=["1"]), MACHINES, size="small"),
    ],
)
STORE = resource("azurerm_storage_account.a")
PRIVATE = resource(
    "azurerm_private_endpoint.a", private_service_connection=[{"name": "a", "subresource_names": ["blob"]}]
)
ROUTED = resource("azurerm_subnet.a", service_endpoint=[{"service": "Microsoft.Storage"}])
azure(
    "cost.object-store-through-nat",
    reported=[sample(resource(NAT), STORE)],
    silent=[sample(resource(NAT), STORE, PRIVATE), sample(resource(NAT), STORE, ROUTED), one(NAT)],
)
ADDRESS = "azurerm_public_ip.a"
azure(
    "cost.idle-address",
    reported=[one(ADDRESS)],
    silent=[sample(resource(ADDRESS), resource(NAT, references=[ADDRESS]))],
)

# The gateway.

PUBLIC = [{"name": "public", "public_ip_address_id": "/subscriptions/x"}]
PRIVATE_ONLY = [{"name": "private", "subnet_id": "/subscriptions/x"}]
PLAIN = {"name": "http", "protocol": "Http"}
SECURE = {"name": "https", "protocol": "Https"}


def gateway(*listeners: dict[str, Any], **values: Any) -> Sample:
    values = {"frontend_ip_configuration": PUBLIC} | values
    return one(GATEWAY, http_listener=list(listeners), **values)


def route(**target: Any) -> list[dict[str, Any]]:
    return [{"name": "a", "http_listener_name": "http"} | target]


BEHIND_FRONT_DOOR = sample(
    resource(GATEWAY, http_listener=[PLAIN], frontend_ip_configuration=PUBLIC),
    resource("azurerm_cdn_frontdoor_route.a"),
    resource(
        RULE, **(INWARD | {"source_address_prefix": "AzureFrontDoor.Backend", "destination_port_range": "80"})
    ),
)
azure(
    "balancer.no-https",
    reported=[gateway(PLAIN)],
    silent=[
        gateway(PLAIN, SECURE),
        gateway(PLAIN, frontend_ip_configuration=PRIVATE_ONLY),
        one(GATEWAY, frontend_ip_configuration=PUBLIC, unknown={"http_listener": True}),
        BEHIND_FRONT_DOOR,
    ],
)
azure(
    "balancer.http-without-redirect",
    reported=[gateway(PLAIN, SECURE, request_routing_rule=route(backend_address_pool_name="app"))],
    silent=[
        gateway(PLAIN, SECURE, request_routing_rule=route(redirect_configuration_name="https")),
        gateway(PLAIN, request_routing_rule=route(backend_address_pool_name="app")),
    ],
)
azure(
    "balancer.old-tls",
    reported=[
        gateway(ssl_policy=[{"policy_name": "AppGwSslPolicy20150501"}]),
        gateway(ssl_profile=[{"name": "a", "ssl_policy": [{"min_protocol_version": "TLSv1_1"}]}]),
    ],
    silent=[gateway(ssl_policy=[{"policy_name": "AppGwSslPolicy20220101"}]), gateway()],
)


def backend(**settings: Any) -> Sample:
    return gateway(
        backend_http_settings=[{"name": "app", "probe_name": "app", "request_timeout": 600} | settings]
    )


azure(
    "balancer.idle-timeout-short",
    reported=[backend(request_timeout=60), backend(request_timeout=None)],
    silent=[backend(), gateway()],
)
azure("balancer.health-check-off", reported=[backend(probe_name=None)], silent=[backend(), gateway()])


def recorded(*categories: str) -> Sample:
    return sample(
        resource(GATEWAY, unknown={"id": True}, firewall_policy_id="p"),
        resource(POLICY, id="p"),
        resource(
            SETTING,
            unknown={"target_resource_id": True},
            references=[GATEWAY],
            enabled_log=[{"category": category} for category in categories],
        ),
    )


azure(
    "balancer.access-logs-off",
    reported=[one(GATEWAY), recorded("ApplicationGatewayFirewallLog")],
    silent=[recorded("ApplicationGatewayAccessLog")],
)
OPEN = resource(RULE, **(INWARD | {"source_address_prefix": "*", "destination_port_range": "443"}))
CLOSED = resource(RULE, **(INWARD | {"source_address_prefix": "10.0.0.0/8", "destination_port_range": "443"}))
BARE = resource(GATEWAY, frontend_ip_configuration=PUBLIC)
azure(
    "balancer.no-waf",
    reported=[sample(BARE, OPEN), sample(BARE)],
    silent=[
        sample(BARE, CLOSED),
        gateway(firewall_policy_id="p"),
        gateway(waf_configuration=[{"enabled": True, "firewall_mode": "Prevention"}]),
        gateway(frontend_ip_configuration=PRIVATE_ONLY),
        gateway(unknown={"firewall_policy_id": True}),
        sample(BARE, size="small"),
    ],
)
SETS = [{"managed_rule_set": [{"type": "Microsoft_DefaultRuleSet", "version": "2.1"}]}]
BOTS = [{"managed_rule_set": [{"type": "Microsoft_BotManagerRuleSet", "version": "1.1"}]}]
azure(
    "balancer.firewall-empty",
    reported=[one(POLICY), one(POLICY, managed_rules=SETS, policy_settings=[{"enabled": False}])],
    silent=[one(POLICY, managed_rules=SETS), one(POLICY, unknown={"managed_rules": True})],
)
FRONT_DOOR_POLICY = "azurerm_cdn_frontdoor_firewall_policy.a"
azure(
    "balancer.firewall-only-counts",
    reported=[one(POLICY, policy_settings=[{"mode": "Detection"}]), one(FRONT_DOOR_POLICY, mode="Detection")],
    silent=[one(POLICY, policy_settings=[{"mode": "Prevention"}]), one(FRONT_DOOR_POLICY, mode="Prevention")],
)
azure(
    "balancer.firewall-without-known-attacks",
    reported=[one(POLICY, managed_rules=BOTS)],
    silent=[one(POLICY, managed_rules=SETS), one(POLICY, unknown={"managed_rules": True})],
)
azure(
    "balancer.firewall-not-logged",
    reported=[recorded("ApplicationGatewayAccessLog")],
    silent=[recorded("ApplicationGatewayFirewallLog"), one(POLICY)],
)

# Front Door.

ROUTE, PROFILE = "azurerm_cdn_frontdoor_route.a", "azurerm_cdn_frontdoor_profile.a"
DOMAIN = "azurerm_cdn_frontdoor_custom_domain.a"
azure(
    "cdn.old-tls",
    reported=[one(DOMAIN, tls=[{"minimum_version": "TLS10"}])],
    silent=[one(DOMAIN, tls=[{"minimum_version": "TLS12"}]), one(DOMAIN)],
)
azure(
    "cdn.plain-http",
    reported=[one(ROUTE, supported_protocols=["Http", "Https"], https_redirect_enabled=False)],
    silent=[
        one(ROUTE, supported_protocols=["Http", "Https"], https_redirect_enabled=True),
        one(ROUTE, supported_protocols=["Https"], https_redirect_enabled=False),
    ],
)
azure(
    "cdn.plain-origin",
    reported=[one(ROUTE, forwarding_protocol="HttpOnly")],
    silent=[one(ROUTE, forwarding_protocol="HttpsOnly"), one(ROUTE)],
)
azure(
    "cdn.short-origin-timeout",
    reported=[one(PROFILE, response_timeout_seconds=30)],
    silent=[one(PROFILE, response_timeout_seconds=240), one(PROFILE)],
)
GUARD = resource(
    "azurerm_cdn_frontdoor_security_policy.a",
    unknown={"cdn_frontdoor_profile_id": True},
    references=[PROFILE],
)
azure(
    "cdn.no-waf",
    reported=[one(PROFILE)],
    silent=[
        sample(resource(PROFILE, unknown={"id": True}), GUARD),
        sample(resource(PROFILE), resource(GATEWAY, firewall_policy_id="p")),
        one(PROFILE, at_size="small"),
    ],
)
azure(
    "cdn.access-logs-off",
    reported=[one(PROFILE)],
    silent=[
        sample(
            resource(PROFILE, unknown={"id": True}),
            resource(SETTING, unknown={"target_resource_id": True}, references=[PROFILE]),
        ),
        one(PROFILE, at_size="small"),
    ],
)
