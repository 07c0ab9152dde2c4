locals {
  # Front Door brings its own certificate for users; without one of a public authority it reaches the gateway over HTTP.
  placeholder = var.domain_name != null && var.certificate == null && !var.behind_cdn
  https       = var.domain_name != null && (var.certificate != null || local.placeholder)
  address     = var.domain_name != null ? var.domain_name : azurerm_public_ip.this.fqdn

  certificate_parts = var.certificate == null ? [] : regex("/vaults/([^/]+)/secrets/([^/]+)$", var.certificate)
  certificate_uri   = local.placeholder ? azurerm_key_vault_certificate.placeholder[0].versionless_secret_id : var.certificate == null ? null : "https://${local.certificate_parts[0]}.vault.azure.net/secrets/${local.certificate_parts[1]}"
  certificate_scope = local.placeholder ? "${var.vault_id}/secrets/${local.certificate_name}" : var.certificate
  certificate_name  = "gateway-certificate"

  waf = var.firewall || var.behind_cdn

  ports     = local.https ? { https = 443, http = 80 } : { http = 80 }
  serving   = local.https ? "https" : "http"
  redirects = local.https ? ["http"] : []
}

resource "azurerm_public_ip" "this" {
  name                = "${var.name}-gateway"
  resource_group_name = var.resource_group
  location            = var.region
  allocation_method   = "Static"
  sku                 = "Standard"
  domain_name_label   = "${var.name}-${var.suffix}"
  zones               = var.zones

  tags = merge(var.tags, { Name = "${var.name}-gateway" })
}

resource "azurerm_user_assigned_identity" "this" {
  name                = "${var.name}-gateway"
  resource_group_name = var.resource_group
  location            = var.region

  tags = merge(var.tags, { Name = "${var.name}-gateway" })
}

################################################################################
# Gateway
################################################################################

resource "azurerm_application_gateway" "this" {
  # checkov:skip=CKV_AZURE_120:the firewall is optional (access.waf)
  # checkov:skip=CKV_AZURE_217:port 80 redirects to HTTPS where there is a certificate; without one there is nothing else
  # checkov:skip=CKV_AZURE_218:set below, by its name
  name                = var.name
  resource_group_name = var.resource_group
  location            = var.region
  zones               = var.zones
  http2_enabled       = true
  firewall_policy_id  = local.waf ? azurerm_web_application_firewall_policy.this[0].id : null

  sku {
    name = local.waf ? "WAF_v2" : "Standard_v2"
    tier = local.waf ? "WAF_v2" : "Standard_v2"
  }

  autoscale_configuration {
    min_capacity = 1
    max_capacity = 10
  }

  # TLS 1.2 and 1.3, no old ciphers.
  ssl_policy {
    policy_type = "Predefined"
    policy_name = "AppGwSslPolicy20220101"
  }

  # Streamed answers reach the user word by word.
  global {
    request_buffering_enabled  = true
    response_buffering_enabled = false
  }

  dynamic "identity" {
    for_each = local.https ? [1] : []

    content {
      type         = "UserAssigned"
      identity_ids = [azurerm_user_assigned_identity.this.id]
    }
  }

  gateway_ip_configuration {
    name      = "subnet"
    subnet_id = var.subnet_id
  }

  frontend_ip_configuration {
    name                 = "public"
    public_ip_address_id = azurerm_public_ip.this.id
  }

  dynamic "frontend_port" {
    for_each = local.ports

    content {
      name = frontend_port.key
      port = frontend_port.value
    }
  }

  dynamic "ssl_certificate" {
    for_each = local.https ? [local.certificate_uri] : []

    content {
      name = "certificate"
      # Without a version: the gateway takes up a renewed certificate by itself, within four hours.
      key_vault_secret_id = ssl_certificate.value
    }
  }

  dynamic "http_listener" {
    for_each = local.ports

    content {
      name                           = http_listener.key
      frontend_ip_configuration_name = "public"
      frontend_port_name             = http_listener.key
      protocol                       = http_listener.key == "https" ? "Https" : "Http"
      ssl_certificate_name           = http_listener.key == "https" ? "certificate" : null
    }
  }

  backend_address_pool {
    name = "app"
  }

  backend_http_settings {
    name            = "app"
    port            = 80
    protocol        = "Http"
    request_timeout = var.idle_timeout_seconds
    probe_name      = "app"

    # The polling that comes before a web socket must reach the machine that began the session.
    cookie_based_affinity = "Enabled"
    affinity_cookie_name  = "gateway_affinity"

    # Long enough for a streamed answer to end on a machine that is being replaced.
    connection_draining {
      enabled           = true
      drain_timeout_sec = 120
    }
  }

  probe {
    name                = "app"
    protocol            = "Http"
    host                = "127.0.0.1"
    path                = var.health_path
    interval            = 15
    timeout             = 10
    unhealthy_threshold = 3

    match {
      status_code = ["200"]
    }
  }

  request_routing_rule {
    name                       = "app"
    rule_type                  = "Basic"
    priority                   = 100
    http_listener_name         = local.serving
    backend_address_pool_name  = "app"
    backend_http_settings_name = "app"
  }

  dynamic "request_routing_rule" {
    for_each = local.redirects

    content {
      name                        = "redirect"
      rule_type                   = "Basic"
      priority                    = 200
      http_listener_name          = request_routing_rule.value
      redirect_configuration_name = "https"
    }
  }

  dynamic "redirect_configuration" {
    for_each = local.redirects

    content {
      name                 = "https"
      redirect_type        = "Permanent"
      target_listener_name = "https"
      include_path         = true
      include_query_string = true
    }
  }

  tags = merge(var.tags, { Name = var.name })

  # The gateway reads its certificate while it is made.
  depends_on = [time_sleep.certificate]
}

################################################################################
# Certificate
################################################################################

# Azure issues no certificate for a gateway. This one keeps the place, and traffic from being read; the one of a
# public authority is imported over it under the same name.
resource "azurerm_key_vault_certificate" "placeholder" {
  count = local.placeholder ? 1 : 0

  name         = local.certificate_name
  key_vault_id = var.vault_id

  certificate_policy {
    issuer_parameters {
      name = "Self"
    }

    key_properties {
      exportable = true
      key_type   = "RSA"
      key_size   = 2048
      reuse_key  = false
    }

    secret_properties {
      content_type = "application/x-pkcs12"
    }

    x509_certificate_properties {
      subject            = "CN=${var.domain_name}"
      key_usage          = ["digitalSignature", "keyEncipherment"]
      validity_in_months = 12

      subject_alternative_names {
        dns_names = [var.domain_name]
      }
    }
  }

  tags = merge(var.tags, { Name = var.domain_name })

  # What is imported over it stays.
  lifecycle {
    ignore_changes = [certificate, certificate_policy]
  }
}

resource "azurerm_role_assignment" "certificate" {
  count = local.https ? 1 : 0

  scope                = local.certificate_scope
  role_definition_name = "Key Vault Secrets User"
  principal_id         = azurerm_user_assigned_identity.this.principal_id
  principal_type       = "ServicePrincipal"
  description          = "The gateway of ${var.name} reads its certificate"

  depends_on = [azurerm_key_vault_certificate.placeholder]
}

# A new role takes a minute or two until the vault knows of it.
resource "time_sleep" "certificate" {
  count = local.https ? 1 : 0

  create_duration = "120s"

  depends_on = [azurerm_role_assignment.certificate]
}

################################################################################
# Name and access log
################################################################################

resource "azurerm_dns_a_record" "this" {
  count = var.public_zone == null ? 0 : 1

  name                = var.domain_name == var.public_zone.name ? "@" : trimsuffix(var.domain_name, ".${var.public_zone.name}")
  zone_name           = var.public_zone.name
  resource_group_name = var.public_zone.resource_group
  ttl                 = 300
  target_resource_id  = azurerm_public_ip.this.id

  tags = merge(var.tags, { Name = var.domain_name })
}

resource "azurerm_monitor_diagnostic_setting" "this" {
  count = var.access_logs || local.waf ? 1 : 0

  name                       = "${var.name}-gateway"
  target_resource_id         = azurerm_application_gateway.this.id
  log_analytics_workspace_id = var.workspace_id

  dynamic "enabled_log" {
    for_each = toset(concat(var.access_logs ? ["ApplicationGatewayAccessLog"] : [], local.waf ? ["ApplicationGatewayFirewallLog"] : []))

    content {
      category = enabled_log.value
    }
  }
}
