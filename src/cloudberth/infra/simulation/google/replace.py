"""Which arguments of Google resources force a new resource, and which are sensitive.

None of this is in a recovered schema. Force-new facts are those of the provider's documentation and resource
definitions (8.x); types without an entry are treated as changeable in place, except for ALWAYS.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final


def _table(text: str) -> Mapping[str, frozenset[str]]:
    """Lines of `type: argument argument …`; an indented line continues the one before."""
    rows = (line.partition(":") for line in text.strip().replace("\n ", " ").splitlines())
    return {name.strip(): frozenset(arguments.split()) for name, _, arguments in rows}


ALWAYS: Final = frozenset({"project", "region", "zone", "location"})
"""Arguments that force a new resource on every type."""

FORCE_NEW: Final = _table("""
google_billing_budget: billing_account
google_certificate_manager_certificate: name managed scope
google_certificate_manager_certificate_map: name
google_certificate_manager_certificate_map_entry: name map hostname matcher
google_certificate_manager_dns_authorization: name domain type
google_compute_address: name address address_type network subnetwork purpose network_tier description
google_compute_backend_service: name load_balancing_scheme
google_compute_disk: name type snapshot image description disk_encryption_key
google_compute_disk_resource_policy_attachment: name disk
google_compute_firewall: name network direction
google_compute_global_address: name address address_type network prefix_length purpose ip_version
  description
google_compute_global_forwarding_rule: name ip_address ip_protocol load_balancing_scheme port_range
  ip_version
google_compute_health_check: name
google_compute_instance_group_manager: name base_instance_name description
google_compute_instance_template: name name_prefix machine_type metadata disk network_interface
  service_account
  scheduling shielded_instance_config tags labels description instance_description can_ip_forward
google_compute_network: name auto_create_subnetworks description
google_compute_per_instance_config: name instance_group_manager
google_compute_region_autoscaler: name
google_compute_region_instance_group_manager: name base_instance_name description distribution_policy_zones
google_compute_resource_policy: name snapshot_schedule_policy
google_compute_router: name network
google_compute_router_nat: name router
google_compute_security_policy: name type
google_compute_ssl_policy: name
google_compute_subnetwork: name network description purpose
google_compute_target_http_proxy: name
google_compute_target_https_proxy: name
google_compute_url_map: name
google_dns_managed_zone: name dns_name visibility
google_dns_managed_zone_iam_member: managed_zone role member condition
google_dns_record_set: name managed_zone type
google_logging_metric: name
google_logging_project_bucket_config: bucket_id
google_logging_project_exclusion: name
google_logging_project_sink: name unique_writer_identity
google_logging_saved_query: name parent
google_monitoring_uptime_check_config: monitored_resource checker_type
google_monitoring_notification_channel: type
google_project_iam_custom_role: role_id
google_project_iam_member: role member condition
google_project_service: service
google_redis_instance: name tier connect_mode authorized_network reserved_ip_range location_id
  alternative_location_id transit_encryption_mode customer_managed_key
google_secret_manager_secret: secret_id replication
google_secret_manager_secret_iam_member: secret_id role member condition
google_secret_manager_secret_version: secret secret_data secret_data_wo_version
google_service_account: account_id
google_service_networking_connection: network service
google_sql_database: name instance
google_sql_database_instance: name database_version
google_sql_user: name instance type
google_storage_bucket: name
google_storage_bucket_iam_member: bucket role member condition
google_storage_bucket_object: name bucket content content_type
""")

SENSITIVE: Final[Mapping[str, frozenset[str]]] = {
    "google_redis_instance": frozenset({"auth_string"}),
    "google_secret_manager_secret_version": frozenset({"secret_data"}),
    "google_sql_database_instance": frozenset({"root_password"}),
    "google_sql_user": frozenset({"password"}),
    "google_storage_bucket_object": frozenset({"content"}),
}

EXPOSED: Final[Mapping[str, frozenset[str]]] = {
    "google_redis_instance": frozenset({"auth_string"}),
}
"""Secrets of Google's own making that the real provider keeps in the state, whatever one configures."""
