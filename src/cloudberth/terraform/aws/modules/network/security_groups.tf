# One group per tier, and one rule per line of traffic. Groups name each other instead of address ranges, so a rule
# follows its machines. What is not listed is refused; replies to allowed traffic always pass.
#
#   world or CloudFront ──► balancer ──80──► app ◄──internal ports──► stateful
#                                             └──5432──► database ◄──5432──┘
#                                             └──6379──► cache    ◄──6379──┘

locals {
  machines = { app = aws_security_group.app.id, stateful = aws_security_group.stateful.id }
  stores   = { database = { id = aws_security_group.database.id, port = 5432 }, cache = { id = aws_security_group.cache.id, port = 6379 } }

  machine_store_pairs = {
    for pair in setproduct(keys(local.machines), keys(local.stores)) : "${pair[0]}-${pair[1]}" => { machine = pair[0], store = pair[1] }
  }

  public_ports = var.https ? [80, 443] : [80]
  public_rules = var.behind_cdn ? {} : {
    for pair in setproduct(local.public_ports, var.allowed_cidrs) : "${pair[0]}-${pair[1]}" => { port = pair[0], cidr = pair[1] }
  }

  # Machines open the application's public address too (server-side rendering, file links): they come in through
  # their NAT gateway, whose address no allow-list of the user would hold.
  nat_rules = var.behind_cdn || contains(var.allowed_cidrs, "0.0.0.0/0") ? {} : {
    for pair in setproduct(local.public_ports, local.nat_zones) : "${pair[0]}-${pair[1]}" => { port = pair[0], zone = pair[1] }
  }

  # HTTPS and HTTP: AWS, image registries, package indexes, model providers, web hooks. 587 and 465: mail.
  # Name resolution and time need no rule, the resolver and clock of the VPC are not filtered; in a network of
  # somebody else they may be the owner's own servers.
  ways_out = merge(
    {
      https      = { protocol = "tcp", port = 443 }
      http       = { protocol = "tcp", port = 80 }
      submission = { protocol = "tcp", port = 587 }
      smtps      = { protocol = "tcp", port = 465 }
    },
    local.create ? {} : {
      dns     = { protocol = "udp", port = 53 }
      dns_tcp = { protocol = "tcp", port = 53 }
      ntp     = { protocol = "udp", port = 123 }
    }
  )
  machine_ways_out = {
    for pair in setproduct(keys(local.machines), keys(local.ways_out)) : "${pair[0]}-${pair[1]}" => merge(local.ways_out[pair[1]], { machine = pair[0], way = pair[1] })
  }
}

# The ranges of CloudFront's edges, kept by AWS.
data "aws_ec2_managed_prefix_list" "cloudfront" {
  count = var.behind_cdn ? 1 : 0

  name = "com.amazonaws.global.cloudfront.origin-facing"
}

################################################################################
# Balancer
################################################################################

resource "aws_security_group" "balancer" {
  # checkov:skip=CKV2_AWS_5:attached in the module that makes what it protects
  name_prefix = "${var.name}-balancer-"
  description = "Load balancer: the only way in"
  vpc_id      = local.vpc_id

  tags = merge(var.tags, { Name = "${var.name}-balancer" })

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_vpc_security_group_ingress_rule" "balancer_public" {
  # checkov:skip=CKV_AWS_260:port 80 of the load balancer answers with a redirect to HTTPS; without a domain it is the only way in, and the output missing says so
  for_each = local.public_rules

  security_group_id = aws_security_group.balancer.id
  description       = "Users"
  ip_protocol       = "tcp"
  from_port         = each.value.port
  to_port           = each.value.port
  cidr_ipv4         = strcontains(each.value.cidr, ":") ? null : each.value.cidr
  cidr_ipv6         = strcontains(each.value.cidr, ":") ? each.value.cidr : null

  tags = merge(var.tags, { Name = "users-${each.value.port}" })
}

# One port only: the list counts as 55 of the 60 rules that a group may have.
resource "aws_vpc_security_group_ingress_rule" "balancer_cdn" {
  count = var.behind_cdn ? 1 : 0

  security_group_id = aws_security_group.balancer.id
  description       = "CloudFront"
  ip_protocol       = "tcp"
  from_port         = var.https ? 443 : 80
  to_port           = var.https ? 443 : 80
  prefix_list_id    = data.aws_ec2_managed_prefix_list.cloudfront[0].id

  tags = merge(var.tags, { Name = "cloudfront" })
}

resource "aws_vpc_security_group_ingress_rule" "balancer_nat" {
  for_each = local.nat_rules

  security_group_id = aws_security_group.balancer.id
  description       = "The deployment's own machines"
  ip_protocol       = "tcp"
  from_port         = each.value.port
  to_port           = each.value.port
  cidr_ipv4         = "${aws_eip.nat[each.value.zone].public_ip}/32"

  tags = merge(var.tags, { Name = "machines-${each.value.port}" })
}

resource "aws_vpc_security_group_egress_rule" "balancer_app" {
  security_group_id            = aws_security_group.balancer.id
  description                  = "Requests and health checks to the app machines"
  ip_protocol                  = "tcp"
  from_port                    = 80
  to_port                      = 80
  referenced_security_group_id = aws_security_group.app.id

  tags = merge(var.tags, { Name = "app" })
}

################################################################################
# Machines
################################################################################

resource "aws_security_group" "app" {
  # checkov:skip=CKV2_AWS_5:attached in the module that makes what it protects
  name_prefix = "${var.name}-app-"
  description = "App machines"
  vpc_id      = local.vpc_id

  tags = merge(var.tags, { Name = "${var.name}-app" })

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_security_group" "stateful" {
  # checkov:skip=CKV2_AWS_5:attached in the module that makes what it protects
  name_prefix = "${var.name}-stateful-"
  description = "The stateful machine"
  vpc_id      = local.vpc_id

  tags = merge(var.tags, { Name = "${var.name}-stateful" })

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_vpc_security_group_ingress_rule" "app_balancer" {
  # checkov:skip=CKV_AWS_260:open to the security group of the load balancer, to no address
  security_group_id            = aws_security_group.app.id
  description                  = "Requests and health checks from the load balancer"
  ip_protocol                  = "tcp"
  from_port                    = 80
  to_port                      = 80
  referenced_security_group_id = aws_security_group.balancer.id

  tags = merge(var.tags, { Name = "balancer" })
}

resource "aws_vpc_security_group_ingress_rule" "app_stateful" {
  for_each = toset([for port in var.internal_ports : tostring(port)])

  security_group_id            = aws_security_group.app.id
  description                  = "Internal port ${each.key} from the stateful machine"
  ip_protocol                  = "tcp"
  from_port                    = tonumber(each.key)
  to_port                      = tonumber(each.key)
  referenced_security_group_id = aws_security_group.stateful.id

  tags = merge(var.tags, { Name = "stateful-${each.key}" })
}

resource "aws_vpc_security_group_ingress_rule" "stateful_app" {
  for_each = toset([for port in var.internal_ports : tostring(port)])

  security_group_id            = aws_security_group.stateful.id
  description                  = "Internal port ${each.key} from the app machines"
  ip_protocol                  = "tcp"
  from_port                    = tonumber(each.key)
  to_port                      = tonumber(each.key)
  referenced_security_group_id = aws_security_group.app.id

  tags = merge(var.tags, { Name = "app-${each.key}" })
}

resource "aws_vpc_security_group_egress_rule" "app_stateful" {
  for_each = toset([for port in var.internal_ports : tostring(port)])

  security_group_id            = aws_security_group.app.id
  description                  = "Internal port ${each.key} of the stateful machine"
  ip_protocol                  = "tcp"
  from_port                    = tonumber(each.key)
  to_port                      = tonumber(each.key)
  referenced_security_group_id = aws_security_group.stateful.id

  tags = merge(var.tags, { Name = "stateful-${each.key}" })
}

resource "aws_vpc_security_group_egress_rule" "stateful_app" {
  for_each = toset([for port in var.internal_ports : tostring(port)])

  security_group_id            = aws_security_group.stateful.id
  description                  = "Internal port ${each.key} of the app machines"
  ip_protocol                  = "tcp"
  from_port                    = tonumber(each.key)
  to_port                      = tonumber(each.key)
  referenced_security_group_id = aws_security_group.app.id

  tags = merge(var.tags, { Name = "app-${each.key}" })
}

resource "aws_vpc_security_group_egress_rule" "machines_out" {
  for_each = local.machine_ways_out

  security_group_id = local.machines[each.value.machine]
  description       = "Way out: ${each.value.way}"
  ip_protocol       = each.value.protocol
  from_port         = each.value.port
  to_port           = each.value.port
  cidr_ipv4         = "0.0.0.0/0"

  tags = merge(var.tags, { Name = each.value.way })
}

################################################################################
# Database and cache
################################################################################

# They only answer: without an egress rule they cannot open a connection themselves.
resource "aws_security_group" "database" {
  # checkov:skip=CKV2_AWS_5:attached in the module that makes what it protects
  name_prefix = "${var.name}-database-"
  description = "PostgreSQL"
  vpc_id      = local.vpc_id

  tags = merge(var.tags, { Name = "${var.name}-database" })

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_security_group" "cache" {
  # checkov:skip=CKV2_AWS_5:attached in the module that makes what it protects
  name_prefix = "${var.name}-cache-"
  description = "Valkey"
  vpc_id      = local.vpc_id

  tags = merge(var.tags, { Name = "${var.name}-cache" })

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_vpc_security_group_ingress_rule" "stores" {
  for_each = local.machine_store_pairs

  security_group_id            = local.stores[each.value.store].id
  description                  = "From the ${each.value.machine} machines"
  ip_protocol                  = "tcp"
  from_port                    = local.stores[each.value.store].port
  to_port                      = local.stores[each.value.store].port
  referenced_security_group_id = local.machines[each.value.machine]

  tags = merge(var.tags, { Name = each.value.machine })
}

resource "aws_vpc_security_group_egress_rule" "stores" {
  for_each = local.machine_store_pairs

  security_group_id            = local.machines[each.value.machine]
  description                  = "To the ${each.value.store}"
  ip_protocol                  = "tcp"
  from_port                    = local.stores[each.value.store].port
  to_port                      = local.stores[each.value.store].port
  referenced_security_group_id = local.stores[each.value.store].id

  tags = merge(var.tags, { Name = each.value.store })
}
