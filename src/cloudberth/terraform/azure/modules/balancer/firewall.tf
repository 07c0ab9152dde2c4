resource "azurerm_web_application_firewall_policy" "this" {
  # checkov:skip=CKV_AZURE_135:the rule set against Log4j is part of the managed rules below
  count = local.waf ? 1 : 0

  name                = var.name
  resource_group_name = var.resource_group
  location            = var.region

  # Prompts, workflow definitions and uploaded documents are free text of any size, with markup, paths and addresses
  # in them: bodies pass uninspected, everything else about a request is judged.
  policy_settings {
    enabled                     = true
    mode                        = "Prevention"
    request_body_check          = false
    file_upload_enforcement     = false
    request_body_enforcement    = false
    file_upload_limit_in_mb     = 750
    max_request_body_size_in_kb = 2000

    log_scrubbing {
      enabled = true

      dynamic "rule" {
        for_each = toset(["authorization", "cookie", "x-api-key"])

        content {
          enabled                 = true
          match_variable          = "RequestHeaderNames"
          selector_match_operator = "Equals"
          selector                = rule.value
        }
      }
    }
  }

  # Other people's Front Doors have the same addresses as ours.
  dynamic "custom_rules" {
    for_each = var.behind_cdn ? [var.front_door_id] : []

    content {
      name      = "OnlyOurFrontDoor"
      priority  = 1
      rule_type = "MatchRule"
      action    = "Block"

      match_conditions {
        operator           = "Equal"
        negation_condition = true
        match_values       = [custom_rules.value]

        match_variables {
          variable_name = "RequestHeaders"
          selector      = "X-Azure-FDID"
        }
      }
    }
  }

  # 33 requests a second from one address, for five minutes: more than an office, less than a flood.
  dynamic "custom_rules" {
    for_each = var.firewall ? [10000] : []

    content {
      name                 = "RateLimit"
      priority             = 10
      rule_type            = "RateLimitRule"
      action               = "Block"
      rate_limit_duration  = "FiveMins"
      rate_limit_threshold = custom_rules.value
      group_rate_limit_by  = var.behind_cdn ? "ClientAddrXFFHeader" : "ClientAddr"

      match_conditions {
        operator           = "IPMatch"
        negation_condition = true
        match_values       = ["255.255.255.255/32"]

        match_variables {
          variable_name = "RemoteAddr"
        }
      }
    }
  }

  managed_rules {
    managed_rule_set {
      type    = "Microsoft_DefaultRuleSet"
      version = "2.1"
    }

    managed_rule_set {
      type    = "Microsoft_BotManagerRuleSet"
      version = "1.1"
    }
  }

  tags = merge(var.tags, { Name = var.name })
}
