"""What Google's APIs and its provider refuse, though the schema allows it.

Values and limits are those of the API references and of the provider's documentation (8.x). Only certain
refusals stand here: a rule that is wrong would reject a plan that works.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from cloudberth.infra.simulation.rules import (
    AnyRule,
    Rule,
    between,
    cidr,
    conflicting,
    exactly_one_of,
    json_object,
    length,
    matches,
    one_of,
    ordered,
)

NAME: Final = matches(
    r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?",
    "hold 1 to 63 lower-case letters, digits and hyphens, start with a letter and not end with a hyphen",
)
LABEL_KEYS: Final = "[a-z][a-z0-9_-]{0,62}"
CLOCK: Final = matches(r"([01]\d|2[0-3]):[0-5]\d", "be a time of day such as 02:00")
FULL_HOUR: Final = matches(r"([01]\d|2[0-3]):00", "be a full hour such as 02:00")
SECONDS: Final = matches(r"\d+(\.\d+)?s", "be a number of seconds such as 300s")
MEMBER: Final = matches(
    r"(allUsers|allAuthenticatedUsers|(user|group|serviceAccount|domain|principal|principalSet|projectOwner"
    r"|projectEditor|projectViewer|deleted):.+)",
    "be a member such as serviceAccount:NAME@PROJECT.iam.gserviceaccount.com",
)
ROLE: Final = matches(
    r"(roles/[A-Za-z0-9.]+|(projects|organizations)/[^/]+/roles/[A-Za-z0-9_.]+)",
    "be a role such as roles/viewer or projects/PROJECT/roles/NAME",
)
PORT: Final = matches(r"\d{1,5}(-\d{1,5})?", "be a port or a range of ports")


def _labels(value: object) -> str | None:
    if not isinstance(value, Mapping):
        return None
    key_check = matches(LABEL_KEYS, "")
    value_check = matches("[a-z0-9_-]{0,63}", "")
    for key, text in value.items():
        if key_check(key) or (isinstance(text, str) and value_check(text)):
            return f"must hold lower-case letters, digits, _ and - in keys and values, not {key} = {text}"
    return None


_NAMED: Final = (
    *("google_certificate_manager_certificate", "google_certificate_manager_certificate_map"),
    *(
        "google_compute_address",
        "google_compute_backend_service",
        "google_compute_disk",
        "google_compute_firewall",
    ),
    *(
        "google_compute_global_address",
        "google_compute_global_forwarding_rule",
        "google_compute_health_check",
    ),
    *("google_compute_instance_group_manager", "google_compute_instance_template", "google_compute_network"),
    *("google_compute_region_autoscaler", "google_compute_region_instance_group_manager"),
    *("google_compute_resource_policy", "google_compute_router", "google_compute_router_nat"),
    *("google_compute_security_policy", "google_compute_ssl_policy", "google_compute_subnetwork"),
    *("google_compute_target_http_proxy", "google_compute_target_https_proxy", "google_compute_url_map"),
    *("google_dns_managed_zone", "google_redis_instance"),
)
_LABELLED: Final = (
    *("google_certificate_manager_certificate", "google_certificate_manager_certificate_map"),
    *("google_certificate_manager_certificate_map_entry", "google_certificate_manager_dns_authorization"),
    *("google_compute_address", "google_compute_disk", "google_compute_global_address"),
    *(
        "google_compute_global_forwarding_rule",
        "google_compute_instance_template",
        "google_compute_security_policy",
    ),
    *(
        "google_dns_managed_zone",
        "google_redis_instance",
        "google_secret_manager_secret",
        "google_storage_bucket",
    ),
)
_GROUP_RULES: Final[tuple[AnyRule, ...]] = (
    Rule("version", length(1, 2)),
    Rule("update_policy.*.type", one_of("PROACTIVE", "OPPORTUNISTIC")),
    Rule("update_policy.*.minimal_action", one_of("NONE", "REFRESH", "RESTART", "REPLACE")),
    Rule("update_policy.*.most_disruptive_allowed_action", one_of("NONE", "REFRESH", "RESTART", "REPLACE")),
    Rule("update_policy.*.replacement_method", one_of("RECREATE", "SUBSTITUTE")),
    conflicting("max_surge_fixed", "max_surge_percent", block="update_policy.*"),
    conflicting("max_unavailable_fixed", "max_unavailable_percent", block="update_policy.*"),
    Rule("auto_healing_policies.*.initial_delay_sec", between(0, 3600)),
    Rule("named_port.*.port", between(1, 65535)),
    Rule("stateful_disk.*.delete_rule", one_of("NEVER", "ON_PERMANENT_INSTANCE_DELETION")),
    Rule("instance_lifecycle_policy.*.force_update_on_repair", one_of("YES", "NO")),
    Rule("instance_lifecycle_policy.*.default_action_on_failure", one_of("REPAIR", "DO_NOTHING")),
)
_IAM: Final[tuple[AnyRule, ...]] = (Rule("member", MEMBER), Rule("role", ROLE))

_OWN: Final[Mapping[str, tuple[AnyRule, ...]]] = {
    # ---- network
    "google_compute_network": (
        Rule("routing_mode", one_of("GLOBAL", "REGIONAL")),
        Rule("mtu", between(1300, 8896)),
    ),
    "google_compute_subnetwork": (
        Rule("ip_cidr_range", cidr(8, 29)),
        Rule(
            "log_config.*.aggregation_interval",
            one_of(
                *(f"INTERVAL_{each}" for each in ("5_SEC", "30_SEC", "1_MIN", "5_MIN", "10_MIN", "15_MIN"))
            ),
        ),
        Rule("log_config.*.flow_sampling", between(0, 1)),
        Rule("stack_type", one_of("IPV4_ONLY", "IPV4_IPV6", "IPV6_ONLY")),
    ),
    "google_compute_firewall": (
        Rule("direction", one_of("INGRESS", "EGRESS")),
        Rule("priority", between(0, 65535)),
        Rule("allow.*.ports.*", PORT),
        Rule("deny.*.ports.*", PORT),
        exactly_one_of("allow", "deny"),
        conflicting("source_service_accounts", "source_tags"),
        conflicting("target_service_accounts", "target_tags"),
    ),
    "google_compute_router_nat": (
        Rule("nat_ip_allocate_option", one_of("MANUAL_ONLY", "AUTO_ONLY")),
        Rule(
            "source_subnetwork_ip_ranges_to_nat",
            one_of(
                "ALL_SUBNETWORKS_ALL_IP_RANGES",
                "ALL_SUBNETWORKS_ALL_PRIMARY_IP_RANGES",
                "LIST_OF_SUBNETWORKS",
            ),
        ),
        Rule("log_config.*.filter", one_of("ERRORS_ONLY", "TRANSLATIONS_ONLY", "ALL")),
        ordered("min_ports_per_vm", "max_ports_per_vm"),
    ),
    "google_compute_address": (Rule("address_type", one_of("INTERNAL", "EXTERNAL")),),
    "google_compute_global_address": (
        Rule("address_type", one_of("INTERNAL", "EXTERNAL")),
        Rule("purpose", one_of("VPC_PEERING", "PRIVATE_SERVICE_CONNECT")),
        Rule("prefix_length", between(8, 30)),
    ),
    "google_dns_managed_zone": (
        Rule("dns_name", matches(r".+\.", "end with a dot")),
        Rule("visibility", one_of("private", "public")),
    ),
    "google_dns_record_set": (Rule("name", matches(r".+\.", "end with a dot")),),
    # ---- machines
    "google_compute_instance_template": (
        conflicting("name", "name_prefix"),
        Rule("name_prefix", length(1, 54)),
        Rule(
            "scheduling.*.provisioning_model", one_of("STANDARD", "SPOT", "FLEX_START", "RESERVATION_BOUND")
        ),
        Rule("scheduling.*.on_host_maintenance", one_of("MIGRATE", "TERMINATE")),
        Rule("scheduling.*.instance_termination_action", one_of("STOP", "DELETE")),
        Rule("disk.*.disk_size_gb", between(10, 65536)),
    ),
    "google_compute_instance_group_manager": _GROUP_RULES,
    "google_compute_region_instance_group_manager": (
        *_GROUP_RULES,
        Rule("distribution_policy_target_shape", one_of("EVEN", "BALANCED", "ANY", "ANY_SINGLE_ZONE")),
        Rule("update_policy.*.instance_redistribution_type", one_of("PROACTIVE", "NONE")),
    ),
    "google_compute_region_autoscaler": (
        Rule("autoscaling_policy.*.mode", one_of("OFF", "ONLY_UP", "ONLY_SCALE_OUT", "ON")),
        Rule("autoscaling_policy.*.cpu_utilization.*.target", between(0.01, 1)),
        Rule(
            "autoscaling_policy.*.cpu_utilization.*.predictive_method",
            one_of("NONE", "OPTIMIZE_AVAILABILITY"),
        ),
        Rule("autoscaling_policy.*.scaling_schedules.*.duration_sec", between(300, 10**9)),
        Rule("autoscaling_policy.*.scaling_schedules.*.name", NAME),
        ordered("min_replicas", "max_replicas", block="autoscaling_policy.*"),
    ),
    "google_compute_health_check": (
        Rule("check_interval_sec", between(1, 300)),
        Rule("timeout_sec", between(1, 300)),
        ordered("timeout_sec", "check_interval_sec"),
        Rule("http_health_check.*.port", between(1, 65535)),
        exactly_one_of(
            "http_health_check",
            "https_health_check",
            "http2_health_check",
            "tcp_health_check",
            "ssl_health_check",
            "grpc_health_check",
            "grpc_tls_health_check",
        ),
    ),
    "google_compute_resource_policy": (
        Rule("snapshot_schedule_policy.*.schedule.*.daily_schedule.*.start_time", FULL_HOUR),
        Rule(
            "snapshot_schedule_policy.*.retention_policy.*.on_source_disk_delete",
            one_of("KEEP_AUTO_SNAPSHOTS", "APPLY_RETENTION_POLICY"),
        ),
        Rule("snapshot_schedule_policy.*.retention_policy.*.max_retention_days", between(1, 3650)),
    ),
    # ---- load balancer
    "google_compute_backend_service": (
        Rule(
            "load_balancing_scheme",
            one_of("EXTERNAL", "EXTERNAL_MANAGED", "INTERNAL_SELF_MANAGED", "INTERNAL_MANAGED"),
        ),
        Rule("protocol", one_of("HTTP", "HTTPS", "HTTP2", "TCP", "SSL", "UDP", "GRPC", "UNSPECIFIED", "H2C")),
        Rule("timeout_sec", between(1, 2147483647)),
        Rule("compression_mode", one_of("AUTOMATIC", "DISABLED")),
        Rule("connection_draining_timeout_sec", between(0, 3600)),
        Rule(
            "session_affinity",
            one_of(
                "NONE",
                "CLIENT_IP",
                "CLIENT_IP_PORT_PROTO",
                "CLIENT_IP_PROTO",
                "GENERATED_COOKIE",
                "HEADER_FIELD",
                "HTTP_COOKIE",
                "STRONG_COOKIE_AFFINITY",
            ),
        ),
        Rule("affinity_cookie_ttl_sec", between(0, 1209600)),
        Rule(
            "backend.*.balancing_mode",
            one_of("UTILIZATION", "RATE", "CONNECTION", "CUSTOM_METRICS", "IN_FLIGHT"),
        ),
        Rule("backend.*.max_utilization", between(0, 1)),
        Rule("cdn_policy.*.cache_mode", one_of("USE_ORIGIN_HEADERS", "FORCE_CACHE_ALL", "CACHE_ALL_STATIC")),
    ),
    "google_compute_url_map": (
        exactly_one_of("default_service", "default_url_redirect", "default_route_action"),
        Rule(
            "default_url_redirect.*.redirect_response_code",
            one_of(
                "FOUND", "MOVED_PERMANENTLY_DEFAULT", "PERMANENT_REDIRECT", "SEE_OTHER", "TEMPORARY_REDIRECT"
            ),
        ),
        Rule(
            "path_matcher.*.path_rule.*.paths.*",
            matches(r"/[^*]*(/\*)?|/\*", "start with / and have * only at the end"),
        ),
    ),
    "google_compute_ssl_policy": (
        Rule("profile", one_of("COMPATIBLE", "MODERN", "RESTRICTED", "CUSTOM", "FIPS_202205")),
        Rule("min_tls_version", one_of("TLS_1_0", "TLS_1_1", "TLS_1_2", "TLS_1_3")),
    ),
    "google_compute_target_https_proxy": (
        Rule("http_keep_alive_timeout_sec", between(5, 1200)),
        Rule(
            "certificate_map",
            matches(
                r"//certificatemanager\.googleapis\.com/projects/[^/]+/locations/[^/]+/certificateMaps/[^/]+",
                "be //certificatemanager.googleapis.com/ and the id of a certificate map",
            ),
        ),
    ),
    "google_compute_target_http_proxy": (Rule("http_keep_alive_timeout_sec", between(5, 1200)),),
    "google_compute_security_policy": (
        Rule("type", one_of("CLOUD_ARMOR", "CLOUD_ARMOR_EDGE", "CLOUD_ARMOR_INTERNAL_SERVICE")),
        Rule("rule.*.priority", between(0, 2147483647)),
        Rule("rule.*.match.*.config.*.src_ip_ranges", length(1, 10)),
        Rule("rule.*.match.*.versioned_expr", one_of("SRC_IPS_V1")),
        Rule(
            "rule.*.action",
            matches(r"allow|deny\((403|404|502)\)|rate_based_ban|redirect|throttle", "be allow, deny(403) …"),
        ),
    ),
    # ---- identities and secrets
    "google_service_account": (
        Rule(
            "account_id",
            matches(r"[a-z]([-a-z0-9]{4,28}[a-z0-9])", "hold 6 to 30 lower-case letters, digits and hyphens"),
        ),
    ),
    "google_project_iam_custom_role": (
        Rule("role_id", matches(r"[a-zA-Z0-9_.]{3,64}", "hold 3 to 64 letters, digits, _ and .")),
        Rule(
            "permissions.*",
            matches(r"[a-zA-Z0-9]+(\.[a-zA-Z0-9]+){2,}", "be a permission such as dns.changes.create"),
        ),
    ),
    "google_project_iam_member": _IAM,
    "google_storage_bucket_iam_member": _IAM,
    "google_secret_manager_secret_iam_member": _IAM,
    "google_dns_managed_zone_iam_member": _IAM,
    "google_secret_manager_secret": (
        Rule("secret_id", matches(r"[A-Za-z0-9_-]{1,255}", "hold letters, digits, _ and -")),
        exactly_one_of("auto", "user_managed", block="replication.*"),
        Rule("version_destroy_ttl", SECONDS),
    ),
    "google_secret_manager_secret_version": (exactly_one_of("secret_data", "secret_data_wo"),),
    # ---- data
    "google_storage_bucket": (
        Rule(
            "name",
            matches(
                r"[a-z0-9][a-z0-9._-]{1,61}[a-z0-9]", "hold 3 to 63 lower-case letters, digits, -, _ and ."
            ),
        ),
        Rule("public_access_prevention", one_of("inherited", "enforced")),
        Rule(
            "storage_class",
            one_of("STANDARD", "NEARLINE", "COLDLINE", "ARCHIVE", "MULTI_REGIONAL", "REGIONAL"),
        ),
        Rule(
            "lifecycle_rule.*.action.*.type",
            one_of("Delete", "SetStorageClass", "AbortIncompleteMultipartUpload"),
        ),
        Rule(
            "lifecycle_rule.*.action.*.storage_class", one_of("STANDARD", "NEARLINE", "COLDLINE", "ARCHIVE")
        ),
        Rule("lifecycle_rule.*.condition.*.with_state", one_of("LIVE", "ARCHIVED", "ANY")),
        Rule(
            "soft_delete_policy.*.retention_duration_seconds",
            lambda value: (
                None
                if value == 0 or 604800 <= value <= 7776000
                else "must be 0 or between 604800 and 7776000 (7 to 90 days)"
            ),
        ),
    ),
    "google_sql_database_instance": (
        Rule(
            "database_version", matches(r"(POSTGRES|MYSQL|SQLSERVER)_\w+", "be a release such as POSTGRES_16")
        ),
        Rule(
            "name", matches(r"[a-z]([-a-z0-9]{0,96}[a-z0-9])?", "hold lower-case letters, digits and hyphens")
        ),
        Rule("settings.*.availability_type", one_of("ZONAL", "REGIONAL")),
        Rule("settings.*.edition", one_of("ENTERPRISE", "ENTERPRISE_PLUS")),
        Rule("settings.*.tier", matches(r"db-[A-Za-z0-9-]+", "be a tier such as db-custom-2-8192")),
        Rule("settings.*.disk_type", one_of("PD_SSD", "PD_HDD", "HYPERDISK_BALANCED")),
        Rule("settings.*.disk_size", between(10, 65536)),
        Rule(
            "settings.*.ip_configuration.*.ssl_mode",
            one_of(
                "ALLOW_UNENCRYPTED_AND_ENCRYPTED", "ENCRYPTED_ONLY", "TRUSTED_CLIENT_CERTIFICATE_REQUIRED"
            ),
        ),
        Rule("settings.*.backup_configuration.*.start_time", CLOCK),
        Rule("settings.*.backup_configuration.*.transaction_log_retention_days", between(1, 35)),
        Rule(
            "settings.*.backup_configuration.*.backup_retention_settings.*.retained_backups", between(1, 365)
        ),
        Rule("settings.*.maintenance_window.*.day", between(1, 7)),
        Rule("settings.*.maintenance_window.*.hour", between(0, 23)),
        Rule("settings.*.maintenance_window.*.update_track", one_of("canary", "stable", "week5")),
        Rule("settings.*.insights_config.*.query_string_length", between(256, 1048576)),
    ),
    "google_sql_user": (conflicting("password", "password_wo"),),
    "google_redis_instance": (
        Rule("tier", one_of("BASIC", "STANDARD_HA")),
        Rule("memory_size_gb", between(1, 300)),
        Rule("connect_mode", one_of("DIRECT_PEERING", "PRIVATE_SERVICE_ACCESS")),
        Rule("transit_encryption_mode", one_of("SERVER_AUTHENTICATION", "DISABLED")),
        Rule(
            "redis_version",
            one_of("REDIS_3_2", "REDIS_4_0", "REDIS_5_0", "REDIS_6_X", "REDIS_7_0", "REDIS_7_2"),
        ),
        Rule("read_replicas_mode", one_of("READ_REPLICAS_DISABLED", "READ_REPLICAS_ENABLED")),
        Rule("replica_count", between(0, 5)),
        Rule("persistence_config.*.persistence_mode", one_of("DISABLED", "RDB")),
        Rule(
            "persistence_config.*.rdb_snapshot_period",
            one_of("ONE_HOUR", "SIX_HOURS", "TWELVE_HOURS", "TWENTY_FOUR_HOURS"),
        ),
    ),
    # ---- watching
    "google_logging_project_bucket_config": (
        Rule("retention_days", between(1, 3650)),
        Rule("bucket_id", length(1, 100)),
    ),
    "google_logging_metric": (
        Rule("metric_descriptor.*.metric_kind", one_of("DELTA", "GAUGE", "CUMULATIVE")),
        Rule(
            "metric_descriptor.*.value_type",
            one_of("BOOL", "INT64", "DOUBLE", "STRING", "DISTRIBUTION", "MONEY"),
        ),
    ),
    "google_logging_saved_query": (
        Rule("visibility", one_of("PRIVATE", "SHARED")),
        exactly_one_of("logging_query", "ops_analytics_query"),
    ),
    "google_monitoring_alert_policy": (
        Rule("combiner", one_of("AND", "OR", "AND_WITH_MATCHING_RESOURCE")),
        Rule("severity", one_of("CRITICAL", "ERROR", "WARNING")),
        Rule("conditions", length(1, 6)),
        Rule("conditions.*.condition_threshold.*.duration", SECONDS),
        Rule("conditions.*.condition_threshold.*.comparison", one_of("COMPARISON_GT", "COMPARISON_LT")),
        Rule("conditions.*.condition_threshold.*.aggregations.*.alignment_period", SECONDS),
        Rule("user_labels", _labels),
    ),
    "google_monitoring_uptime_check_config": (
        Rule("period", one_of("60s", "300s", "600s", "900s")),
        Rule("timeout", matches(r"([1-9]|[1-5]\d|60)s", "be between 1s and 60s")),
        exactly_one_of("http_check", "tcp_check", "synthetic_monitor"),
    ),
    "google_monitoring_dashboard": (Rule("dashboard_json", json_object),),
    "google_billing_budget": (
        Rule(
            "billing_account",
            matches(r"[0-9A-F]{6}-[0-9A-F]{6}-[0-9A-F]{6}", "look like 012345-6789AB-CDEF01"),
        ),
        Rule("threshold_rules.*.spend_basis", one_of("CURRENT_SPEND", "FORECASTED_SPEND")),
        Rule("all_updates_rule.*.monitoring_notification_channels", length(0, 5)),
    ),
}


def _of(name: str) -> tuple[AnyRule, ...]:
    named = (Rule("name", NAME),) if name in _NAMED else ()
    labelled = (Rule("labels", _labels),) if name in _LABELLED else ()
    return (*named, *labelled, *_OWN.get(name, ()))


RESOURCE_RULES: Final[Mapping[str, tuple[AnyRule, ...]]] = {
    name: _of(name) for name in sorted({*_NAMED, *_LABELLED, *_OWN})
}
