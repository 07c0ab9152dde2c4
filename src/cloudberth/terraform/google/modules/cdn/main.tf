# Static files are kept at Google's edge. The CDN is a property of a backend service, so the paths it may keep get a
# backend service of their own in front of the same machines; the URL map of the load balancer sends them here.

resource "google_compute_backend_service" "static" {
  project               = var.project
  name                  = "${var.name}-static"
  description           = "Static files of ${var.name}, kept by the CDN"
  load_balancing_scheme = "EXTERNAL_MANAGED"
  protocol              = "HTTP"
  port_name             = "http"
  timeout_sec           = 60
  health_checks         = [var.health_check]
  security_policy       = var.firewall == "" ? null : var.firewall
  edge_security_policy  = var.edge_policy == "" ? null : var.edge_policy
  compression_mode      = "AUTOMATIC"
  enable_cdn            = true

  connection_draining_timeout_sec = 60

  cdn_policy {
    # What the application marks as lasting, and nothing else.
    cache_mode       = "USE_ORIGIN_HEADERS"
    negative_caching = false

    cache_key_policy {
      include_host         = true
      include_protocol     = true
      include_query_string = true
    }
  }

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
}
