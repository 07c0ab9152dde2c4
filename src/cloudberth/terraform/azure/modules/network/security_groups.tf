# One group per tier, and one rule per line of traffic. Machines are named by application security groups instead of
# address ranges, so a rule follows its machines. What is not listed is refused; replies to allowed traffic pass.
#
#   world or Front Door ──► gateway ──80──► app ◄──internal ports──► stateful
#                                            └──5432──► database   ◄──5432──┘
#                                            └──10000, 443──► endpoints ◄───┘   cache, files, secrets

resource "azurerm_application_security_group" "this" {
  for_each = toset(["app", "stateful"])

  name                = "${var.name}-${each.key}"
  resource_group_name = var.resource_group
  location            = var.region

  tags = merge(var.tags, { Name = "${var.name}-${each.key}" })
}

resource "azurerm_network_security_group" "this" {
  for_each = toset(["gateway", "app", "stateful", "database", "endpoints"])

  name                = "${var.name}-${each.key}"
  resource_group_name = var.resource_group
  location            = var.region

  tags = merge(var.tags, { Name = "${var.name}-${each.key}" })
}

# In a network of somebody else the subnets are theirs; the groups of the machines hold there, too, since they
# hang on the machines themselves.
resource "azurerm_subnet_network_security_group_association" "this" {
  for_each = local.create ? toset(["gateway", "database", "endpoints"]) : toset([])

  subnet_id                 = azurerm_subnet.this[each.key].id
  network_security_group_id = azurerm_network_security_group.this[each.key].id

  # A group without its rules would let the whole network in for a moment, and the gateway is refused without them.
  depends_on = [azurerm_network_security_rule.this]
}

locals {
  machines = { for group, asg in azurerm_application_security_group.this : group => asg.id }
  everyone = contains(var.allowed_cidrs, "0.0.0.0/0")

  # Machines open the application's public address too (server-side rendering, file links): they come in through
  # their NAT gateway, whose address no allow-list of the user would hold.
  gateway_sources = var.behind_cdn || local.everyone ? [] : concat(var.allowed_cidrs, [for address in azurerm_public_ip.nat : "${address.ip_address}/32"])

  gateway_rules = {
    users      = { group = "gateway", direction = "Inbound", priority = 100, ports = var.https ? ["80", "443"] : ["80"], tag = var.behind_cdn ? "AzureFrontDoor.Backend" : local.everyone ? "*" : null, ranges = local.gateway_sources, text = "Users, or Front Door in their place" }
    management = { group = "gateway", direction = "Inbound", priority = 110, ports = ["65200-65535"], tag = "GatewayManager", text = "Azure's own care of the gateway; it refuses to start without" }
    probes     = { group = "gateway", direction = "Inbound", priority = 120, ports = ["*"], tag = "AzureLoadBalancer", text = "Health of the gateway itself" }
  }

  machine_rules = merge(
    { http = { group = "app", direction = "Inbound", priority = 100, ports = ["80"], tag = local.create ? local.subnets.gateway : "VirtualNetwork", text = "Requests and health checks of the gateway" } },
    length(var.internal_ports) == 0 ? {} : { for pair in [["app", "stateful"], ["stateful", "app"]] : "internal-${pair[1]}" => {
      group = pair[1], direction = "Inbound", priority = 200, ports = [for port in var.internal_ports : tostring(port)], from = pair[0], text = "Services that the ${pair[0]} machines call"
    } },
    length(var.internal_ports) == 0 ? {} : { for pair in [["app", "stateful"], ["stateful", "app"]] : "internal-out-${pair[0]}" => {
      group = pair[0], direction = "Outbound", priority = 200, ports = [for port in var.internal_ports : tostring(port)], to = pair[1], text = "Services on the ${pair[1]} machines"
    } },
    # HTTPS and HTTP: Azure, image registries, package indexes, model providers, web hooks. 587 and 465: mail.
    # Name resolution and time need no rule, Azure does not filter its own.
    { for group in ["app", "stateful"] : "out-${group}" => { group = group, direction = "Outbound", priority = 100, ports = ["443", "80", "587", "465"], destination = "Internet", text = "Azure, images, packages, models, web hooks, mail" } },
    { for group in ["app", "stateful"] : "stores-${group}" => { group = group, direction = "Outbound", priority = 110, ports = ["5432", "10000", "443"], destination = "VirtualNetwork", text = "Database, cache, private endpoints" } },
    local.create ? {} : { for group in ["app", "stateful"] : "names-${group}" => { group = group, direction = "Outbound", priority = 120, ports = ["53"], protocol = "*", destination = "VirtualNetwork", text = "Name servers of the network's owner" } },
  )

  store_rules = merge(
    { for index, group in ["app", "stateful"] : "database-${group}" => { group = "database", direction = "Inbound", priority = 100 + index, ports = ["5432"], from = group, text = "PostgreSQL from the ${group} machines" } },
    { for index, group in ["app", "stateful"] : "endpoints-${group}" => { group = "endpoints", direction = "Inbound", priority = 100 + index, ports = ["10000", "443"], from = group, text = "Cache, files and secrets from the ${group} machines" } },
    !local.create ? {} : { database-peers = { group = "database", direction = "Inbound", priority = 150, ports = ["*"], tag = local.subnets.database, text = "The database and its standby" } },
  )

  # Below everything else, and above Azure's own rule that lets the whole network in.
  closing_rules = merge(
    { for group in ["app", "stateful", "database", "endpoints", "gateway"] : "closed-in-${group}" => { group = group, direction = "Inbound", priority = 4096, ports = ["*"], protocol = "*", tag = "*", access = "Deny", text = "Everything else" } },
    { for group in ["app", "stateful"] : "closed-out-${group}" => { group = group, direction = "Outbound", priority = 4096, ports = ["*"], protocol = "*", destination = "*", access = "Deny", text = "Everything else" } },
  )

  rules = merge(local.gateway_rules, local.machine_rules, local.store_rules, local.closing_rules)
}

resource "azurerm_network_security_rule" "this" {
  # checkov:skip=CKV_AZURE_160:port 80 redirects to HTTPS where there is a certificate; without one there is nothing else
  for_each = local.rules

  name                        = each.key
  description                 = each.value.text
  resource_group_name         = var.resource_group
  network_security_group_name = azurerm_network_security_group.this[each.value.group].name

  direction = each.value.direction
  priority  = each.value.priority
  access    = try(each.value.access, "Allow")
  protocol  = try(each.value.protocol, "Tcp")

  source_port_range       = "*"
  destination_port_range  = length(each.value.ports) == 1 ? each.value.ports[0] : null
  destination_port_ranges = length(each.value.ports) == 1 ? null : each.value.ports

  source_address_prefix                 = can(each.value.from) || length(try(each.value.ranges, [])) > 0 ? null : try(each.value.tag, each.value.direction == "Inbound" ? "VirtualNetwork" : "*")
  source_address_prefixes               = length(try(each.value.ranges, [])) > 0 ? each.value.ranges : null
  source_application_security_group_ids = can(each.value.from) ? [local.machines[each.value.from]] : null

  destination_address_prefix                 = can(each.value.to) ? null : try(each.value.destination, "*")
  destination_application_security_group_ids = can(each.value.to) ? [local.machines[each.value.to]] : null
}
