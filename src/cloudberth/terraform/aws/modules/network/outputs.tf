output "id" {
  description = "Id of the network."
  value       = local.vpc_id
}

output "public_subnets" {
  description = "Ids of the public subnets, one per zone: load balancer and NAT gateways."
  value       = local.create ? [for zone in local.zones : aws_subnet.public[zone].id] : var.existing.public_subnets
}

output "private_subnets" {
  description = "Ids of the private subnets, one per zone: machines."
  value       = local.create ? [for zone in local.zones : aws_subnet.private[zone].id] : var.existing.private_subnets
}

output "data_subnets" {
  description = "Ids of the data subnets, one per zone: database and cache."
  value       = local.create ? [for zone in local.zones : aws_subnet.data[zone].id] : var.existing.data_subnets
}

output "zones" {
  description = "Availability zones of the private subnets, in the same order."
  value       = local.create ? local.zones : [for id in var.existing.private_subnets : data.aws_subnet.existing[id].availability_zone]
}

output "security_groups" {
  description = "Ids of the security groups by tier."
  value = {
    balancer = aws_security_group.balancer.id
    app      = aws_security_group.app.id
    stateful = aws_security_group.stateful.id
    database = aws_security_group.database.id
    cache    = aws_security_group.cache.id
  }
}

output "nat_addresses" {
  description = "Public addresses from which the machines reach the internet: what a third party puts on its allow-list."
  value       = [for zone in local.nat_zones : aws_eip.nat[zone].public_ip]
}

output "ipv6" {
  description = "Whether the public subnets have IPv6 addresses."
  value       = local.ipv6
}
