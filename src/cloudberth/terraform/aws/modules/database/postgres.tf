resource "aws_db_parameter_group" "this" {
  count = local.postgres ? 1 : 0

  name_prefix = "${var.name}-postgres${local.major_version}-"
  description = "TLS required; slow statements, lock waits and schema changes logged"
  family      = "postgres${local.major_version}"

  dynamic "parameter" {
    for_each = local.parameters

    content {
      name         = parameter.key
      value        = parameter.value
      apply_method = "immediate"
    }
  }

  tags = merge(var.tags, { Name = "${var.name}-postgres${local.major_version}" })

  # The instance lets go of its group only when it has the next one (a new major version).
  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_db_instance" "this" {
  # checkov:skip=CKV_AWS_157:a second zone doubles the price; it is on in size large and one line away (database.multi_zone)
  # checkov:skip=CKV_AWS_293:deletion protection follows the deployment's own setting (database.deletion_protection), on by default
  # checkov:skip=CKV_AWS_354:Performance Insights is encrypted with the key that AWS keeps for RDS
  # checkov:skip=CKV_AWS_226:minor versions are followed unless the user names an exact one
  # checkov:skip=CKV_AWS_353:off only for the micro classes, which have no memory to spare for it
  count = local.postgres ? 1 : 0

  identifier     = var.name
  engine         = "postgres"
  engine_version = var.engine_version
  instance_class = var.machine_type

  allocated_storage     = var.storage_gb
  max_allocated_storage = var.max_storage_gb > 0 ? var.max_storage_gb : null
  storage_type          = "gp3"
  storage_encrypted     = true

  db_name                             = var.database_name
  username                            = local.username
  password_wo                         = ephemeral.aws_secretsmanager_secret_version.password.secret_string
  password_wo_version                 = 1
  iam_database_authentication_enabled = true
  parameter_group_name                = aws_db_parameter_group.this[0].name
  ca_cert_identifier                  = "rds-ca-rsa2048-g1"

  port                   = 5432
  multi_az               = var.multi_zone
  publicly_accessible    = false
  db_subnet_group_name   = aws_db_subnet_group.this.name
  vpc_security_group_ids = [var.security_group]

  backup_retention_period    = var.backup_retention_days
  backup_window              = var.backup_window
  maintenance_window         = var.maintenance_window
  auto_minor_version_upgrade = local.follow_minor_versions
  apply_immediately          = false

  deletion_protection       = var.deletion_protection
  skip_final_snapshot       = !var.final_snapshot
  final_snapshot_identifier = var.final_snapshot ? local.final_snapshot : null
  copy_tags_to_snapshot     = true

  performance_insights_enabled          = local.insights
  performance_insights_retention_period = local.insights ? 7 : null
  monitoring_interval                   = 60
  monitoring_role_arn                   = aws_iam_role.monitoring.arn
  enabled_cloudwatch_logs_exports       = local.log_types

  tags = merge(var.tags, { Name = var.name })

  depends_on = [aws_cloudwatch_log_group.this, aws_iam_role_policy_attachment.monitoring]
}
