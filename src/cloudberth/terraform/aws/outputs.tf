output "address" {
  description = "URL users open."
  value       = module.balancer.url
}

output "secrets" {
  description = "Id of every secret in the secret store by name. Never a value."
  value       = module.secrets.ids
}

output "log_groups" {
  description = "Log group by service."
  value       = module.logs.groups
}
