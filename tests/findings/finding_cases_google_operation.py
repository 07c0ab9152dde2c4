"""Plans for the rules about logs, alarms, cost and changes of Google Cloud."""

from __future__ import annotations

from functools import partial
from typing import Any

from finding_plans import Sample, case, changed, one, resource, sample

from cloudberth.infra.plan import Action, Resource

google = partial(case, provider="google")
SQL = "google_sql_database_instance.a"
LOGS = "google_logging_project_bucket_config.a"
CHANNEL = "google_monitoring_notification_channel.a"
BUDGET = "google_billing_budget.a"
BUCKET = "google_storage_bucket.a"
REDIS = "google_redis_instance.a"
TEMPLATE = "google_compute_instance_template.a"

google(
    "logs.retention-forever",
    reported=[one(LOGS, retention_days=3650)],
    silent=[one(LOGS, retention_days=30), one(LOGS, unknown={"retention_days": True})],
)
google(
    "logs.retention-short",
    reported=[one(LOGS, retention_days=1)],
    silent=[one(LOGS, retention_days=30), one(LOGS, retention_days=1, at_size="small")],
)


def alert(name: str, metric: str, **values: Any) -> Resource:
    condition = {"condition_threshold": [{"filter": f'metric.type = "{metric}"'}]}
    values = {"notification_channels": ["projects/x/notificationChannels/1"]} | values
    return resource(f"google_monitoring_alert_policy.{name}", conditions=[condition], **values)


DISK = alert("disk", "cloudsql.googleapis.com/database/disk/utilization")
CPU = alert("cpu", "cloudsql.googleapis.com/database/cpu/utilization")
CONNECTIONS = alert("connections", "cloudsql.googleapis.com/database/postgresql/num_backends")
google("alarms.none", reported=[one(SQL)], silent=[sample(resource(SQL), DISK), sample()])
google(
    "alarms.gap",
    reported=[sample(resource(SQL), DISK)],
    silent=[
        sample(resource(SQL), DISK, CPU, CONNECTIONS),
        one(SQL),
        sample(resource(SQL), resource("google_monitoring_alert_policy.a", unknown={"conditions": True})),
    ],
)
google(
    "alarms.without-action",
    reported=[
        sample(alert("a", "x", enabled=False)),
        sample(alert("a", "x", references=[CHANNEL]), resource(CHANNEL, enabled=False)),
    ],
    silent=[
        sample(alert("a", "x", enabled=True)),
        sample(alert("a", "x", references=[CHANNEL]), resource(CHANNEL)),
    ],
)
google(
    "alarms.no-recipient",
    reported=[sample(alert("a", "x", notification_channels=[]))],
    silent=[
        sample(DISK),
        sample(alert("a", "x", notification_channels=[], unknown={"notification_channels": True})),
        sample(DISK, alert("a", "x", notification_channels=[])),
    ],
)
google("cost.no-budget", reported=[one(SQL)], silent=[sample(resource(SQL), resource(BUDGET)), sample()])
google(
    "cost.budget-without-recipient",
    reported=[one(BUDGET), one(BUDGET, all_updates_rule=[{"schema_version": "1.0"}])],
    silent=[
        one(BUDGET, all_updates_rule=[{"monitoring_notification_channels": ["c"]}]),
        one(BUDGET, all_updates_rule=[{"pubsub_topic": "t"}]),
        one(BUDGET, unknown={"all_updates_rule": True}),
    ],
)
google(
    "cost.untagged",
    reported=[one(BUCKET), one(SQL, settings=[{"tier": "db-f1-micro"}])],
    silent=[one(BUCKET, labels={"a": "b"}), one(SQL, settings=[{"user_labels": {"a": "b"}}])],
)
google(
    "cost.previous-generation",
    reported=[one(TEMPLATE, machine_type="n1-standard-2")],
    silent=[one(TEMPLATE, machine_type="e2-standard-2"), one(TEMPLATE, unknown={"machine_type": True})],
)

# Changes.

google(
    "changes.data-deleted",
    reported=[
        changed(address, Action.DELETE)
        for address in (
            SQL,
            "google_sql_database.a",
            BUCKET,
            REDIS,
            "google_compute_disk.a",
            "google_secret_manager_secret.a",
        )
    ],
    silent=[changed(SQL, Action.NONE), changed(TEMPLATE, Action.DELETE)],
)
google(
    "changes.data-replaced",
    reported=[changed(SQL, Action.REPLACE), changed("google_compute_disk.a", Action.REPLACE)],
    silent=[changed(SQL, Action.UPDATE), changed(TEMPLATE, Action.REPLACE)],
)
google(
    "changes.network-replaced",
    reported=[changed("google_compute_network.a", Action.REPLACE)],
    silent=[changed("google_compute_network.a", Action.UPDATE)],
)
ADDRESS, RULE = "google_compute_global_address.a", "google_compute_global_forwarding_rule.a"
google(
    "changes.address-replaced",
    reported=[
        changed(ADDRESS, Action.REPLACE, {"address_type": "EXTERNAL"}, address_type="EXTERNAL"),
        changed(RULE, Action.DELETE),
    ],
    silent=[
        changed(ADDRESS, Action.UPDATE),
        changed(ADDRESS, Action.REPLACE, {"address_type": "INTERNAL"}, address_type="INTERNAL"),
        changed(RULE, Action.REPLACE, {"ip_address": "203.0.113.7"}, ip_address="203.0.113.7"),
    ],
)


def sql(action: Action, was: dict[str, Any], **now: Any) -> Sample:
    return changed(SQL, action, {"settings": [was]}, settings=[now])


def backups(number: int) -> list[dict[str, Any]]:
    return [{"backup_retention_settings": [{"retained_backups": number}]}]


google(
    "changes.protection-removed",
    reported=[
        changed(SQL, Action.UPDATE, {"deletion_protection": True}, deletion_protection=False),
        sql(
            Action.UPDATE,
            {"backup_configuration": [{"enabled": True}]},
            backup_configuration=[{"enabled": False}],
        ),
        changed(BUCKET, Action.UPDATE, {"force_destroy": False}, force_destroy=True),
        changed(BUCKET, Action.UPDATE, {"versioning": [{"enabled": True}]}, versioning=[{"enabled": False}]),
    ],
    silent=[
        changed(SQL, Action.UPDATE, {"deletion_protection": True}, deletion_protection=True),
        changed(BUCKET, Action.UPDATE, {"force_destroy": True}, force_destroy=True),
    ],
)
google(
    "changes.retention-shortened",
    reported=[
        sql(Action.UPDATE, {"backup_configuration": backups(30)}, backup_configuration=backups(7)),
        changed(LOGS, Action.UPDATE, {"retention_days": 90}, retention_days=30),
    ],
    silent=[
        sql(Action.UPDATE, {"backup_configuration": backups(7)}, backup_configuration=backups(30)),
        changed(LOGS, Action.UPDATE, {"retention_days": 30}, retention_days=30),
    ],
)
google(
    "changes.database-restarts",
    reported=[
        sql(Action.UPDATE, {"tier": "db-custom-1-3840"}, tier="db-custom-2-8192"),
        changed(SQL, Action.UPDATE, {"database_version": "POSTGRES_15"}, database_version="POSTGRES_16"),
    ],
    silent=[
        sql(Action.UPDATE, {"tier": "db-custom-1-3840"}, tier="db-custom-1-3840"),
        sql(Action.CREATE, {}, tier="db-custom-2-8192"),
    ],
)
