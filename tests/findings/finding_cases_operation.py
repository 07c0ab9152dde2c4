"""Plans for the rules about logs and alarms."""

from __future__ import annotations

from typing import Any

from finding_plans import case, resource, sample

LOG = "aws_cloudwatch_log_group.a"
case(
    "logs.retention-forever",
    reported=[sample(resource(LOG)), sample(resource(LOG, retention_in_days=0))],
    silent=[
        sample(resource(LOG, retention_in_days=30)),
        sample(resource(LOG, unknown={"retention_in_days": True})),
    ],
)
case(
    "logs.retention-short",
    reported=[sample(resource(LOG, retention_in_days=3))],
    silent=[
        sample(resource(LOG, retention_in_days=7)),
        sample(resource(LOG, retention_in_days=3), size="small"),
    ],
)

# Alarms.

DATABASE = resource("aws_db_instance.a")


def alarm(metric: str = "FreeStorageSpace", **values: Any) -> Any:
    references = values.pop("references", ())
    unknown = values.pop("unknown", {})
    return resource(
        f"aws_cloudwatch_metric_alarm.{metric}",
        metric_name=metric,
        references=references,
        unknown=unknown,
        **values,
    )


TOPIC = resource("aws_sns_topic.a", unknown={"arn": True})
TELLS = {"unknown": {"alarm_actions": True}, "references": ["aws_sns_topic.a"]}
case("alarms.none", reported=[sample(DATABASE)], silent=[sample(DATABASE, alarm()), sample()])
DATABASE_ALARMS = [alarm(m) for m in ("FreeStorageSpace", "DatabaseConnections", "CPUUtilization")]
case(
    "alarms.gap",
    reported=[sample(DATABASE, alarm("CPUUtilization"))],
    silent=[sample(DATABASE, *DATABASE_ALARMS), sample(DATABASE)],
)
case(
    "alarms.without-action",
    reported=[
        sample(alarm(alarm_actions=[])),
        sample(alarm(actions_enabled=False, alarm_actions=["arn:aws:sns:x"])),
    ],
    silent=[sample(alarm(alarm_actions=["arn:aws:sns:x"])), sample(alarm(**TELLS), TOPIC)],
)
SUBSCRIBED = resource(
    "aws_sns_topic_subscription.a",
    protocol="email",
    unknown={"topic_arn": True},
    references=["aws_sns_topic.a"],
)
case(
    "alarms.no-recipient",
    reported=[sample(alarm(**TELLS), TOPIC)],
    silent=[sample(alarm(**TELLS), TOPIC, SUBSCRIBED), sample(TOPIC)],
)
MANAGED = resource("aws_sns_topic.a", kms_master_key_id="alias/aws/sns")
case(
    "alarms.key-blocks-alarms",
    reported=[sample(alarm(**TELLS), MANAGED)],
    silent=[
        sample(alarm(**TELLS), resource("aws_sns_topic.a", kms_master_key_id="alias/dify")),
        sample(MANAGED),
    ],
)
case(
    "alarms.topic-unencrypted",
    reported=[sample(TOPIC)],
    silent=[sample(MANAGED), sample(resource("aws_sns_topic.a", unknown={"kms_master_key_id": True}))],
)
