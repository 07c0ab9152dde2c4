output "id" {
  description = "Id of the network."
  value       = local.network
}

output "public_subnets" {
  description = "None: the load balancer stands at Google's edge, in no subnetwork."
  value       = local.create ? [] : var.existing.public_subnets
}

output "private_subnets" {
  description = "Id of the subnetwork of the machines; it spans all zones."
  value       = [local.subnet]
}

output "data_subnets" {
  description = "Name of the range that database and cache take their addresses from; empty in an existing network, whose owner keeps it."
  value       = local.create ? [google_compute_global_address.data[0].name] : var.existing.data_subnets
}

output "zones" {
  description = "Zones over which machines are spread."
  value       = local.zones
}

output "security_groups" {
  description = "What firewall rules know each tier by: the service account of the machines; empty for what has no rules of its own."
  value = {
    balancer = ""
    app      = google_service_account.app.email
    stateful = google_service_account.stateful.email
    database = ""
    cache    = ""
  }
}

output "nat_addresses" {
  description = "Public addresses from which the machines reach the internet: what a third party puts on its allow-list."
  value       = google_compute_address.nat[*].address
}

output "data_network" {
  description = "Id of the network once database and cache can be put into it."
  value       = local.network

  depends_on = [google_service_networking_connection.data]
}
