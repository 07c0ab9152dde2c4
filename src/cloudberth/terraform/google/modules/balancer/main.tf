# A global external Application Load Balancer: one address, announced from Google's edge everywhere.
#
#   forwarding rule ──► proxy (TLS) ──► URL map ──► backend service ──► instance groups
#                                          └─ static files ──► backend service with the CDN (module cdn)

locals {
  https   = var.domain_name != null
  address = local.https ? var.domain_name : google_compute_global_address.this.address
  scheme  = "EXTERNAL_MANAGED"

  # Ways to Google's front ends of either kind of certificate.
  own_certificate   = var.certificate != null ? strcontains(var.certificate, "/sslCertificates/") : false
  issue_certificate = local.https && var.certificate == null
  certificate_map   = local.https && !local.own_certificate
  certificate       = local.issue_certificate ? google_certificate_manager_certificate.this[0].id : var.certificate

  target = local.https ? google_compute_target_https_proxy.this[0].id : google_compute_target_http_proxy.this[0].id
  cdn    = var.cdn ? [var.cdn_backend] : []
}

resource "google_compute_global_address" "this" {
  project     = var.project
  name        = var.name
  description = "Address of ${var.name}"

  labels = var.tags
}

################################################################################
# Backend
################################################################################

resource "google_compute_health_check" "app" {
  project             = var.project
  name                = "${var.name}-app"
  description         = "Whether an app machine is ready"
  check_interval_sec  = 15
  timeout_sec         = 10
  healthy_threshold   = 2
  unhealthy_threshold = 3

  http_health_check {
    port         = 80
    request_path = var.health_path
  }
}

resource "google_compute_backend_service" "app" {
  project               = var.project
  name                  = var.name
  description           = "App machines of ${var.name}"
  load_balancing_scheme = local.scheme
  protocol              = "HTTP"
  port_name             = "http"
  health_checks         = [google_compute_health_check.app.id]
  security_policy       = local.policy ? google_compute_security_policy.this[0].id : null

  # Google counts the whole answer, not the silence in it: a stream or web socket ends after this, too.
  timeout_sec = var.idle_timeout_seconds

  # Long enough for a streamed answer to end on a machine that is being replaced.
  connection_draining_timeout_sec = 120

  # The polling that comes before a web socket must reach the machine that began the session.
  session_affinity        = "GENERATED_COOKIE"
  affinity_cookie_ttl_sec = 3600

  # Compressing a stream would hold back its first words.
  compression_mode = "DISABLED"

  dynamic "backend" {
    for_each = toset(range(length(var.groups)))

    content {
      group           = var.groups[backend.value]
      balancing_mode  = "UTILIZATION"
      max_utilization = 0.9
      capacity_scaler = 1
    }
  }

  log_config {
    enable      = var.access_logs
    sample_rate = var.access_logs ? 1 : null
  }

  # Browsers that were here once do not try plain HTTP again for a year.
  custom_response_headers = local.https ? ["Strict-Transport-Security: max-age=31536000"] : []
}

################################################################################
# URL map, proxies, forwarding rules
################################################################################

resource "google_compute_url_map" "this" {
  project         = var.project
  name            = var.name
  description     = "Where requests to ${var.name} go"
  default_service = google_compute_backend_service.app.id

  dynamic "host_rule" {
    for_each = local.cdn

    content {
      hosts        = ["*"]
      path_matcher = "static"
    }
  }

  dynamic "path_matcher" {
    for_each = local.cdn

    content {
      name            = "static"
      default_service = google_compute_backend_service.app.id

      path_rule {
        paths   = var.cdn_paths
        service = path_matcher.value
      }
    }
  }
}

resource "google_compute_url_map" "redirect" {
  count = local.https ? 1 : 0

  project     = var.project
  name        = "${var.name}-redirect"
  description = "From HTTP to HTTPS"

  default_url_redirect {
    https_redirect         = true
    redirect_response_code = "MOVED_PERMANENTLY_DEFAULT"
    strip_query            = false
  }
}

resource "google_compute_ssl_policy" "this" {
  count = local.https ? 1 : 0

  project         = var.project
  name            = var.name
  description     = "TLS 1.2 and newer, with forward secrecy"
  profile         = "MODERN"
  min_tls_version = "TLS_1_2"
}

resource "google_compute_target_https_proxy" "this" {
  count = local.https ? 1 : 0

  project                     = var.project
  name                        = var.name
  url_map                     = google_compute_url_map.this.id
  ssl_policy                  = google_compute_ssl_policy.this[0].id
  ssl_certificates            = local.own_certificate ? [var.certificate] : null
  certificate_map             = local.certificate_map ? "//certificatemanager.googleapis.com/${google_certificate_manager_certificate_map.this[0].id}" : null
  http_keep_alive_timeout_sec = 610

  depends_on = [google_certificate_manager_certificate_map_entry.this]
}

resource "google_compute_target_http_proxy" "this" {
  count = local.https ? 0 : 1

  project                     = var.project
  name                        = var.name
  url_map                     = google_compute_url_map.this.id
  http_keep_alive_timeout_sec = 610
}

resource "google_compute_target_http_proxy" "redirect" {
  count = local.https ? 1 : 0

  project = var.project
  name    = "${var.name}-redirect"
  url_map = google_compute_url_map.redirect[0].id
}

resource "google_compute_global_forwarding_rule" "this" {
  project               = var.project
  name                  = var.name
  description           = "The way in"
  load_balancing_scheme = local.scheme
  ip_address            = google_compute_global_address.this.id
  ip_protocol           = "TCP"
  port_range            = local.https ? "443" : "80"
  target                = local.target

  labels = var.tags
}

resource "google_compute_global_forwarding_rule" "redirect" {
  count = local.https ? 1 : 0

  project               = var.project
  name                  = "${var.name}-redirect"
  description           = "From HTTP to HTTPS"
  load_balancing_scheme = local.scheme
  ip_address            = google_compute_global_address.this.id
  ip_protocol           = "TCP"
  port_range            = "80"
  target                = google_compute_target_http_proxy.redirect[0].id

  labels = var.tags
}

################################################################################
# Certificate and records
################################################################################

# Proved by a record instead of by traffic: the certificate is there before the domain points here.
resource "google_certificate_manager_dns_authorization" "this" {
  count = local.issue_certificate ? 1 : 0

  project     = var.project
  name        = var.name
  description = "Proof of ${var.domain_name}"
  domain      = var.domain_name

  labels = var.tags
}

resource "google_dns_record_set" "validation" {
  count = local.issue_certificate ? 1 : 0

  project      = var.project
  managed_zone = var.zone_id
  name         = google_certificate_manager_dns_authorization.this[0].dns_resource_record[0].name
  type         = google_certificate_manager_dns_authorization.this[0].dns_resource_record[0].type
  rrdatas      = [google_certificate_manager_dns_authorization.this[0].dns_resource_record[0].data]
  ttl          = 300
}

resource "google_certificate_manager_certificate" "this" {
  count = local.issue_certificate ? 1 : 0

  project     = var.project
  name        = var.name
  description = "Certificate of ${var.domain_name}"

  managed {
    domains            = [var.domain_name]
    dns_authorizations = [google_certificate_manager_dns_authorization.this[0].id]
  }

  labels = var.tags

  depends_on = [google_dns_record_set.validation]
}

resource "google_certificate_manager_certificate_map" "this" {
  count = local.certificate_map ? 1 : 0

  project     = var.project
  name        = var.name
  description = "Certificates of ${var.name}"

  labels = var.tags
}

resource "google_certificate_manager_certificate_map_entry" "this" {
  count = local.certificate_map ? 1 : 0

  project      = var.project
  name         = var.name
  map          = google_certificate_manager_certificate_map.this[0].name
  hostname     = var.domain_name
  certificates = [local.certificate]

  labels = var.tags
}

resource "google_dns_record_set" "address" {
  count = var.create_records ? 1 : 0

  project      = var.project
  managed_zone = var.zone_id
  name         = "${var.domain_name}."
  type         = "A"
  rrdatas      = [google_compute_global_address.this.address]
  ttl          = 300
}
