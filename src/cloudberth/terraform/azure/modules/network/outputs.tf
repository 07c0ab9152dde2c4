output "id" {
  description = "Id of the virtual network."
  value       = local.vnet_id
}

output "public_subnets" {
  description = "Ids of the public subnets: the application gateway."
  value       = local.create ? [azurerm_subnet.this["gateway"].id] : var.existing.public_subnets
}

output "private_subnets" {
  description = "Ids of the subnets of the machines: app group first, stateful machine last."
  value       = local.create ? [azurerm_subnet.this["app"].id, azurerm_subnet.this["stateful"].id] : var.existing.private_subnets
}

output "data_subnets" {
  description = "Ids of the data subnets: first the one delegated to PostgreSQL, then that of the private endpoints."
  value       = local.create ? [azurerm_subnet.this["database"].id, azurerm_subnet.this["endpoints"].id] : var.existing.data_subnets
}

output "zones" {
  description = "Availability zones of the machines."
  value       = local.zones
}

output "security_groups" {
  description = "Ids of the network security groups by tier; the cache is behind the group of the private endpoints."
  value = {
    balancer = azurerm_network_security_group.this["gateway"].id
    app      = azurerm_network_security_group.this["app"].id
    stateful = azurerm_network_security_group.this["stateful"].id
    database = azurerm_network_security_group.this["database"].id
    cache    = azurerm_network_security_group.this["endpoints"].id
  }

  # A machine that starts under a group without its rules would reach nothing.
  depends_on = [azurerm_network_security_rule.this]
}

output "nat_addresses" {
  description = "Public addresses from which the machines reach the internet: what a third party puts on its allow-list."
  value       = [for address in azurerm_public_ip.nat : address.ip_address]
}

output "machine_groups" {
  description = "Ids of the application security groups that machines join, by group."
  value       = local.machines
}
