"""Logs, alarms and cost of Google Cloud: what is kept, who is told, who watches the bill."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from cloudberth.findings.context import Context
from cloudberth.findings.rules.registry import Hit, also, also_relation, also_resource
from cloudberth.findings.values import Node, at, blocks
from cloudberth.infra.plan import Resource

_ALERT, _CHANNEL = "google_monitoring_alert_policy", "google_monitoring_notification_channel"
_SQL, _BACKEND, _REDIS = (
    "google_sql_database_instance",
    "google_compute_backend_service",
    "google_redis_instance",
)
_MACHINES = (
    "google_compute_instance",
    "google_compute_instance_template",
    "google_compute_region_instance_template",
)
_WATCHED = (*_MACHINES, _SQL, _REDIS, "google_cloud_run_v2_service", "google_compute_global_forwarding_rule")
_BILLED = (*_WATCHED, "google_compute_router_nat", "google_container_cluster", "google_alloydb_instance")
_BUDGET, _LOGS = "google_billing_budget", "google_logging_project_bucket_config"
_CONDITIONS = ("condition_threshold", "condition_absent", "condition_matched_log", "condition_sql")
_QUERIES = ("condition_prometheus_query_language", "condition_monitoring_query_language")
# The log bucket that every project has keeps what it keeps; ten years are the most.
_TWO_YEARS = 730
_LABELLED = {
    _SQL: "settings.0.user_labels",
    _REDIS: "labels",
    "google_storage_bucket": "labels",
    "google_compute_instance": "labels",
    "google_compute_instance_template": "labels",
    "google_compute_disk": "labels",
    "google_secret_manager_secret": "labels",
}
# Series that Google calls the first generation.
_PREVIOUS = re.compile(r"^(?:n1|f1|g1)-")


@dataclass(frozen=True, slots=True)
class Watch:
    """A failure that shows in a metric. kind: what can fail this way; any part of a metric's name will do."""

    kind: str
    metrics: tuple[str, ...]
    failure: str


_WATCHES = (
    Watch(_SQL, ("cloudsql.googleapis.com/database/disk/",), "a full database disk"),
    Watch(_SQL, ("postgresql/num_backends", "network/connections"), "used-up database connections"),
    Watch(_SQL, ("cloudsql.googleapis.com/database/cpu/",), "an overloaded database"),
    Watch(_REDIS, ("redis.googleapis.com/stats/memory/",), "a full cache, which refuses new tasks"),
    Watch(_BACKEND, ("loadbalancing.googleapis.com/https/",), "errors that users see"),
)


@also("logs.retention-forever", types=(_LOGS,))
def retention_forever(context: Context) -> Iterator[Hit]:
    for bucket in context.of_type(_LOGS):
        days = at(bucket, "retention_days").number
        if days is not None and days > _TWO_YEARS:
            yield Hit(bucket.address, f"Kept for {days:g} days.")


@also_resource("logs.retention-short", types=(_LOGS,))
def retention_short(bucket: Resource) -> str | None:
    days = at(bucket, "retention_days").number
    return f"Kept for {days:g} days." if days is not None and 0 < days < 7 else None


@also("alarms.none", types=_WATCHED)
def none(context: Context) -> Iterator[Hit]:
    if context.has(*_WATCHED) and not context.has(_ALERT):
        yield Hit("", "The plan has no alert policy.")


def _texts(policy: Resource) -> Iterator[Node]:
    """Filters and queries of a policy's conditions: they name the metric."""
    for condition in blocks(policy, "conditions"):
        yield from (condition.at(f"{name}.0.filter") for name in _CONDITIONS)
        yield from (condition.at(f"{name}.0.query") for name in _QUERIES)


@also("alarms.gap", types=(_ALERT,))
def gap(context: Context) -> Iterator[Hit]:
    policies = tuple(context.of_type(_ALERT))
    texts = [text for policy in policies for text in _texts(policy)]
    pending = any(at(p, "conditions").unknown for p in policies)
    if not policies or pending or any(text.unknown for text in texts):
        return
    named = " ".join(text.text for text in texts)
    for watch in _WATCHES:
        watched = next(context.of_type(watch.kind), None)
        if watched is not None and not any(metric in named for metric in watch.metrics):
            yield Hit(watched.address, f"No alert on {watch.metrics[0]}: {watch.failure}.")


@also_resource("alarms.without-action", types=(_ALERT,))
def without_action(policy: Resource) -> str | None:
    return "enabled is false." if at(policy, "enabled").turned_off else None


@also(
    "alarms.no-recipient",
    types=(_ALERT,),
    why="No policy names a notification channel: alarms go off and nobody is told.",
)
def no_recipient(context: Context) -> Iterator[Hit]:
    policies = tuple(context.of_type(_ALERT))
    if policies and all(at(policy, "notification_channels").absent for policy in policies):
        yield Hit(policies[0].address, "No policy has a notification channel.")


@also(
    "cost.no-budget",
    types=_BILLED,
    remedy="budget: {billing_account: …, amount: …, emails: […]}; budgets belong to who pays.",
)
def no_budget(context: Context) -> Iterator[Hit]:
    if context.has(*_BILLED) and not context.has(_BUDGET):
        yield Hit("", "The plan has billed resources and no budget.")


@also_resource(
    "cost.budget-without-recipient",
    types=(_BUDGET,),
    why="By default only those who administer the billing account are told, often nobody who runs this.",
)
def budget_without_recipient(budget: Resource) -> str | None:
    rule = "all_updates_rule.0"
    channels, topic = (
        at(budget, f"{rule}.monitoring_notification_channels"),
        at(budget, f"{rule}.pubsub_topic"),
    )
    members = at(budget, f"{rule}.enable_project_level_recipients").on
    nobody = channels.absent and topic.absent and not members
    return "It names no notification channel." if nobody else None


@also(
    "cost.untagged",
    types=tuple(_LABELLED),
    remedy="tags: {…} (Cloudberth labels everything with the deployment).",
)
def untagged(context: Context) -> Iterator[Hit]:
    bare = [r for r in context.of_type(*_LABELLED) if at(r, _LABELLED[r.type]).absent]
    if bare:
        more = f" and {len(bare) - 1} more" if len(bare) > 1 else ""
        yield Hit(bare[0].address, f"No labels on {bare[0].address}{more}.")


@also(
    "cost.previous-generation",
    types=(*_MACHINES, _SQL),
    remedy="compute.app.machine_types: a current series, e.g. e2, n4, c4a",
)
def previous_generation(context: Context) -> Iterator[Hit]:
    for machine in context.of_type(*_MACHINES):
        kind = at(machine, "machine_type").text.rpartition("/")[2]
        if _PREVIOUS.match(kind):
            yield Hit(machine.address, f"It uses {kind}.")


@also_relation("alarms.without-action", types=(_CHANNEL,), remedy="enabled: true (the default)")
def channel_disabled(channel: Resource, context: Context) -> str | None:
    used = any(context.refers(policy, channel) for policy in context.of_type(_ALERT))
    return "The channel is disabled." if used and at(channel, "enabled").turned_off else None
