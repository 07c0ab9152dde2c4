output "address" {
  description = "URL users open."
  value       = local.url
}

output "facts" {
  description = "What templates of the stack, berth env and the runtime roles read: hosts, ports, names. No secret."
  value       = local.facts
}

output "secrets" {
  description = "Id of every secret by name: VAULT/NAME, and for the cache the database whose keys Azure lists. Never a value."
  value       = local.secrets
}

output "log_groups" {
  description = "Saved function in the Log Analytics workspace by service."
  value       = module.logs.groups
}

output "dashboard" {
  description = "URL of the workbook, empty when alarms are off."
  value       = var.alarms.enabled ? module.alarms[0].dashboard : ""
}

output "missing" {
  description = "What the deployment lacks for production, in words."
  value = concat(
    var.domain == null && !local.behind_cdn ? ["No domain: everything, passwords included, travels unencrypted over HTTP. Set domain with a DNS zone and a certificate."] : [],
    local.behind_cdn && !local.gateway_https ? ["Between Front Door and the gateway traffic is unencrypted: set domain.certificate to one of a public authority in a Key Vault."] : [],
    var.domain != null && !local.behind_cdn && try(var.domain.certificate, null) == null ? ["No browser trusts the certificate: Azure issues none for a gateway. Import one of a public authority as gateway-certificate into the vault ${basename(module.secrets.policy)}, or set domain.certificate; the gateway takes it up within four hours."] : [],
    var.domain != null && local.zone == null ? ["No DNS zone: create a CNAME record from ${var.domain.name} to ${local.behind_cdn ? module.cdn[0].domain : module.balancer.dns_name} yourself."] : [],
    local.behind_cdn ? ["Behind Front Door an answer must begin within 240 seconds: blocking calls that take longer fail, streaming ones do not."] : [],
    var.network.existing != null && !contains(var.access.allowed_cidrs, "0.0.0.0/0") ? ["The machines open the public address themselves: the addresses of your network's NAT gateways must be among access.allowed_cidrs."] : [],
    length(setsubtract(["blob", "vault"], var.network.endpoints)) > 0 ? ["Files or secrets are reached at public addresses, with the machines' identities. Set network.endpoints to [blob, vault]."] : [],
    try(!var.database.multi_zone, false) ? ["The database stands in one zone: it is down when that zone is. Set database.multi_zone."] : [],
    try(!var.database.deletion_protection, false) ? ["The database is not protected against deletion. Set database.deletion_protection."] : [],
    try(var.cache.replicas == 0, false) ? ["The cache has no replica: waiting tasks are lost with its node. Set cache.replicas and cache.multi_zone."] : [],
    var.cache != null ? ["The access key of the cache stands in Terraform's state, because Azure makes it: guard the state like a password."] : [],
    length(var.secret_references) > 0 ? ["The identities ${var.name}-app and ${var.name}-stateful need the role Key Vault Secrets User on ${join(", ", distinct([for id in values(var.secret_references) : split("/", id)[0]]))}; give it to them once they exist."] : [],
    !var.storage.versioning ? ["Deleted and overwritten files cannot be restored. Set storage.versioning."] : [],
    !var.alarms.enabled ? ["No alarms. Set alarms.enabled."] : length(var.alarms.emails) == 0 ? ["Nobody hears the alarms. Set alarms.emails."] : [],
    var.budget == null ? ["No budget. Set budget.amount and budget.emails."] : length(var.budget.emails) == 0 ? ["Nobody but the owners of the subscription hears of the budget. Set budget.emails."] : [],
  )
}
