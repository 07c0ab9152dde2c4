output "ids" {
  description = "Id of every secret in the store by name, generated and referenced ones. Never a value."
  # From the version, not the secret: who reads by this id waits until a value is there.
  value = merge(var.references, { for name, version in aws_secretsmanager_secret_version.this : name => version.secret_id })
}

output "policy" {
  description = "ARN of the policy that lets a machine read them."
  value       = aws_iam_policy.read.arn
}
