output "domain" {
  description = "Name that CloudFront gave the distribution."
  value       = aws_cloudfront_distribution.this.domain_name
}

output "id" {
  description = "Id of the distribution, to invalidate what it keeps."
  value       = aws_cloudfront_distribution.this.id
}
