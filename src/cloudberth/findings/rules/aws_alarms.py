"""Alarms of AWS: what watches what, and whom it tells."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from cloudberth.findings.context import Context
from cloudberth.findings.model import Severity
from cloudberth.findings.rules.registry import Hit, relation_rule, resource_rule, rule
from cloudberth.findings.values import at, blocks
from cloudberth.infra.plan import Resource

ALARM, TOPIC, SUBSCRIPTION = "aws_cloudwatch_metric_alarm", "aws_sns_topic", "aws_sns_topic_subscription"
_WATCHED = (
    "aws_autoscaling_group",
    "aws_instance",
    "aws_db_instance",
    "aws_rds_cluster",
    "aws_lb",
    "aws_elasticache_replication_group",
    "aws_ecs_service",
)


@dataclass(frozen=True, slots=True)
class Watch:
    """A failure that shows in a metric. types: what can fail this way; any of the metrics will do."""

    types: tuple[str, ...]
    metrics: tuple[str, ...]
    failure: str


_WATCHES = (
    Watch(("aws_db_instance",), ("FreeStorageSpace",), "a full database disk"),
    Watch(("aws_db_instance", "aws_rds_cluster"), ("DatabaseConnections",), "used-up database connections"),
    Watch(
        ("aws_db_instance", "aws_rds_cluster"), ("CPUUtilization", "ACUUtilization"), "an overloaded database"
    ),
    Watch(
        ("aws_elasticache_replication_group",),
        ("DatabaseMemoryUsagePercentage", "FreeableMemory", "DatabaseMemoryUsageCountedForEvictPercentage"),
        "a full cache, which with noeviction refuses new tasks",
    ),
    Watch(("aws_lb",), ("UnHealthyHostCount", "HealthyHostCount"), "machines that fail their health check"),
    Watch(("aws_lb",), ("HTTPCode_Target_5XX_Count", "HTTPCode_ELB_5XX_Count"), "errors that users see"),
)


@rule(
    "alarms.none",
    Severity.MEDIUM,
    "Nothing raises an alarm",
    why="Users notice a failure first, and a disk that fills up is noticed when it is full.",
    remedy="alarms: {enabled: true, emails: […]}",
    types=_WATCHED,
)
def none(context: Context) -> Iterator[Hit]:
    if context.has(*_WATCHED) and not context.has(ALARM, "aws_cloudwatch_composite_alarm"):
        yield Hit("", "The plan has no alarm.")


@rule(
    "alarms.gap",
    Severity.LOW,
    "A common failure raises no alarm",
    why="These failures announce themselves in a metric hours before users notice.",
    remedy="alarms.enabled: true covers them; in your own Terraform add the alarm.",
    types=(ALARM,),
)
def gap(context: Context) -> Iterator[Hit]:
    alarms = tuple(context.of_type(ALARM))
    metrics = {metric for alarm in alarms for metric in _metrics(alarm)}
    if not alarms or any(at(alarm, "metric_name").unknown for alarm in alarms):
        return
    for watch in _WATCHES:
        watched = next(context.of_type(*watch.types), None)
        if watched is not None and metrics.isdisjoint(watch.metrics):
            yield Hit(watched.address, f"No alarm on {watch.metrics[0]}: {watch.failure}.")


def _metrics(alarm: Resource) -> Iterator[str]:
    yield at(alarm, "metric_name").text
    for query in blocks(alarm, "metric_query"):
        yield query.at("metric.0.metric_name").text


@relation_rule(
    "alarms.without-action",
    Severity.MEDIUM,
    "Alarm does nothing when it goes off",
    why="It turns red in a console that nobody looks at.",
    remedy="alarms.emails: [name@example.com]",
    types=(ALARM,),
)
def without_action(alarm: Resource, context: Context) -> str | None:
    if at(alarm, "actions_enabled").turned_off:
        return "actions_enabled is false."
    names = ("alarm_actions", "ok_actions", "insufficient_data_actions")
    composed = any(context.refers(c, alarm) for c in context.of_type("aws_cloudwatch_composite_alarm"))
    return "It has no action." if all(at(alarm, name).absent for name in names) and not composed else None


@rule(
    "alarms.no-recipient",
    Severity.MEDIUM,
    "Alarms reach nobody",
    why="The topic has no subscription: alarms go off and no mail is sent.",
    remedy="alarms.emails: [name@example.com]",
    types=(TOPIC,),
)
def no_recipient(context: Context) -> Iterator[Hit]:
    alarms = tuple(context.of_type(ALARM))
    for topic in context.of_type(TOPIC):
        used = any(context.points_at(alarm, "alarm_actions", topic) for alarm in alarms)
        if used and context.companions(topic, (SUBSCRIPTION,), "topic_arn").missing:
            yield Hit(topic.address, "It has no subscription.")


@relation_rule(
    "alarms.key-blocks-alarms",
    Severity.HIGH,
    "Topic's key keeps alarms out",
    why="CloudWatch and Budgets may not use the AWS-managed key alias/aws/sns: alarms go off and nothing is "
    "sent.",
    remedy="A key of your own whose policy allows cloudwatch.amazonaws.com and budgets.amazonaws.com.",
    types=(TOPIC,),
)
def key_blocks_alarms(topic: Resource, context: Context) -> str | None:
    managed = at(topic, "kms_master_key_id").text.endswith("alias/aws/sns")
    senders = context.of_type(ALARM, "aws_budgets_budget")
    used = any(context.refers(sender, topic) for sender in senders)
    return "It is encrypted with alias/aws/sns." if managed and used else None


@resource_rule(
    "alarms.topic-unencrypted",
    Severity.LOW,
    "Topic stored unencrypted",
    why="Messages wait on disk readable; alarm texts name machines and what is wrong with them.",
    remedy="kms_master_key_id with a key of your own (alias/aws/sns would keep alarms out).",
    types=(TOPIC,),
    by_size={"small": Severity.INFO},
)
def topic_unencrypted(topic: Resource) -> str | None:
    return "It has no key." if at(topic, "kms_master_key_id").absent else None
