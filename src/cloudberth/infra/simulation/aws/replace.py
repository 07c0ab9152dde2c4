"""Which arguments of AWS resources force a new resource, which are sensitive, which results change with
others.

None of this is in a recovered schema. Force-new facts are those of the AWS provider's documentation and
resource definitions (6.x); types without an entry are treated as changeable in place, except for ALWAYS.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final


def _table(text: str) -> Mapping[str, frozenset[str]]:
    """Lines of `type: argument argument …`; an indented line continues the one before."""
    rows = (line.partition(":") for line in text.strip().replace("\n ", " ").splitlines())
    return {name.strip(): frozenset(arguments.split()) for name, _, arguments in rows}


ALWAYS: Final = frozenset({"region"})
"""Arguments that force a new resource on every type."""

FORCE_NEW: Final = _table("""
aws_acm_certificate: domain_name subject_alternative_names validation_method certificate_authority_arn
  key_algorithm
aws_acm_certificate_validation: certificate_arn validation_record_fqdns
aws_appautoscaling_target: resource_id scalable_dimension service_namespace
aws_autoscaling_group: name name_prefix
aws_autoscaling_policy: name autoscaling_group_name
aws_autoscaling_schedule: scheduled_action_name autoscaling_group_name
aws_backup_selection: name plan_id iam_role_arn resources not_resources condition selection_tag
aws_backup_vault: name kms_key_arn
aws_budgets_budget: name name_prefix account_id
aws_ce_anomaly_monitor: monitor_type monitor_dimension monitor_specification
aws_ce_anomaly_subscription: name account_id
aws_cloudfront_distribution: staging
aws_cloudfront_function: name
aws_cloudwatch_composite_alarm: alarm_name
aws_cloudwatch_dashboard: dashboard_name
aws_cloudwatch_event_rule: name name_prefix event_bus_name
aws_cloudwatch_log_group: name name_prefix log_group_class
aws_cloudwatch_log_metric_filter: name log_group_name
aws_cloudwatch_log_stream: name log_group_name
aws_cloudwatch_metric_alarm: alarm_name
aws_db_instance: identifier_prefix engine username db_name character_set_name availability_zone kms_key_id
  storage_encrypted snapshot_identifier custom_iam_instance_profile nchar_character_set_name timezone
aws_db_option_group: name name_prefix engine_name major_engine_version option_group_description
aws_db_parameter_group: name name_prefix family description
aws_db_subnet_group: name name_prefix
aws_dynamodb_table: name hash_key range_key
aws_ebs_volume: availability_zone encrypted kms_key_id snapshot_id outpost_arn
aws_ecr_repository: name encryption_configuration
aws_ecs_cluster: name
aws_ecs_service: name cluster launch_type scheduling_strategy
aws_ecs_task_definition: family container_definitions cpu memory network_mode execution_role_arn
  task_role_arn requires_compatibilities volume ephemeral_storage runtime_platform placement_constraints
  proxy_configuration ipc_mode pid_mode
aws_efs_access_point: file_system_id posix_user root_directory
aws_efs_file_system: encrypted kms_key_id performance_mode creation_token availability_zone_name
aws_efs_mount_target: file_system_id subnet_id ip_address
aws_eip: domain customer_owned_ipv4_pool network_border_group public_ipv4_pool address
aws_eks_cluster: name role_arn kubernetes_network_config encryption_config
aws_eks_node_group: cluster_name node_group_name node_role_arn subnet_ids instance_types disk_size
  capacity_type ami_type remote_access
aws_elasticache_cluster: cluster_id engine replication_group_id subnet_group_name port availability_zone
aws_elasticache_parameter_group: name family description
aws_elasticache_replication_group: replication_group_id subnet_group_name at_rest_encryption_enabled
  kms_key_id port security_group_names snapshot_arns snapshot_name data_tiering_enabled network_type
  global_replication_group_id
aws_elasticache_subnet_group: name
aws_flow_log: vpc_id subnet_id eni_id transit_gateway_id traffic_type log_destination log_destination_type
  log_format iam_role_arn max_aggregation_interval destination_options deliver_cross_account_role
aws_iam_instance_profile: name name_prefix path
aws_iam_policy: name name_prefix path description
aws_iam_role: name name_prefix path
aws_iam_role_policy: name name_prefix role
aws_iam_role_policy_attachment: role policy_arn
aws_iam_service_linked_role: aws_service_name custom_suffix
aws_instance: availability_zone key_name subnet_id private_ip secondary_private_ips ipv6_address_count
  placement_group tenancy host_resource_group_arn cpu_options enclave_options ephemeral_block_device
  hibernation get_password_data
aws_kms_alias: name name_prefix
aws_kms_key: customer_master_key_spec key_usage custom_key_store_id multi_region xks_key_id
aws_lambda_function: function_name package_type
aws_launch_template: name name_prefix
aws_lb: name name_prefix internal load_balancer_type customer_owned_ipv4_pool
aws_lb_listener: load_balancer_arn
aws_lb_listener_rule: listener_arn
aws_lb_target_group: name name_prefix port protocol protocol_version target_type vpc_id ip_address_type
aws_lb_target_group_attachment: target_group_arn target_id port availability_zone
aws_nat_gateway: allocation_id subnet_id connectivity_type private_ip availability_mode
aws_network_interface: subnet_id private_ip_list_enabled interface_type
aws_opensearch_domain: domain_name
aws_rds_cluster: cluster_identifier cluster_identifier_prefix engine engine_mode master_username
  database_name availability_zones db_subnet_group_name db_system_id cluster_scalability_type kms_key_id
  storage_encrypted snapshot_identifier source_region restore_to_point_in_time s3_import
aws_rds_cluster_instance: cluster_identifier identifier identifier_prefix engine availability_zone
  db_subnet_group_name
aws_rds_cluster_parameter_group: name name_prefix family description
aws_route: route_table_id destination_cidr_block destination_ipv6_cidr_block destination_prefix_list_id
aws_route53_record: zone_id name type set_identifier
aws_route53_zone: name delegation_set_id
aws_route_table: vpc_id
aws_route_table_association: subnet_id gateway_id
aws_s3_bucket: bucket bucket_prefix object_lock_enabled
aws_s3_bucket_lifecycle_configuration: bucket expected_bucket_owner
aws_s3_bucket_policy: bucket
aws_s3_bucket_public_access_block: bucket
aws_s3_bucket_server_side_encryption_configuration: bucket expected_bucket_owner
aws_s3_bucket_versioning: bucket expected_bucket_owner
aws_s3_bucket_ownership_controls: bucket
aws_s3_bucket_logging: bucket expected_bucket_owner
aws_s3_object: bucket key
aws_secretsmanager_secret: name name_prefix
aws_secretsmanager_secret_version: secret_id secret_string secret_binary secret_string_wo_version
aws_security_group: name name_prefix description vpc_id
aws_security_group_rule: type from_port to_port protocol cidr_blocks ipv6_cidr_blocks prefix_list_ids
  security_group_id self source_security_group_id
aws_service_discovery_private_dns_namespace: name vpc
aws_sns_topic: name name_prefix fifo_topic
aws_sns_topic_policy: arn
aws_sns_topic_subscription: topic_arn protocol endpoint
aws_sqs_queue: name name_prefix fifo_queue
aws_ssm_parameter: name
aws_subnet: vpc_id cidr_block availability_zone availability_zone_id ipv6_native outpost_arn
aws_volume_attachment: device_name instance_id volume_id
aws_vpc: cidr_block ipv4_ipam_pool_id ipv4_netmask_length
aws_vpc_endpoint: vpc_id service_name vpc_endpoint_type
aws_vpc_security_group_egress_rule: security_group_id
aws_vpc_security_group_ingress_rule: security_group_id
aws_wafv2_ip_set: name scope ip_address_version
aws_wafv2_web_acl: name name_prefix scope
aws_wafv2_web_acl_association: web_acl_arn resource_arn
""")

SENSITIVE: Final = _table("""
aws_acm_certificate: private_key
aws_db_instance: password password_wo
aws_ecr_authorization_token: authorization_token password
aws_eks_cluster_auth: token
aws_elasticache_replication_group: auth_token auth_token_wo
aws_elasticache_user: passwords
aws_kms_secrets: plaintext
aws_rds_cluster: master_password master_password_wo
aws_secretsmanager_random_password: random_password
aws_secretsmanager_secret_version: secret_string secret_binary secret_string_wo
aws_ssm_parameter: value value_wo
""")
"""Type → sensitive attributes, for resources, data sources and ephemeral resources alike."""


@dataclass(frozen=True, slots=True)
class Renewal:
    """When a computed attribute gets a new value by a change in place.

    only: it happens when one of these changes (empty: any argument). ignoring: changes that do not count.
    when: an argument that must be true.
    """

    only: frozenset[str] = frozenset()
    ignoring: frozenset[str] = frozenset()
    when: str = ""

    def applies(self, changed: frozenset[str], planned: Mapping[str, object]) -> bool:
        if self.when and planned.get(self.when) is not True:
            return False
        return bool(changed & self.only if self.only else changed - self.ignoring)


_TEMPLATE_NAMES: Final = frozenset({"name", "name_prefix", "description"})

RENEWED: Final[Mapping[str, Mapping[str, Renewal]]] = {
    "aws_launch_template": {
        "latest_version": Renewal(ignoring=_TEMPLATE_NAMES),
        "default_version": Renewal(ignoring=_TEMPLATE_NAMES, when="update_default_version"),
    },
    "aws_ssm_parameter": {
        "version": Renewal(only=frozenset({"value", "insecure_value", "value_wo_version"}))
    },
    "aws_s3_object": {"etag": Renewal(only=frozenset({"content", "source", "content_base64"}))},
    "aws_backup_plan": {"version": Renewal()},
    "aws_wafv2_web_acl": {"lock_token": Renewal(), "capacity": Renewal(only=frozenset({"rule"}))},
    "aws_wafv2_ip_set": {"lock_token": Renewal()},
    "aws_cloudfront_distribution": {"etag": Renewal()},
    "aws_db_instance": {"engine_version_actual": Renewal(only=frozenset({"engine_version"}))},
    "aws_rds_cluster": {"engine_version_actual": Renewal(only=frozenset({"engine_version"}))},
    "aws_elasticache_replication_group": {
        "engine_version_actual": Renewal(only=frozenset({"engine_version"})),
        "member_clusters": Renewal(
            only=frozenset({"num_cache_clusters", "replicas_per_node_group", "num_node_groups"})
        ),
    },
}
