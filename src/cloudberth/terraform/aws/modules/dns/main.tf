locals {
  zone_is_id = can(regex("^Z[A-Z0-9]+$", var.zone))
}

data "aws_route53_zone" "public" {
  count = var.zone == null ? 0 : 1

  zone_id      = local.zone_is_id ? var.zone : null
  name         = local.zone_is_id ? null : var.zone
  private_zone = local.zone_is_id ? null : false
}

# Names inside the network. The stateful machine writes its own record at boot, so that the name follows it to its
# replacement; that record is not in Terraform's state and goes with the zone.
resource "aws_route53_zone" "private" {
  # checkov:skip=CKV2_AWS_38:a private zone cannot be signed
  # checkov:skip=CKV2_AWS_39:query logging is a feature of public zones
  name          = "${var.name}.internal"
  comment       = "Names inside the network of ${var.name}"
  force_destroy = true

  vpc {
    vpc_id = var.network_id
  }

  tags = merge(var.tags, { Name = "${var.name}.internal" })
}
