"""The pictures of our own examples, from plans that real Terraform made in a rehearsal."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from test_diagram_aws import arrows, by_role, only
from test_diagram_layout import check

from cloudberth import pipeline
from cloudberth.infra.diagram import draw, picture_of
from cloudberth.infra.diagram.model import Role, Traffic
from cloudberth.infra.plan import Plan
from shared_rehearsals import plan_of
from thoroughness import with_thorough

EXAMPLES = Path(__file__).parents[2] / "examples"
NAMES = ("dify-aws", "dify-aws-medium", "dify-aws-large", "custom-aws", "dify-azure", "dify-google")
REGIONS = {"azure": "westeurope", "google": "europe-west1"}
MEDIUM = """
name: dify-team
app: dify
size: medium
domain: {name: dify.example.com, zone: example.com}
compute:
  app: {min: 2, max: 6, on_demand: 1, spot_percent: 75}
  schedules:
    - {name: evening, cron: "0 20 * * MON-FRI", min: 1, max: 2, time_zone: Europe/Berlin}
    - {name: morning, cron: "0 7 * * MON-FRI", min: 2, max: 4, time_zone: Europe/Berlin}
alarms: {emails: [ops@example.com]}
"""
LARGE = """
name: dify-prod
app: dify
size: large
domain: {name: ai.example.com, zone: example.com}
network: {zones: 3, nat: per-zone}
access: {waf: true, allowed_cidrs: [198.51.100.0/24, 203.0.113.0/24]}
database: {multi_zone: true}
storage:
  cdn: true
  lifecycle:
    - {prefix: upload_files/, after_days: 90, tier: infrequent}
alarms: {emails: [oncall@example.com]}
"""

pytestmark = pytest.mark.terraform


@cache
def rehearsed(name: str) -> Plan:
    return plan_of(pipeline.read(EXAMPLES / f"{name}.yaml"))


@cache
def of_size(cloud: str, words: str) -> Plan:
    """The same deployment on a cloud: only cloud and region differ."""
    with TemporaryDirectory() as folder:
        file = Path(folder, "berth.yaml")
        file.write_text(f"cloud: {cloud}\nregion: {REGIONS[cloud]}\n{words}")
        return plan_of(pipeline.read(file))


@pytest.mark.parametrize("name", NAMES)
def test_it_is_laid_out_without_collisions_and_with_all_its_labels(name: str) -> None:
    layout = check(picture_of(rehearsed(name)))
    assert [route.edges[0].label for route in layout.routes if route.edges[0].label and not route.label] == []
    assert len(draw(rehearsed(name)).encode()) < 120_000


@pytest.mark.parametrize("name", NAMES)
def test_nothing_that_our_modules_make_is_unknown_to_the_picture(name: str) -> None:
    assert by_role(picture_of(rehearsed(name)), Role.OTHER) == []


@pytest.mark.parametrize("name", NAMES)
def test_both_groups_reach_database_cache_bucket_secrets_and_logs(name: str) -> None:
    picture = picture_of(rehearsed(name))
    found = {(source, target) for source, target, _, _ in arrows(picture)}
    for machine in ("app", "stateful"):
        assert (machine, "database") in found
        assert (machine, "cache") in found
        assert (machine, "endpoint") in found
    reached = {edge.target for edge in picture.edges if edge.traffic is Traffic.MANAGEMENT}
    assert {node.id for node in by_role(picture, Role.SECRETS) + by_role(picture, Role.LOGS)} <= reached
    assert ("balancer", "app") in found
    assert ("balancer", "stateful") not in found


def test_the_large_example_has_what_makes_it_large() -> None:
    picture = picture_of(rehearsed("dify-aws-large"))
    assert len(picture.zones) == 3
    assert len(by_role(picture, Role.NAT)) == 3
    assert only(picture, Role.DATABASE).title == "Aurora PostgreSQL"
    assert len(by_role(picture, Role.STANDBY)) == 2
    assert ("waf", "cdn", Traffic.USER, "") in arrows(picture)


def test_the_small_example_shows_plain_http_and_one_of_each() -> None:
    picture = picture_of(rehearsed("dify-aws"))
    assert ("users", "gateway", Traffic.USER, "HTTP 80") in arrows(picture)
    assert len(by_role(picture, Role.NAT)) == 1
    assert by_role(picture, Role.STANDBY) == []
    assert picture.subtitle.startswith("Terraform plan rehearsed with simulated providers (schemas aws 6.")


@pytest.mark.parametrize("cloud", REGIONS)
@pytest.mark.parametrize("words", with_thorough([LARGE], [MEDIUM]), ids=["large", "medium"])
def test_larger_sizes_on_other_clouds_are_laid_out_and_known(cloud: str, words: str) -> None:
    picture = picture_of(of_size(cloud, words))
    layout = check(picture)
    assert [route.edges[0].label for route in layout.routes if route.edges[0].label and not route.label] == []
    assert by_role(picture, Role.OTHER) == []
    found = {(source, target) for source, target, _, _ in arrows(picture)}
    assert {
        ("users", "dns"),
        ("gateway", "balancer"),
        ("balancer", "app"),
        ("app", "database"),
        ("stateful", "cache"),
        ("endpoint", "objects"),
        ("nat", "internet"),
        ("alarms", "mail"),
    } <= found
    assert ("balancer", "stateful") not in found


@pytest.mark.parametrize("cloud", REGIONS)
def test_the_large_size_has_what_makes_it_large(cloud: str) -> None:
    picture = picture_of(of_size(cloud, LARGE))
    assert len(picture.zones) == 3
    assert len(by_role(picture, Role.STANDBY)) >= 2
    assert ("waf", "cdn", Traffic.USER, "") in arrows(picture)
    assert only(picture, Role.USERS).captions == ("from 198.51.100.0/24", "and 1 more range")
    assert any("spot" in fact for fact in only(picture_of(of_size(cloud, MEDIUM)), Role.APP).captions)
