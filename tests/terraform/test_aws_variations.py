"""What the AWS root makes of unusual wishes: real plans against the simulated provider."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from aws_workspace import STACK, workspace

from cloudberth.errors import Rejected
from cloudberth.infra.plan import Plan
from cloudberth.infra.rehearsal import rehearse, rehearse_plan

pytestmark = pytest.mark.terraform


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "workspace"


def planned(folder: Path, **changes: Any) -> Plan:
    return rehearse_plan(workspace(folder, **changes))


LIFECYCLE = [
    {"prefix": "uploads/", "after_days": 60, "tier": "infrequent", "min_size_kb": 128},
    {"prefix": "old/", "after_days": 90, "tier": "archive-instant", "min_size_kb": 0},
    {"prefix": "", "after_days": 180, "tier": "archive", "min_size_kb": 256},
]
IMAGES = [
    "123456789012.dkr.ecr.eu-west-1.amazonaws.com/docker-hub/example/shop:2.0",
    "docker.io/example/web:1",
]
SEVERAL: dict[str, Any] = {
    "domain": {"name": "shop.example.com", "zone": "example.com"},
    "access": {"allowed_cidrs": ["203.0.113.0/24", "2001:db8::/32"]},
    "network": {"zones": 3, "nat": "per-zone"},
    "database": {"engine": "aurora", "machine_type": "db.serverless", "multi_zone": True, "max_capacity": 8},
    "storage": {"lifecycle": LIFECYCLE},
    "compute": {
        "app": {
            "machine_types": ["m7g.large", "m6g.large"],
            "min": 2,
            "max": 6,
            "on_demand": 1,
            "spot_percent": 70,
        },
        "schedules": [
            {"name": "night", "cron": "0 20 * * *", "min": 0, "max": 1, "time_zone": "Europe/Berlin"}
        ],
    },
    "stack": {**STACK, "images": IMAGES, "queue": {"database": 1, "names": ["celery"]}},
}
"""Wishes that have nothing to do with one another, so one plan shows what becomes of each."""


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Plan:
    """Without a wish."""
    return planned(tmp_path_factory.mktemp("plain") / "workspace")


@pytest.fixture(scope="module")
def several(tmp_path_factory: pytest.TempPathFactory) -> Plan:
    """With SEVERAL."""
    return planned(tmp_path_factory.mktemp("several") / "workspace", **SEVERAL)


@pytest.fixture(scope="module")
def distributed(tmp_path_factory: pytest.TempPathFactory) -> Plan:
    """Behind a CDN, with endpoints in place of a gateway, and watched by nobody."""
    return planned(
        tmp_path_factory.mktemp("distributed") / "workspace",
        cdn={"enabled": True, "paths": ["/static/*"]},
        network={"nat": "none", "endpoints": ["secretsmanager", "ecr.api"]},
        alarms={"enabled": False},
        budget=None,
    )


def counted(plan: Plan) -> Counter[str]:
    return Counter(resource.type for resource in plan.managed())


def one(plan: Plan, address: str) -> Any:
    resource = plan.resource(address)
    assert resource is not None, address
    return resource


class TestWayIn:
    def test_without_a_domain_there_is_plain_http_and_the_plan_says_so(self, plain: Plan) -> None:
        assert one(plain, "module.balancer.aws_lb_listener.http[0]").get("default_action.0.type") == "forward"
        assert "aws_acm_certificate" not in counted(plain)
        ports = {
            rule.get("from_port")
            for rule in plain.of_type("aws_vpc_security_group_ingress_rule")
            if rule.get("cidr_ipv4") == "0.0.0.0/0"
        }
        assert ports == {80}

    def test_with_a_zone_http_redirects_and_the_certificate_is_proved_there(self, several: Plan) -> None:
        redirect = one(several, "module.balancer.aws_lb_listener.redirect[0]")
        assert redirect.get("default_action.0.redirect.0.status_code") == "HTTP_301"
        https = one(several, "module.balancer.aws_lb_listener.https[0]")
        assert https.get("ssl_policy").startswith("ELBSecurityPolicy-TLS13-1-2")
        assert counted(several)["aws_acm_certificate_validation"] == 1
        assert (
            one(several, 'module.balancer.aws_route53_record.address["A"]').get("name") == "shop.example.com"
        )
        assert several.outputs["address"] == "https://shop.example.com"

    def test_with_a_certificate_alone_the_record_is_the_user_s(self, folder: Path) -> None:
        arn = "arn:aws:acm:eu-central-1:123456789012:certificate/0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0"
        plan = planned(folder, domain={"name": "shop.example.com", "certificate": arn})
        assert one(plan, "module.balancer.aws_lb_listener.https[0]").get("certificate_arn") == arn
        assert not {"aws_acm_certificate", "aws_route53_record"} & set(counted(plan))

    def test_a_certificate_of_another_region_is_refused(self, folder: Path) -> None:
        arn = "arn:aws:acm:us-east-1:123456789012:certificate/0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0"
        with pytest.raises(Rejected, match=r"domain\.certificate must be in the region"):
            planned(folder, domain={"name": "shop.example.com", "certificate": arn})

    def test_an_allow_list_lets_the_machines_themselves_in(self, several: Plan) -> None:
        rules = several.of_type("aws_vpc_security_group_ingress_rule")
        described = {rule.get("description") for rule in rules if rule.name.startswith("balancer_")}
        assert described == {"Users", "The deployment's own machines"}
        assert one(several, "module.balancer.aws_lb.this").get("ip_address_type") == "dualstack"


class TestCdn:
    def test_without_a_domain_its_own_name_brings_tls(self, distributed: Plan) -> None:
        distribution = one(distributed, "module.cdn[0].aws_cloudfront_distribution.this")
        assert distribution.get("viewer_certificate.0.cloudfront_default_certificate") is True
        assert [b["path_pattern"] for b in distribution.get("ordered_cache_behavior")] == ["/static/*"]
        assert {e["error_caching_min_ttl"] for e in distribution.get("custom_error_response")} == {0}
        # Only CloudFront comes in, on one port: its list fills 55 of the 60 rules of a group.
        assert not [
            r
            for r in distributed.of_type("aws_vpc_security_group_ingress_rule")
            if r.name == "balancer_public"
        ]
        assert (
            one(distributed, "module.network.aws_vpc_security_group_ingress_rule.balancer_cdn[0]").get(
                "from_port"
            )
            == 80
        )

    def test_with_a_zone_a_second_certificate_is_issued_where_cloudfront_wants_it(self, folder: Path) -> None:
        plan = planned(
            folder, cdn={"enabled": True}, domain={"name": "shop.example.com", "zone": "example.com"}
        )
        regions = sorted(certificate.get("region") for certificate in plan.of_type("aws_acm_certificate"))
        assert regions == ["eu-central-1", "us-east-1"]
        names = {r.address for r in plan.of_type("aws_route53_record")}
        assert names == {
            "module.balancer.aws_route53_record.validation[0]",
            'module.cdn[0].aws_route53_record.address["A"]',
            'module.cdn[0].aws_route53_record.address["AAAA"]',
        }

    def test_in_us_east_1_one_certificate_serves_both(self, folder: Path) -> None:
        domain = {"name": "shop.example.com", "zone": "example.com"}
        plan = planned(folder, region="us-east-1", cdn={"enabled": True}, domain=domain)
        assert counted(plan)["aws_acm_certificate"] == 1

    def test_it_stays_off_where_it_cannot_have_a_certificate(self, folder: Path) -> None:
        arn = "arn:aws:acm:eu-central-1:123456789012:certificate/0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0"
        plan = planned(folder, cdn={"enabled": True}, domain={"name": "shop.example.com", "certificate": arn})
        assert "aws_cloudfront_distribution" not in counted(plan)

    def test_an_allow_list_moves_to_the_firewall(self, folder: Path) -> None:
        """Behind CloudFront no security group sees the user's address."""
        plan = planned(folder, cdn={"enabled": True}, access={"allowed_cidrs": ["203.0.113.0/24"]})
        firewall = one(plan, "module.balancer.aws_wafv2_web_acl.this[0]")
        assert (firewall.get("scope"), firewall.get("region")) == ("CLOUDFRONT", "us-east-1")
        assert [rule["name"] for rule in firewall.get("rule")] == ["only-allowed-addresses"]
        assert "aws_wafv2_web_acl_association" not in counted(plan)


class TestNetwork:
    def test_an_existing_one_gets_security_groups_only(self, folder: Path) -> None:
        tiers = {
            f"{tier}_subnets": [f"subnet-0{tier[0]}1", f"subnet-0{tier[0]}2"]
            for tier in ("public", "private", "data")
        }
        plan = planned(folder, network={"existing": {"id": "vpc-0a1b2c3d", **tiers}})
        made = {resource.type for resource in plan.managed() if resource.module == "network"}
        assert made == {
            "aws_security_group",
            "aws_vpc_security_group_ingress_rule",
            "aws_vpc_security_group_egress_rule",
        }
        assert one(plan, "module.balancer.aws_lb.this").get("subnets") == ["subnet-0p1", "subnet-0p2"]

    def test_data_subnets_have_no_way_out(self, several: Plan) -> None:
        count = counted(several)
        assert (count["aws_nat_gateway"], count["aws_subnet"]) == (3, 9)
        assert {route.name for route in several.of_type("aws_route")} == {"public", "public_ipv6", "private"}
        ranges = sorted(subnet.get("cidr_block") for subnet in several.of_type("aws_subnet"))
        assert ranges[0] == "10.40.0.0/19"
        assert len(set(ranges)) == 9

    def test_endpoints_take_the_place_of_a_gateway(self, distributed: Plan) -> None:
        count = counted(distributed)
        assert (count["aws_nat_gateway"], count["aws_eip"], count["aws_vpc_endpoint"]) == (0, 0, 3)


class TestStores:
    def test_without_database_and_cache_there_are_no_facts_of_them(self, folder: Path) -> None:
        plan = planned(folder, database=None, cache=None, environment="URL=${public.url}\n")
        assert not {"aws_db_instance", "aws_elasticache_replication_group"} & set(counted(plan))
        names = {r.key for r in plan.of_type("aws_secretsmanager_secret")}
        assert names == {"secret_key", "agent_key"}

    def test_a_template_that_names_a_missing_fact_fails_the_plan(self, folder: Path) -> None:
        with pytest.raises(Rejected, match="database"):
            planned(folder, database=None, environment="HOST=${database.host}\n")

    def test_a_misspelt_fact_fails_the_plan(self, folder: Path) -> None:
        with pytest.raises(Rejected, match="hosst"):
            planned(folder, environment="HOST=${database.hosst}\n")

    def test_aurora_has_a_reader_in_another_zone(self, several: Plan) -> None:
        assert {r.key for r in several.of_type("aws_rds_cluster_instance")} == {"1", "2"}
        cluster = one(several, "module.database[0].aws_rds_cluster.this[0]")
        assert cluster.get("serverlessv2_scaling_configuration.0.max_capacity") == 8
        alarms = {r.key for r in several.of_type("aws_cloudwatch_metric_alarm")}
        assert "database-capacity" in alarms
        assert "database-storage" not in alarms

    def test_lifecycle_rules_filter_by_what_is_given(self, several: Plan) -> None:
        found = one(several, "module.storage.aws_s3_bucket_lifecycle_configuration.this").get("rule")
        filters = [rule["filter"][0] for rule in found[1:]]
        assert (filters[0]["and"][0]["prefix"], filters[0]["and"][0]["object_size_greater_than"]) == (
            "uploads/",
            131072,
        )
        assert filters[1]["prefix"] == "old/"
        assert filters[2]["object_size_greater_than"] == 262144
        assert [rule["transition"][0]["storage_class"] for rule in found[1:]] == [
            "STANDARD_IA",
            "GLACIER_IR",
            "GLACIER",
        ]


class TestMachines:
    def test_private_images_bring_the_right_to_pull_them_and_no_others(self, several: Plan) -> None:
        policy = json.loads(one(several, 'module.compute.aws_iam_role_policy.registry["app"]').get("policy"))
        assert policy["Statement"][1]["Resource"] == [
            "arn:aws:ecr:eu-west-1:123456789012:repository/docker-hub/example/shop"
        ]

    def test_public_images_need_no_right(self, plain: Plan) -> None:
        assert not [r for r in plain.of_type("aws_iam_role_policy") if r.name == "registry"]

    def test_spot_and_schedules(self, several: Plan) -> None:
        group = one(several, "module.compute.aws_autoscaling_group.app")
        spread = group.get("mixed_instances_policy.0.instances_distribution.0")
        assert (spread["on_demand_base_capacity"], spread["on_demand_percentage_above_base_capacity"]) == (
            1,
            30,
        )
        assert group.get("capacity_rebalance") is True
        schedule = one(several, 'module.compute.aws_autoscaling_schedule.this["night"]')
        assert (schedule.get("min_size"), schedule.get("desired_capacity")) == (0, -1)
        # A group that a schedule empties must not ring for being empty.
        assert "app-down" not in {r.key for r in several.of_type("aws_cloudwatch_metric_alarm")}

    def test_the_stateful_machine_is_never_two(self, plain: Plan) -> None:
        group = one(plain, "module.compute.aws_autoscaling_group.stateful")
        assert (group.get("min_size"), group.get("max_size")) == (1, 1)
        assert group.get("instance_maintenance_policy.0.max_healthy_percentage") == 100
        volume = one(plain, "module.compute.aws_ebs_volume.data")
        assert (volume.get("encrypted"), volume.get("final_snapshot")) == (True, True)


class TestWatching:
    def test_alarms_and_budget_can_be_left_out(self, distributed: Plan) -> None:
        assert not {"aws_sns_topic", "aws_cloudwatch_metric_alarm", "aws_budgets_budget"} & set(
            counted(distributed)
        )
        assert distributed.outputs["dashboard"] == ""
        said = " ".join(distributed.outputs["missing"] or ())
        assert "No alarms" in said
        assert "No budget" in said

    def test_a_queue_is_watched_where_there_is_one(self, several: Plan) -> None:
        alarm = one(several, 'module.alarms[0].aws_cloudwatch_metric_alarm.this["queue"]')
        assert (alarm.get("namespace"), alarm.get("metric_name"), alarm.get("threshold")) == (
            "Cloudberth",
            "QueueDepth",
            500,
        )
        assert alarm.get("dimensions") == {"Deployment": "berth-test"}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"name": "two--hyphens"}, "two hyphens"),
        ({"region": "Frankfurt"}, "Give a region code"),
        ({"network": {"cidr": "10.0.0.0/28"}}, "between /16 and /23"),
        ({"domain": {"name": "shop.example.com"}}, "A domain needs"),
        ({"cache": {"multi_zone": True}}, "cache.multi_zone needs"),
        ({"database": {"engine": "aurora"}}, "db.serverless with aurora"),
        (
            {
                "storage": {
                    "lifecycle": [{"prefix": "", "after_days": 7, "tier": "infrequent", "min_size_kb": 0}]
                }
            },
            "at least 30",
        ),
        ({"logs": {"retention_days": 31}}, "one that CloudWatch knows"),
        ({"tags": {"aws:x": "y"}}, "reserved by AWS"),
        ({"secret_references": {"secret_key": "team/key"}}, "either generated or referenced"),
    ],
)
def test_wrong_values_are_answered_with_what_to_do(folder: Path, changes: dict[str, Any], words: str) -> None:
    with pytest.raises(Rejected) as caught:
        planned(folder, **changes)
    assert words.replace(" ", "") in str(caught.value).replace("\n", "").replace(" ", "")


def test_a_whole_life_leaves_no_secret_and_no_second_change(folder: Path) -> None:
    result = rehearse(
        workspace(
            folder,
            domain={"name": "shop.example.com", "zone": "example.com"},
            cdn={"enabled": True, "paths": ["/static/*"]},
            access={"waf": True, "allowed_cidrs": ["203.0.113.0/24", "2001:db8::/32"]},
            secret_references={
                "mail": "team/mail",
                "model": "arn:aws:secretsmanager:eu-central-1:123456789012:secret:model-AbCdEf",
            },
        )
    )
    assert result.changes == ()
    assert result.leaks == ()
    assert result.created == result.destroyed > 150
    assert result.facts["public"] == {
        "host": "shop.example.com",
        "scheme": "https",
        "url": "https://shop.example.com",
        "websocket_url": "wss://shop.example.com",
    }
    assert set(result.outputs["secrets"]) == {
        "secret_key",
        "agent_key",
        "database_password",
        "cache_password",
        "mail",
        "model",
    }
