# Subnets of Azure span all zones of their region, so there is one for each tier, as parts of the address range
# (in 10.40.0.0/16):
#
#   0 – 1   machines of the app group       /19
#   2 – 3   the stateful machine            /19
#   8       application gateway             /20
#   12      database (delegated)            /20
#   13      private endpoints               /20

locals {
  create = var.existing == null
  zones  = [for number in range(1, var.zone_count + 1) : tostring(number)]

  vnet_id = local.create ? azurerm_virtual_network.this[0].id : var.existing.id
  ids     = { for tier, subnet in azurerm_subnet.this : tier => subnet.id }

  subnets = !local.create ? {} : {
    app       = cidrsubnet(var.cidr, 3, 0)
    stateful  = cidrsubnet(var.cidr, 3, 1)
    gateway   = cidrsubnet(var.cidr, 4, 8)
    database  = cidrsubnet(var.cidr, 4, 12)
    endpoints = cidrsubnet(var.cidr, 4, 13)
  }
}

resource "azurerm_virtual_network" "this" {
  count = local.create ? 1 : 0

  name                = var.name
  resource_group_name = var.resource_group
  location            = var.region
  address_space       = [var.cidr]

  tags = merge(var.tags, { Name = var.name })
}

resource "azurerm_subnet" "this" {
  for_each = local.subnets

  name                 = each.key
  resource_group_name  = var.resource_group
  virtual_network_name = azurerm_virtual_network.this[0].name
  address_prefixes     = [each.value]

  # Out through the NAT gateway or not at all: no address of Azure's own choosing.
  default_outbound_access_enabled = false

  # Security groups hold for private endpoints as well.
  private_endpoint_network_policies = "Enabled"

  dynamic "delegation" {
    for_each = each.key == "database" ? [1] : []

    content {
      name = "postgresql"

      service_delegation {
        name    = "Microsoft.DBforPostgreSQL/flexibleServers"
        actions = ["Microsoft.Network/virtualNetworks/subnets/join/action"]
      }
    }
  }
}

################################################################################
# NAT gateway
################################################################################

# The plain kind stands in one zone. The second version stands in all of them at once: what other clouds need a
# gateway per zone for, Azure does with one.
locals {
  nat_sku     = var.nat == "per-zone" ? "StandardV2" : "Standard"
  nat         = local.create && var.nat != "none"
  nat_subnets = local.nat ? toset(["app", "stateful"]) : toset([])
}

resource "azurerm_public_ip" "nat" {
  count = local.nat ? 1 : 0

  name                = "${var.name}-nat"
  resource_group_name = var.resource_group
  location            = var.region
  allocation_method   = "Static"
  sku                 = local.nat_sku
  zones               = var.nat == "per-zone" ? ["1", "2", "3"] : ["1"]

  tags = merge(var.tags, { Name = "${var.name}-nat" })
}

resource "azurerm_nat_gateway" "this" {
  count = local.nat ? 1 : 0

  name                = var.name
  resource_group_name = var.resource_group
  location            = var.region
  sku_name            = local.nat_sku
  zones               = var.nat == "per-zone" ? ["1", "2", "3"] : ["1"]

  # Answers of language models can be silent for longer than the four minutes that are usual here.
  idle_timeout_in_minutes = 10

  tags = merge(var.tags, { Name = var.name })
}

resource "azurerm_nat_gateway_public_ip_association" "this" {
  count = local.nat ? 1 : 0

  nat_gateway_id       = azurerm_nat_gateway.this[0].id
  public_ip_address_id = azurerm_public_ip.nat[0].id
}

resource "azurerm_subnet_nat_gateway_association" "this" {
  for_each = local.nat_subnets

  nat_gateway_id = azurerm_nat_gateway.this[0].id
  subnet_id      = azurerm_subnet.this[each.key].id

  depends_on = [azurerm_nat_gateway_public_ip_association.this]
}
