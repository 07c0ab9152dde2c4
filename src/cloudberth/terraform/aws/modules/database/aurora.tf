resource "aws_rds_cluster_parameter_group" "this" {
  count = local.aurora ? 1 : 0

  name_prefix = "${var.name}-aurora${local.major_version}-"
  description = "TLS required; slow statements, lock waits and schema changes logged"
  family      = "aurora-postgresql${local.major_version}"

  dynamic "parameter" {
    for_each = local.parameters

    content {
      name         = parameter.key
      value        = parameter.value
      apply_method = "immediate"
    }
  }

  tags = merge(var.tags, { Name = "${var.name}-aurora${local.major_version}" })

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_rds_cluster" "this" {
  # checkov:skip=CKV2_AWS_27:statements are logged by the parameters in main.tf; the check does not look into dynamic blocks
  # checkov:skip=CKV_AWS_139:deletion protection follows the deployment's own setting (database.deletion_protection), on by default
  # checkov:skip=CKV_AWS_327:encrypted with the key that AWS keeps for RDS
  # checkov:skip=CKV2_AWS_8:RDS keeps its own backups for as many days as the user asks, and restores to any second of them
  count = local.aurora ? 1 : 0

  cluster_identifier = var.name
  engine             = "aurora-postgresql"
  engine_mode        = "provisioned"
  engine_version     = var.engine_version
  storage_encrypted  = true

  serverlessv2_scaling_configuration {
    min_capacity = var.min_capacity
    max_capacity = var.max_capacity
  }

  database_name                       = var.database_name
  master_username                     = local.username
  master_password_wo                  = ephemeral.aws_secretsmanager_secret_version.password.secret_string
  master_password_wo_version          = 1
  iam_database_authentication_enabled = true
  db_cluster_parameter_group_name     = aws_rds_cluster_parameter_group.this[0].name

  port                   = 5432
  db_subnet_group_name   = aws_db_subnet_group.this.name
  vpc_security_group_ids = [var.security_group]

  backup_retention_period      = var.backup_retention_days
  preferred_backup_window      = var.backup_window
  preferred_maintenance_window = var.maintenance_window
  apply_immediately            = false

  deletion_protection             = var.deletion_protection
  skip_final_snapshot             = !var.final_snapshot
  final_snapshot_identifier       = var.final_snapshot ? local.final_snapshot : null
  copy_tags_to_snapshot           = true
  enabled_cloudwatch_logs_exports = local.log_types

  tags = merge(var.tags, { Name = var.name })

  depends_on = [aws_cloudwatch_log_group.this]
}

# AWS puts the second into another zone, and makes it the writer when the first fails.
resource "aws_rds_cluster_instance" "this" {
  # checkov:skip=CKV_AWS_226:minor versions are followed unless the user names an exact one
  # checkov:skip=CKV_AWS_354:Performance Insights is encrypted with the key that AWS keeps for RDS
  for_each = local.aurora ? toset(var.multi_zone ? ["1", "2"] : ["1"]) : toset([])

  identifier         = "${var.name}-${each.key}"
  cluster_identifier = aws_rds_cluster.this[0].id
  engine             = aws_rds_cluster.this[0].engine
  instance_class     = var.machine_type
  promotion_tier     = tonumber(each.key) - 1

  publicly_accessible          = false
  db_subnet_group_name         = aws_db_subnet_group.this.name
  ca_cert_identifier           = "rds-ca-rsa2048-g1"
  auto_minor_version_upgrade   = local.follow_minor_versions
  preferred_maintenance_window = var.maintenance_window
  copy_tags_to_snapshot        = true

  performance_insights_enabled          = true
  performance_insights_retention_period = 7
  monitoring_interval                   = 60
  monitoring_role_arn                   = aws_iam_role.monitoring.arn

  tags = merge(var.tags, { Name = "${var.name}-${each.key}" })

  depends_on = [aws_iam_role_policy_attachment.monitoring]
}
