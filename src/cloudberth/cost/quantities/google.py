"""Every Google Cloud resource type that we can price, and every one that costs nothing by itself."""

from __future__ import annotations

from collections.abc import Mapping

from cloudberth.cost.quantities import google_compute, google_data, google_network, google_operations
from cloudberth.cost.quantities.context import Context
from cloudberth.cost.quantities.registry import AccountFunction, Cloud, QuantityFunction
from cloudberth.cost.usage import PlanFacts

PRICED: Mapping[str, QuantityFunction] = {
    "google_compute_address": google_network.address,
    "google_compute_backend_bucket": google_network.backend_bucket,
    "google_compute_backend_service": google_network.backend_service,
    "google_compute_disk": google_compute.disk,
    "google_compute_forwarding_rule": google_network.forwarding_rule,
    "google_compute_global_address": google_network.address,
    "google_compute_global_forwarding_rule": google_network.forwarding_rule,
    "google_compute_instance": google_compute.instance,
    "google_compute_instance_group_manager": google_compute.instance_group,
    "google_compute_region_disk": google_compute.disk,
    "google_compute_region_instance_group_manager": google_compute.instance_group,
    "google_compute_resource_policy": google_compute.snapshot_policy,
    "google_compute_router_nat": google_network.router_nat,
    "google_compute_security_policy": google_network.security_policy,
    "google_compute_subnetwork": google_network.subnetwork,
    "google_dns_managed_zone": google_network.zone,
    "google_kms_crypto_key": google_operations.crypto_key,
    "google_logging_metric": google_operations.log_metric,
    "google_logging_project_bucket_config": google_operations.log_bucket,
    "google_memorystore_instance": google_data.memorystore_instance,
    "google_monitoring_alert_policy": google_operations.alert_policy,
    "google_monitoring_uptime_check_config": google_operations.uptime_check,
    "google_redis_instance": google_data.redis_instance,
    "google_secret_manager_secret_version": google_operations.secret_version,
    "google_sql_database_instance": google_data.sql_instance,
    "google_storage_bucket": google_data.bucket,
}

ACCOUNT: tuple[AccountFunction, ...] = (
    google_network.traffic,
    google_operations.project_logs,
    google_operations.secret_reads,
)
"""Quantities of the deployment as a whole."""

_PERMISSION = "permissions are free"
_NETWORK = "a setting of the network; what runs in it is billed"
_BALANCER = "part of a load balancer; its forwarding rules and data are billed"
_CERTIFICATE = "up to a hundred managed certificates are free"
_BUCKET = "a setting of a bucket; the objects are billed"
_LOGS = "routing logs is free; taking them in is billed with the bucket"
_SAVED = "a saved query or view is free"
_DATABASE = "part of a database instance, which is billed"
_DISK = "the disk is billed"
_TEMPLATE = "a description; machines and disks are billed with their group"

FREE: Mapping[str, str] = {
    "google_artifact_registry_repository_iam_member": _PERMISSION,
    "google_billing_budget": "budgets are free",
    "google_certificate_manager_certificate": _CERTIFICATE,
    "google_certificate_manager_certificate_map": _CERTIFICATE,
    "google_certificate_manager_certificate_map_entry": _CERTIFICATE,
    "google_certificate_manager_dns_authorization": _CERTIFICATE,
    "google_compute_attached_disk": _DISK,
    "google_compute_autoscaler": "scaling is free; the group's mean size follows its schedules",
    "google_compute_disk_resource_policy_attachment": _DISK,
    "google_compute_firewall": _NETWORK,
    "google_compute_health_check": _BALANCER,
    "google_compute_instance_template": _TEMPLATE,
    "google_compute_managed_ssl_certificate": _CERTIFICATE,
    "google_compute_network": _NETWORK,
    "google_compute_network_peering_routes_config": _NETWORK,
    "google_compute_per_instance_config": "part of a group, which is billed",
    "google_compute_region_autoscaler": "scaling is free; the group's mean size follows its schedules",
    "google_compute_region_disk_resource_policy_attachment": _DISK,
    "google_compute_region_health_check": _BALANCER,
    "google_compute_region_instance_template": _TEMPLATE,
    "google_compute_region_per_instance_config": "part of a group, which is billed",
    "google_compute_route": _NETWORK,
    "google_compute_router": "free; the NAT on it is billed",
    "google_compute_security_policy_rule": "counted and billed with its policy",
    "google_compute_ssl_certificate": _CERTIFICATE,
    "google_compute_ssl_policy": _BALANCER,
    "google_compute_target_http_proxy": _BALANCER,
    "google_compute_target_https_proxy": _BALANCER,
    "google_compute_url_map": _BALANCER,
    "google_dns_managed_zone_iam_member": _PERMISSION,
    "google_dns_record_set": "records are free; the zone and its queries are billed",
    "google_iap_tunnel_iam_member": _PERMISSION,
    "google_kms_crypto_key_iam_member": _PERMISSION,
    "google_kms_key_ring": "a group of keys, which are billed",
    "google_logging_linked_dataset": "a link; queries from elsewhere are billed there",
    "google_logging_log_view": _SAVED,
    "google_logging_project_exclusion": _LOGS,
    "google_logging_project_sink": _LOGS,
    "google_logging_saved_query": _SAVED,
    "google_monitoring_dashboard": "dashboards are free",
    "google_monitoring_metric_descriptor": "a description; the values of a metric are billed",
    "google_monitoring_notification_channel": "notifications by e-mail are free",
    "google_organization_iam_member": _PERMISSION,
    "google_project_iam_audit_config": "admin activity is logged for free; the plan switches on no more",
    "google_project_iam_binding": _PERMISSION,
    "google_project_iam_custom_role": _PERMISSION,
    "google_project_iam_member": _PERMISSION,
    "google_project_service": "switching an interface on is free",
    "google_project_service_identity": _PERMISSION,
    "google_resource_manager_lien": "a lock is a setting",
    "google_secret_manager_secret": "a secret's versions and reads are billed",
    "google_secret_manager_secret_iam_binding": _PERMISSION,
    "google_secret_manager_secret_iam_member": _PERMISSION,
    "google_service_account": _PERMISSION,
    "google_service_account_iam_binding": _PERMISSION,
    "google_service_account_iam_member": _PERMISSION,
    "google_service_networking_connection": _NETWORK,
    "google_service_networking_peered_dns_domain": _NETWORK,
    "google_sql_database": _DATABASE,
    "google_sql_user": _DATABASE,
    "google_storage_bucket_iam_binding": _PERMISSION,
    "google_storage_bucket_iam_member": _PERMISSION,
    "google_storage_bucket_iam_policy": _PERMISSION,
    "google_storage_bucket_object": "a few kilobytes; objects are billed with the bucket",
    "google_storage_hmac_key": _PERMISSION,
    "google_storage_managed_folder": _BUCKET,
}
"""Type → why it costs nothing by itself."""


def plan_facts(context: Context) -> PlanFacts:
    """Machines, zones and secrets of a plan. Where subnetworks reach Google's interfaces privately, logs go
    past the NAT gateway."""
    private = [
        s.get("private_ip_google_access") is True for s in context.of_type("google_compute_subnetwork")
    ]
    return PlanFacts(
        machines=google_compute.machine_count(context),
        zones=google_network.zone_count(context),
        secrets=len(context.of_type("google_secret_manager_secret")),
        cdn=google_network.cdn_in_front(context),
        log_endpoint=any(private),
    )


CLOUD = Cloud(name="google", priced=PRICED, free=FREE, account=ACCOUNT, facts=plan_facts)
