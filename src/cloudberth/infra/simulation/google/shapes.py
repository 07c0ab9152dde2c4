"""Computed attributes of Google resources, as patterns.

A pattern is a text with places in braces: another attribute of the same object (`{name}`, `{location}`),
`{project}`, `{region}`, `{zone}`, `{number}` (of the project), `{hex8}` / `{digits18}` (that many
characters, different per object and attribute), `{octet}`. Ids follow the provider's documentation ("id -
an identifier for the resource with format …"), addresses are from ranges for documentation or private ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

Shape = Mapping[str, Any]

GLOBAL: Final = "projects/{project}/global"
REGIONAL: Final = "projects/{project}/regions/{region}"
ZONAL: Final = "projects/{project}/zones/{zone}"

COMPUTE: Final[Mapping[str, str]] = {
    "google_compute_address": f"{REGIONAL}/addresses/{{name}}",
    "google_compute_backend_service": f"{GLOBAL}/backendServices/{{name}}",
    "google_compute_disk": f"{ZONAL}/disks/{{name}}",
    "google_compute_firewall": f"{GLOBAL}/firewalls/{{name}}",
    "google_compute_global_address": f"{GLOBAL}/addresses/{{name}}",
    "google_compute_global_forwarding_rule": f"{GLOBAL}/forwardingRules/{{name}}",
    "google_compute_health_check": f"{GLOBAL}/healthChecks/{{name}}",
    "google_compute_instance_group_manager": f"{ZONAL}/instanceGroupManagers/{{name}}",
    "google_compute_instance_template": f"{GLOBAL}/instanceTemplates/{{name}}",
    "google_compute_managed_ssl_certificate": f"{GLOBAL}/sslCertificates/{{name}}",
    "google_compute_network": f"{GLOBAL}/networks/{{name}}",
    "google_compute_region_autoscaler": f"{REGIONAL}/autoscalers/{{name}}",
    "google_compute_region_instance_group_manager": f"{REGIONAL}/instanceGroupManagers/{{name}}",
    "google_compute_resource_policy": f"{REGIONAL}/resourcePolicies/{{name}}",
    "google_compute_router": f"{REGIONAL}/routers/{{name}}",
    "google_compute_security_policy": f"{GLOBAL}/securityPolicies/{{name}}",
    "google_compute_ssl_policy": f"{GLOBAL}/sslPolicies/{{name}}",
    "google_compute_subnetwork": f"{REGIONAL}/subnetworks/{{name}}",
    "google_compute_target_http_proxy": f"{GLOBAL}/targetHttpProxies/{{name}}",
    "google_compute_target_https_proxy": f"{GLOBAL}/targetHttpsProxies/{{name}}",
    "google_compute_url_map": f"{GLOBAL}/urlMaps/{{name}}",
}
"""Types whose self link is their id behind the address of the Compute API."""

API: Final = "https://www.googleapis.com/compute/v1"

SHAPES: Final[Mapping[str, Shape]] = {
    # ---- network
    "google_compute_address": {"address": "203.0.113.{octet}", "network_tier": "PREMIUM"},
    "google_compute_global_address": {"address": "203.0.113.{octet}"},
    "google_compute_subnetwork": {
        "gateway_address": "10.40.0.1",
        "stack_type": "IPV4_ONLY",
        "purpose": "PRIVATE",
    },
    "google_compute_router_nat": {"id": "{project}/{region}/{router}/{name}", "type": "PUBLIC"},
    "google_service_networking_connection": {
        "id": "{network}:{service}",
        "peering": "servicenetworking-googleapis-com",
    },
    "google_dns_managed_zone": {
        "id": "projects/{project}/managedZones/{name}",
        "name_servers": ["ns-cloud-a1.googledomains.com.", "ns-cloud-a2.googledomains.com."],
    },
    "google_dns_record_set": {"id": "projects/{project}/managedZones/{managed_zone}/rrsets/{name}/{type}"},
    # ---- machines
    "google_compute_instance_group_manager": {
        "instance_group": f"{API}/{ZONAL}/instanceGroups/{{name}}",
        "target_size": 0,
        "operation": "",
    },
    "google_compute_region_instance_group_manager": {
        "instance_group": f"{API}/{REGIONAL}/instanceGroups/{{name}}",
        "target_size": 0,
    },
    "google_compute_instance_template": {"self_link_unique": "{self_link}?uniqueId={digits18}"},
    "google_compute_per_instance_config": {
        "id": f"{ZONAL}/instanceGroupManagers/{{instance_group_manager}}/{{name}}"
    },
    "google_compute_disk_resource_policy_attachment": {"id": "{project}/{zone}/{disk}/{name}"},
    # ---- load balancer
    "google_certificate_manager_certificate": {
        "id": "projects/{project}/locations/global/certificates/{name}"
    },
    "google_certificate_manager_certificate_map": {
        "id": "projects/{project}/locations/global/certificateMaps/{name}"
    },
    "google_certificate_manager_certificate_map_entry": {
        "id": "projects/{project}/locations/global/certificateMaps/{map}/certificateMapEntries/{name}",
        "state": "ACTIVE",
    },
    "google_certificate_manager_dns_authorization": {
        "id": "projects/{project}/locations/global/dnsAuthorizations/{name}",
        "type": "FIXED_RECORD",
        "dns_resource_record": [
            {
                "name": "_acme-challenge.{domain}.",
                "type": "CNAME",
                "data": "{hex8}-{hex8}.1.authorize.certificatemanager.goog.",
            }
        ],
    },
    # ---- identities and secrets
    "google_project_service": {"id": "{project}/{service}"},
    "google_service_account": {
        "id": "projects/{project}/serviceAccounts/{email}",
        "name": "{id}",
        "unique_id": "{digits18}",
    },
    "google_project_iam_custom_role": {
        "id": "projects/{project}/roles/{role_id}",
        "name": "{id}",
        "deleted": False,
    },
    "google_project_iam_member": {"id": "{project}/{role}/{member}"},
    "google_dns_managed_zone_iam_member": {
        "id": "projects/{project}/managedZones/{managed_zone}/{role}/{member}"
    },
    "google_storage_bucket_iam_member": {"id": "b/{bucket}/{role}/{member}"},
    "google_secret_manager_secret_iam_member": {"id": "{secret_id}/{role}/{member}"},
    "google_secret_manager_secret": {
        "id": "projects/{project}/secrets/{secret_id}",
        "name": "projects/{number}/secrets/{secret_id}",
    },
    "google_secret_manager_secret_version": {
        "id": "{name}",
        "name": "{secret}/versions/1",
        "version": "1",
        "create_time": "2026-01-01T00:00:00.000000Z",
        "destroy_time": "",
    },
    # ---- data
    "google_storage_bucket": {
        "id": "{name}",
        "self_link": "https://www.googleapis.com/storage/v1/b/{name}",
        "url": "gs://{name}",
        "rpo": "",
    },
    "google_storage_bucket_object": {
        "id": "{bucket}-{name}",
        "self_link": "https://www.googleapis.com/storage/v1/b/{bucket}/o/{name}",
        "media_link": "https://storage.googleapis.com/download/storage/v1/b/{bucket}/o/{name}?alt=media",
        "output_name": "{name}",
        "storage_class": "STANDARD",
    },
    "google_sql_database_instance": {
        "id": "{name}",
        "self_link": "https://sqladmin.googleapis.com/sql/v1beta4/projects/{project}/instances/{name}",
        "connection_name": "{project}:{region}:{name}",
        "private_ip_address": "10.40.192.{octet}",
        "first_ip_address": "{private_ip_address}",
        "public_ip_address": "",
        "instance_type": "CLOUD_SQL_INSTANCE",
        "master_instance_name": "",
        "encryption_key_name": "",
        "dns_name": "",
        "psc_service_attachment_link": "",
        "maintenance_version": "",
    },
    "google_sql_user": {"id": "{name}//{instance}", "host": ""},
    "google_sql_database": {
        "id": "projects/{project}/instances/{instance}/databases/{name}",
        "self_link": "https://sqladmin.googleapis.com/sql/v1beta4/{id}",
        "charset": "UTF8",
        "collation": "en_US.UTF8",
    },
    "google_redis_instance": {
        "id": "projects/{project}/locations/{region}/instances/{name}",
        "host": "10.40.192.{octet}",
        "port": 6378,
        "auth_string": "simulated-{hex24}",
        "create_time": "2026-01-01T00:00:00.000000000Z",
        "current_location_id": "{location_id}",
        "alternative_location_id": "",
        "read_endpoint": "",
        "reserved_ip_range": "",
        "secondary_ip_range": "",
        "maintenance_version": "",
        "server_ca_certs": [
            {
                "cert": "-----BEGIN CERTIFICATE-----\nsimulated {hex24}\n-----END CERTIFICATE-----\n",
                "serial_number": "{digits18}",
                "create_time": "2026-01-01T00:00:00.000Z",
                "expire_time": "2036-01-01T00:00:00.000Z",
                "sha1_fingerprint": "{hex40}",
            }
        ],
    },
    # ---- watching
    "google_logging_project_bucket_config": {
        "id": "projects/{project}/locations/{location}/buckets/{bucket_id}",
        "name": "{id}",
        "lifecycle_state": "ACTIVE",
    },
    "google_logging_project_sink": {"id": "projects/{project}/sinks/{name}", "writer_identity": ""},
    "google_logging_project_exclusion": {"id": "projects/{project}/exclusions/{name}"},
    "google_logging_metric": {"id": "{name}"},
    "google_logging_saved_query": {"id": "{parent}/locations/{location}/savedQueries/{name}"},
    "google_monitoring_alert_policy": {"id": "{name}", "name": "projects/{project}/alertPolicies/{digits18}"},
    "google_monitoring_notification_channel": {
        "id": "{name}",
        "name": "projects/{project}/notificationChannels/{digits18}",
        "verification_status": "",
    },
    "google_monitoring_uptime_check_config": {
        "id": "{name}",
        "name": "projects/{project}/uptimeCheckConfigs/{uptime_check_id}",
        "uptime_check_id": "simulated-{hex8}",
    },
    "google_monitoring_dashboard": {"id": "projects/{number}/dashboards/{hex8}-{hex4}"},
    "google_billing_budget": {
        "id": "billingAccounts/{billing_account}/budgets/{hex8}-{hex4}",
        "name": "{hex8}-{hex4}",
        "ownership_scope": "ALL_USERS",
    },
}
