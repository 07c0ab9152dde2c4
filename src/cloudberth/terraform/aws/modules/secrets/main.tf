# A value is drawn by AWS, handed through memory from an ephemeral resource to a write-only argument, and never
# written down: not in the plan, not in the state. Plans draw again, but the store takes a new value only when
# secret_string_wo_version changes, which nothing here does. To rotate one, put a new version into the store.

locals {
  # base64url-32 counts bytes: 32 letters and digits are 32 bytes.
  lengths = { for name, secret in var.secrets : name => secret.format == "base64url-32" ? 32 : secret.length }
}

data "aws_partition" "current" {}

data "aws_region" "current" {}

data "aws_caller_identity" "current" {}

ephemeral "aws_secretsmanager_random_password" "this" {
  for_each = local.lengths

  password_length     = each.value
  exclude_punctuation = true
}

resource "aws_secretsmanager_secret" "this" {
  # checkov:skip=CKV_AWS_149:encrypted with the key that AWS keeps for Secrets Manager; a key of one's own costs a dollar a month and only adds sharing across accounts
  # checkov:skip=CKV2_AWS_57:rotating the application's keys would make what it encrypted with them unreadable
  for_each = var.secrets

  # A prefix: the name of a deleted secret stays taken for the days in which it can be restored.
  name_prefix             = "${var.name}/${each.key}-"
  description             = each.value.purpose
  recovery_window_in_days = var.recovery_days

  tags = merge(var.tags, { Name = "${var.name}/${each.key}" })
}

resource "aws_secretsmanager_secret_version" "this" {
  for_each = var.secrets

  secret_id = aws_secretsmanager_secret.this[each.key].id

  secret_string_wo = (
    each.value.format == "base64url-32"
    ? replace(replace(trimsuffix(base64encode(ephemeral.aws_secretsmanager_random_password.this[each.key].random_password), "="), "+", "-"), "/", "_")
    : ephemeral.aws_secretsmanager_random_password.this[each.key].random_password
  )
  secret_string_wo_version = 1
}

################################################################################
# Who may read them
################################################################################

locals {
  # A reference by name has six characters of Amazon's own at the end of its ARN.
  secret_prefix   = "arn:${data.aws_partition.current.partition}:secretsmanager:${data.aws_region.current.region}:${data.aws_caller_identity.current.account_id}:secret:"
  reference_names = [for id in values(var.references) : startswith(id, "arn:") ? id : "${local.secret_prefix}${id}-??????"]

  readable = concat([for secret in aws_secretsmanager_secret.this : secret.arn], local.reference_names)
}

resource "aws_iam_policy" "read" {
  name_prefix = "${var.name}-read-secrets-"
  description = "Lets a machine of ${var.name} read its secrets, and no others"

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect = "Allow"
      Action = ["secretsmanager:GetSecretValue"]
      # A policy without a resource is not valid: with no secret at all, it names a prefix that holds none.
      Resource = length(local.readable) > 0 ? local.readable : ["${local.secret_prefix}${var.name}/*"]
    }]
  })

  tags = merge(var.tags, { Name = "${var.name}-read-secrets" })
}
