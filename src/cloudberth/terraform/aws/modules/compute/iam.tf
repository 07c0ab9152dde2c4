locals {
  account = data.aws_caller_identity.current.account_id

  given_policies = {
    for pair in setproduct(keys(local.groups), keys(var.policies)) : "${pair[0]}-${pair[1]}" => { group = pair[0], purpose = pair[1] }
  }
}

resource "aws_iam_role" "this" {
  for_each = local.groups

  name_prefix = "${each.value.name}-"
  description = "Machines of the group ${each.key} of ${var.name}"

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { Service = "ec2.amazonaws.com" }
    }]
  })

  tags = merge(var.tags, { Name = each.value.name })
}

resource "aws_iam_instance_profile" "this" {
  for_each = local.groups

  name_prefix = "${each.value.name}-"
  role        = aws_iam_role.this[each.key].name

  tags = merge(var.tags, { Name = each.value.name })
}

# Its secrets, its log groups, its bucket.
resource "aws_iam_role_policy_attachment" "given" {
  for_each = local.given_policies

  role       = aws_iam_role.this[each.value.group].name
  policy_arn = var.policies[each.value.purpose]
}

# A shell without SSH, keys or an open port. The managed policy for this may also read every parameter of the
# account; this is the same without that.
resource "aws_iam_role_policy" "session_manager" {
  # checkov:skip=CKV_AWS_355:these actions have no resources; they concern the machine that calls them
  # checkov:skip=CKV_AWS_290:these actions have no resources; they concern the machine that calls them
  for_each = local.groups

  name = "session-manager"
  role = aws_iam_role.this[each.key].id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect = "Allow"
      Action = [
        "ssmmessages:CreateControlChannel",
        "ssmmessages:CreateDataChannel",
        "ssmmessages:OpenControlChannel",
        "ssmmessages:OpenDataChannel",
        "ec2messages:AcknowledgeMessage",
        "ec2messages:DeleteMessage",
        "ec2messages:FailMessage",
        "ec2messages:GetEndpoint",
        "ec2messages:GetMessages",
        "ec2messages:SendReply",
        "ssm:DescribeAssociation",
        "ssm:DescribeDocument",
        "ssm:GetDeployablePatchSnapshotForInstance",
        "ssm:GetDocument",
        "ssm:GetManifest",
        "ssm:ListAssociations",
        "ssm:ListInstanceAssociations",
        "ssm:PutComplianceItems",
        "ssm:PutConfigurePackageResult",
        "ssm:PutInventory",
        "ssm:UpdateAssociationStatus",
        "ssm:UpdateInstanceAssociationStatus",
        "ssm:UpdateInstanceInformation",
      ]
      Resource = "*"
    }]
  })
}

# What the boot program of either group does.
resource "aws_iam_role_policy" "boot" {
  for_each = local.groups

  name = "boot"
  role = aws_iam_role.this[each.key].id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid      = "ReadWhatToStart"
        Effect   = "Allow"
        Action   = ["s3:GetObject"]
        Resource = ["${var.bucket_arn}/cloudberth/boot/${each.key}-*"]
      },
      {
        Sid      = "ReadWhichReleaseTheDatabaseHas"
        Effect   = "Allow"
        Action   = ["ssm:GetParameter"]
        Resource = [aws_ssm_parameter.release.arn]
      },
      {
        Sid      = "SayHowTheStartWent"
        Effect   = "Allow"
        Action   = ["autoscaling:CompleteLifecycleAction", "autoscaling:SetInstanceHealth"]
        Resource = ["arn:${data.aws_partition.current.partition}:autoscaling:${var.region}:${local.account}:autoScalingGroup:*:autoScalingGroupName/${each.value.name}"]
      },
    ]
  })
}

# What only the stateful machine does.
resource "aws_iam_role_policy" "stateful" {
  # checkov:skip=CKV_AWS_355:DescribeVolumes and PutMetricData have no resources; the latter is bound to a namespace
  # checkov:skip=CKV_AWS_290:PutMetricData has no resources; it is bound to a namespace
  name = "stateful"
  role = aws_iam_role.this["stateful"].id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid      = "SayWhichReleaseTheDatabaseHas"
        Effect   = "Allow"
        Action   = ["ssm:PutParameter"]
        Resource = [aws_ssm_parameter.release.arn]
      },
      {
        Sid      = "FindTheDataDisk"
        Effect   = "Allow"
        Action   = ["ec2:DescribeVolumes"]
        Resource = "*"
      },
      {
        Sid      = "TakeTheDataDisk"
        Effect   = "Allow"
        Action   = ["ec2:AttachVolume", "ec2:DetachVolume"]
        Resource = [aws_ebs_volume.data.arn]
      },
      {
        Sid       = "TakeItToThisGroupOnly"
        Effect    = "Allow"
        Action    = ["ec2:AttachVolume", "ec2:DetachVolume"]
        Resource  = ["arn:${data.aws_partition.current.partition}:ec2:${var.region}:${local.account}:instance/*"]
        Condition = { StringEquals = { "aws:ResourceTag/Name" = local.groups.stateful.name } }
      },
      {
        Sid      = "WriteItsOwnName"
        Effect   = "Allow"
        Action   = ["route53:ChangeResourceRecordSets"]
        Resource = ["arn:${data.aws_partition.current.partition}:route53:::hostedzone/${var.private_zone_id}"]
        Condition = {
          "ForAllValues:StringEquals" = {
            "route53:ChangeResourceRecordSetsNormalizedRecordNames" = [var.facts.stateful.host]
            "route53:ChangeResourceRecordSetsRecordTypes"           = ["A"]
          }
        }
      },
      {
        Sid       = "MeasureTheQueue"
        Effect    = "Allow"
        Action    = ["cloudwatch:PutMetricData"]
        Resource  = "*"
        Condition = { StringEquals = { "cloudwatch:namespace" = local.metric_namespace } }
      },
    ]
  })
}

################################################################################
# Images from a private registry of AWS, if any (compute.registry_mirror)
################################################################################

locals {
  registry        = "^([0-9]{12})\\.dkr\\.ecr\\.([a-z0-9-]+)\\.amazonaws\\.com(?:\\.cn)?/([^:@]+)"
  registry_images = [for image in local.stack.images : regex(local.registry, image) if can(regex(local.registry, image))]
  repositories    = distinct([for parts in local.registry_images : "arn:${data.aws_partition.current.partition}:ecr:${parts[1]}:${parts[0]}:repository/${parts[2]}"])
}

resource "aws_iam_role_policy" "registry" {
  # checkov:skip=CKV_AWS_355:a log-in to the registry has no resource
  for_each = { for group, settings in local.groups : group => settings if length(local.repositories) > 0 }

  name = "registry"
  role = aws_iam_role.this[each.key].id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid      = "LogIn"
        Effect   = "Allow"
        Action   = ["ecr:GetAuthorizationToken"]
        Resource = "*"
      },
      {
        # The last two: the first pull through a cache makes the repository and brings the image in.
        Sid      = "PullImages"
        Effect   = "Allow"
        Action   = ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer", "ecr:BatchImportUpstreamImage", "ecr:CreateRepository"]
        Resource = local.repositories
      },
    ]
  })
}
