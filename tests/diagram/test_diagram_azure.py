"""What a picture of an Azure plan shows in Azure's own terms."""

from __future__ import annotations

from dataclasses import replace

from azure_plans import APP, RULE, SUBNET, azure_plan, dify_plan
from diagram_plans import resource
from test_diagram_aws import arrows, by_role, only
from test_diagram_layout import check

from cloudberth.infra.diagram import picture_of
from cloudberth.infra.diagram.model import Place, Role, Tier, Traffic


def test_frames_are_named_as_azure_names_them() -> None:
    picture = picture_of(dify_plan())
    assert picture.account == "Azure subscription, resource group dify"
    assert picture.region == "Region westeurope"
    assert picture.network == "Virtual network 10.40.0.0/16"
    assert picture.zones == ("Zone 1", "Zone 2")
    assert [(one.title, one.caption) for one in picture.subnets] == [
        ("Subnet gateway", "10.40.128.0/20"),
        ("Subnets app, stateful", "10.40.0.0/19, 10.40.32.0/19"),
        ("Subnets database, endpoints", "10.40.192.0/20, 10.40.208.0/20"),
    ]


def test_cards_carry_azures_names() -> None:
    titles = {node.title for node in picture_of(dify_plan(cdn=True)).nodes}
    assert {
        "Application Gateway",
        "App scale set",
        "Stateful scale set",
        "Azure Database",
        "Azure Managed Redis",
        "Storage account",
        "Key Vault",
        "Log Analytics",
        "Azure Monitor",
        "Action group",
        "Front Door",
        "Azure DNS",
        "Public IP address",
    } <= titles


def test_machine_facts_are_in_the_captions() -> None:
    picture = picture_of(dify_plan(spot=75, schedules=3))
    assert only(picture, Role.APP).captions == (
        "2–6 × D4s_v5 (or 1 other size)",
        "1 regular, then 75 % spot",
        "grows at 60 % CPU",
        "evening 1–2 (Mon–Fri 20:00)",
        "morning 1–2 (Mon–Fri 20:00)",
        "1 more schedule",
        "",
    )
    stateful = only(picture, Role.STATEFUL)
    assert stateful.captions[:3] == ("1 × D4s_v5", "data disk 64 GB", "Premium LRS")
    assert stateful.zones == ("Zone 2",)
    assert not any("spot" in fact for fact in only(picture_of(dify_plan()), Role.APP).captions)


def test_store_facts_are_in_the_captions() -> None:
    picture = picture_of(dify_plan())
    assert only(picture, Role.DATABASE).captions == (
        "for PostgreSQL 16",
        "GP_D2ds_v5",
        "128 GB, grows",
        "backups 14 days",
        "one zone",
    )
    assert only(picture, Role.CACHE).captions == ("Balanced B3", "TLS", "one node")
    copies = by_role(picture_of(dify_plan(multi_zone=True)), Role.STANDBY)
    assert [(node.title, node.zones) for node in copies] == [
        ("Standby", ("Zone 2",)),
        ("Cache replica", ("Zone 2",)),
    ]


def test_ports_are_azures() -> None:
    found = arrows(picture_of(dify_plan()))
    assert ("app", "cache", Traffic.DATA, "Redis 10000") in found
    assert ("stateful", "database", Traffic.DATA, "PostgreSQL 5432") in found
    assert ("balancer", "app", Traffic.USER, "HTTP 80") in found
    assert ("users", "gateway", Traffic.USER, "HTTPS 443") in found


def test_without_a_rule_there_is_no_arrow() -> None:
    whole = dify_plan()
    cut = [one for one in whole.resources if one.address != f'{RULE}["database-app"]']
    found = {(source, target) for source, target, _, _ in arrows(picture_of(azure_plan(cut)))}
    assert ("app", "database") not in found
    assert ("stateful", "database") in found


def test_without_a_closing_rule_azure_lets_the_whole_network_in() -> None:
    gone = {f'{RULE}["database-app"]', f'{RULE}["closed-in-database"]'}
    cut = [one for one in dify_plan().resources if one.address not in gone]
    assert ("app", "database", Traffic.DATA, "PostgreSQL 5432") in arrows(picture_of(azure_plan(cut)))


def test_machines_that_are_not_let_out_have_no_way_out() -> None:
    cut = [one for one in dify_plan().resources if one.address != f'{RULE}["out-app"]']
    found = {(source, target) for source, target, _, _ in arrows(picture_of(azure_plan(cut)))}
    assert ("app", "nat") not in found
    assert ("stateful", "nat") in found


def test_behind_front_door_users_reach_only_front_door() -> None:
    picture = picture_of(dify_plan(cdn=True))
    starts = {
        target
        for source, target, traffic, _ in arrows(picture)
        if source == "users" and traffic is Traffic.USER
    }
    assert starts == {"waf"}
    assert ("waf", "cdn", Traffic.USER, "") in arrows(picture)
    assert only(picture, Role.USERS).captions == ("from 203.0.113.0/24", "")
    assert only(picture, Role.CDN).captions == ("caches /_next/static/*",)
    assert [node.place for node in by_role(picture, Role.WAF)] == [Place.ACCOUNT, Place.ENTRY]


def test_allowed_ranges_are_said_where_users_stand() -> None:
    assert only(picture_of(dify_plan()), Role.USERS).captions == ("from anywhere",)
    some = picture_of(dify_plan(cidrs=("203.0.113.0/24", "198.51.100.0/24")))
    assert only(some, Role.USERS).captions == ("from 203.0.113.0/24", "and 1 more range")


def test_private_endpoints_take_the_traffic_of_their_services() -> None:
    with_, without = (arrows(picture_of(dify_plan(endpoints=one))) for one in (True, False))
    assert ("app", "endpoint", Traffic.DATA, "HTTPS 443") in with_
    assert ("endpoint", "secrets", Traffic.MANAGEMENT, "") in with_
    assert not any(source == "app" and target == "objects" for source, target, _, _ in with_)
    assert ("app", "objects", Traffic.DATA, "HTTPS 443") in without
    assert ("app", "secrets", Traffic.MANAGEMENT, "") in without


def test_the_account_of_the_flow_logs_is_not_the_applications() -> None:
    picture = picture_of(dify_plan(endpoints=False))
    accounts = {node.id: node.captions[0] for node in by_role(picture, Role.OBJECTS)}
    assert sorted(accounts.values()) == ["1 container", "flow logs"]
    reached = {accounts[edge.target] for edge in picture.edges if edge.target in accounts}
    assert reached == {"1 container"}


def test_known_ids_decide_where_a_plan_has_them() -> None:
    """An applied network: references name all subnets, the id only the one that counts."""
    subnets = [
        resource(f'azurerm_subnet.all["{name}"]', id=f"/s/{name}", name=name, address_prefixes=[cidr])
        for name, cidr in (("app", "10.0.0.0/24"), ("data", "10.0.1.0/24"))
    ]
    machine = resource(
        "azurerm_linux_virtual_machine.web", ["azurerm_network_interface.web"], size="B2s", zone="2"
    )
    card = resource("azurerm_network_interface.web", ['azurerm_subnet.all["app"]'])
    store = resource(
        "azurerm_postgresql_flexible_server.it",
        ["azurerm_subnet.all"],
        delegated_subnet_id="/s/data",
        version="16",
    )
    picture = picture_of(azure_plan([*subnets, machine, card, store]))
    assert (only(picture, Role.MACHINE).tier, only(picture, Role.MACHINE).zones) == (
        Tier.PRIVATE,
        ("Zone 2",),
    )
    assert only(picture, Role.DATABASE).tier is Tier.DATA
    assert ("machine", "database", Traffic.DATA, "PostgreSQL 5432") in arrows(picture)
    check(picture)


def test_rules_inside_a_group_are_read_too() -> None:
    inner = [
        {"direction": "Inbound", "access": "Allow", "protocol": "Tcp", "destination_port_range": "8080"},
        {"direction": "Inbound", "access": "Deny", "protocol": "*", "source_address_prefix": "*"},
    ]
    inner[0]["source_address_prefix"] = "10.0.0.0/24"
    group = resource("azurerm_network_security_group.api", name="api", security_rule=inner)
    web, api = (
        resource(
            f"azurerm_linux_virtual_machine_scale_set.{name}",
            [f"azurerm_subnet.{name}", *(["azurerm_network_security_group.api"] if name == "api" else [])],
            instances=2,
        )
        for name in ("web", "api")
    )
    subnets = [
        resource(f"azurerm_subnet.{name}", name=name, address_prefixes=[f"10.0.{index}.0/24"])
        for index, name in enumerate(("web", "api"))
    ]
    found = [
        (edge.source, edge.target, edge.label)
        for edge in picture_of(azure_plan([group, web, api, *subnets])).edges
    ]
    assert found == [(web.address, api.address, "TCP 8080")]


def test_a_network_that_exists_already_still_shows_its_machines() -> None:
    kept = [
        one
        for one in dify_plan().resources
        if "azurerm_subnet" not in one.type and "virtual_network" not in one.type
    ]
    cut = [
        replace(one, references=tuple(name for name in one.references if SUBNET not in name)) for one in kept
    ]
    picture = picture_of(azure_plan(cut))
    assert picture.network == "Existing virtual network"
    assert only(picture, Role.APP).id == APP
    check(picture)


def test_other_services_of_a_users_own_plan_have_their_places() -> None:
    made = [
        resource("azurerm_subnet.apps", name="apps"),
        resource("azurerm_container_app.api", ["azurerm_subnet.apps"]),
        resource("azurerm_servicebus_namespace.jobs"),
        resource("azurerm_cosmosdb_account.state"),
        resource("azurerm_linux_function_app.hook"),
    ]
    picture = picture_of(azure_plan(made))
    where = {node.role: node.place for node in picture.nodes}
    assert where == {
        Role.CONTAINERS: Place.ZONES,
        Role.QUEUE: Place.REGION,
        Role.DATABASE: Place.REGION,
        Role.FUNCTION: Place.REGION,
    }
    check(picture)
