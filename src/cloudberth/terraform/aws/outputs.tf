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
  value       = module.secrets.ids
}

output "log_groups" {
  description = "Log group by service."
  value       = module.logs.groups
}

output "dashboard" {
  description = "URL of the dashboard, empty when alarms are off."
  value       = var.alarms.enabled ? module.alarms[0].dashboard : ""
}

output "missing" {
  description = "What the deployment lacks for production, in words."
  value = concat(
    !local.https && !local.behind_cdn ? ["No domain: everything, passwords included, travels unencrypted over HTTP. Set domain with a hosted zone."] : [],
    !local.https && local.behind_cdn ? ["No domain: users open the name that CloudFront gave, and between CloudFront and the load balancer traffic is unencrypted. Set domain with a hosted zone."] : [],
    local.https && local.zone == null ? ["No hosted zone: create a CNAME record from ${var.domain.name} to ${local.behind_cdn ? module.cdn[0].domain : module.balancer.dns_name} yourself."] : [],
    var.cdn.enabled && !local.behind_cdn ? ["The CDN is off: CloudFront needs a certificate in us-east-1. Set domain.zone, so that one can be issued there."] : [],
    local.behind_cdn ? ["Behind the CDN an answer must begin within 60 seconds: blocking calls that take longer fail, streaming ones do not."] : [],
    var.network.nat == "none" && var.network.existing == null ? ["No NAT gateway: machines reach only the S3 and interface endpoints; images, packages and models must come from there."] : [],
    var.network.existing != null && !contains(var.access.allowed_cidrs, "0.0.0.0/0") ? ["The machines open the public address themselves: the addresses of your network's NAT gateways must be among access.allowed_cidrs."] : [],
    try(!var.database.multi_zone, false) ? ["The database stands in one zone: it is down when that zone is. Set database.multi_zone."] : [],
    try(!var.database.deletion_protection, false) ? ["The database is not protected against deletion. Set database.deletion_protection."] : [],
    try(var.cache.replicas == 0, false) ? ["The cache has no replica: waiting tasks are lost with its node. Set cache.replicas and cache.multi_zone."] : [],
    !var.storage.versioning ? ["Deleted and overwritten files cannot be restored. Set storage.versioning."] : [],
    !var.alarms.enabled ? ["No alarms. Set alarms.enabled."] : length(var.alarms.emails) == 0 ? ["Nobody hears the alarms. Set alarms.emails."] : [],
    var.budget == null ? ["No budget. Set budget.amount and budget.emails."] : length(var.budget.emails) == 0 ? ["Nobody hears of the budget. Set budget.emails."] : [],
    var.budget != null ? ["The budget counts once the tag Deployment is activated as a cost allocation tag (Billing, Cost allocation tags; once per account)."] : [],
  )
}
