"""Mistakes in the modules of AWS, one a line."""

from __future__ import annotations

from pathlib import Path

from cloudberth.deployment.elsewhere import on_cloud
from cloudberth.deployment.model import Deployment

EXAMPLE = Path(__file__).parents[2] / "examples" / "dify-aws-large.yaml"


def large() -> Deployment:
    return on_cloud(EXAMPLE, "aws", None, {}).deployment


# what is wrong · file · text that stands there · text instead · what the rehearsal must say · file it must name
MUTATIONS = [
    ("misspelt argument", "modules/network/main.tf", "enable_dns_support ", "enable_dns_suport ", "Unsupported argument", "modules/network/main.tf"),
    ("misspelt argument in a nested block", "modules/balancer/main.tf", "    healthy_threshold ", "    healty_threshold ", "Unsupported argument", "modules/balancer/main.tf"),
    ("misspelt block", "modules/balancer/main.tf", "  health_check {", "  healthcheck {", "Unsupported block type", "modules/balancer/main.tf"),
    ("misspelt resource type", "modules/network/main.tf", 'resource "aws_internet_gateway"', 'resource "aws_internet_gatway"', "Invalid resource type", "modules/network/main.tf"),
    ("misspelt data source", "modules/network/main.tf", 'data "aws_availability_zones"', 'data "aws_availability_zone_list"', "", "modules/network/main.tf"),
    ("text for a number", "modules/balancer/main.tf", "  port              = 443", '  port              = "https"', "", "modules/balancer/main.tf"),
    ("list for text", "modules/network/main.tf", "  vpc_id            = aws_vpc.this[0].id", "  vpc_id            = [aws_vpc.this[0].id]", "Incorrect attribute value type", "modules/network/main.tf"),
    ("text for true or false", "modules/database/postgres.tf", "  publicly_accessible    = false", '  publicly_accessible    = "never"', "Incorrect attribute value type", "modules/database/postgres.tf"),
    ("map for text", "modules/compute/stateful.tf", '  type              = "gp3"', '  type              = { kind = "gp3" }', "Incorrect attribute value type", "modules/compute/stateful.tf"),
    ("missing required argument", "modules/compute/stateful.tf", "  availability_zone = var.zones[0]\n", "", "Missing required argument", "modules/compute/stateful.tf"),
    ("missing required block", "modules/balancer/main.tf", '  default_action {\n    type             = "forward"\n    target_group_arn = aws_lb_target_group.app.arn\n  }\n', "", "", "modules/balancer/main.tf"),
    ("a block twice that may stand once", "modules/balancer/main.tf", "  stickiness {", '  stickiness {\n    type = "lb_cookie"\n  }\n\n  stickiness {', "Too many", "modules/balancer/main.tf"),
    ("reference to a resource that is not there", "modules/network/main.tf", "aws_eip.nat[each.key]", "aws_eip.gateway[each.key]", "Reference to undeclared resource", "modules/network/main.tf"),
    ("reference to an attribute that is not there", "modules/network/main.tf", "aws_eip.nat[each.key].allocation_id", "aws_eip.nat[each.key].allocation", "Unsupported attribute", "modules/network/main.tf"),
    ("reference to a variable that is not there", "modules/balancer/main.tf", "var.idle_timeout_seconds", "var.idle_timeout", "Reference to undeclared input variable", "modules/balancer/main.tf"),
    ("reference to a local that is not there", "modules/network/main.tf", "toset(local.nat_zones)", "toset(local.nat_zone)", "Reference to undeclared local value", "modules/network/main.tf"),
    ("a key forgotten for a resource with for_each", "modules/network/main.tf", "aws_subnet.public[each.key].id", "aws_subnet.public.id", "Missing resource instance key", "modules/network/main.tf"),
    ("module output that is not there", "main.tf", "module.network.public_subnets", "module.network.public_subnet_ids", "Unsupported attribute", "main.tf"),
    ("module argument that is not there", "main.tf", "  private_zone_", "  inner_zone_", "", "main.tf"),
    ("module argument forgotten", "main.tf", "  subnets        = module.network.public_subnets\n", "", "Missing required argument", "main.tf"),
    ("output taken away that somebody uses", "modules/secrets/outputs.tf", 'output "ids"', 'output "identifiers"', "Unsupported attribute", "main.tf"),
    ("variable taken away that somebody sets", "modules/logs/variables.tf", 'variable "groups"', 'variable "group_names"', "", "modules/logs/variables.tf"),
    ("wrong module path", "main.tf", '"./modules/dns"', '"./modules/domain"', "", "main.tf"),
    ("write-only argument given as a plain output", "outputs.tf", "module.secrets.ids", "ephemeral.aws_secretsmanager_random_password.this", "", "outputs.tf"),
    ("secret in an argument that is kept", "modules/database/postgres.tf", "  password_wo                         =", "  password                            =", "", "modules/database/postgres.tf"),
    ("a cycle", "modules/network/main.tf", "cidr_block                       = var.cidr", "cidr_block                       = aws_subnet.data[local.zones[0]].cidr_block", "Cycle", ""),
    ("a value that only AWS gives", "modules/network/main.tf", "  enable_dns_hostnames             = true", '  enable_dns_hostnames             = true\n  arn                              = "arn:aws:ec2:x"', "", "modules/network/main.tf"),
    ("range that is none", "modules/network/main.tf", "= var.cidr\n", '= "10.40.0.0/33"\n', "", "modules/network/main.tf"),
    ("load balancer of a kind that does not exist", "modules/balancer/main.tf", 'load_balancer_type = "application"', 'load_balancer_type = "aplication"', "", "modules/balancer/main.tf"),
    ("TLS policy that does not exist", "modules/balancer/main.tf", "ELBSecurityPolicy-TLS13-1-2-2021-06", "TLS-1-2-only", "", "modules/balancer/main.tf"),
    ("retention that CloudWatch does not know", "modules/logs/main.tf", "retention_in_days = var.retention_days", "retention_in_days = 31", "", "modules/logs/main.tf"),
    ("function that does not exist", "modules/network/main.tf", "merge(var.tags, { Name = var.name })", "combine(var.tags, { Name = var.name })", "Call to unknown function", "modules/network/main.tf"),
    ("bracket not closed", "modules/dns/main.tf", 'resource "aws_route53_zone" "private" {', 'resource "aws_route53_zone" "private" {{', "", "modules/dns/main.tf"),
    ("fact in the stack that is not there", "stack/stateful/env/worker_beat.env", "${database.host}", "${database.hostname}", "", "modules/compute"),
    ("variable value of the wrong type", "terraform.tfvars.json", '"zones": 3', '"zones": "three"', "", "terraform.tfvars.json"),
    ("variable value that the module refuses", "terraform.tfvars.json", '"nat": "per-zone"', '"nat": "every-zone"', "", "variables.tf"),
]  # fmt: skip
