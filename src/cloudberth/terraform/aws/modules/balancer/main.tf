locals {
  https             = var.domain_name != null
  issue_certificate = local.https && var.certificate == null
  certificate       = local.issue_certificate ? aws_acm_certificate_validation.this[0].certificate_arn : var.certificate
  address           = local.https ? var.domain_name : aws_lb.this.dns_name
}

################################################################################
# Load balancer
################################################################################

resource "aws_lb" "this" {
  # checkov:skip=CKV2_AWS_76:the rule set against Log4j is on with access.waf; the one against anonymous addresses would shut out VPNs, and web hooks from any cloud
  # checkov:skip=CKV_AWS_150:deletion protection follows the deployment's own setting (deletion_protection), on by default
  # checkov:skip=CKV_AWS_91:access logs are on by default; switching them off is the user's choice (access.access_logs)
  # checkov:skip=CKV2_AWS_28:the firewall is optional (access.waf); behind a CDN it stands in front of the CDN instead
  # checkov:skip=CKV2_AWS_20:port 80 redirects to HTTPS as soon as there is a domain; without one there is no certificate
  name               = var.name
  load_balancer_type = "application"
  internal           = false
  ip_address_type    = var.ipv6 ? "dualstack" : "ipv4"
  subnets            = var.subnets
  security_groups    = [var.security_group]

  idle_timeout               = var.idle_timeout_seconds
  enable_deletion_protection = var.deletion_protection

  # Requests whose headers or framing two servers could read differently never reach the application.
  drop_invalid_header_fields = true
  desync_mitigation_mode     = "defensive"

  dynamic "access_logs" {
    for_each = var.access_logs ? [aws_s3_bucket.access_logs[0].id] : []

    content {
      enabled = true
      bucket  = access_logs.value
      prefix  = "balancer"
    }
  }

  tags = merge(var.tags, { Name = var.name })

  # The load balancer proves that it may write when logging is switched on.
  depends_on = [aws_s3_bucket_policy.access_logs]
}

resource "aws_lb_target_group" "app" {
  # checkov:skip=CKV_AWS_378:TLS ends at the load balancer; from there traffic stays in private subnets, between two security groups
  name        = var.name
  vpc_id      = var.network_id
  target_type = "instance"
  protocol    = "HTTP"
  port        = 80

  # Answers of language models take from milliseconds to minutes: count what is under way instead of going round.
  load_balancing_algorithm_type = "least_outstanding_requests"

  # Long enough for a streamed answer to end on a machine that is being replaced.
  deregistration_delay = "120"

  health_check {
    path                = var.health_path
    protocol            = "HTTP"
    port                = "traffic-port"
    matcher             = "200"
    interval            = 15
    timeout             = 10
    healthy_threshold   = 2
    unhealthy_threshold = 3
  }

  # The polling that comes before a web socket must reach the machine that began the session.
  stickiness {
    enabled         = true
    type            = "lb_cookie"
    cookie_duration = 3600
  }

  tags = merge(var.tags, { Name = "${var.name}-app" })
}

################################################################################
# Listeners
################################################################################

resource "aws_lb_listener" "https" {
  count = local.https ? 1 : 0

  load_balancer_arn = aws_lb.this.arn
  port              = 443
  protocol          = "HTTPS"
  ssl_policy        = "ELBSecurityPolicy-TLS13-1-2-2021-06"
  certificate_arn   = local.certificate

  # Browsers that were here once do not try plain HTTP again for a year.
  routing_http_response_strict_transport_security_header_value = "max-age=31536000"
  routing_http_response_server_enabled                         = false

  default_action {
    type             = "forward"
    target_group_arn = aws_lb_target_group.app.arn
  }

  tags = merge(var.tags, { Name = "${var.name}-https" })
}

resource "aws_lb_listener" "redirect" {
  count = local.https ? 1 : 0

  load_balancer_arn = aws_lb.this.arn
  port              = 80
  protocol          = "HTTP"

  default_action {
    type = "redirect"

    redirect {
      protocol    = "HTTPS"
      port        = "443"
      status_code = "HTTP_301"
    }
  }

  tags = merge(var.tags, { Name = "${var.name}-redirect" })
}

resource "aws_lb_listener" "http" {
  # checkov:skip=CKV_AWS_2:only without a domain, when no certificate can exist; the output missing says so
  # checkov:skip=CKV_AWS_103:only without a domain, when no certificate can exist; the output missing says so
  count = local.https ? 0 : 1

  load_balancer_arn = aws_lb.this.arn
  port              = 80
  protocol          = "HTTP"

  routing_http_response_server_enabled = false

  default_action {
    type             = "forward"
    target_group_arn = aws_lb_target_group.app.arn
  }

  tags = merge(var.tags, { Name = "${var.name}-http" })
}

################################################################################
# Certificate and records
################################################################################

resource "aws_acm_certificate" "this" {
  count = local.issue_certificate ? 1 : 0

  domain_name       = var.domain_name
  validation_method = "DNS"

  tags = merge(var.tags, { Name = var.domain_name })

  # A listener holds on to its certificate until it has the next one.
  lifecycle {
    create_before_destroy = true
  }
}

# One name, so exactly one record proves it; ACM renews the certificate for as long as the record stands.
resource "aws_route53_record" "validation" {
  count = local.issue_certificate ? 1 : 0

  zone_id = var.zone_id
  name    = one(aws_acm_certificate.this[0].domain_validation_options[*].resource_record_name)
  type    = one(aws_acm_certificate.this[0].domain_validation_options[*].resource_record_type)
  records = aws_acm_certificate.this[0].domain_validation_options[*].resource_record_value
  ttl     = 300

  # The same name and value prove the domain again after down and up, and in another region.
  allow_overwrite = true
}

resource "aws_acm_certificate_validation" "this" {
  count = local.issue_certificate ? 1 : 0

  certificate_arn         = aws_acm_certificate.this[0].arn
  validation_record_fqdns = [aws_route53_record.validation[0].fqdn]
}

resource "aws_route53_record" "address" {
  for_each = var.create_records ? toset(var.ipv6 ? ["A", "AAAA"] : ["A"]) : toset([])

  zone_id = var.zone_id
  name    = var.domain_name
  type    = each.key

  alias {
    name                   = aws_lb.this.dns_name
    zone_id                = aws_lb.this.zone_id
    evaluate_target_health = true
  }
}
