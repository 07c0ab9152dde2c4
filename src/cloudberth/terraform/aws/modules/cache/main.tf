locals {
  major_version = split(".", var.engine_version)[0]

  # A new security group comes with every deployment, so a removed and repeated one does not find its own snapshot.
  final_snapshot = "${var.name}-final-${substr(sha256(var.security_group), 0, 8)}"
}

# Opened during plan and apply, never stored: the value goes from the secret store to the cache through memory.
ephemeral "aws_secretsmanager_secret_version" "password" {
  secret_id = var.password_secret
}

resource "aws_elasticache_subnet_group" "this" {
  name        = var.name
  description = "Data subnets of ${var.name}"
  subnet_ids  = var.subnets

  tags = merge(var.tags, { Name = var.name })
}

resource "aws_elasticache_parameter_group" "this" {
  name        = "${var.name}-valkey${local.major_version}"
  description = "Never evicts: the cache is also the broker of the task queue"
  family      = "valkey${local.major_version}"

  # A full cache refuses writes, which an alarm shows; evicting would silently drop tasks that wait in the queue.
  parameter {
    name  = "maxmemory-policy"
    value = "noeviction"
  }

  tags = merge(var.tags, { Name = "${var.name}-valkey${local.major_version}" })

  # The cache lets go of its group only when it has the next one (a new major version).
  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_cloudwatch_log_group" "engine" {
  # checkov:skip=CKV_AWS_158:encrypted by CloudWatch with a key of AWS; the engine's log holds no data
  # checkov:skip=CKV_AWS_338:retention is the user's choice (logs.retention_days)
  name              = "/cloudberth/${var.name}/cache-engine"
  retention_in_days = var.log_retention_days

  tags = merge(var.tags, { Name = "${var.name}-cache-engine" })
}

resource "aws_elasticache_replication_group" "this" {
  # checkov:skip=CKV_AWS_31:the password goes through auth_token_wo, which keeps it out of the state; the check knows only auth_token
  # checkov:skip=CKV_AWS_191:encrypted with the key that AWS keeps for ElastiCache
  # checkov:skip=CKV2_AWS_50:failing over needs a replica, which doubles the price; it is on in size large and one line away (cache.replicas)
  replication_group_id = var.name
  description          = "Cache and task queue of ${var.name}"
  engine               = "valkey"
  engine_version       = var.engine_version
  node_type            = var.machine_type
  parameter_group_name = aws_elasticache_parameter_group.this.name

  num_cache_clusters         = 1 + var.replicas
  automatic_failover_enabled = var.replicas > 0
  multi_az_enabled           = var.multi_zone

  port               = 6379
  subnet_group_name  = aws_elasticache_subnet_group.this.name
  security_group_ids = [var.security_group]

  transit_encryption_enabled = true
  transit_encryption_mode    = "required"
  at_rest_encryption_enabled = true
  auth_token_wo              = ephemeral.aws_secretsmanager_secret_version.password.secret_string
  auth_token_wo_version      = 1

  snapshot_retention_limit   = var.backup_retention_days
  snapshot_window            = var.backup_window
  maintenance_window         = var.maintenance_window
  final_snapshot_identifier  = var.final_snapshot ? local.final_snapshot : null
  auto_minor_version_upgrade = true
  apply_immediately          = false

  # Not the slow log: it quotes commands, and with them what users wrote.
  log_delivery_configuration {
    destination_type = "cloudwatch-logs"
    destination      = aws_cloudwatch_log_group.engine.name
    log_type         = "engine-log"
    log_format       = "json"
  }

  tags = merge(var.tags, { Name = var.name })
}
