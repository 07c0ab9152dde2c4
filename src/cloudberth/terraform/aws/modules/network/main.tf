# Layout of the address range, as sixteenths of it (in 10.40.0.0/16: /20 blocks of 4,091 usable addresses).
#
#   0 – 1   private, zone 1        machines
#   2 – 3   private, zone 2
#   4 – 5   private, zone 3
#   6 – 7   free
#   8 –10   public, zones 1 to 3   load balancer, NAT gateways
#      11   free
#  12 –14   data, zones 1 to 3     database, cache: no way to the internet
#      15   free
#
# The places of a zone do not move when another zone is added.

locals {
  create = var.existing == null
  zones  = local.create ? slice(data.aws_availability_zones.available.names, 0, var.zones) : []
  index  = { for index, zone in local.zones : zone => index }

  nat_zones = var.nat == "per-zone" ? local.zones : var.nat == "single" ? slice(local.zones, 0, min(1, length(local.zones))) : []
  ipv6      = local.create && anytrue([for cidr in var.allowed_cidrs : strcontains(cidr, ":")])

  vpc_id = local.create ? aws_vpc.this[0].id : var.existing.id
}

# Zones are taken from the front of this list, whatever their state: in a disturbance subnets must not move.
data "aws_availability_zones" "available" {
  # checkov:skip=CKV_AWS_394:the list is in alphabetic order and only its first two or three are used; zones that AWS adds come after them

  # Local and wavelength zones have neither NAT gateways nor managed databases.
  filter {
    name   = "opt-in-status"
    values = ["opt-in-not-required"]
  }
}

data "aws_subnet" "existing" {
  for_each = local.create ? toset([]) : toset(var.existing.private_subnets)

  id = each.value
}

################################################################################
# Network
################################################################################

resource "aws_vpc" "this" {
  count = local.create ? 1 : 0

  cidr_block                       = var.cidr
  assign_generated_ipv6_cidr_block = local.ipv6
  enable_dns_support               = true
  enable_dns_hostnames             = true

  tags = merge(var.tags, { Name = var.name })
}

# The default group would let everything in it talk to everything else: without rules it is of no use to anybody.
resource "aws_default_security_group" "this" {
  count = local.create ? 1 : 0

  vpc_id  = aws_vpc.this[0].id
  ingress = []
  egress  = []

  tags = merge(var.tags, { Name = "${var.name}-default-closed" })
}

resource "aws_internet_gateway" "this" {
  count = local.create ? 1 : 0

  vpc_id = aws_vpc.this[0].id

  tags = merge(var.tags, { Name = var.name })
}

resource "aws_subnet" "public" {
  for_each = local.index

  vpc_id                          = aws_vpc.this[0].id
  availability_zone               = each.key
  cidr_block                      = cidrsubnet(var.cidr, 4, 8 + each.value)
  ipv6_cidr_block                 = local.ipv6 ? cidrsubnet(aws_vpc.this[0].ipv6_cidr_block, 8, each.value) : null
  map_public_ip_on_launch         = false
  assign_ipv6_address_on_creation = false

  tags = merge(var.tags, { Name = "${var.name}-public-${each.key}", Tier = "public" })
}

resource "aws_subnet" "private" {
  for_each = local.index

  vpc_id            = aws_vpc.this[0].id
  availability_zone = each.key
  cidr_block        = cidrsubnet(var.cidr, 3, each.value)

  tags = merge(var.tags, { Name = "${var.name}-private-${each.key}", Tier = "private" })
}

resource "aws_subnet" "data" {
  for_each = local.index

  vpc_id            = aws_vpc.this[0].id
  availability_zone = each.key
  cidr_block        = cidrsubnet(var.cidr, 4, 12 + each.value)

  tags = merge(var.tags, { Name = "${var.name}-data-${each.key}", Tier = "data" })
}

################################################################################
# NAT gateways
################################################################################

resource "aws_eip" "nat" {
  for_each = toset(local.nat_zones)

  domain = "vpc"

  tags = merge(var.tags, { Name = "${var.name}-nat-${each.key}" })

  depends_on = [aws_internet_gateway.this]
}

resource "aws_nat_gateway" "this" {
  for_each = toset(local.nat_zones)

  allocation_id = aws_eip.nat[each.key].allocation_id
  subnet_id     = aws_subnet.public[each.key].id

  tags = merge(var.tags, { Name = "${var.name}-${each.key}" })

  depends_on = [aws_internet_gateway.this]
}

################################################################################
# Routes
################################################################################

resource "aws_route_table" "public" {
  count = local.create ? 1 : 0

  vpc_id = aws_vpc.this[0].id

  tags = merge(var.tags, { Name = "${var.name}-public" })
}

resource "aws_route" "public" {
  count = local.create ? 1 : 0

  route_table_id         = aws_route_table.public[0].id
  destination_cidr_block = "0.0.0.0/0"
  gateway_id             = aws_internet_gateway.this[0].id
}

resource "aws_route" "public_ipv6" {
  count = local.ipv6 ? 1 : 0

  route_table_id              = aws_route_table.public[0].id
  destination_ipv6_cidr_block = "::/0"
  gateway_id                  = aws_internet_gateway.this[0].id
}

resource "aws_route_table_association" "public" {
  for_each = local.index

  subnet_id      = aws_subnet.public[each.key].id
  route_table_id = aws_route_table.public[0].id
}

# One table per zone even with a single gateway: switching to per-zone then only changes routes.
resource "aws_route_table" "private" {
  for_each = local.index

  vpc_id = aws_vpc.this[0].id

  tags = merge(var.tags, { Name = "${var.name}-private-${each.key}" })
}

resource "aws_route" "private" {
  for_each = length(local.nat_zones) > 0 ? local.index : {}

  route_table_id         = aws_route_table.private[each.key].id
  destination_cidr_block = "0.0.0.0/0"
  nat_gateway_id         = aws_nat_gateway.this[var.nat == "per-zone" ? each.key : local.nat_zones[0]].id
}

resource "aws_route_table_association" "private" {
  for_each = local.index

  subnet_id      = aws_subnet.private[each.key].id
  route_table_id = aws_route_table.private[each.key].id
}

# Only the route inside the network: what stands here cannot reach the internet, nor be reached from it.
resource "aws_route_table" "data" {
  count = local.create ? 1 : 0

  vpc_id = aws_vpc.this[0].id

  tags = merge(var.tags, { Name = "${var.name}-data" })
}

resource "aws_route_table_association" "data" {
  for_each = local.index

  subnet_id      = aws_subnet.data[each.key].id
  route_table_id = aws_route_table.data[0].id
}
