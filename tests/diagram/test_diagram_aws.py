"""What a picture of an AWS plan shows: places from subnets, arrows from who may talk to whom."""

from __future__ import annotations

import pytest
from diagram_plans import NETWORK, dify_plan, plan, resource
from test_diagram_layout import check

from cloudberth.infra.diagram import picture_of
from cloudberth.infra.diagram.model import Edge, Node, Picture, Place, Role, Tier, Traffic
from cloudberth.infra.plan import Action


def by_role(picture: Picture, role: Role) -> list[Node]:
    return [node for node in picture.nodes if node.role is role]


def only(picture: Picture, role: Role) -> Node:
    found = by_role(picture, role)
    assert len(found) == 1, found
    return found[0]


def arrows(picture: Picture) -> set[tuple[str, str, Traffic, str]]:
    """Edges by the roles of their ends."""
    roles = {node.id: node.role.value for node in picture.nodes}
    return {(roles[edge.source], roles[edge.target], edge.traffic, edge.label) for edge in picture.edges}


def test_zones_tiers_and_ranges_come_from_the_subnets() -> None:
    picture = picture_of(dify_plan(zones=3))
    assert picture.zones == ("eu-central-1a", "eu-central-1b", "eu-central-1c")
    assert picture.network == "VPC 10.40.0.0/16"
    assert len(picture.subnets) == 9
    public = [one for one in picture.subnets if one.tier is Tier.PUBLIC]
    assert [(one.zone[-1], one.caption) for one in public] == [
        ("a", "10.40.128.0/20"),
        ("b", "10.40.144.0/20"),
        ("c", "10.40.160.0/20"),
    ]


def test_each_thing_stands_in_its_tier_and_zones() -> None:
    picture = picture_of(dify_plan(zones=2, multi_zone=True))
    both = ("eu-central-1a", "eu-central-1b")
    assert (only(picture, Role.BALANCER).tier, only(picture, Role.BALANCER).zones) == (Tier.PUBLIC, both)
    assert (only(picture, Role.APP).tier, only(picture, Role.APP).zones) == (Tier.PRIVATE, both)
    assert (only(picture, Role.DATABASE).tier, only(picture, Role.DATABASE).zones) == (Tier.DATA, both[:1])
    assert [node.zones for node in by_role(picture, Role.STANDBY)] == [both[1:], both[1:]]
    assert only(picture, Role.OBJECTS).place is Place.REGION
    assert only(picture, Role.DNS).place is Place.ACCOUNT


def test_the_single_machine_stands_where_its_disk_is() -> None:
    assert only(picture_of(dify_plan(zones=2)), Role.STATEFUL).zones == ("eu-central-1b",)


def test_who_talks_to_whom_follows_the_rules() -> None:
    found = arrows(picture_of(dify_plan()))
    assert {
        ("users", "gateway", Traffic.USER, "HTTPS 443"),
        ("gateway", "balancer", Traffic.USER, ""),
        ("balancer", "app", Traffic.USER, "HTTP 80"),
        ("app", "database", Traffic.DATA, "PostgreSQL 5432"),
        ("stateful", "database", Traffic.DATA, "PostgreSQL 5432"),
        ("app", "cache", Traffic.DATA, "Valkey 6379"),
        ("stateful", "cache", Traffic.DATA, "Valkey 6379"),
        ("app", "stateful", Traffic.DATA, "TCP 5001, 5002"),
        ("app", "nat", Traffic.EGRESS, ""),
        ("stateful", "nat", Traffic.EGRESS, ""),
        ("nat", "gateway", Traffic.EGRESS, ""),
        ("gateway", "internet", Traffic.EGRESS, ""),
        ("app", "endpoint", Traffic.DATA, "HTTPS 443"),
        ("endpoint", "objects", Traffic.DATA, ""),
        ("app", "secrets", Traffic.MANAGEMENT, ""),
        ("stateful", "logs", Traffic.MANAGEMENT, ""),
        ("alarms", "mail", Traffic.MANAGEMENT, ""),
        ("users", "dns", Traffic.MANAGEMENT, "look-up"),
    } <= found
    ends = {(source, target) for source, target, _, _ in found}
    assert not ends & {
        ("balancer", "stateful"),
        ("balancer", "database"),
        ("database", "app"),
        ("cache", "app"),
        ("stateful", "balancer"),
        ("database", "nat"),
        ("users", "app"),
        ("users", "balancer"),
    }


def test_traffic_in_both_directions_is_one_arrow_with_two_tips() -> None:
    picture = picture_of(dify_plan())
    names = {only(picture, Role.APP).id, only(picture, Role.STATEFUL).id}
    inner = [edge for edge in picture.edges if {edge.source, edge.target} == names]
    assert [edge.both for edge in inner] == [True]


def test_without_a_rule_there_is_no_arrow() -> None:
    whole = dify_plan()
    cut = [one for one in whole.resources if '"app-cache"' not in one.address]
    found = arrows(picture_of(plan(cut)))
    assert not any(source == "app" and target == "cache" for source, target, _, _ in found)
    assert any(source == "stateful" and target == "cache" for source, target, _, _ in found)


@pytest.mark.parametrize(
    ("plain", "rich", "role"),
    [
        ({}, {"waf": True}, Role.WAF),
        ({}, {"cdn": True}, Role.CDN),
        ({}, {"multi_zone": True}, Role.STANDBY),
        ({"domain": False}, {}, Role.DNS),
        ({"nat": "none"}, {}, Role.NAT),
    ],
)
def test_what_the_plan_lacks_is_not_drawn(
    plain: dict[str, object], rich: dict[str, object], role: Role
) -> None:
    assert by_role(picture_of(dify_plan(**plain)), role) == []  # type: ignore[arg-type]
    assert by_role(picture_of(dify_plan(**rich)), role) != []  # type: ignore[arg-type]


def test_nat_per_zone_draws_one_in_each_zone() -> None:
    picture = picture_of(dify_plan(zones=3, nat="per-zone"))
    assert [node.zones for node in by_role(picture, Role.NAT)] == [(zone,) for zone in picture.zones]
    stateful = only(picture, Role.STATEFUL)
    ways = [
        edge.target for edge in picture.edges if edge.source == stateful.id and edge.traffic is Traffic.EGRESS
    ]
    assert ways == [f'{NETWORK}aws_nat_gateway.this["{stateful.zones[0]}"]']


def test_no_nat_means_no_way_out() -> None:
    assert not any(edge.traffic is Traffic.EGRESS for edge in picture_of(dify_plan(nat="none")).edges)


def test_a_regional_firewall_stands_before_the_gateway() -> None:
    found = arrows(picture_of(dify_plan(waf=True)))
    assert ("users", "waf", Traffic.USER, "HTTPS 443") in found
    assert ("waf", "gateway", Traffic.USER, "") in found
    assert ("users", "gateway", Traffic.USER, "HTTPS 443") not in found


def test_behind_a_cdn_users_reach_only_the_cdn() -> None:
    picture = picture_of(dify_plan(cdn=True, waf=True))
    found = arrows(picture)
    assert only(picture, Role.WAF).place is Place.ACCOUNT
    assert ("users", "waf", Traffic.USER, "HTTPS 443") in found
    assert ("waf", "cdn", Traffic.USER, "") in found
    assert ("cdn", "gateway", Traffic.USER, "HTTPS 443") in found
    assert {
        target for source, target, traffic, _ in found if source == "users" and traffic is Traffic.USER
    } == {"waf"}
    assert only(picture, Role.CDN).captions == ("caches /_next/static/*",)


def test_interface_endpoints_take_the_traffic_of_their_services() -> None:
    picture = picture_of(dify_plan(endpoints=("secretsmanager", "ssm")))
    found = {(edge.source, edge.target) for edge in picture.edges}
    app = only(picture, Role.APP).id
    assert (app, "interface-endpoints") in found
    assert ("interface-endpoints", "aws_secretsmanager_secret") in found
    assert (app, "aws_secretsmanager_secret") not in found
    assert (app, "aws_cloudwatch_log_group") in found


def test_machine_facts_are_in_the_captions() -> None:
    picture = picture_of(dify_plan(spot=75, schedules=3))
    assert only(picture, Role.APP).captions == (
        "2–6 × m7g.xlarge (or 2 other types)",
        "1 on demand, then 75 % spot",
        "scales at 60 % CPU",
        "evening 1–2 (0 20 * * *)",
        "morning 1–2 (0 20 * * *)",
        "1 more schedule",
    )
    assert only(picture, Role.STATEFUL).captions == ("1 × m7g.xlarge", "data disk 50 GB gp3")
    assert not any("spot" in fact for fact in only(picture_of(dify_plan()), Role.APP).captions)


def test_store_facts_are_in_the_captions() -> None:
    database = only(picture_of(dify_plan()), Role.DATABASE)
    assert database.title == "RDS PostgreSQL"
    assert database.captions == (
        "db.m7g.large",
        "version 16",
        "100 GB gp3, grows to 500",
        "backups 14 days",
        "one zone",
    )
    aurora = picture_of(dify_plan(aurora=True, multi_zone=True))
    assert only(aurora, Role.DATABASE).title == "Aurora PostgreSQL"
    assert "Serverless v2, 0.5–8 ACU" in only(aurora, Role.DATABASE).captions
    assert ("database", "standby", Traffic.COPY, "") in arrows(aurora)


def test_allowed_ranges_are_said_where_users_stand() -> None:
    assert only(picture_of(dify_plan()), Role.USERS).captions == ("from anywhere",)
    some = picture_of(dify_plan(cidrs=("203.0.113.0/24", "198.51.100.0/24")))
    assert only(some, Role.USERS).captions == ("from 198.51.100.0/24", "and 1 more range")


def test_the_subtitle_says_whether_it_was_a_rehearsal() -> None:
    assert picture_of(dify_plan()).subtitle.startswith(
        "Terraform plan rehearsed with simulated providers (schemas aws 6.69.1, "
    )
    assert "rehearsed" not in picture_of(plan(dify_plan().resources, rehearsal=False)).subtitle


def test_the_number_of_a_real_account_is_shown_and_a_simulated_one_is_not() -> None:
    caller = resource("data.aws_caller_identity.current", account_id="123456789012")
    made = [caller, resource("aws_sqs_queue.jobs")]
    assert picture_of(plan(made, rehearsal=False)).account == "AWS account 123456789012"
    assert picture_of(plan(made)).account == "AWS account"


def test_what_is_not_drawn_is_counted_below() -> None:
    note = picture_of(dify_plan()).notes[0]
    assert note.startswith("Not drawn: ")
    assert "security groups and rules" in note
    assert "IAM roles and policies" in note


def test_deleted_resources_are_not_drawn() -> None:
    whole = dify_plan()
    gone = [
        resource(one.address, one.references, **one.values)
        if one.type != "aws_nat_gateway"
        else _deleted(one.address)
        for one in whole.resources
    ]
    assert by_role(picture_of(plan(gone)), Role.NAT) == []


def _deleted(address: str):  # type: ignore[no-untyped-def]
    from dataclasses import replace

    return replace(resource(address), action=Action.DELETE)


def test_known_ids_decide_where_a_plan_has_them() -> None:
    """An applied network: references name all groups and subnets, ids only those that count."""
    subnets = [
        resource(
            f"aws_subnet.app[{index}]",
            id=f"subnet-{index}",
            availability_zone=f"eu-central-1{zone}",
            tags={"Tier": tier},
        )
        for index, (zone, tier) in enumerate((("a", "private"), ("b", "private"), ("a", "data")))
    ]
    groups = [resource(f"aws_security_group.{name}", id=f"sg-{name}") for name in ("front", "back")]
    every = ["aws_security_group.front", "aws_security_group.back", "aws_subnet.app"]
    machine = resource("aws_instance.web", every, subnet_id="subnet-1", vpc_security_group_ids=["sg-front"])
    database = resource(
        "aws_db_instance.main", every, engine="mysql", port=3306, vpc_security_group_ids=["sg-back"]
    )
    rule = resource(
        "aws_vpc_security_group_ingress_rule.any",
        every,
        security_group_id="sg-back",
        referenced_security_group_id="sg-front",
        ip_protocol="tcp",
        from_port=3306,
        to_port=3306,
    )
    picture = picture_of(plan([*subnets, *groups, machine, database, rule]))
    assert only(picture, Role.MACHINE).zones == ("eu-central-1b",)
    assert [(edge.source, edge.target, edge.label) for edge in picture.edges] == [
        ("aws_instance.web", "aws_db_instance.main", "MySQL 3306")
    ]


def test_rules_inside_groups_and_rule_resources_are_read_too() -> None:
    anywhere = {
        "from_port": 443,
        "to_port": 443,
        "protocol": "tcp",
        "cidr_blocks": ["0.0.0.0/0"],
        "security_groups": [],
    }
    from_group = {"from_port": 8080, "to_port": 8080, "protocol": "tcp", "cidr_blocks": []}
    made = [
        resource("aws_subnet.public", map_public_ip_on_launch=True, availability_zone="eu-central-1a"),
        resource("aws_subnet.inside", availability_zone="eu-central-1a"),
        resource("aws_internet_gateway.main"),
        resource("aws_security_group.lb", ingress=[anywhere]),
        resource("aws_security_group.web", ["aws_security_group.lb"], ingress=[from_group]),
        resource("aws_security_group.db"),
        resource(
            "aws_security_group_rule.db_from_web",
            ["aws_security_group.db", "aws_security_group.web"],
            type="ingress",
            from_port=5432,
            to_port=5432,
            protocol="tcp",
        ),
        resource(
            "aws_lb.main", ["aws_security_group.lb", "aws_subnet.public"], load_balancer_type="application"
        ),
        resource(
            "aws_instance.web", ["aws_security_group.web", "aws_subnet.inside"], instance_type="t4g.small"
        ),
        resource("aws_db_instance.main", ["aws_security_group.db"], engine="postgres", port=5432),
    ]
    found = arrows(picture_of(plan(made)))
    assert ("balancer", "machine", Traffic.USER, "TCP 8080") in found
    assert ("machine", "database", Traffic.DATA, "PostgreSQL 5432") in found
    assert ("gateway", "balancer", Traffic.USER, "") in found


def test_a_network_that_exists_already_is_drawn_from_the_ids_in_use() -> None:
    ids = ["subnet-aaa", "subnet-bbb"]
    made = [
        resource("data.aws_subnet.one", id="subnet-aaa", availability_zone="eu-central-1a"),
        resource(
            "aws_lb.main",
            subnets=["subnet-ccc", "subnet-ddd"],
            load_balancer_type="application",
            internal=False,
        ),
        resource("aws_autoscaling_group.app", vpc_zone_identifier=ids, min_size=1, max_size=3),
        resource("aws_lb_target_group.app", vpc_id="vpc-123", port=80, protocol="HTTP"),
    ]
    picture = picture_of(plan(made))
    assert picture.network == "Existing VPC vpc-123"
    assert len(picture.zones) == 2
    assert only(picture, Role.BALANCER).tier is Tier.PUBLIC
    assert only(picture, Role.APP).zones == picture.zones
    check(picture)


def test_unknown_types_are_counted_in_one_node() -> None:
    made = [
        resource(f"aws_quantum_{kind}.it[{index}]")
        for kind in ("abacus", "beads", "rod", "frame")
        for index in range(3)
    ]
    picture = picture_of(plan(made))
    node = only(picture, Role.OTHER)
    assert node.title == "Other resources"
    assert node.captions[0] == "3 × aws_quantum_abacus"
    assert node.captions[2] == "and 2 more types"
    check(picture)


def test_other_services_of_a_users_own_plan_have_their_places() -> None:
    made = [
        resource("aws_subnet.private", availability_zone="eu-central-1a"),
        resource("aws_ecs_service.api", ["aws_subnet.private"], launch_type="FARGATE"),
        resource("aws_lambda_function.hook", function_name="hook"),
        resource("aws_sqs_queue.jobs"),
        resource("aws_dynamodb_table.state"),
        resource("aws_opensearch_domain.search", ["aws_subnet.private"]),
    ]
    picture = picture_of(plan(made))
    places = {node.role: node.place for node in picture.nodes}
    assert places[Role.CONTAINERS] is Place.ZONES
    assert places[Role.SEARCH] is Place.ZONES
    assert places[Role.FUNCTION] is Place.REGION
    assert places[Role.QUEUE] is Place.REGION
    check(picture)


def test_another_clouds_plan_is_counted_not_misread() -> None:
    picture = picture_of(
        plan([resource("alicloud_vpc.main"), resource("alicloud_vswitch.a")], region="eu-central-1")
    )
    assert picture.account == "Account"
    assert only(picture, Role.OTHER).captions[:2] == ("1 × alicloud_vpc", "1 × alicloud_vswitch")


def test_an_empty_plan_says_so() -> None:
    picture = picture_of(plan([]))
    assert picture.nodes == ()
    assert picture.notes == ("The plan holds no resources.",)
    check(picture)


@pytest.mark.parametrize("zones", [2, 3])
@pytest.mark.parametrize("nat", ["single", "per-zone", "none"])
@pytest.mark.parametrize("rich", [False, True])
def test_every_variant_is_laid_out_with_all_its_labels(zones: int, nat: str, rich: bool) -> None:
    extras = {
        "multi_zone": rich,
        "aurora": rich,
        "waf": rich,
        "cdn": rich,
        "spot": 70 if rich else 0,
        "schedules": 2 if rich else 0,
    }
    ways = ("secretsmanager", "logs", "ssm") if rich else ()
    layout = check(picture_of(dify_plan(zones=zones, nat=nat, endpoints=ways, **extras)))  # type: ignore[arg-type]
    assert [
        route.edges[0].label for route in layout.routes if route.edges[0].label and route.label is None
    ] == []


def test_edges_are_listed_once() -> None:
    edges: tuple[Edge, ...] = picture_of(dify_plan(endpoints=("secretsmanager",))).edges
    assert len(set(edges)) == len(edges)
