data "aws_caller_identity" "current" {}

data "aws_partition" "current" {}

data "aws_region" "current" {}

locals {
  account   = data.aws_caller_identity.current.account_id
  partition = data.aws_partition.current.partition
}

resource "aws_s3_bucket" "access_logs" {
  # checkov:skip=CKV_AWS_18:this is the bucket that logs go to
  # checkov:skip=CKV_AWS_21:logs are written once and expire; there is nothing to restore
  # checkov:skip=CKV_AWS_144:logs of one region are not copied to another
  # checkov:skip=CKV_AWS_145:load balancers write only to buckets encrypted with keys of S3 (SSE-S3)
  # checkov:skip=CKV2_AWS_62:nobody waits for a log file
  count = var.access_logs ? 1 : 0

  bucket_prefix = "${var.name}-access-logs-"

  # Logs expire by themselves; they do not hold up the removal of the deployment.
  force_destroy = true

  tags = merge(var.tags, { Name = "${var.name}-access-logs" })
}

resource "aws_s3_bucket_ownership_controls" "access_logs" {
  count = var.access_logs ? 1 : 0

  bucket = aws_s3_bucket.access_logs[0].id

  rule {
    object_ownership = "BucketOwnerEnforced"
  }
}

resource "aws_s3_bucket_public_access_block" "access_logs" {
  count = var.access_logs ? 1 : 0

  bucket                  = aws_s3_bucket.access_logs[0].id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_server_side_encryption_configuration" "access_logs" {
  count = var.access_logs ? 1 : 0

  bucket = aws_s3_bucket.access_logs[0].id

  rule {
    apply_server_side_encryption_by_default {
      sse_algorithm = "AES256"
    }
  }
}

resource "aws_s3_bucket_lifecycle_configuration" "access_logs" {
  count = var.access_logs ? 1 : 0

  bucket = aws_s3_bucket.access_logs[0].id

  rule {
    id     = "expire"
    status = "Enabled"

    filter {}

    expiration {
      days = var.retention_days
    }

    abort_incomplete_multipart_upload {
      days_after_initiation = 7
    }
  }
}

resource "aws_s3_bucket_policy" "access_logs" {
  count = var.access_logs ? 1 : 0

  bucket = aws_s3_bucket.access_logs[0].id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat(
      [
        {
          Sid       = "OnlyOverTls"
          Effect    = "Deny"
          Principal = "*"
          Action    = "s3:*"
          Resource  = [aws_s3_bucket.access_logs[0].arn, "${aws_s3_bucket.access_logs[0].arn}/*"]
          Condition = { Bool = { "aws:SecureTransport" = "false" } }
        },
        {
          Sid       = "LoadBalancersOfThisAccountWrite"
          Effect    = "Allow"
          Principal = { Service = "logdelivery.elasticloadbalancing.amazonaws.com" }
          Action    = "s3:PutObject"
          Resource  = "${aws_s3_bucket.access_logs[0].arn}/balancer/AWSLogs/${local.account}/*"
          Condition = { ArnLike = { "aws:SourceArn" = "arn:${local.partition}:elasticloadbalancing:${data.aws_region.current.region}:${local.account}:loadbalancer/*" } }
        },
      ],
      [for sid in var.behind_cdn ? ["CloudFrontOfThisAccountWrites"] : [] : {
        Sid       = sid
        Effect    = "Allow"
        Principal = { Service = "delivery.logs.amazonaws.com" }
        Action    = "s3:PutObject"
        Resource  = "${aws_s3_bucket.access_logs[0].arn}/AWSLogs/${local.account}/*"
        Condition = {
          StringEquals = { "aws:SourceAccount" = local.account }
          ArnLike      = { "aws:SourceArn" = "arn:${local.partition}:logs:us-east-1:${local.account}:delivery-source:*" }
        }
      }],
    )
  })

  depends_on = [aws_s3_bucket_public_access_block.access_logs]
}
