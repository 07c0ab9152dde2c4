# CloudFront in front of the load balancer: static files are kept at the edge, everything else passes through, with
# its cookies, headers and host name, web sockets included. The load balancer admits nobody but CloudFront.
#
# Certificates, firewalls and log deliveries of CloudFront live in us-east-1, wherever the deployment is.

locals {
  certificate = var.issue_certificate ? aws_acm_certificate_validation.this[0].certificate_arn : var.certificate

  # Policies that AWS keeps in every account, by their fixed ids.
  cache_static_files = "658327ea-f89d-4fab-a63d-7e88639e58f6" # CachingOptimized
  cache_nothing      = "4135ea2d-6df8-44a3-9df3-4b5a84be39ad" # CachingDisabled
  pass_everything    = "216adef6-5c7f-47e4-b989-5492eafa07d3" # AllViewer

  # An error that is kept outlives its cause: a page that was missing for a second would be missing for ten.
  errors = [400, 403, 404, 405, 414, 416, 500, 501, 502, 503, 504]
}

resource "aws_cloudfront_distribution" "this" {
  # checkov:skip=CKV_AWS_68:the firewall is optional (access.waf), and is named here when there is one
  # checkov:skip=CKV2_AWS_47:the firewall is optional (access.waf), and has the rule set against Log4j when there is one
  # checkov:skip=CKV_AWS_86:requests are logged through CloudWatch log delivery, the successor of this setting
  # checkov:skip=CKV_AWS_174:TLS 1.2 wherever there is a domain; CloudFront's own certificate allows no choice
  # checkov:skip=CKV_AWS_305:the application answers its root path itself
  # checkov:skip=CKV_AWS_310:there is one origin, spread over zones by the load balancer
  # checkov:skip=CKV_AWS_374:who may open the application is decided by address (access.allowed_cidrs), not by country
  # checkov:skip=CKV2_AWS_32:the application sets its own headers; a policy for all would forbid embedding its chat in other pages
  # checkov:skip=CKV2_AWS_42:with a domain its own certificate is used; without one only CloudFront's exists
  # checkov:skip=CKV2_AWS_46:the origin is a load balancer, not a bucket
  enabled         = true
  comment         = var.name
  aliases         = var.domain_name == null ? [] : [var.domain_name]
  http_version    = "http2and3"
  is_ipv6_enabled = true
  price_class     = "PriceClass_All"
  web_acl_id      = var.firewall == "" ? null : var.firewall

  origin {
    origin_id   = "balancer"
    domain_name = var.origin

    custom_origin_config {
      http_port              = 80
      https_port             = 443
      origin_protocol_policy = var.origin_https ? "https-only" : "http-only"
      origin_ssl_protocols   = ["TLSv1.2"]

      # The most that CloudFront allows without asking: an answer must begin, or go on, within a minute.
      origin_read_timeout      = 60
      origin_keepalive_timeout = 60
    }
  }

  default_cache_behavior {
    target_origin_id         = "balancer"
    viewer_protocol_policy   = "redirect-to-https"
    allowed_methods          = ["GET", "HEAD", "OPTIONS", "PUT", "POST", "PATCH", "DELETE"]
    cached_methods           = ["GET", "HEAD"]
    cache_policy_id          = local.cache_nothing
    origin_request_policy_id = local.pass_everything

    # Compressing a stream would hold back its first words.
    compress = false
  }

  dynamic "ordered_cache_behavior" {
    for_each = var.paths

    content {
      path_pattern             = ordered_cache_behavior.value
      target_origin_id         = "balancer"
      viewer_protocol_policy   = "redirect-to-https"
      allowed_methods          = ["GET", "HEAD", "OPTIONS"]
      cached_methods           = ["GET", "HEAD"]
      cache_policy_id          = local.cache_static_files
      origin_request_policy_id = local.pass_everything
      compress                 = true
    }
  }

  dynamic "custom_error_response" {
    for_each = local.errors

    content {
      error_code            = custom_error_response.value
      error_caching_min_ttl = 0
    }
  }

  restrictions {
    geo_restriction {
      restriction_type = "none"
    }
  }

  viewer_certificate {
    cloudfront_default_certificate = var.domain_name == null ? true : null
    acm_certificate_arn            = var.domain_name == null ? null : local.certificate
    ssl_support_method             = var.domain_name == null ? null : "sni-only"
    minimum_protocol_version       = var.domain_name == null ? "TLSv1" : "TLSv1.2_2021"
  }

  tags = merge(var.tags, { Name = var.name })
}

################################################################################
# Certificate and records
################################################################################

resource "aws_acm_certificate" "this" {
  count = var.issue_certificate ? 1 : 0

  region            = "us-east-1"
  domain_name       = var.domain_name
  validation_method = "DNS"

  tags = merge(var.tags, { Name = var.domain_name })

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_route53_record" "validation" {
  count = var.issue_certificate && var.create_validation_record ? 1 : 0

  zone_id = var.zone_id
  name    = one(aws_acm_certificate.this[0].domain_validation_options[*].resource_record_name)
  type    = one(aws_acm_certificate.this[0].domain_validation_options[*].resource_record_type)
  records = aws_acm_certificate.this[0].domain_validation_options[*].resource_record_value
  ttl     = 300

  allow_overwrite = true
}

resource "aws_acm_certificate_validation" "this" {
  count = var.issue_certificate ? 1 : 0

  region          = "us-east-1"
  certificate_arn = aws_acm_certificate.this[0].arn

  depends_on = [aws_route53_record.validation]
}

resource "aws_route53_record" "address" {
  for_each = toset(var.create_records ? ["A", "AAAA"] : [])

  zone_id = var.zone_id
  name    = var.domain_name
  type    = each.key

  alias {
    name                   = aws_cloudfront_distribution.this.domain_name
    zone_id                = aws_cloudfront_distribution.this.hosted_zone_id
    evaluate_target_health = false
  }
}

################################################################################
# Access logs
################################################################################

resource "aws_cloudwatch_log_delivery_source" "this" {
  count = var.access_logs ? 1 : 0

  region       = "us-east-1"
  name         = "${var.name}-cdn"
  log_type     = "ACCESS_LOGS"
  resource_arn = aws_cloudfront_distribution.this.arn

  tags = merge(var.tags, { Name = "${var.name}-cdn" })
}

resource "aws_cloudwatch_log_delivery_destination" "this" {
  count = var.access_logs ? 1 : 0

  region        = "us-east-1"
  name          = "${var.name}-cdn"
  output_format = "json"

  delivery_destination_configuration {
    destination_resource_arn = var.access_logs_bucket
  }

  tags = merge(var.tags, { Name = "${var.name}-cdn" })
}

resource "aws_cloudwatch_log_delivery" "this" {
  count = var.access_logs ? 1 : 0

  region                   = "us-east-1"
  delivery_source_name     = aws_cloudwatch_log_delivery_source.this[0].name
  delivery_destination_arn = aws_cloudwatch_log_delivery_destination.this[0].arn

  # No cookies, no query strings, no referrers (they quote them): all can carry credentials.
  record_fields = [
    "date", "time", "x-edge-location", "sc-bytes", "c-ip", "cs-method", "cs(Host)", "cs-uri-stem", "sc-status",
    "cs(User-Agent)", "x-edge-result-type", "x-edge-request-id", "x-host-header", "cs-protocol",
    "cs-bytes", "time-taken", "ssl-protocol", "x-edge-response-result-type", "cs-protocol-version", "time-to-first-byte",
  ]

  tags = merge(var.tags, { Name = "${var.name}-cdn" })
}
