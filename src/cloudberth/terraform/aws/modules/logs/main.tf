locals {
  metric_namespace = "Cloudberth/${var.name}"
  metric_name      = "Errors"

  # How the services say "error" in their JSON lines: Python services a severity or level, Go services a level.
  error_pattern = "{ ($.severity = \"ERROR\") || ($.severity = \"CRITICAL\") || ($.level = \"ERROR\") || ($.level = \"error\") || ($.level = \"CRITICAL\") || ($.level = \"FATAL\") || ($.level = \"fatal\") || ($.level = \"PANIC\") || ($.level = \"panic\") }"

  queries = {
    errors = <<-EOT
      fields @timestamp, @log, coalesce(severity, level) as grade, coalesce(message, msg, @message) as text
      | filter grade in ["ERROR", "CRITICAL", "FATAL", "PANIC", "error", "fatal", "panic"]
      | sort @timestamp desc
      | limit 200
    EOT

    volume-by-service = <<-EOT
      stats count(*) as lines, sum(strlen(@message)) / 1048576 as megabytes by @log, bin(1d)
      | sort megabytes desc
    EOT

    trace = <<-EOT
      fields @timestamp, @log, @message
      | filter @message like /PUT-A-REQUEST-OR-TRACE-ID-HERE/
      | sort @timestamp asc
      | limit 1000
    EOT
  }
}

resource "aws_cloudwatch_log_group" "service" {
  # checkov:skip=CKV_AWS_158:encrypted by CloudWatch with a key of AWS; a key of one's own adds sharing control, cost, and a way to lose all logs
  # checkov:skip=CKV_AWS_338:retention is the user's choice (logs.retention_days)
  for_each = toset(var.groups)

  name              = "/cloudberth/${var.name}/${each.key}"
  retention_in_days = var.retention_days

  tags = merge(var.tags, { Name = "${var.name}-${each.key}", Service = each.key })
}

# All groups count into one metric: an alarm can watch it, and one metric costs a twelfth of twelve.
# Which service it was, the saved analysis errors-by-service tells.
resource "aws_cloudwatch_log_metric_filter" "errors" {
  for_each = aws_cloudwatch_log_group.service

  name           = "errors"
  log_group_name = each.value.name
  pattern        = local.error_pattern

  metric_transformation {
    namespace     = local.metric_namespace
    name          = local.metric_name
    value         = "1"
    default_value = "0"
    unit          = "Count"
  }
}

resource "aws_cloudwatch_query_definition" "this" {
  for_each = length(var.groups) > 0 ? local.queries : {}

  name            = "${var.name}/${each.key}"
  query_string    = each.value
  log_group_names = [for group in var.groups : aws_cloudwatch_log_group.service[group].name]
}

resource "aws_iam_policy" "write" {
  name_prefix = "${var.name}-write-logs-"
  description = "Lets a machine of ${var.name} write to its log groups, and no others"

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect   = "Allow"
      Action   = ["logs:CreateLogStream", "logs:PutLogEvents", "logs:DescribeLogStreams"]
      Resource = ["arn:${data.aws_partition.current.partition}:logs:${data.aws_region.current.region}:${data.aws_caller_identity.current.account_id}:log-group:/cloudberth/${var.name}/*"]
    }]
  })

  tags = merge(var.tags, { Name = "${var.name}-write-logs" })
}

data "aws_partition" "current" {}

data "aws_region" "current" {}

data "aws_caller_identity" "current" {}
