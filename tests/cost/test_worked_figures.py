"""Figures that others published, to the cent: worked examples, component facts of another cost tool.

Each case says where its number comes from. Usage figures are given outright, so that only quantities and
prices are under test; allowances are left out where the published number leaves them out.
"""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal

import pytest
from cost_plans import group, mixed, plan, resource, template

from cloudberth.cost.estimate import estimate
from cloudberth.cost.model import Estimate
from cloudberth.cost.usage import Usage
from cloudberth.infra.plan import Plan

GP3 = {"storage_type": "gp3"}
KEPT_500 = {"logs_gb": 1000, "logs_compression_percent": "4.166666666666667"}  # of twelve months' text


def estimated(subject: Plan, **figures: object) -> Estimate:
    return estimate(subject, Usage.model_validate({"free_allowances": False, **figures}))


def cents(subject: Estimate, *labels: str, resource: str | None = None) -> Decimal:
    """Sum of the lines with these label beginnings; fails when one of them is missing or unknown."""
    total = Decimal(0)
    for label in labels:
        found = [
            line
            for line in subject.lines
            if line.quantity.label.startswith(label) and resource in (None, line.quantity.resource)
        ]
        assert found, f"no line {label!r} in {[line.quantity.label for line in subject.lines]}"
        for line in found:
            assert line.monthly is not None, line
            total += line.monthly
    return total.quantize(Decimal("0.01"), ROUND_HALF_UP)


# -- the reference's worked stack, us-east-1 ----------------------------------------


def test_nat_gateway_of_the_worked_stack_is_32_85_and_930_gb_bring_it_to_74_70() -> None:
    found = estimated(plan(resource("aws_nat_gateway.this")), nat_gb=930)
    assert cents(found, "NAT gateway") == Decimal("32.85")
    assert cents(found, "NAT") == Decimal("74.70")


def test_balancer_of_the_worked_stack_is_22_27() -> None:
    # 730 h at 0.0225 and one capacity unit all month at 0.008: 16.425 + 5.84 = 22.265
    balancer = resource("aws_lb.this", {"load_balancer_type": "application", "subnets": ["a", "b"]})
    found = estimated(plan(balancer), alb_new_connections_per_second=25, alb_active_connections=0, alb_gb=0)
    assert cents(found, "load balancer", "capacity units") == Decimal("22.27")


def test_four_public_addresses_of_the_worked_stack_are_14_60() -> None:
    # two NAT addresses and one per zone of the balancer
    balancer = resource("aws_lb.this", {"subnets": ["a", "b"]})
    found = estimated(plan(resource("aws_eip.nat[0]"), resource("aws_eip.nat[1]"), balancer))
    assert cents(found, "public IPv4") == Decimal("14.60")


def test_multi_zone_postgres_of_the_worked_stack_is_117_17() -> None:
    # db.t4g.medium multi-AZ 0.129 * 730 = 94.17; 100 GB of gp3 at 0.23 = 23.00
    values = {
        "engine": "postgres",
        "instance_class": "db.t4g.medium",
        "multi_az": True,
        "allocated_storage": 100,
    }
    found = estimated(plan(resource("aws_db_instance.this", {**values, "storage_type": "gp3"})))
    assert found.monthly.quantize(Decimal("0.01")) == Decimal("117.17")


def test_redis_of_the_worked_stack_is_46_72() -> None:
    # two cache.t4g.small at 0.032
    values = {"engine": "redis", "node_type": "cache.t4g.small", "num_cache_clusters": 2}
    found = estimated(plan(resource("aws_elasticache_replication_group.this", values)))
    assert found.monthly == Decimal("46.72")


def test_firewall_of_the_worked_stack_is_11() -> None:
    # the list 5, four rules 4, and 3.33 million requests at 0.60
    values = {"rule": [{}, {}, {}, {}]}
    found = estimated(plan(resource("aws_wafv2_web_acl.this", values)), requests_millions="3.3333334")
    assert cents(found, "web ACL", "rules", "requests") == Decimal("11.00")


def test_logs_of_the_worked_stack_are_21_80() -> None:
    # 40 GB at 0.50, and 60 GB kept at 0.03: 20.00 + 1.80. For ever is priced after a year: 40 * 12 * 12.5 %.
    found = estimated(
        plan(resource("aws_cloudwatch_log_group.this", {"retention_in_days": 0})),
        logs_gb=40, logs_scanned_gb=0, logs_compression_percent="12.5",
    )  # fmt: skip
    assert cents(found, "logs taken in", "logs kept") == Decimal("21.80")


# -- component facts of Infracost's golden files ------------------------------------


def test_ten_thousand_new_connections_a_second_are_400_units_and_2336_dollars() -> None:
    # Infracost's own golden says 8.00; AWS's dimensions (25 new connections a second) give 400 units.
    balancer = resource("aws_lb.this", {"subnets": ["a", "b"]})
    found = estimated(plan(balancer), alb_new_connections_per_second=10_000)
    line = next(line for line in found.lines if line.quantity.label == "capacity units")
    assert line.quantity.amount == 400 * 730
    assert line.monthly == 2336


@pytest.mark.parametrize(
    ("figures", "units"),
    [
        ({"alb_new_connections_per_second": 50}, 2),
        ({"alb_active_connections": 9000}, 3),
        ({"alb_gb": 730 * 4}, 4),
        ({"alb_new_connections_per_second": 50, "alb_active_connections": 9000, "alb_gb": 730 * 4}, 4),
    ],
)
def test_capacity_units_follow_the_largest_dimension(figures: dict[str, int], units: int) -> None:
    quiet = {
        "alb_new_connections_per_second": 0,
        "alb_active_connections": 0,
        "alb_gb": 0,
        "alb_requests_per_second": 0,
    }
    found = estimated(plan(resource("aws_lb.this", {"subnets": ["a"]})), **{**quiet, **figures})
    line = next(line for line in found.lines if line.quantity.label == "capacity units")
    assert line.quantity.amount == units * 730


def test_rule_evaluations_count_beyond_ten_rules() -> None:
    listener = resource("aws_lb_listener.https", {}, "aws_lb.this")
    rules = [resource(f"aws_lb_listener_rule.r[{i}]", {}, "aws_lb_listener.https") for i in range(14)]
    subject = plan(resource("aws_lb.this", {"subnets": ["a"]}), listener, *rules)
    found = estimated(subject, alb_requests_per_second=1000, alb_new_connections_per_second=0, alb_gb=0)
    line = next(line for line in found.lines if line.quantity.label == "capacity units")
    assert line.quantity.amount == 5 * 730  # 15 rules with the default one, ten of them free


@pytest.mark.parametrize(
    ("address", "values", "expected"),
    [
        # ebs_volume_test: gp3 with 4,000 IOPS and 130 MB/s in excess terms
        ("aws_ebs_volume.v", {"type": "gp2", "size": 10}, "1.00"),
        ("aws_ebs_volume.v", {"type": "gp3", "size": 50}, "4.00"),
        ("aws_ebs_volume.v", {"type": "gp3", "size": 100, "iops": 4000, "throughput": 225}, "17.00"),
        # db_instance_test: gp3 storage and what exceeds the baseline of its size
        ("aws_db_instance.d", {**GP3, "allocated_storage": 20, "iops": 4000}, "22.30"),
        ("aws_db_instance.d", {**GP3, "allocated_storage": 400, "iops": 14000}, "86.00"),
        ("aws_db_instance.d", {**GP3, "allocated_storage": 400, "iops": 14000, "multi_az": True}, "172.00"),
        ("aws_db_instance.d", {"storage_type": "gp2", "allocated_storage": 20}, "2.30"),
        # secretsmanager_secret_test, kms_key_test, route53_zone_test, cloudwatch_dashboard_test
        ("aws_secretsmanager_secret.s", {}, "0.40"),
        ("aws_kms_key.k", {}, "1.00"),
        ("aws_route53_zone.z", {}, "0.50"),
        ("aws_cloudwatch_dashboard.d", {}, "3.00"),
        # cloudwatch_metric_alarm_test: standard, high resolution, an expression of two metrics, anomalies
        ("aws_cloudwatch_metric_alarm.a", {"period": 120}, "0.10"),
        ("aws_cloudwatch_metric_alarm.a", {"period": 30}, "0.30"),
        ("aws_cloudwatch_metric_alarm.a", {"metric_query": [
            {"expression": "m1/m2"}, {"metric": [{"period": 120}]}, {"metric": [{"period": 120}]}]}, "0.20"),
        ("aws_cloudwatch_metric_alarm.a", {"metric_query": [
            {"expression": "ANOMALY_DETECTION_BAND(m1)"}, {"metric": [{"period": 30}]}]}, "0.90"),
        # wafv2_web_acl_test: the list and sixteen rules
        ("aws_wafv2_web_acl.w", {"rule": [{}] * 16}, "21.00"),
        # eip_test, at AWS's price since February 2024
        ("aws_eip.e", {}, "3.65"),
        # vpc_endpoint_test: one hour price per zone
        ("aws_vpc_endpoint.e", {"vpc_endpoint_type": "Interface", "subnet_ids": ["a", "b", "c"]}, "21.90"),
        ("aws_vpc_endpoint.e", {"vpc_endpoint_type": "Gateway"}, "0.00"),
    ],
)  # fmt: skip
def test_fixed_components(address: str, values: dict[str, object], expected: str) -> None:
    found = estimated(plan(resource(address, values)))
    fixed = [
        line for line in found.lines if line.quantity.fixed and line.quantity.price.service != "rds-unknown"
    ]
    assert sum(line.monthly for line in fixed if line.monthly is not None) == Decimal(expected)
    assert [line.reason for line in fixed if line.monthly is None] == []


@pytest.mark.parametrize(
    ("address", "values", "figures", "label", "expected"),
    [
        # cloudwatch_log_group_test: 1,000 GB in, 500 kept, 250 read
        ("aws_cloudwatch_log_group.g", {}, {"logs_gb": 1000}, "logs taken in", "500.00"),
        ("aws_cloudwatch_log_group.g", {}, KEPT_500, "logs kept", "15.00"),
        ("aws_cloudwatch_log_group.g", {}, {"logs_scanned_gb": 250}, "logs read", "1.25"),
        # cloudfront_distribution_test: the first three steps of the ladder for the United States and Europe
        ("aws_cloudfront_distribution.c", {}, {"cdn_gb": 10240 + 40960 + 102400}, "data out", "10291.20"),
        ("aws_cloudfront_distribution.c", {}, {"cdn_requests": 123_400}, "HTTPS requests", "0.12"),
        # s3_bucket_test: requests
        ("aws_s3_bucket.b", {}, {"storage_writes": 10_000}, "writes", "0.05"),
        ("aws_s3_bucket.b", {}, {"storage_reads": 100_000}, "reads", "0.04"),
        # route53_record_test: a billion queries at 0.40 and 100 million more at 0.20
        ("aws_route53_zone.z", {}, {"dns_queries_millions": 1100}, "queries", "420.00"),
        # sns_topic_test, rds_cluster_test
        ("aws_sns_topic.t", {}, {"alarm_emails": 299_000}, "e-mails", "5.98"),
        ("aws_rds_cluster.c", {}, {"database_gb": 100}, "storage", "10.00"),
        ("aws_rds_cluster.c", {"storage_type": "aurora-iopt1"}, {"database_gb": 100}, "storage", "23.00"),
        ("aws_rds_cluster.c", {}, {"database_io_millions": "52.56"}, "storage requests", "10.51"),
        # kms_key_test: 0.03 per 10,000 requests
        ("aws_kms_key.k", {}, {"key_requests": 1_000_000}, "requests at the key", "3.00"),
    ],
)  # fmt: skip
def test_usage_components(
    address: str, values: dict[str, object], figures: dict[str, object], label: str, expected: str
) -> None:
    found = estimated(plan(resource(address, values)), **figures)
    line = next(line for line in found.lines if line.quantity.label.startswith(label))
    assert line.monthly is not None, line.reason
    assert line.monthly.quantize(Decimal("0.01")) == Decimal(expected)
    assert not line.quantity.fixed


def test_detailed_monitoring_is_seven_metrics_a_machine() -> None:
    subject = plan(group(low=1, high=1), template(monitoring=[{"enabled": True}]))
    assert cents(estimated(subject), "detailed monitoring") == Decimal("2.10")


def test_a_mixed_group_pays_its_base_on_demand_and_the_rest_by_share() -> None:
    # five machines: one always on demand, half of the other four on demand, two on spot
    subject = plan(
        group(low=5, high=5, mixed_instances_policy=mixed(1, 50, "t3.large", "t3a.large")), template()
    )
    lines = {line.quantity.label: line for line in estimated(subject).lines}
    assert lines["t3.large on demand"].quantity.amount == 3 * 730
    assert lines["t3.large on demand"].monthly == 3 * 730 * Decimal("0.0832")
    assert lines["t3.large spot"].quantity.amount == 2 * 730
    assert lines["t3.large spot"].monthly == 2 * 730 * Decimal("0.03786")
    assert "moving" in lines["t3.large spot"].note


def test_a_spot_machine_without_a_dated_price_is_shown_at_the_on_demand_price_and_says_so() -> None:
    subject = plan(group(low=2, high=2, mixed_instances_policy=mixed(0, 0, "m7g.xlarge")), template())
    found = estimated(subject)
    line = next(line for line in found.lines if line.quantity.label == "m7g.xlarge spot")
    assert line.monthly == 2 * 730 * Decimal("0.1632")
    assert line.note.startswith("upper bound")
    assert any("upper bound" in note for note in found.notes)
