"""Hand-made plans that name things the way our Azure modules do: ids unknown, locals not followed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from diagram_plans import plan, resource

from cloudberth.infra.plan import Plan, Resource

VNET = "module.network.azurerm_virtual_network.this[0]"
SUBNET = "module.network.azurerm_subnet.this"
GROUP = "module.network.azurerm_network_security_group.this"
MEMBERS = "module.network.azurerm_application_security_group.this"
RULE = "module.network.azurerm_network_security_rule.this"
GATEWAY = "module.balancer.azurerm_application_gateway.this"
APP = "module.compute.azurerm_orchestrated_virtual_machine_scale_set.app"
STATEFUL = "module.compute.azurerm_linux_virtual_machine_scale_set.stateful"
IDENTITY = "module.compute.azurerm_user_assigned_identity.this"
FRONT = "module.cdn[0].azurerm_cdn_frontdoor"
WORKSPACE = "module.logs.azurerm_log_analytics_workspace.this"
RANGES = {
    "app": "10.40.0.0/19",
    "stateful": "10.40.32.0/19",
    "gateway": "10.40.128.0/20",
    "database": "10.40.192.0/20",
    "endpoints": "10.40.208.0/20",
}


def azure_plan(resources: Any, **facts: Any) -> Plan:
    given: dict[str, Any] = {
        "region": "westeurope",
        "providers": {"registry.terraform.io/hashicorp/azurerm": "5.10.0"},
        **facts,
    }
    return plan(resources, **given)


def dify_plan(
    *,
    zones: int = 2,
    nat: str = "single",
    multi_zone: bool = False,
    waf: bool = False,
    cdn: bool = False,
    spot: int = 0,
    schedules: int = 0,
    domain: bool = True,
    endpoints: bool = True,
    cidrs: tuple[str, ...] = ("*",),
) -> Plan:
    """What the modules make of a deployment with these features."""
    names = [str(number + 1) for number in range(zones)]
    parts = (
        _network(nat),
        _rules(cdn, cidrs),
        _balancer(waf or cdn, cdn, domain, names),
        _stores(multi_zone, names),
        _compute(spot, schedules, names),
        _services(endpoints),
    )
    return azure_plan(one for part in parts for one in part)


def _network(nat: str) -> Iterator[Resource]:
    yield resource("azurerm_resource_group.this", name="dify")
    yield resource(VNET, address_space=["10.40.0.0/16"])
    for name, cidr in RANGES.items():
        service = [{"service_delegation": [{"name": "Microsoft.DBforPostgreSQL/flexibleServers"}]}]
        yield resource(
            f'{SUBNET}["{name}"]',
            [VNET],
            ["id"],
            name=name,
            address_prefixes=[cidr],
            delegation=service if name == "database" else [],
        )
        yield resource(f'{GROUP}["{name}"]', [], ["id"], name=f"dify-{name}")
    for name in ("gateway", "database", "endpoints"):
        yield resource(
            f'module.network.azurerm_subnet_network_security_group_association.this["{name}"]',
            [SUBNET, GROUP],
        )
    for name in ("app", "stateful"):
        yield resource(f'{MEMBERS}["{name}"]', [], ["id"])
    if nat != "none":
        address, gateway = (
            "module.network.azurerm_public_ip.nat[0]",
            "module.network.azurerm_nat_gateway.this[0]",
        )
        yield resource(address)
        yield resource(gateway, zones=["1"] if nat == "single" else ["1", "2", "3"])
        yield resource("module.network.azurerm_nat_gateway_public_ip_association.this[0]", [gateway, address])
        for name in ("app", "stateful"):
            yield resource(
                f'module.network.azurerm_subnet_nat_gateway_association.this["{name}"]', [gateway, SUBNET]
            )


def _rule(
    key: str, group: str, ports: list[str], *, outward: bool = False, members: bool = False, **values: Any
) -> Resource:
    side = "destination" if outward else "source"
    return resource(
        f'{RULE}["{key}"]',
        [GROUP],
        [f"{side}_application_security_group_ids"] if members else [],
        network_security_group_name=f"dify-{group}",
        direction="Outbound" if outward else "Inbound",
        protocol="Tcp",
        destination_port_range=ports[0] if len(ports) == 1 else None,
        destination_port_ranges=ports if len(ports) > 1 else None,
        **{"access": "Allow", **values},
    )


def _rules(cdn: bool, cidrs: tuple[str, ...]) -> Iterator[Resource]:
    front = ("AzureFrontDoor.Backend",) if cdn else cidrs
    where = (
        {"source_address_prefix": front[0]} if len(front) == 1 else {"source_address_prefixes": list(front)}
    )
    yield _rule("users", "gateway", ["80", "443"], **where)
    yield _rule("management", "gateway", ["65200-65535"], source_address_prefix="GatewayManager")
    yield _rule("http", "app", ["80"], source_address_prefix=RANGES["gateway"])
    for source, target in (("app", "stateful"), ("stateful", "app")):
        yield _rule(
            f"internal-{target}",
            target,
            ["5001", "5002"],
            members=True,
            description=f"Services that the {source} machines call",
        )
    for name in ("app", "stateful"):
        text = f"from the {name} machines"
        yield _rule(f"database-{name}", "database", ["5432"], members=True, description=f"PostgreSQL {text}")
        yield _rule(
            f"endpoints-{name}", "endpoints", ["10000", "443"], members=True, description=f"Cache {text}"
        )
        yield _rule(f"out-{name}", name, ["443", "80"], outward=True, destination_address_prefix="Internet")
    for name in RANGES:
        yield _rule(f"closed-in-{name}", name, ["*"], source_address_prefix="*", access="Deny")
    for name in ("app", "stateful"):
        yield _rule(
            f"closed-out-{name}", name, ["*"], outward=True, destination_address_prefix="*", access="Deny"
        )


def _balancer(waf: bool, cdn: bool, domain: bool, zones: list[str]) -> Iterator[Resource]:
    address, wall = (
        "module.balancer.azurerm_public_ip.this",
        "module.balancer.azurerm_web_application_firewall_policy.this[0]",
    )
    yield resource(address)
    if waf:
        sets = [{"type": "Microsoft_DefaultRuleSet"}, {"type": "Microsoft_BotManagerRuleSet"}]
        yield resource(wall, managed_rules=[{"managed_rule_set": sets}], custom_rules=[{}])
    secure = domain and not cdn
    ports = {"https": 443, "http": 80} if secure else {"http": 80}
    yield resource(
        GATEWAY,
        [address, f'{SUBNET}["gateway"]', *([wall] if waf else [])],
        zones=zones,
        autoscale_configuration=[{"min_capacity": 1, "max_capacity": 10}],
        frontend_port=[{"name": name, "port": port} for name, port in ports.items()],
        http_listener=[
            {"name": name, "frontend_port_name": name, "protocol": name.capitalize()} for name in ports
        ],
        backend_http_settings=[{"port": 80, "protocol": "Http", "request_timeout": 600}],
        request_routing_rule=[
            {"http_listener_name": "https" if secure else "http"},
            *([{"http_listener_name": "http", "redirect_configuration_name": "https"}] if secure else []),
        ],
    )
    if domain:
        yield resource(
            "module.balancer.azurerm_dns_a_record.this[0]", [address], name="dify", zone_name="example.com"
        )
    if cdn:
        yield resource(f"{FRONT}_profile.this", sku_name="Standard_AzureFrontDoor")
        yield resource(f'{FRONT}_route.this["static"]', cache=[{}], patterns_to_match=["/_next/static/*"])
        yield resource(
            f"{FRONT}_firewall_policy.this[0]",
            custom_rule=[
                {
                    "match_condition": [
                        {
                            "operator": "IPMatch",
                            "negation_condition": True,
                            "match_values": ["203.0.113.0/24"],
                        }
                    ]
                }
            ],
        )


def _stores(multi_zone: bool, zones: list[str]) -> Iterator[Resource]:
    lists = [f'{SUBNET}["database"]', f'{SUBNET}["endpoints"]']
    database = "module.database[0].azurerm_postgresql_flexible_server.this"
    available = [{"mode": "ZoneRedundant", "standby_availability_zone": zones[1]}] if multi_zone else []
    yield resource(
        database,
        lists,
        version="16",
        sku_name="GP_Standard_D2ds_v5",
        storage_mb=131072,
        auto_grow_enabled=True,
        backup_retention_days=14,
        zone=zones[0],
        high_availability=available,
    )
    yield resource('module.database[0].azurerm_postgresql_flexible_server_database.this["dify"]', [database])
    cache = "module.cache[0].azurerm_managed_redis.this"
    yield resource(
        cache,
        sku_name="Balanced_B3",
        high_availability_enabled=multi_zone,
        default_database=[{"client_protocol": "Encrypted"}],
    )
    yield resource(
        "module.cache[0].azurerm_private_endpoint.this",
        [*lists, cache],
        private_service_connection=[{"subresource_names": ["redisEnterprise"]}],
    )


def _compute(spot: int, schedules: int, zones: list[str]) -> Iterator[Resource]:
    lists = [
        *(f'{SUBNET}["{name}"]' for name in ("app", "stateful")),
        *(f'{GROUP}["{name}"]' for name in RANGES),
    ]
    sizes = [
        {"name": name, "rank": rank} for rank, name in enumerate(("Standard_D4s_v5", "Standard_D4as_v5"))
    ]
    for name in ("app", "stateful"):
        yield resource(f'{IDENTITY}["{name}"]')
    mix = [{"base_regular_count": 1, "regular_percentage_above_base": 100 - spot}] if spot else []
    yield resource(
        APP,
        [*lists, MEMBERS, f'{IDENTITY}["app"]', GATEWAY],
        instances=2,
        zones=zones,
        sku_name="Mix",
        sku_profile=[{"virtual_machine_size": sizes}],
        priority="Spot" if spot else "Regular",
        priority_mix=mix,
    )
    trigger = {"metric_name": "Percentage CPU", "operator": "GreaterThan", "threshold": 60}
    profiles = [
        {
            "name": "always",
            "capacity": [{"minimum": 2, "maximum": 6}],
            "recurrence": [],
            "rule": [{"metric_trigger": [trigger]}],
        },
        *(
            {
                "name": name,
                "capacity": [{"minimum": 1, "maximum": 2}],
                "recurrence": [
                    {
                        "days": ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday"],
                        "hours": [20],
                        "minutes": [0],
                    }
                ],
            }
            for name in ("evening", "morning", "weekend")[:schedules]
        ),
    ]
    yield resource("module.compute.azurerm_monitor_autoscale_setting.app", [APP], profile=profiles)
    disk = "module.compute.azurerm_managed_disk.data"
    yield resource(disk, zone=zones[-1], disk_size_gb=64, storage_account_type="Premium_LRS")
    yield resource(
        STATEFUL,
        [*lists, MEMBERS, f'{IDENTITY}["stateful"]', disk],
        instances=1,
        zones=[zones[-1]],
        sku="Standard_D4s_v5",
    )
    for name in ("app", "stateful"):
        for purpose, role in (
            ("secrets", "Key Vault Secrets User"),
            ("logs", "Monitoring Metrics Publisher"),
            ("storage", "Storage Blob Data Contributor"),
        ):
            # The scope comes out of a `locals` map: a plan shows only the identities.
            yield resource(
                f'module.compute.azurerm_role_assignment.given["{name}-{purpose}"]',
                [IDENTITY],
                role_definition_name=role,
            )
    yield resource(
        "module.compute.azurerm_role_assignment.metric",
        [STATEFUL, f'{IDENTITY}["stateful"]'],
        role_definition_name="Monitoring Metrics Publisher",
    )


def _services(endpoints: bool) -> Iterator[Resource]:
    vault, account = "module.secrets.azurerm_key_vault.this", "module.storage.azurerm_storage_account.this"
    yield resource(vault)
    for name in ("database-password", "secret-key"):
        yield resource(f'module.secrets.azurerm_key_vault_secret.this["{name}"]', [vault])
    yield resource(
        "module.secrets.azurerm_role_assignment.terraform",
        [vault],
        role_definition_name="Key Vault Secrets Officer",
    )
    yield resource(account, blob_properties=[{"versioning_enabled": True}])
    yield resource("module.storage.time_sleep.roles", [account])
    yield resource(
        'module.storage.azurerm_storage_container.this["files"]', ["module.storage.time_sleep.roles"]
    )
    rule = {"actions": [{"base_blob": [{"tier_to_cool_after_days_since_modification_greater_than": 30}]}]}
    yield resource("module.storage.azurerm_storage_management_policy.this", [account], rule=[rule])
    flow = "module.network.azurerm_storage_account.flow[0]"
    yield resource(flow)
    yield resource("module.network.azurerm_network_watcher_flow_log.this[0]", [flow])
    if endpoints:
        for kind, module, target in (("vault", "secrets", vault), ("blob", "storage", account)):
            yield resource(
                f"module.{module}.azurerm_private_endpoint.{kind}[0]",
                [target, f'{SUBNET}["endpoints"]'],
                private_service_connection=[{"subresource_names": [kind]}],
            )
    yield resource(WORKSPACE, retention_in_days=30)
    actions = "module.alarms[0].azurerm_monitor_action_group.this"
    yield resource(actions, email_receiver=[{"email_address": "ops@example.com"}])
    for name in ("cpu", "errors"):
        yield resource(f'module.alarms[0].azurerm_monitor_metric_alert.this["{name}"]', [actions])
    yield resource("module.alarms[0].azurerm_application_insights_workbook.this")
    yield resource(
        "module.budget[0].azurerm_consumption_budget_resource_group.this",
        amount=900,
        notification=[{"threshold": 80}, {"threshold": 100}],
    )
    yield resource("module.budget[0].azurerm_cost_anomaly_alert.this[0]")
