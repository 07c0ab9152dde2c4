locals {
  flow_logs = local.create && var.flow_logs
}

data "aws_caller_identity" "current" {}

resource "aws_cloudwatch_log_group" "flow" {
  # checkov:skip=CKV_AWS_158:encrypted by CloudWatch with a key of AWS; flow logs hold addresses and ports, no content
  # checkov:skip=CKV_AWS_338:retention is the user's choice (logs.retention_days); a year of flow logs costs more than it tells
  count = local.flow_logs ? 1 : 0

  name              = "/cloudberth/${var.name}/network-flow"
  retention_in_days = var.flow_logs_retention_days

  tags = merge(var.tags, { Name = "${var.name}-flow" })
}

resource "aws_flow_log" "this" {
  count = local.flow_logs ? 1 : 0

  vpc_id               = aws_vpc.this[0].id
  traffic_type         = "ALL"
  log_destination_type = "cloud-watch-logs"
  log_destination      = aws_cloudwatch_log_group.flow[0].arn
  iam_role_arn         = aws_iam_role.flow[0].arn

  # Ten minutes instead of one: the same flows in far fewer, and so cheaper, records.
  max_aggregation_interval = 600

  tags = merge(var.tags, { Name = var.name })
}

resource "aws_iam_role" "flow" {
  count = local.flow_logs ? 1 : 0

  name_prefix = "${var.name}-flow-logs-"
  description = "Lets VPC flow logs write to their log group"

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { Service = "vpc-flow-logs.amazonaws.com" }
      # Only for flow logs of this account: nobody else's service call can borrow the role.
      Condition = { StringEquals = { "aws:SourceAccount" = data.aws_caller_identity.current.account_id } }
    }]
  })

  tags = merge(var.tags, { Name = "${var.name}-flow-logs" })
}

resource "aws_iam_role_policy" "flow" {
  count = local.flow_logs ? 1 : 0

  name = "write-flow-logs"
  role = aws_iam_role.flow[0].id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect   = "Allow"
      Action   = ["logs:CreateLogStream", "logs:PutLogEvents", "logs:DescribeLogGroups", "logs:DescribeLogStreams"]
      Resource = ["${aws_cloudwatch_log_group.flow[0].arn}:*"]
    }]
  })
}
