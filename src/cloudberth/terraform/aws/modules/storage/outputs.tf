output "bucket" {
  description = "Name of the bucket."
  value       = aws_s3_bucket.this.bucket

  # Who knows the name may write at once: only to a bucket that is already closed and encrypted.
  depends_on = [aws_s3_bucket_policy.this, aws_s3_bucket_public_access_block.this, aws_s3_bucket_versioning.this]
}

output "id" {
  description = "ARN of the bucket."
  value       = aws_s3_bucket.this.arn
}

output "region" {
  description = "Region of the bucket."
  value       = data.aws_region.current.region
}

output "endpoint" {
  description = "URL of the object store in that region."
  value       = "https://s3.${data.aws_region.current.region}.${data.aws_partition.current.dns_suffix}"
}

output "policy" {
  description = "ARN of the policy that lets a machine use the bucket."
  value       = aws_iam_policy.access.arn
}
