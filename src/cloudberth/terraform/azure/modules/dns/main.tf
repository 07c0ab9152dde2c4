locals {
  # Names under which Azure's services answer inside a network (Azure Private Endpoint, DNS zone values).
  service_zones = {
    blob     = "privatelink.blob.core.windows.net"
    vault    = "privatelink.vaultcore.azure.net"
    redis    = "privatelink.redis.azure.net"
    postgres = "${var.name}.private.postgres.database.azure.com"
  }

  zones = merge({ own = "${var.name}.internal" }, { for service in var.services : service => local.service_zones[service] })
}

data "azurerm_dns_zone" "public" {
  count = var.zone == null ? 0 : 1

  name = trimsuffix(var.zone, ".")
}

# Names inside the network. The stateful machine writes its own record into the first at boot, so that the name
# follows it to its replacement; that record is not in Terraform's state and goes with the zone.
resource "azurerm_private_dns_zone" "this" {
  for_each = local.zones

  name                = each.value
  resource_group_name = var.resource_group

  tags = merge(var.tags, { Name = each.value })
}

resource "azurerm_private_dns_zone_virtual_network_link" "this" {
  for_each = local.zones

  name                 = each.key
  private_dns_zone_id  = azurerm_private_dns_zone.this[each.key].id
  virtual_network_id   = var.network_id
  registration_enabled = false

  tags = merge(var.tags, { Name = "${var.name}-${each.key}" })
}
