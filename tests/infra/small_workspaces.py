"""HCL that the tests of this room start from."""

from __future__ import annotations

HEAD = """\
terraform {
  required_providers {
    aws = { source = "hashicorp/aws", version = "~> 6.0" }
  }
}
provider "aws" {
  region = "eu-central-1"
}
"""

STORE = """
ephemeral "aws_secretsmanager_random_password" "made" {
  password_length     = 40
  exclude_punctuation = true
}
resource "aws_secretsmanager_secret" "database" {
  name = "app/database"
}
resource "aws_secretsmanager_secret_version" "database" {
  secret_id                = aws_secretsmanager_secret.database.id
  secret_string_wo         = ephemeral.aws_secretsmanager_random_password.made.random_password
  secret_string_wo_version = 1
}
ephemeral "aws_secretsmanager_secret_version" "database" {
  secret_id = aws_secretsmanager_secret_version.database.secret_id
}
resource "aws_db_instance" "main" {
  identifier          = "app"
  engine              = "postgres"
  engine_version      = "17.6"
  instance_class      = "db.t4g.medium"
  allocated_storage   = 20
  username            = "dify"
  password_wo         = ephemeral.aws_secretsmanager_secret_version.database.secret_string
  password_wo_version = 1
  skip_final_snapshot = true
}
"""
"""A database whose password is drawn, kept in the secret store and read back, without touching the state."""

NETWORK = """
variable "cidr" {
  type    = string
  default = "10.0.0.0/16"
}
data "aws_availability_zones" "here" {}
resource "aws_vpc" "main" {
  cidr_block = var.cidr
  tags       = { Name = "main" }
}
resource "aws_subnet" "public" {
  for_each          = toset(slice(data.aws_availability_zones.here.names, 0, 2))
  vpc_id            = aws_vpc.main.id
  cidr_block        = cidrsubnet(var.cidr, 8, index(data.aws_availability_zones.here.names, each.key))
  availability_zone = each.key
}
resource "aws_lb" "front" {
  name    = "front"
  subnets = [for subnet in aws_subnet.public : subnet.id]
}
output "address" {
  value = "http://${aws_lb.front.dns_name}"
}
output "subnets" {
  value = { for zone, subnet in aws_subnet.public : zone => subnet.id }
}
"""
