# Cloud Armor. The address of a global load balancer cannot be closed by firewall rules of the network, so who may
# open the application is decided here, too.

locals {
  everybody  = contains(var.allowed_cidrs, "0.0.0.0/0")
  restricted = !local.everybody
  policy     = local.restricted || var.firewall

  # A rule holds ten ranges at most. An IPv4 list of everybody says nothing about IPv6, which has no address here.
  allowed = chunklist(distinct(concat(var.allowed_cidrs, [for address in var.own_addresses : "${address}/32"])), 10)

  # Preconfigured rule sets at the sensitivity that Google recommends to begin with. First the ones with a certain
  # verdict; those that text about code sets off only count (preview), since users write about code here.
  rule_sets = var.firewall ? {
    scanners  = { priority = 2000, rules = "scannerdetection-v33-stable", preview = false }
    protocol  = { priority = 2010, rules = "protocolattack-v33-stable", preview = false }
    session   = { priority = 2020, rules = "sessionfixation-v33-stable", preview = false }
    log4j     = { priority = 2030, rules = "cve-canary", preview = false }
    injection = { priority = 2040, rules = "sqli-v33-stable", preview = true }
    scripts   = { priority = 2050, rules = "xss-v33-stable", preview = true }
    files     = { priority = 2060, rules = "lfi-v33-stable", preview = true }
    commands  = { priority = 2070, rules = "rce-v33-stable", preview = true }
  } : {}
}

resource "google_compute_security_policy" "this" {
  # checkov:skip=CKV_GCP_73:the firewall is optional (access.waf), and refuses requests that match cve-canary when there is one; the check does not look into dynamic blocks
  count = local.policy ? 1 : 0

  project     = var.project
  name        = var.name
  description = "Who may open ${var.name}, and with what"
  type        = "CLOUD_ARMOR"

  # Rules are judged in the order of their priorities; the first that matches decides.
  dynamic "rule" {
    for_each = local.rule_sets

    content {
      action      = "deny(403)"
      priority    = rule.value.priority
      preview     = rule.value.preview
      description = rule.key

      match {
        expr {
          expression = "evaluatePreconfiguredWaf('${rule.value.rules}', {'sensitivity': 1})"
        }
      }
    }
  }

  # An address that sends more than two thousand requests in five minutes is held off for ten.
  dynamic "rule" {
    for_each = var.firewall ? [1] : []

    content {
      action      = "rate_based_ban"
      priority    = 3000
      preview     = false
      description = "too many requests"

      match {
        versioned_expr = "SRC_IPS_V1"

        config {
          src_ip_ranges = local.everybody ? ["*"] : slice(flatten(local.allowed), 0, min(10, length(flatten(local.allowed))))
        }
      }

      rate_limit_options {
        conform_action   = "allow"
        exceed_action    = "deny(429)"
        enforce_on_key   = "IP"
        ban_duration_sec = 600

        rate_limit_threshold {
          count        = 2000
          interval_sec = 300
        }
      }
    }
  }

  dynamic "rule" {
    for_each = local.restricted ? local.allowed : []

    content {
      action      = "allow"
      priority    = 4000 + rule.key
      preview     = false
      description = "allowed ranges"

      match {
        versioned_expr = "SRC_IPS_V1"

        config {
          src_ip_ranges = rule.value
        }
      }
    }
  }

  rule {
    action      = local.everybody ? "allow" : "deny(403)"
    priority    = 2147483647
    preview     = false
    description = "everybody else"

    match {
      versioned_expr = "SRC_IPS_V1"

      config {
        src_ip_ranges = ["*"]
      }
    }
  }

  # Bodies of JSON are looked into; large ones only as far as Cloud Armor reads.
  advanced_options_config {
    json_parsing = "STANDARD"
    log_level    = "NORMAL"
  }

  labels = var.tags
}

# What the CDN answers by itself never comes past the policy above.
resource "google_compute_security_policy" "edge" {
  # checkov:skip=CKV_GCP_73:policies of this type have no preconfigured rule sets; the policy above judges whatever goes on to the application
  count = local.restricted && var.cdn ? 1 : 0

  project     = var.project
  name        = "${var.name}-edge"
  description = "Who may open what the CDN of ${var.name} keeps"
  type        = "CLOUD_ARMOR_EDGE"

  dynamic "rule" {
    for_each = local.allowed

    content {
      action      = "allow"
      priority    = 4000 + rule.key
      preview     = false
      description = "allowed ranges"

      match {
        versioned_expr = "SRC_IPS_V1"

        config {
          src_ip_ranges = rule.value
        }
      }
    }
  }

  rule {
    action      = "deny(403)"
    priority    = 2147483647
    preview     = false
    description = "everybody else"

    match {
      versioned_expr = "SRC_IPS_V1"

      config {
        src_ip_ranges = ["*"]
      }
    }
  }

  labels = var.tags
}
