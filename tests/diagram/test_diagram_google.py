"""What a picture of a Google Cloud plan shows in Google's own terms."""

from __future__ import annotations

from dataclasses import replace

import pytest
from diagram_plans import resource
from google_plans import RULE, dify_plan, google_plan
from test_diagram_aws import arrows, by_role, only
from test_diagram_layout import check

from cloudberth.infra.diagram import picture_of
from cloudberth.infra.diagram.model import Place, Role, Tier, Traffic


def test_frames_are_named_as_google_names_them() -> None:
    picture = picture_of(dify_plan())
    assert picture.account == "Google Cloud project"
    assert picture.region == "Region europe-west1"
    assert picture.network == "VPC network dify (global)"
    assert picture.zones == ("europe-west1-b", "europe-west1-c")
    assert [(one.title, one.caption) for one in picture.subnets] == [
        ("Google's edge", "in no subnetwork"),
        ("Subnetwork private", "10.40.0.0/17"),
        ("Private services access", "10.40.192.0/18, peered"),
    ]


def test_the_id_of_a_real_project_is_shown_and_a_simulated_one_is_not() -> None:
    made = [resource("google_pubsub_topic.jobs", project="acme-prod")]
    assert picture_of(google_plan(made, rehearsal=False)).account == "Google Cloud project acme-prod"
    assert picture_of(google_plan(made)).account == "Google Cloud project"


def test_cards_carry_googles_names() -> None:
    titles = {node.title for node in picture_of(dify_plan(cdn=True, waf=True)).nodes}
    assert {
        "Application Load Balancer",
        "App instance group",
        "Stateful instance",
        "Cloud SQL",
        "Memorystore Redis",
        "Cloud Storage",
        "Secret Manager",
        "Cloud Logging",
        "Cloud Monitoring",
        "Cloud NAT",
        "Cloud DNS",
        "Cloud CDN",
        "Cloud Armor",
        "Global IP address",
        "Google APIs",
    } <= titles


def test_regular_and_spot_machines_of_one_block_are_one_group() -> None:
    picture = picture_of(dify_plan(spot=3, schedules=3))
    assert only(picture, Role.APP).captions == (
        "2–6 × n4-standard-4 (or 1 other type)",
        "of them 0–3 spot",
        "scales at 60 % CPU",
        "morning at least 4 (0 8 * * 1-5)",
        "noon at least 4 (0 8 * * 1-5)",
        "1 more schedule",
        "",
    )
    assert not any("spot" in fact for fact in only(picture_of(dify_plan()), Role.APP).captions)


def test_the_single_machine_stands_where_its_disk_is() -> None:
    stateful = only(picture_of(dify_plan()), Role.STATEFUL)
    assert stateful.zones == ("europe-west1-c",)
    assert stateful.captions[:3] == ("1 × n4-standard-4", "data disk 50 GB", "hyperdisk-balanced")


def test_store_facts_are_in_the_captions() -> None:
    picture = picture_of(dify_plan())
    assert only(picture, Role.DATABASE).captions == (
        "PostgreSQL 16",
        "db-custom-2-8192",
        "100 GB SSD, grows to 500",
        "14 daily backups",
        "one zone",
    )
    assert only(picture, Role.CACHE).captions == ("5 GB Basic tier", "version 7.2", "TLS", "one node")
    copies = by_role(picture_of(dify_plan(multi_zone=True)), Role.STANDBY)
    assert [(node.title, node.zones) for node in copies] == [
        ("Standby", ("europe-west1-c",)),
        ("Cache replica", ("europe-west1-c",)),
    ]


def test_ports_are_googles() -> None:
    found = arrows(picture_of(dify_plan()))
    assert ("app", "cache", Traffic.DATA, "Redis 6378") in found
    assert ("stateful", "database", Traffic.DATA, "PostgreSQL 5432") in found
    assert ("balancer", "app", Traffic.USER, "HTTP 80") in found
    assert ("endpoint", "logs", Traffic.MANAGEMENT, "") in found


@pytest.mark.parametrize(("rule", "lost"), [("out_data", ("app", "database")), ("out", ("app", "nat"))])
def test_without_a_way_out_there_is_no_arrow(rule: str, lost: tuple[str, str]) -> None:
    whole = dify_plan()
    cut = google_plan([one for one in whole.resources if one.address != f"{RULE}.{rule}"])
    open_ = google_plan([one for one in cut.resources if one.address != f"{RULE}.out_denied"])
    ends = [
        {(source, target) for source, target, _, _ in arrows(picture_of(one))} for one in (whole, cut, open_)
    ]
    assert [lost in found for found in ends] == [True, False, True]


def test_without_the_internal_rule_machines_do_not_talk() -> None:
    cut = [one for one in dify_plan().resources if one.address != f"{RULE}.internal[0]"]
    ends = {(source, target) for source, target, _, _ in arrows(picture_of(google_plan(cut)))}
    assert not ends & {("app", "stateful"), ("stateful", "app")}


def test_users_pass_cloud_armor_and_the_cdn() -> None:
    found = arrows(picture_of(dify_plan(cdn=True, waf=True)))
    assert {
        ("users", "waf", Traffic.USER, "HTTPS 443"),
        ("waf", "cdn", Traffic.USER, ""),
        ("cdn", "gateway", Traffic.USER, ""),
        ("gateway", "balancer", Traffic.USER, ""),
    } <= found
    assert ("users", "gateway", Traffic.USER, "HTTPS 443") not in found
    assert only(picture_of(dify_plan(cdn=True)), Role.CDN).captions == ("caches /_next/static/*",)


def test_allowed_ranges_are_said_where_users_stand() -> None:
    assert only(picture_of(dify_plan()), Role.USERS).captions == ("from anywhere",)
    some = picture_of(dify_plan(cidrs=("203.0.113.0/24", "198.51.100.0/24")))
    assert only(some, Role.USERS).captions == ("from 203.0.113.0/24", "and 1 more range")


def test_rules_that_are_not_known_yet_do_not_say_anywhere() -> None:
    made = [
        replace(one, values={}, unknown={"rule": True}) if "security_policy" in one.type else one
        for one in dify_plan(waf=True).resources
    ]
    assert only(picture_of(google_plan(made)), Role.USERS).captions[0] == "from ranges known after apply"
    given = google_plan(made, variables={"access": {"allowed_cidrs": ["203.0.113.0/24"]}})
    assert only(picture_of(given), Role.USERS).captions[0] == "from 203.0.113.0/24"


def test_targets_that_the_plan_hides_are_those_nobody_else_has() -> None:
    """`target = local.target`: the plan shows no reference from the forwarding rule to its proxy."""
    rule = "module.balancer.google_compute_global_forwarding_rule.this"
    made = [
        replace(one, references=one.references[:1]) if one.address == rule else one
        for one in dify_plan().resources
    ]
    picture = picture_of(google_plan(made))
    assert only(picture, Role.BALANCER).captions[0] == "HTTPS 443, HTTP 80 redirects"
    assert ("balancer", "app", Traffic.USER, "HTTP 80") in arrows(picture)


def test_network_tags_and_ranges_of_subnetworks_are_read_too() -> None:
    def group(name: str) -> list[object]:
        template = f"google_compute_instance_template.{name}"
        return [
            resource(template, ["google_compute_subnetwork.apps"], tags=[name], machine_type="e2-small"),
            resource(
                f"google_compute_instance_group_manager.{name}", [template], zone="us-west1-a", target_size=3
            ),
        ]

    allow = [{"protocol": "tcp", "ports": ["8080"]}]
    made = [
        resource("google_compute_subnetwork.apps", name="apps", ip_cidr_range="10.0.0.0/20"),
        *group("web"),
        *group("api"),
        resource("google_compute_firewall.a", source_tags=["web"], target_tags=["api"], allow=allow),
    ]
    picture = picture_of(google_plan(made))
    ends = [
        (edge.source.rpartition(".")[2], edge.target.rpartition(".")[2], edge.label) for edge in picture.edges
    ]
    assert ends == [("web", "api", "TCP 8080")]
    wide = [
        *made[:-1],
        resource("google_compute_firewall.a", source_ranges=["10.0.0.0/8"], target_tags=["api"], allow=allow),
    ]
    assert [(edge.label, edge.both) for edge in picture_of(google_plan(wide)).edges] == [("TCP 8080", False)]


def test_other_services_of_a_users_own_plan_have_their_places() -> None:
    made = [
        resource("google_compute_subnetwork.data", name="data"),
        resource("google_compute_instance.box", ["google_compute_subnetwork.data"], zone="us-west1-a"),
        resource("google_cloud_run_v2_service.api"),
        resource("google_pubsub_topic.jobs"),
        resource("google_vertex_ai_index.search"),
    ]
    picture = picture_of(google_plan(made))
    assert only(picture, Role.MACHINE).tier is Tier.DATA
    assert picture.zones == ("us-west1-a",)
    assert only(picture, Role.CONTAINERS).place is Place.REGION
    assert only(picture, Role.QUEUE).place is Place.REGION
    check(picture)


def test_names_of_private_zones_are_not_what_users_look_up() -> None:
    zone = resource("google_dns_managed_zone.inner", visibility="private")
    record = resource(
        "google_dns_record_set.inner", ["google_dns_managed_zone.inner"], type="A", name="db.inner."
    )
    assert by_role(picture_of(google_plan([zone, record])), Role.DNS) == []
