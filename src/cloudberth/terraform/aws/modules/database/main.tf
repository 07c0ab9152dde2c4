locals {
  postgres = var.engine == "postgres"
  aurora   = var.engine == "aurora"

  username      = "cloudberth"
  major_version = split(".", var.engine_version)[0]

  # An exact version is meant: AWS must not move past it, or the next plan would want to go back.
  follow_minor_versions = !strcontains(var.engine_version, ".")

  # Deploying, removing and deploying again under one name must not find its own last snapshot in the way; the
  # security group is a new one each time.
  final_snapshot = "${var.name}-final-${substr(sha256(var.security_group), 0, 8)}"

  # dynamic: takes effect at once. Bind values stay out of the log: they are what users wrote.
  parameters = {
    "rds.force_ssl"              = "1"
    "log_statement"              = "ddl"
    "log_min_duration_statement" = "1000"
    "log_parameter_max_length"   = "0"
    "log_lock_waits"             = "1"
  }

  log_types   = local.postgres ? ["postgresql", "upgrade"] : ["postgresql"]
  log_parent  = local.postgres ? "instance" : "cluster"
  insights    = !can(regex("^db\\.[a-z0-9]+\\.micro$", var.machine_type))
  memory_gib  = local.aurora ? var.max_capacity * 2 : lookup(local.class_memory_gib, var.machine_type, local.size_memory_gib)
  class_size  = try(split(".", var.machine_type)[2], "")
  class_group = try(substr(split(".", var.machine_type)[1], 0, 1), "")

  # Memory by family letter and size: r has 8 GiB per vCPU, x 16, the others 4; only the small ones of t differ.
  vcpus            = local.class_size == "xlarge" ? 4 : can(regex("^[0-9]+xlarge$", local.class_size)) ? tonumber(trimsuffix(local.class_size, "xlarge")) * 4 : 2
  size_memory_gib  = local.vcpus * lookup({ r = 8, x = 16 }, local.class_group, 4)
  class_memory_gib = { for pair in setproduct(["t3", "t4g"], [["micro", 1], ["small", 2], ["medium", 4]]) : "db.${pair[0]}.${pair[1][0]}" => pair[1][1] }
}

# Opened during plan and apply, never stored: the value goes from the secret store to the database through memory.
ephemeral "aws_secretsmanager_secret_version" "password" {
  secret_id = var.password_secret
}

resource "aws_db_subnet_group" "this" {
  name_prefix = "${var.name}-"
  description = "Data subnets of ${var.name}"
  subnet_ids  = var.subnets

  tags = merge(var.tags, { Name = var.name })
}

# Made here, not by RDS: a group that RDS makes keeps its lines for ever.
resource "aws_cloudwatch_log_group" "this" {
  # checkov:skip=CKV_AWS_158:encrypted by CloudWatch with a key of AWS; statements are logged without their values
  # checkov:skip=CKV_AWS_338:retention is the user's choice (logs.retention_days)
  for_each = toset(local.log_types)

  name              = "/aws/rds/${local.log_parent}/${var.name}/${each.key}"
  retention_in_days = var.log_retention_days

  tags = merge(var.tags, { Name = "${var.name}-${each.key}" })
}

################################################################################
# Operating-system metrics (memory, disk, processes), once a minute
################################################################################

data "aws_partition" "current" {}

resource "aws_iam_role" "monitoring" {
  name_prefix = "${var.name}-rds-monitoring-"
  description = "Lets RDS write the operating-system metrics of ${var.name}"

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { Service = "monitoring.rds.amazonaws.com" }
    }]
  })

  tags = merge(var.tags, { Name = "${var.name}-rds-monitoring" })
}

resource "aws_iam_role_policy_attachment" "monitoring" {
  role       = aws_iam_role.monitoring.name
  policy_arn = "arn:${data.aws_partition.current.partition}:iam::aws:policy/service-role/AmazonRDSEnhancedMonitoringRole"
}
