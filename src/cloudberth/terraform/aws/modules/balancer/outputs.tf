output "id" {
  description = "ARN of the load balancer."
  value       = aws_lb.this.arn
}

output "address" {
  description = "Host name users open."
  value       = local.address
}

output "url" {
  description = "URL users open, without a slash at the end."
  value       = "${local.https ? "https" : "http"}://${local.address}"
}

output "target_group" {
  description = "ARN of the target group that the app machines join."
  value       = aws_lb_target_group.app.arn

  # Machines that join before a listener uses the group would not be checked.
  depends_on = [aws_lb_listener.https, aws_lb_listener.http]
}

output "dns_name" {
  description = "Name that AWS gave the load balancer."
  value       = aws_lb.this.dns_name
}

output "zone_id" {
  description = "Hosted zone of that name, for alias records."
  value       = aws_lb.this.zone_id
}

output "metric_dimensions" {
  description = "Dimensions of the load balancer's metrics: LoadBalancer and TargetGroup."
  value = {
    LoadBalancer = aws_lb.this.arn_suffix
    TargetGroup  = aws_lb_target_group.app.arn_suffix
  }
}

output "certificate" {
  description = "ARN of the certificate in use, empty without a domain."
  value       = local.https ? local.certificate : ""
}

output "firewall" {
  description = "ARN of the web application firewall, empty if there is none. In front of a CDN, the CDN has to name it."
  value       = local.firewall ? aws_wafv2_web_acl.this[0].arn : ""
}

output "access_logs_bucket" {
  description = "ARN of the bucket of the access logs, empty without them."
  value       = var.access_logs ? aws_s3_bucket.access_logs[0].arn : ""

  # Who delivers logs checks at once whether it may.
  depends_on = [aws_s3_bucket_policy.access_logs]
}
