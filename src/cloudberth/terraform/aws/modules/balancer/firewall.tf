# Stands where the addresses of users are visible: at the load balancer, or at CloudFront when that is in front.
# Firewalls of CloudFront live in us-east-1, wherever the rest is.

locals {
  # Behind a CDN no security group sees the user; a list of allowed ranges then needs the firewall.
  allow_list = var.behind_cdn && !contains(var.allowed_cidrs, "0.0.0.0/0")
  firewall   = var.firewall || local.allow_list

  firewall_scope  = var.behind_cdn ? "CLOUDFRONT" : "REGIONAL"
  firewall_region = var.behind_cdn ? "us-east-1" : data.aws_region.current.region

  allowed_ranges = {
    IPV4 = concat([for cidr in var.allowed_cidrs : cidr if !strcontains(cidr, ":")], [for address in var.own_addresses : "${address}/32"])
    IPV6 = [for cidr in var.allowed_cidrs : cidr if strcontains(cidr, ":")]
  }

  # In the order of their evaluation.
  managed_rules = !var.firewall ? {} : {
    AWSManagedRulesAmazonIpReputationList = { priority = 20, count = [] }
    AWSManagedRulesKnownBadInputsRuleSet  = { priority = 30, count = [] }
    AWSManagedRulesCommonRuleSet = {
      priority = 40
      # Prompts, workflow definitions and uploaded documents are free text of any size, with markup, paths and
      # addresses in them: rules on bodies are counted and logged, not enforced.
      count = ["SizeRestrictions_BODY", "CrossSiteScripting_BODY", "GenericLFI_BODY", "GenericRFI_BODY", "EC2MetaDataSSRF_BODY"]
    }
  }
}

resource "aws_wafv2_ip_set" "allowed" {
  for_each = local.allow_list ? local.allowed_ranges : {}

  region             = local.firewall_region
  name               = "${var.name}-allowed-${lower(each.key)}"
  description        = "Who may open ${var.name}"
  scope              = local.firewall_scope
  ip_address_version = each.key
  addresses          = each.value

  tags = merge(var.tags, { Name = "${var.name}-allowed-${lower(each.key)}" })
}

resource "aws_wafv2_web_acl" "this" {
  # checkov:skip=CKV_AWS_192:the rule set against Log4j is among the managed rules whenever access.waf is on; without it this is only a list of addresses
  count = local.firewall ? 1 : 0

  region      = local.firewall_region
  name        = var.name
  description = "Filters requests to ${var.name}"
  scope       = local.firewall_scope

  default_action {
    allow {}
  }

  dynamic "rule" {
    for_each = local.allow_list ? [1] : []

    content {
      name     = "only-allowed-addresses"
      priority = 0

      action {
        block {}
      }

      statement {
        not_statement {
          statement {
            or_statement {
              dynamic "statement" {
                for_each = aws_wafv2_ip_set.allowed

                content {
                  ip_set_reference_statement {
                    arn = statement.value.arn
                  }
                }
              }
            }
          }
        }
      }

      visibility_config {
        cloudwatch_metrics_enabled = true
        sampled_requests_enabled   = true
        metric_name                = "${var.name}-only-allowed-addresses"
      }
    }
  }

  # 33 requests a second from one address, for five minutes: more than an office, less than a flood.
  dynamic "rule" {
    for_each = var.firewall ? [10000] : []

    content {
      name     = "rate-limit"
      priority = 10

      action {
        block {
          custom_response {
            response_code = 429
          }
        }
      }

      statement {
        rate_based_statement {
          limit                 = rule.value
          aggregate_key_type    = "IP"
          evaluation_window_sec = 300
        }
      }

      visibility_config {
        cloudwatch_metrics_enabled = true
        sampled_requests_enabled   = true
        metric_name                = "${var.name}-rate-limit"
      }
    }
  }

  dynamic "rule" {
    for_each = local.managed_rules

    content {
      name     = rule.key
      priority = rule.value.priority

      override_action {
        none {}
      }

      statement {
        managed_rule_group_statement {
          vendor_name = "AWS"
          name        = rule.key

          dynamic "rule_action_override" {
            for_each = rule.value.count

            content {
              name = rule_action_override.value

              action_to_use {
                count {}
              }
            }
          }
        }
      }

      visibility_config {
        cloudwatch_metrics_enabled = true
        sampled_requests_enabled   = true
        metric_name                = "${var.name}-${rule.key}"
      }
    }
  }

  visibility_config {
    cloudwatch_metrics_enabled = true
    sampled_requests_enabled   = true
    metric_name                = var.name
  }

  tags = merge(var.tags, { Name = var.name })
}

resource "aws_wafv2_web_acl_association" "this" {
  count = local.firewall && !var.behind_cdn ? 1 : 0

  resource_arn = aws_lb.this.arn
  web_acl_arn  = aws_wafv2_web_acl.this[0].arn
}

################################################################################
# What it refused
################################################################################

resource "aws_cloudwatch_log_group" "firewall" {
  # checkov:skip=CKV_AWS_158:encrypted by CloudWatch with a key of AWS; credentials are redacted before they are written
  # checkov:skip=CKV_AWS_338:retention is the user's choice (logs.retention_days)
  count = local.firewall ? 1 : 0

  region            = local.firewall_region
  name              = "aws-waf-logs-${var.name}"
  retention_in_days = var.retention_days

  tags = merge(var.tags, { Name = "aws-waf-logs-${var.name}" })
}

resource "aws_wafv2_web_acl_logging_configuration" "this" {
  count = local.firewall ? 1 : 0

  region                  = local.firewall_region
  resource_arn            = aws_wafv2_web_acl.this[0].arn
  log_destination_configs = [aws_cloudwatch_log_group.firewall[0].arn]

  # Requests that pass are in the access logs; here stand those that a rule matched.
  logging_filter {
    default_behavior = "DROP"

    filter {
      behavior    = "KEEP"
      requirement = "MEETS_ANY"

      condition {
        action_condition {
          action = "BLOCK"
        }
      }

      condition {
        action_condition {
          action = "COUNT"
        }
      }
    }
  }

  dynamic "redacted_fields" {
    for_each = toset(["authorization", "cookie", "x-api-key"])

    content {
      single_header {
        name = redacted_fields.value
      }
    }
  }
}
