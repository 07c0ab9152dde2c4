"""AWS resource types: which are only settings of something drawn, and which are drawn by their name alone.

Source of the names: the resource list of the AWS provider 6.x.
"""

from __future__ import annotations

from cloudberth.infra.diagram.catalog import Catalog, Kind
from cloudberth.infra.diagram.model import Place, Role, Tier

_SETTINGS: tuple[tuple[str, str], ...] = (
    ("aws_iam_", "IAM roles and policies"),
    ("aws_security_group", "security groups and rules"),
    ("aws_vpc_security_group_", "security groups and rules"),
    ("aws_default_security_group", "security groups and rules"),
    ("aws_network_acl", "security groups and rules"),
    ("aws_default_network_acl", "security groups and rules"),
    ("aws_route_table", "routes"),
    ("aws_default_route_table", "routes"),
    ("aws_route53_record", "name records"),
    ("aws_route53_", "name records"),
    ("aws_route", "routes"),
    ("aws_eip", "addresses"),
    ("aws_network_interface", "addresses"),
    ("aws_vpc_dhcp", "addresses"),
    ("aws_vpc_endpoint_", "endpoint settings"),
    ("aws_acm_", "certificates"),
    ("aws_lb_", "listeners and target groups"),
    ("aws_alb_", "listeners and target groups"),
    ("aws_s3_bucket_", "bucket settings"),
    ("aws_s3_object", "uploaded files"),
    ("aws_s3_bucket_object", "uploaded files"),
    ("aws_db_", "database settings"),
    ("aws_rds_cluster_", "database settings"),
    ("aws_elasticache_", "cache settings"),
    ("aws_launch_", "scaling settings"),
    ("aws_autoscaling_", "scaling settings"),
    ("aws_appautoscaling_", "scaling settings"),
    ("aws_placement_group", "scaling settings"),
    ("aws_ecs_task_definition", "scaling settings"),
    ("aws_ecs_cluster", "scaling settings"),
    ("aws_ebs_", "disks"),
    ("aws_volume_attachment", "disks"),
    ("aws_secretsmanager_secret_", "secret values"),
    ("aws_kms_", "key settings"),
    ("aws_cloudwatch_", "metric filters, queries and dashboards"),
    ("aws_flow_log", "flow logs"),
    ("aws_sns_topic_", "subscriptions"),
    ("aws_sqs_queue_", "queue settings"),
    ("aws_wafv2_", "firewall settings"),
    ("aws_cloudfront_", "CDN settings"),
    ("aws_ce_", "budget settings"),
    ("aws_backup_", "backup settings"),
    ("aws_lambda_", "function settings"),
    ("aws_efs_", "file system settings"),
    ("aws_ssm_", "stored settings"),
    ("aws_eks_", "cluster settings"),
    ("aws_default_", "defaults of the account"),
)

_KINDS: dict[str, Kind] = {
    "aws_instance": Kind("EC2 instance", Role.MACHINE, Place.ZONES, Tier.PRIVATE),
    "aws_ecs_service": Kind("ECS service", Role.CONTAINERS, Place.ZONES, Tier.PRIVATE),
    "aws_eks_cluster": Kind("EKS cluster", Role.CONTAINERS, Place.ZONES, Tier.PRIVATE),
    "aws_eks_node_group": Kind("EKS nodes", Role.MACHINE, Place.ZONES, Tier.PRIVATE),
    "aws_opensearch_domain": Kind("OpenSearch", Role.SEARCH, Place.ZONES, Tier.DATA),
    "aws_elasticache_cluster": Kind("ElastiCache", Role.CACHE, Place.ZONES, Tier.DATA),
    "aws_elasticache_serverless_cache": Kind("ElastiCache Serverless", Role.CACHE, Place.ZONES, Tier.DATA),
    "aws_memorydb_cluster": Kind("MemoryDB", Role.CACHE, Place.ZONES, Tier.DATA),
    "aws_docdb_cluster": Kind("DocumentDB", Role.DATABASE, Place.ZONES, Tier.DATA),
    "aws_neptune_cluster": Kind("Neptune", Role.DATABASE, Place.ZONES, Tier.DATA),
    "aws_redshift_cluster": Kind("Redshift", Role.DATABASE, Place.ZONES, Tier.DATA),
    "aws_msk_cluster": Kind("MSK (Kafka)", Role.QUEUE, Place.ZONES, Tier.DATA),
    "aws_mq_broker": Kind("Amazon MQ", Role.QUEUE, Place.ZONES, Tier.DATA),
    "aws_lambda_function": Kind("Lambda", Role.FUNCTION),
    "aws_efs_file_system": Kind("EFS", Role.FILES),
    "aws_dynamodb_table": Kind("DynamoDB", Role.DATABASE),
    "aws_sqs_queue": Kind("SQS", Role.QUEUE),
    "aws_kinesis_stream": Kind("Kinesis", Role.QUEUE),
    "aws_ecr_repository": Kind("ECR", Role.CONTAINERS),
    "aws_kms_key": Kind("KMS", Role.KEYS),
    "aws_backup_plan": Kind("AWS Backup", Role.BACKUP),
    "aws_dlm_lifecycle_policy": Kind("Disk snapshots", Role.BACKUP),
    "aws_api_gateway_rest_api": Kind("API Gateway", Role.BALANCER),
    "aws_apigatewayv2_api": Kind("API Gateway", Role.BALANCER),
    "aws_bedrock_guardrail": Kind("Bedrock guardrail", Role.WAF),
    "aws_vpn_gateway": Kind("VPN gateway", Role.GATEWAY),
    "aws_ec2_transit_gateway": Kind("Transit gateway", Role.GATEWAY),
}

CATALOG = Catalog(
    kinds=_KINDS,
    settings=_SETTINGS,
    ground=frozenset(
        {"aws_vpc", "aws_subnet", "aws_default_vpc", "aws_default_subnet", "aws_rds_cluster_instance"}
    ),
    sizes=("instance_type", "node_type", "instance_class", "launch_type"),
)
