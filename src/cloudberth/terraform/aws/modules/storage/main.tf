locals {
  storage_classes = {
    infrequent      = "STANDARD_IA"
    archive-instant = "GLACIER_IR"
    archive         = "GLACIER"
    deep-archive    = "DEEP_ARCHIVE"
  }
}

data "aws_partition" "current" {}

data "aws_region" "current" {}

# The bucket is created in the region of the provider; its name is worldwide, so AWS completes it.
resource "aws_s3_bucket" "this" {
  # checkov:skip=CKV_AWS_18:one role alone may touch the objects, and CloudTrail can record what it does; a log line per object would cost more than the objects
  # checkov:skip=CKV_AWS_144:a copy in a second region doubles the price of storage; versions protect against deletion
  # checkov:skip=CKV_AWS_145:encrypted with keys of S3 (SSE-S3): a KMS key bills every read of many small objects and protects against nobody whom the bucket policy lets in
  # checkov:skip=CKV2_AWS_62:the application writes its own index; nobody waits for events
  bucket_prefix = "${var.name}-files-"
  force_destroy = var.force_destroy

  tags = merge(var.tags, { Name = "${var.name}-files" })
}

resource "aws_s3_bucket_versioning" "this" {
  bucket = aws_s3_bucket.this.id

  versioning_configuration {
    status = var.versioning ? "Enabled" : "Suspended"
  }
}

resource "aws_s3_bucket_server_side_encryption_configuration" "this" {
  bucket = aws_s3_bucket.this.id

  rule {
    apply_server_side_encryption_by_default {
      sse_algorithm = "AES256"
    }
  }
}

resource "aws_s3_bucket_ownership_controls" "this" {
  bucket = aws_s3_bucket.this.id

  rule {
    object_ownership = "BucketOwnerEnforced"
  }
}

resource "aws_s3_bucket_public_access_block" "this" {
  bucket                  = aws_s3_bucket.this.id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_policy" "this" {
  bucket = aws_s3_bucket.this.id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid       = "OnlyOverTls"
        Effect    = "Deny"
        Principal = "*"
        Action    = "s3:*"
        Resource  = [aws_s3_bucket.this.arn, "${aws_s3_bucket.this.arn}/*"]
        Condition = { Bool = { "aws:SecureTransport" = "false" } }
      },
      {
        Sid       = "OnlyTls12AndNewer"
        Effect    = "Deny"
        Principal = "*"
        Action    = "s3:*"
        Resource  = [aws_s3_bucket.this.arn, "${aws_s3_bucket.this.arn}/*"]
        Condition = { NumericLessThan = { "s3:TlsVersion" = "1.2" } }
      },
    ]
  })

  depends_on = [aws_s3_bucket_public_access_block.this]
}

################################################################################
# Lifecycle
################################################################################

resource "aws_s3_bucket_lifecycle_configuration" "this" {
  # checkov:skip=CKV_AWS_300:the first rule does it for the whole bucket; the check wants it in every rule
  bucket = aws_s3_bucket.this.id

  rule {
    id     = "housekeeping"
    status = "Enabled"

    filter {}

    abort_incomplete_multipart_upload {
      days_after_initiation = var.abort_multipart_days
    }

    noncurrent_version_expiration {
      noncurrent_days = var.noncurrent_days
    }

    # What is left of an object after its last version has expired.
    expiration {
      expired_object_delete_marker = true
    }
  }

  # Small objects stay: cheaper tiers bill at least 128 KB each, and every move costs a request.
  dynamic "rule" {
    for_each = var.lifecycle_rules

    content {
      id     = "tier-${rule.key + 1}-${rule.value.tier}"
      status = "Enabled"

      filter {
        prefix                   = rule.value.prefix != "" && rule.value.min_size_kb == 0 ? rule.value.prefix : null
        object_size_greater_than = rule.value.prefix == "" && rule.value.min_size_kb > 0 ? rule.value.min_size_kb * 1024 : null

        dynamic "and" {
          for_each = rule.value.prefix != "" && rule.value.min_size_kb > 0 ? [1] : []

          content {
            prefix                   = rule.value.prefix
            object_size_greater_than = rule.value.min_size_kb * 1024
          }
        }
      }

      transition {
        days          = rule.value.after_days
        storage_class = local.storage_classes[rule.value.tier]
      }
    }
  }

  depends_on = [aws_s3_bucket_versioning.this]
}

################################################################################
# Who may use it
################################################################################

resource "aws_iam_policy" "access" {
  name_prefix = "${var.name}-files-"
  description = "Lets a machine of ${var.name} read, write and list its bucket, and no other"

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid      = "Bucket"
        Effect   = "Allow"
        Action   = ["s3:ListBucket", "s3:GetBucketLocation", "s3:ListBucketMultipartUploads"]
        Resource = [aws_s3_bucket.this.arn]
      },
      {
        Sid      = "Objects"
        Effect   = "Allow"
        Action   = ["s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload", "s3:ListMultipartUploadParts"]
        Resource = ["${aws_s3_bucket.this.arn}/*"]
      },
      {
        # What machines start from is Terraform's to write.
        Sid      = "NotTheBootBundles"
        Effect   = "Deny"
        Action   = ["s3:PutObject", "s3:DeleteObject"]
        Resource = ["${aws_s3_bucket.this.arn}/cloudberth/boot/*"]
      },
    ]
  })

  tags = merge(var.tags, { Name = "${var.name}-files" })
}
