"""Every AWS resource type that we can price, and every one that is known to cost nothing by itself."""

from __future__ import annotations

from collections.abc import Mapping

from cloudberth.cost.quantities import aws_compute, aws_data, aws_edge, aws_network, aws_operations
from cloudberth.cost.quantities.context import Context
from cloudberth.cost.quantities.registry import AccountFunction, Cloud, QuantityFunction
from cloudberth.cost.usage import PlanFacts

PRICED: Mapping[str, QuantityFunction] = {
    "aws_autoscaling_group": aws_compute.autoscaling_group,
    "aws_budgets_budget": aws_operations.budget,
    "aws_cloudfront_distribution": aws_edge.distribution,
    "aws_cloudwatch_composite_alarm": aws_operations.composite_alarm,
    "aws_cloudwatch_dashboard": aws_operations.dashboard,
    "aws_cloudwatch_log_delivery": aws_operations.log_delivery,
    "aws_cloudwatch_log_group": aws_operations.log_group,
    "aws_cloudwatch_log_metric_filter": aws_operations.metric_filter,
    "aws_cloudwatch_metric_alarm": aws_operations.metric_alarm,
    "aws_db_instance": aws_data.db_instance,
    "aws_dlm_lifecycle_policy": aws_compute.snapshot_policy,
    "aws_ebs_volume": aws_compute.ebs_volume,
    "aws_eip": aws_network.elastic_ip,
    "aws_elasticache_replication_group": aws_data.replication_group,
    "aws_flow_log": aws_network.flow_log,
    "aws_instance": aws_compute.instance,
    "aws_kms_key": aws_operations.kms_key,
    "aws_lb": aws_network.load_balancer,
    "aws_nat_gateway": aws_network.nat_gateway,
    "aws_rds_cluster": aws_data.rds_cluster,
    "aws_rds_cluster_instance": aws_data.rds_cluster_instance,
    "aws_route53_health_check": aws_edge.health_check,
    "aws_route53_zone": aws_edge.zone,
    "aws_s3_bucket": aws_data.bucket,
    "aws_secretsmanager_secret": aws_operations.secret,
    "aws_sns_topic": aws_operations.sns_topic,
    "aws_vpc_endpoint": aws_network.endpoint,
    "aws_wafv2_web_acl": aws_edge.web_acl,
}

ACCOUNT: tuple[AccountFunction, ...] = (
    aws_network.traffic,
    aws_operations.custom_metrics,
    aws_operations.secret_reads,
)
"""Quantities of the deployment as a whole."""

_PERMISSION = "permissions are free"
_NETWORK = "a setting of the network; what runs in it is billed"
_BUCKET = "a setting of a bucket; the objects are billed"
_PART = "part of another resource, which is billed"

FREE: Mapping[str, str] = {
    "aws_acm_certificate": "public certificates are free",
    "aws_acm_certificate_validation": "waits for a certificate; nothing is created",
    "aws_autoscaling_lifecycle_hook": _PART,
    "aws_autoscaling_policy": "scaling is free; the machines are billed with their group",
    "aws_autoscaling_schedule": "scaling is free; the group's mean size follows its schedules",
    "aws_ce_anomaly_monitor": "cost anomaly detection is free",
    "aws_ce_anomaly_subscription": "cost anomaly detection is free",
    "aws_cloudfront_cache_policy": "a setting of the CDN",
    "aws_cloudfront_origin_access_control": "a setting of the CDN",
    "aws_cloudfront_origin_request_policy": "a setting of the CDN",
    "aws_cloudfront_response_headers_policy": "a setting of the CDN",
    "aws_cloudwatch_log_delivery_destination": _PART,
    "aws_cloudwatch_log_delivery_source": _PART,
    "aws_cloudwatch_log_resource_policy": _PERMISSION,
    "aws_cloudwatch_query_definition": "a saved query is free; reading logs is billed with the log group",
    "aws_db_parameter_group": _PART,
    "aws_db_subnet_group": _NETWORK,
    "aws_default_network_acl": _NETWORK,
    "aws_default_route_table": _NETWORK,
    "aws_default_security_group": _NETWORK,
    "aws_elasticache_parameter_group": _PART,
    "aws_elasticache_subnet_group": _NETWORK,
    "aws_elasticache_user": _PERMISSION,
    "aws_elasticache_user_group": _PERMISSION,
    "aws_eip_association": "the address is billed, not its use",
    "aws_iam_instance_profile": _PERMISSION,
    "aws_iam_policy": _PERMISSION,
    "aws_iam_role": _PERMISSION,
    "aws_iam_role_policy": _PERMISSION,
    "aws_iam_role_policy_attachment": _PERMISSION,
    "aws_iam_service_linked_role": _PERMISSION,
    "aws_internet_gateway": "free; data out is billed",
    "aws_kms_alias": "a name of a key; the key is billed",
    "aws_kms_key_policy": _PERMISSION,
    "aws_launch_template": "a description; the machines and disks are billed with their group",
    "aws_lb_listener": "rules count towards the balancer's capacity units",
    "aws_lb_listener_certificate": _PART,
    "aws_lb_listener_rule": "rules count towards the balancer's capacity units",
    "aws_lb_target_group": _PART,
    "aws_lb_target_group_attachment": _PART,
    "aws_network_acl": _NETWORK,
    "aws_network_acl_rule": _NETWORK,
    "aws_network_interface": "free; an attached public address is billed",
    "aws_rds_cluster_parameter_group": _PART,
    "aws_resourcegroups_group": "a saved selection of resources",
    "aws_route": _NETWORK,
    "aws_route53_record": "records are free up to 10,000 a zone; queries are billed with the zone",
    "aws_route_table": _NETWORK,
    "aws_route_table_association": _NETWORK,
    "aws_s3_bucket_acl": _BUCKET,
    "aws_s3_bucket_cors_configuration": _BUCKET,
    "aws_s3_bucket_lifecycle_configuration": _BUCKET,
    "aws_s3_bucket_logging": _BUCKET,
    "aws_s3_bucket_ownership_controls": _BUCKET,
    "aws_s3_bucket_policy": _BUCKET,
    "aws_s3_bucket_public_access_block": _BUCKET,
    "aws_s3_bucket_server_side_encryption_configuration": _BUCKET,
    "aws_s3_bucket_versioning": "a setting of a bucket; old versions are billed with it",
    "aws_s3_object": "a few kilobytes; objects are billed with the bucket",
    "aws_secretsmanager_secret_policy": _PERMISSION,
    "aws_secretsmanager_secret_version": "the secret is billed, not its versions",
    "aws_security_group": _NETWORK,
    "aws_security_group_rule": _NETWORK,
    "aws_sns_topic_policy": _PERMISSION,
    "aws_sns_topic_subscription": "mails are billed with the topic",
    "aws_ssm_association": "State Manager on machines of the account is free",
    "aws_ssm_document": "documents and Session Manager are free for machines of the account",
    "aws_ssm_parameter": "standard parameters are free",
    "aws_subnet": _NETWORK,
    "aws_volume_attachment": _PART,
    "aws_vpc": _NETWORK,
    "aws_vpc_dhcp_options": _NETWORK,
    "aws_vpc_dhcp_options_association": _NETWORK,
    "aws_vpc_endpoint_route_table_association": _NETWORK,
    "aws_vpc_security_group_egress_rule": _NETWORK,
    "aws_vpc_security_group_ingress_rule": _NETWORK,
    "aws_wafv2_ip_set": "part of the firewall's rules, which are billed",
    "aws_wafv2_web_acl_association": _PART,
    "aws_wafv2_web_acl_logging_configuration": "a setting; the log group takes the records in and is billed",
}
"""Type → why it costs nothing by itself."""


def plan_facts(context: Context) -> PlanFacts:
    """Machines, zones, secrets and endpoints of a plan."""
    endpoints = context.of_type("aws_vpc_endpoint")
    return PlanFacts(
        machines=aws_compute.machine_count(context, context.figures.usage.app_machines_average),
        zones=aws_network.zone_count(context),
        secrets=len(context.of_type("aws_secretsmanager_secret")),
        cdn=aws_network.cdn_in_front(context),
        log_endpoint=any(str(e.get("service_name") or "").endswith(".logs") for e in endpoints),
    )


CLOUD = Cloud(name="aws", priced=PRICED, free=FREE, account=ACCOUNT, facts=plan_facts)
