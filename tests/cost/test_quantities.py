"""What each resource type takes: the cases that prices alone do not show."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from cost_plans import group, mixed, plan, resource, template

from cloudberth.cost.estimate import estimate
from cloudberth.cost.model import Estimate, Quantity
from cloudberth.cost.usage import Usage
from cloudberth.infra.plan import Resource


def estimated(*resources: Resource, region: str = "us-east-1", **figures: Any) -> Estimate:
    return estimate(plan(*resources, region=region), Usage.model_validate(figures), today=date(2026, 11, 23))


def quantities(found: Estimate, label: str) -> list[Quantity]:
    return [line.quantity for line in found.lines if line.quantity.label.startswith(label)]


def amount(found: Estimate, label: str) -> Decimal:
    (one,) = quantities(found, label)
    return one.amount


# -- machines --------------------------------------------------------------------------------------


def schedule(name: str, cron: str, low: int, high: int = 8, zone: str = "UTC") -> Resource:
    values = {"recurrence": cron, "min_size": low, "max_size": high, "time_zone": zone}
    address = "module.compute.aws_autoscaling_group.app"
    return resource(f'aws_autoscaling_schedule.this["{name}"]', values, address)


def test_an_elastic_group_is_priced_at_its_minimum_and_says_that_this_is_assumed() -> None:
    found = estimated(group(low=2, high=6), template())
    (machines,) = quantities(found, "t4g.large on demand")
    assert (machines.amount, machines.fixed) == (2 * 730, False)
    assert machines.assumptions == ("app_machines_average",)
    (assumed,) = [a for a in found.assumptions if a.key == "app_machines_average"]
    assert (assumed.value, assumed.given) == (2, False)


def test_a_group_of_fixed_size_rests_on_no_assumption() -> None:
    found = estimated(group(low=3, high=3), template())
    assert all(line.quantity.fixed for line in found.lines if line.quantity.component == "compute")
    assert amount(found, "t4g.large on demand") == 3 * 730


def test_schedules_are_followed_through_the_week() -> None:
    steps = (schedule("day", "0 8 * * *", 4), schedule("night", "0 20 * * *", 1))
    found = estimated(group(low=2, high=6), template(), *steps)
    assert amount(found, "t4g.large on demand") == Decimal("2.5") * 730
    assert amount(found, "disk gp3") == Decimal("2.5") * 50


def test_a_schedule_that_names_no_minimum_changes_nothing() -> None:
    found = estimated(group(low=2, high=6), template(), schedule("day", "0 8 * * *", -1))
    assert amount(found, "t4g.large on demand") == 2 * 730


def test_a_cron_line_that_we_cannot_read_leaves_the_minimum() -> None:
    found = estimated(group(low=2, high=6), template(), schedule("day", "@daily", 5))
    assert amount(found, "t4g.large on demand") == 2 * 730


@pytest.mark.parametrize(("given", "machines"), [(3, 3), ("2.5", "2.5"), (99, 6), (0, 0)])
def test_a_given_average_is_kept_within_the_group(given: object, machines: object) -> None:
    found = estimated(group(low=2, high=6), template(), app_machines_average=given)
    hours = sum((q.amount for q in quantities(found, "t4g.large")), Decimal(0))
    assert hours == Decimal(str(machines)) * 730
    (assumed,) = [a for a in found.assumptions if a.key == "app_machines_average"]
    assert assumed.given


def test_the_preferred_machine_type_is_the_first_of_the_policy() -> None:
    policy = mixed(9, 0, "m7g.xlarge", "m6g.xlarge")
    found = estimated(group(low=2, high=2, mixed_instances_policy=policy), template(machine_type="t3.nano"))
    assert [q.price.sku for q in quantities(found, "m7g.xlarge on demand")] == ["m7g.xlarge"]


def test_each_group_has_its_own_template() -> None:
    both = [
        group("app", 1, 1),
        group("stateful", 1, 1),
        template("app", "t4g.large"),
        template("stateful", "t3.large"),
    ]
    found = estimated(*both)
    by_group = {
        q.resource.rpartition(".")[2]: q.price.sku for q in quantities(found, "t") if q.price.service == "ec2"
    }
    assert by_group == {"app": "t4g.large", "stateful": "t3.large"}


def test_a_group_that_names_all_templates_takes_the_one_of_its_name() -> None:
    loose = resource(
        "module.compute.aws_autoscaling_group.stateful",
        {"min_size": 1, "max_size": 1},
        "module.compute.aws_launch_template.this",
    )
    found = estimated(loose, template("app", "t4g.large"), template("stateful", "t3.large"))
    assert [q.price.sku for q in quantities(found, "t3.large")] == ["t3.large"]


def test_a_template_outside_the_plan_makes_its_lines_unknown() -> None:
    found = estimated(group(low=1, high=1))
    assert {line.quantity.label for line in found.unknown} == {"machine on demand", "disks"}


def test_a_disk_whose_size_the_image_decides_is_unknown() -> None:
    found = estimated(
        group(low=1, high=1), template(block_device_mappings=[{"ebs": [{"volume_type": "gp3"}]}])
    )
    (disk,) = [line for line in found.lines if line.quantity.label.startswith("disk")]
    assert disk.monthly is None
    assert "image" in disk.reason


def test_machines_with_public_addresses_pay_for_them() -> None:
    nics = [{"associate_public_ip_address": "true"}]
    found = estimated(group(low=2, high=2), template(network_interfaces=nics))
    assert amount(found, "public IPv4") == 2 * 730


def test_snapshots_hold_the_used_part_once_and_each_days_changes() -> None:
    policy = {"policy_details": [{"schedule": [{"retain_rule": [{"count": 7}]}]}]}
    found = estimated(
        resource("aws_ebs_volume.data", {"type": "gp3", "size": 100}),
        resource("aws_dlm_lifecycle_policy.data", policy),
        disk_used_percent=50,
        daily_change_percent=4,
    )
    assert amount(found, "snapshots, 7 kept") == 50 * (1 + Decimal("0.04") * 6)


def test_a_single_machine_has_its_disks() -> None:
    values = {
        "instance_type": "t3.medium",
        "root_block_device": [{"volume_type": "gp3", "volume_size": 20}],
        "ebs_block_device": [{"volume_type": "gp3", "volume_size": 30}],
        "monitoring": True,
        "associate_public_ip_address": True,
    }
    found = estimated(resource("aws_instance.one", values), free_allowances=False)
    assert sum(q.amount for q in quantities(found, "disk")) == 50
    assert amount(found, "detailed monitoring") == 7
    assert amount(found, "public IPv4") == 730


# -- network ---------------------------------------------------------------------------------------


def subnets(*zones: str) -> list[Resource]:
    return [resource(f'aws_subnet.public["{z}"]', {"availability_zone": z}) for z in zones]


def test_a_balancers_zones_are_counted_through_its_references_when_ids_are_unknown() -> None:
    balancer = resource("aws_lb.this", {}, "aws_subnet.public", unknown={"subnets": True})
    assert amount(estimated(balancer, *subnets("a", "b", "c")), "public IPv4 addresses, 3 zones") == 3 * 730


def test_a_balancers_zones_are_counted_in_a_list_of_unknown_ids() -> None:
    balancer = resource("aws_lb.this", {"subnets": [None, None]}, unknown={"subnets": [True, True]})
    assert amount(estimated(balancer), "public IPv4 addresses, 2 zones") == 2 * 730


def test_unknown_items_of_a_list_are_counted_when_the_list_itself_is_not_there() -> None:
    balancer = resource("aws_lb.this", {}, unknown={"subnets": [True, True, True]})
    assert amount(estimated(balancer), "public IPv4 addresses, 3 zones") == 3 * 730


def test_a_balancer_in_unknown_subnets_has_an_unknown_number_of_addresses() -> None:
    found = estimated(resource("aws_lb.this", {}, unknown={"subnets": True}))
    (line,) = [ln for ln in found.lines if ln.quantity.label.startswith("public IPv4")]
    assert (line.monthly, line.reason) == (None, "number of zones not known")


def test_an_internal_balancer_has_no_public_address() -> None:
    found = estimated(resource("aws_lb.this", {"internal": True, "subnets": ["a", "b"]}))
    assert quantities(found, "public IPv4") == []


def test_a_network_load_balancer_is_not_taken_for_an_application_one() -> None:
    found = estimated(resource("aws_lb.this", {"load_balancer_type": "network", "subnets": ["a"]}))
    assert [line.reason for line in found.unknown] == ["only application load balancers are priced"]


def test_nat_data_is_spread_over_the_gateways() -> None:
    found = estimated(*(resource(f"aws_nat_gateway.this[{n}]") for n in range(3)), nat_gb=300)
    assert [q.amount for q in quantities(found, "NAT data")] == [100, 100, 100]


def test_traffic_between_zones_needs_two_zones_and_is_billed_at_both_ends() -> None:
    one = estimated(resource("aws_lb.this", {"subnets": ["a"]}), *subnets("a"), inter_zone_gb=100)
    two = estimated(resource("aws_lb.this", {"subnets": ["a"]}), *subnets("a", "b"), inter_zone_gb=100)
    assert quantities(one, "data between zones") == []
    assert amount(two, "data between zones") == 200


def test_answers_leave_through_the_cdn_that_stands_in_front_of_the_balancer() -> None:
    balancer = resource("aws_lb.this", {"subnets": ["a"]})
    direct = estimated(balancer, monthly_active_users=1000, documents=0, tokens_in_per_chat=0)
    behind = estimated(
        balancer,
        resource("aws_cloudfront_distribution.this", {}, "aws_lb.this"),
        monthly_active_users=1000,
        documents=0,
        tokens_in_per_chat=0,
    )
    assert amount(direct, "data out to the internet") > 10
    assert amount(behind, "data out to the internet") == 0
    (cdn,) = [
        ln.quantity
        for ln in behind.lines
        if ln.quantity.component == "cdn" and ln.quantity.label == "data out"
    ]
    assert cdn.amount == amount(direct, "data out to the internet")


def test_a_cdn_for_something_else_leaves_the_answers_alone() -> None:
    balancer = resource("aws_lb.this", {"subnets": ["a"]})
    other = resource("aws_cloudfront_distribution.site", {}, "aws_s3_bucket.site")
    alone = amount(estimated(balancer), "data out to the internet")
    assert amount(estimated(balancer, other), "data out to the internet") == alone


# -- data ------------------------------------------------------------------------------------------


def test_a_multi_zone_database_is_another_price_and_not_twice_the_number() -> None:
    values = {
        "engine": "postgres",
        "instance_class": "db.m7g.large",
        "multi_az": True,
        "allocated_storage": 100,
    }
    found = estimated(resource("aws_db_instance.this", {**values, "storage_type": "gp3"}))
    assert [q.price.sku for q in quantities(found, "db.m7g.large")] == ["db.m7g.large/multi-az"]
    assert [q.price.sku for q in quantities(found, "storage")] == ["storage-gp3-multi-az"]


def test_backups_are_free_up_to_the_allocated_storage() -> None:
    values = {"engine": "postgres", "allocated_storage": 100, "backup_retention_period": 7}
    little = estimated(
        resource("aws_db_instance.this", values), database_used_percent=50, daily_change_percent=3
    )
    much = estimated(
        resource("aws_db_instance.this", values), database_used_percent=100, daily_change_percent=10
    )
    assert amount(little, "backups over the free") == 0
    assert amount(much, "backups over the free") == 60  # 100 + 6 days of 10, less the free 100


@pytest.mark.parametrize(
    ("insights", "billed"),
    [
        ({"performance_insights_enabled": True, "performance_insights_retention_period": 7}, False),
        ({"performance_insights_enabled": False, "performance_insights_retention_period": 731}, False),
        ({"performance_insights_enabled": True, "performance_insights_retention_period": 731}, True),
        ({"database_insights_mode": "standard"}, False),
        ({"database_insights_mode": "advanced"}, True),
    ],
)
def test_insights_beyond_the_free_week_are_unknown(insights: dict[str, Any], billed: bool) -> None:
    values = {"engine": "postgres", "instance_class": "db.m7g.large", "allocated_storage": 20, **insights}
    found = estimated(resource("aws_db_instance.this", values))
    assert [line.reason[:8] for line in found.unknown] == (["insights"] if billed else [])


def aurora(**values: Any) -> list[Resource]:
    scaling = [{"min_capacity": 2, "max_capacity": 12}]
    cluster = resource("aws_rds_cluster.this", {"serverlessv2_scaling_configuration": scaling, **values})
    member = {"instance_class": "db.serverless"}
    return [
        cluster,
        *(resource(f'aws_rds_cluster_instance.this["{n}"]', member, "aws_rds_cluster.this") for n in "12"),
    ]


def test_serverless_capacity_lies_between_minimum_and_maximum() -> None:
    found = estimated(*aurora(), capacity_percent=50)
    assert [q.amount for q in quantities(found, "capacity units")] == [7 * 730, 7 * 730]
    (assumed,) = [a for a in found.assumptions if a.key == "database_capacity_units"]
    assert (assumed.value, assumed.derived_from) == (7, ("capacity_percent",))


def test_serverless_capacity_can_be_given() -> None:
    found = estimated(*aurora(), database_capacity_units="0.5")
    assert [q.amount for q in quantities(found, "capacity units")] == [365, 365]


def test_io_optimized_storage_bills_no_requests_and_other_capacity() -> None:
    found = estimated(*aurora(storage_type="aurora-iopt1"), region="eu-west-2")
    assert quantities(found, "storage requests") == []
    assert {q.price.sku for q in quantities(found, "capacity units")} == {"serverless-v2-io-optimized"}


def test_cache_nodes_are_shards_times_copies() -> None:
    values = {
        "engine": "valkey",
        "node_type": "cache.m7g.large",
        "num_node_groups": 2,
        "replicas_per_node_group": 2,
    }
    found = estimated(resource("aws_elasticache_replication_group.this", values))
    assert amount(found, "cache.m7g.large valkey, 6 nodes") == 6 * 730


def test_valkey_is_not_priced_as_redis() -> None:
    values = {"node_type": "cache.t4g.medium", "num_cache_clusters": 1}
    price = {}
    for engine in ("valkey", "redis"):
        found = estimated(resource("aws_elasticache_replication_group.this", {**values, "engine": engine}))
        price[engine] = found.monthly
    assert price == {"valkey": Decimal("0.052") * 730, "redis": Decimal("0.065") * 730}


@pytest.mark.parametrize(("kept", "held"), [(0, None), (1, None), (7, 12), (None, None)])
def test_one_snapshot_of_a_cache_is_free(kept: int | None, held: int | None) -> None:
    values = {"engine": "valkey", "node_type": "cache.t4g.small", "num_cache_clusters": 1}
    cache = resource("aws_elasticache_replication_group.this", {**values, "snapshot_retention_limit": kept})
    found = [q.amount for q in quantities(estimated(cache, cache_gb=2), "cache snapshots")]
    assert found == ([] if held is None else [held])


def lifecycle(*rules: dict[str, Any]) -> Resource:
    return resource("aws_s3_bucket_lifecycle_configuration.this", {"rule": list(rules)}, "aws_s3_bucket.this")


def test_a_lifecycle_spreads_the_stored_objects_over_its_tiers() -> None:
    # kept for 12 months = 365.25 days: 90 in Standard, 90 in Infrequent Access, the rest in Glacier Instant
    moves = [{"days": 90, "storage_class": "STANDARD_IA"}, {"days": 180, "storage_class": "GLACIER_IR"}]
    found = estimated(
        resource("aws_s3_bucket.this"),
        lifecycle({"status": "Enabled", "transition": moves}),
        storage_gb=1000,
        documents=1000,
    )
    year = Decimal("365.25")
    expected = {"standard": 90 / year, "standard-ia": 90 / year, "glacier-ir": (year - 180) / year}
    for tier, share in expected.items():
        (one,) = [q for q in quantities(found, "objects") if q.price.sku == tier]
        assert abs(one.amount - 1000 * share) < Decimal("0.001")
    assert sum(q.amount for q in quantities(found, "objects")) == 1000
    assert amount(found, "moves to standard-ia") == 3  # three objects a document, in thousands
    assert amount(found, "moves to glacier-ir") == 3


def test_a_disabled_rule_moves_nothing() -> None:
    moves = [{"days": 30, "storage_class": "STANDARD_IA"}]
    found = estimated(resource("aws_s3_bucket.this"), lifecycle({"status": "Disabled", "transition": moves}))
    assert [q.price.sku for q in quantities(found, "objects")] == ["standard"]


def test_only_the_covered_share_moves() -> None:
    moves = [{"days": 0, "storage_class": "GLACIER"}]
    found = estimated(
        resource("aws_s3_bucket.this"),
        lifecycle({"status": "Enabled", "transition": moves}),
        storage_gb=100,
        lifecycle_percent=40,
    )
    assert {q.price.sku: q.amount for q in quantities(found, "objects")} == {
        "standard": 60,
        "glacier-flexible": 40,
    }


def test_old_versions_count_where_versioning_is_on() -> None:
    bucket = resource("aws_s3_bucket.this")
    on = resource(
        "aws_s3_bucket_versioning.this",
        {"versioning_configuration": [{"status": "Enabled"}]},
        "aws_s3_bucket.this",
    )
    figures = {"documents": 1024, "document_mb": 1, "noncurrent_percent": 10}
    assert quantities(estimated(bucket, **figures), "old versions") == []
    kept = lifecycle({"noncurrent_version_expiration": [{"noncurrent_days": 60}]})
    found = estimated(bucket, on, kept, **figures)
    assert abs(amount(found, "old versions") - Decimal("0.1") * 60 / Decimal("30.4375")) < Decimal("0.00001")


def test_a_bucket_that_receives_access_logs_holds_logs_only() -> None:
    logs = resource("module.balancer.aws_s3_bucket.sink", {})
    balancer = resource(
        "aws_lb.this",
        {"subnets": ["a"], "access_logs": [{"enabled": True}]},
        "module.balancer.aws_s3_bucket.sink",
    )
    expire = resource(
        "aws_s3_bucket_lifecycle_configuration.sink",
        {"rule": [{"status": "Enabled", "expiration": [{"days": 90}]}]},
        "module.balancer.aws_s3_bucket.sink",
    )
    found = estimated(
        logs, balancer, expire, resource("aws_s3_bucket.data"), access_logs_gb=10, storage_gb=50
    )
    assert abs(amount(found, "access logs, 90 days kept") - 900 / Decimal("30.4375")) < Decimal("0.001")
    assert [(q.resource, q.amount) for q in quantities(found, "objects")] == [("aws_s3_bucket.data", 50)]


# -- operations ------------------------------------------------------------------------------------


def metric_filter(key: str, name: str = "Errors", **dimensions: str) -> Resource:
    made = {"namespace": "Cloudberth/dify", "name": name, "dimensions": dimensions or None}
    return resource(f'aws_cloudwatch_log_metric_filter.errors["{key}"]', {"metric_transformation": [made]})


def test_filters_that_feed_one_metric_are_billed_once() -> None:
    found = estimated(
        metric_filter("api"), metric_filter("web"), metric_filter("web2", "Slow"), free_allowances=False
    )
    assert [q.resource for q in quantities(found, "metric from logs")] == [
        'aws_cloudwatch_log_metric_filter.errors["api"]',
        'aws_cloudwatch_log_metric_filter.errors["web2"]',
    ]
    assert found.monthly == Decimal("0.60")


def test_metrics_that_nobody_else_makes_are_published_by_the_machines() -> None:
    def alarm(name: str, namespace: str, metric: str, **more: Any) -> Resource:
        values = {"namespace": namespace, "metric_name": metric, "period": 300, **more}
        return resource(f"aws_cloudwatch_metric_alarm.{name}", values)

    found = estimated(
        metric_filter("api"),
        alarm("errors", "Cloudberth/dify", "Errors"),
        alarm("cpu", "AWS/EC2", "CPUUtilization"),
        alarm("queue", "Cloudberth", "QueueDepth"),
        alarm("queue_again", "Cloudberth", "QueueDepth"),
        alarm("other", "Cloudberth", "QueueDepth", dimensions={"Queue": "mail"}),
    )
    assert amount(found, "metrics that the machines publish") == 2


def test_log_text_is_spread_over_the_groups_and_kept_compressed() -> None:
    groups = [resource(f'aws_cloudwatch_log_group.service["{n}"]', {"retention_in_days": 60}) for n in "ab"]
    found = estimated(*groups, logs_gb=30, logs_compression_percent=20)
    assert [q.amount for q in quantities(found, "logs taken in")] == [15, 15]
    kept = quantities(found, "logs kept 60 days")
    assert all(abs(q.amount - 15 * 60 / Decimal("30.4375") / 5) < Decimal("0.001") for q in kept)
    assert len(kept) == 2


def test_flow_logs_are_taken_in_once_and_kept_in_their_group() -> None:
    flow = resource(
        "aws_flow_log.this", {"log_destination_type": "cloud-watch-logs"}, "aws_cloudwatch_log_group.flow"
    )
    found = estimated(
        flow, resource("aws_cloudwatch_log_group.flow", {"retention_in_days": 30}), flow_logs_gb=8
    )
    assert [(q.resource, q.amount) for q in quantities(found, "flow logs taken in")] == [
        ("aws_flow_log.this", 8)
    ]
    assert quantities(found, "logs taken in") == []
    assert len(quantities(found, "logs kept 30 days")) == 1


def test_firewall_records_are_vended_logs() -> None:
    group = resource("aws_cloudwatch_log_group.firewall", {"retention_in_days": 30})
    setting = resource(
        "aws_wafv2_web_acl_logging_configuration.this", {}, "aws_cloudwatch_log_group.firewall"
    )
    (taken,) = quantities(estimated(group, setting, firewall_logs_gb=3), "logs taken in")
    assert (taken.price.sku, taken.amount) == ("vended", 3)


def test_access_logs_that_the_log_service_delivers_are_not_known_to_be_free() -> None:
    found = estimated(resource("aws_cloudwatch_log_delivery.this"), access_logs_gb=5)
    assert [line.quantity.label for line in found.unknown] == ["access logs delivered"]


def test_reads_of_secrets_follow_launches_and_secrets() -> None:
    found = estimated(*(resource(f"aws_secretsmanager_secret.s{n}") for n in range(10)), machine_launches=500)
    assert amount(found, "reads of secrets") == Decimal("0.5")  # 5,000 in units of 10,000


def test_a_private_zone_has_no_queries_to_pay() -> None:
    found = estimated(resource("aws_route53_zone.private", {"vpc": [{}]}))
    assert [q.label for q in (line.quantity for line in found.lines)] == ["hosted zone"]


def test_budgets_are_free_unless_they_act() -> None:
    plain = estimated(resource("aws_budgets_budget.this"))
    acting = estimated(
        *(resource(f"aws_budgets_budget.b{n}") for n in range(3)),
        *(resource(f"aws_budgets_budget_action.a{n}", {}, f"aws_budgets_budget.b{n}") for n in range(3)),
    )
    assert plain.lines == ()
    assert acting.monthly.quantize(Decimal("0.01")) == Decimal("2.93")  # 3 * 30.4375 - 62 days at 0.10
