output "address" {
  description = "URL users open."
  value       = local.url
}

output "facts" {
  description = "What templates of the stack, berth env and the runtime roles read: hosts, ports, names. No secret."
  value       = local.facts
}

output "secrets" {
  description = "Id of every secret in the secret store by name. Never a value."
  value       = local.secrets
}

output "log_groups" {
  description = "Log by service."
  value       = module.logs.groups
}

output "dashboard" {
  description = "URL of the dashboard, empty when alarms are off."
  value       = var.alarms.enabled ? module.alarms[0].dashboard : ""
}

output "missing" {
  description = "What the deployment lacks for production, in words."
  value = concat(
    !local.https ? ["No domain: everything, passwords included, travels unencrypted over HTTP. Set domain with a zone of Cloud DNS."] : [],
    local.https && local.zone == null ? ["No zone: create an A record from ${var.domain.name} to ${module.balancer.dns_name} yourself."] : [],
    local.https && try(var.domain.certificate, null) == null ? ["The certificate is issued after the first start, mostly within an hour; until then browsers are refused."] : [],
    var.network.nat == "none" && local.own_network ? ["No NAT gateway: machines reach Google's APIs alone; images must come from Artifact Registry, and compute.image must have Docker."] : [],
    !local.own_network ? ["Your network needs private services access (servicenetworking.googleapis.com) for database and cache, and a way out for the machines."] : [],
    !local.own_network && !contains(var.access.allowed_cidrs, "0.0.0.0/0") ? ["The machines open the public address themselves: the addresses of your network's NAT gateways must be among access.allowed_cidrs."] : [],
    !contains(var.access.allowed_cidrs, "0.0.0.0/0") && var.alarms.enabled ? ["Nobody looks from outside whether the application answers: Google's checkers come from anywhere, and access.allowed_cidrs keeps them out."] : [],
    try(!var.database.multi_zone, false) ? ["The database stands in one zone: it is down when that zone is. Set database.multi_zone."] : [],
    try(!var.database.deletion_protection, false) ? ["The database is not protected against deletion. Set database.deletion_protection."] : [],
    try(var.cache.replicas == 0, false) ? ["The cache has no replica: what waited in the last hour is lost with its node. Set cache.replicas and cache.multi_zone."] : [],
    var.cache != null ? ["The cache's password is chosen by Google and stands in Terraform's state: let few people read that."] : [],
    !var.storage.versioning ? ["Deleted and overwritten files can be restored for a few days only. Set storage.versioning."] : [],
    !var.alarms.enabled ? ["No alarms. Set alarms.enabled."] : length(var.alarms.emails) == 0 ? ["Nobody hears the alarms. Set alarms.emails."] : [],
    var.budget == null ? ["No budget. Set budget.amount and budget.emails."] : local.billing_account == null ? ["No budget: it belongs to the billing account. Set budget.billing_account."] : length(var.budget.emails) == 0 ? ["Only the administrators of the billing account hear of the budget. Set budget.emails."] : [],
  )
}
