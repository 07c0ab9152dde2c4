# Front Door in front of the gateway: static files are kept at the edge, everything else passes through, with its
# cookies, headers and host name, web sockets included. The gateway admits nobody but this Front Door.

locals {
  guarded = !contains(var.allowed_cidrs, "0.0.0.0/0")
  kept    = length(var.paths) > 0 ? { static = [for path in var.paths : endswith(path, "*") ? path : "${path}*"] } : {}
  routes  = merge({ everything = ["/*"] }, local.kept)
  label   = var.domain_name == null ? "" : replace(var.domain_name, ".", "-")
}

resource "azurerm_cdn_frontdoor_profile" "this" {
  name                = var.name
  resource_group_name = var.resource_group
  sku_name            = "Standard_AzureFrontDoor"

  # The most that Front Door allows: an answer must begin, or go on, within four minutes.
  response_timeout_seconds = 240

  tags = merge(var.tags, { Name = var.name })
}

resource "azurerm_cdn_frontdoor_endpoint" "this" {
  name                     = "${var.name}-${var.suffix}"
  cdn_frontdoor_profile_id = azurerm_cdn_frontdoor_profile.this.id

  tags = merge(var.tags, { Name = var.name })
}

resource "azurerm_cdn_frontdoor_origin_group" "this" {
  name                     = "gateway"
  cdn_frontdoor_profile_id = azurerm_cdn_frontdoor_profile.this.id

  load_balancing {}
}

resource "azurerm_cdn_frontdoor_origin" "this" {
  name                           = "gateway"
  cdn_frontdoor_origin_group_id  = azurerm_cdn_frontdoor_origin_group.this.id
  host_name                      = var.origin
  origin_host_header             = var.domain_name
  certificate_name_check_enabled = var.origin_https
  enabled                        = true
}

resource "azurerm_cdn_frontdoor_route" "this" {
  for_each = local.routes

  name                            = each.key
  cdn_frontdoor_endpoint_id       = azurerm_cdn_frontdoor_endpoint.this.id
  cdn_frontdoor_origin_group_id   = azurerm_cdn_frontdoor_origin_group.this.id
  cdn_frontdoor_origin_ids        = [azurerm_cdn_frontdoor_origin.this.id]
  cdn_frontdoor_custom_domain_ids = azurerm_cdn_frontdoor_custom_domain.this[*].id
  link_to_default_domain          = var.domain_name == null

  patterns_to_match      = each.value
  supported_protocols    = ["Http", "Https"]
  https_redirect_enabled = true
  forwarding_protocol    = var.origin_https ? "HttpsOnly" : "HttpOnly"

  dynamic "cache" {
    for_each = each.key == "static" ? [1] : []

    content {
      query_string_caching_behavior = "UseQueryString"
      compression_enabled           = true
      content_types_to_compress     = ["text/css", "text/html", "text/plain", "application/javascript", "application/json", "image/svg+xml"]
    }
  }
}

################################################################################
# Name and certificate
################################################################################

resource "azurerm_cdn_frontdoor_custom_domain" "this" {
  count = var.domain_name == null ? 0 : 1

  name                     = local.label
  cdn_frontdoor_profile_id = azurerm_cdn_frontdoor_profile.this.id
  host_name                = var.domain_name
  dns_zone_id              = var.public_zone_id == "" ? null : var.public_zone_id

  # Azure issues it, once the records below say whose name it is.
  tls {
    certificate_type = "ManagedCertificate"
  }
}

locals {
  create_records = var.public_zone != null && var.domain_name != null
  record         = !local.create_records ? "" : var.domain_name == var.public_zone.name ? "@" : trimsuffix(var.domain_name, ".${var.public_zone.name}")
}

resource "azurerm_dns_txt_record" "validation" {
  count = local.create_records ? 1 : 0

  name                = local.record == "@" ? "_dnsauth" : "_dnsauth.${local.record}"
  zone_name           = var.public_zone.name
  resource_group_name = var.public_zone.resource_group
  ttl                 = 300

  record {
    value = azurerm_cdn_frontdoor_custom_domain.this[0].validation_token
  }

  tags = merge(var.tags, { Name = var.domain_name })
}

resource "azurerm_dns_a_record" "this" {
  count = local.create_records ? 1 : 0

  name                = local.record
  zone_name           = var.public_zone.name
  resource_group_name = var.public_zone.resource_group
  ttl                 = 300
  target_resource_id  = azurerm_cdn_frontdoor_endpoint.this.id

  tags = merge(var.tags, { Name = var.domain_name })
}

################################################################################
# Who may come in
################################################################################

# Behind Front Door no security group sees the user; a list of allowed ranges is kept here.
resource "azurerm_cdn_frontdoor_firewall_policy" "this" {
  count = local.guarded ? 1 : 0

  name                = "${replace(var.name, "-", "")}${var.suffix}"
  resource_group_name = var.resource_group
  sku_name            = azurerm_cdn_frontdoor_profile.this.sku_name
  mode                = "Prevention"
  enabled             = true

  # Bodies are judged by the gateway, if at all.
  request_body_check_enabled = false

  custom_rule {
    name     = "OnlyAllowedAddresses"
    type     = "MatchRule"
    priority = 1
    action   = "Block"
    enabled  = true

    match_condition {
      match_variable     = "RemoteAddr"
      operator           = "IPMatch"
      negation_condition = true
      match_values       = concat(var.allowed_cidrs, [for address in var.own_addresses : "${address}/32"])
    }
  }

  tags = merge(var.tags, { Name = var.name })
}

resource "azurerm_cdn_frontdoor_security_policy" "this" {
  count = local.guarded ? 1 : 0

  name                     = "allowed"
  cdn_frontdoor_profile_id = azurerm_cdn_frontdoor_profile.this.id

  security_policies {
    firewall {
      cdn_frontdoor_firewall_policy_id = azurerm_cdn_frontdoor_firewall_policy.this[0].id

      association {
        patterns_to_match = ["/*"]

        dynamic "domain" {
          for_each = concat([azurerm_cdn_frontdoor_endpoint.this.id], azurerm_cdn_frontdoor_custom_domain.this[*].id)

          content {
            cdn_frontdoor_domain_id = domain.value
          }
        }
      }
    }
  }
}

resource "azurerm_monitor_diagnostic_setting" "this" {
  count = var.access_logs ? 1 : 0

  name                       = "${var.name}-cdn"
  target_resource_id         = azurerm_cdn_frontdoor_profile.this.id
  log_analytics_workspace_id = var.workspace_id

  enabled_log {
    category = "FrontDoorAccessLog"
  }
}
