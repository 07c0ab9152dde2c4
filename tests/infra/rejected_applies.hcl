# HCL whose plan is fine and whose apply must be refused, as the cloud would. The marks are those of
# rejected_plans.hcl.

## subnet outside its network
#= The CIDR 10.1.0.0/24 is not inside the VPC's block 10.0.0.0/16
resource "aws_vpc" "m" {
  cidr_block = "10.0.0.0/16"
}
resource "aws_subnet" "s" {
  vpc_id = aws_vpc.m.id
  cidr_block = "10.1.0.0/24" #!
}

## subnets that overlap
#= The CIDR 10.0.0.128/25 overlaps with the subnet 10.0.0.0/24
resource "aws_vpc" "m" {
  cidr_block = "10.0.0.0/16"
}
resource "aws_subnet" "a" {
  vpc_id = aws_vpc.m.id
  cidr_block = "10.0.0.0/24"
}
resource "aws_subnet" "b" {
  depends_on = [aws_subnet.a]
  vpc_id = aws_vpc.m.id
  cidr_block = "10.0.0.128/25" #!
}

## name that is taken
#= The name "app" is taken by another aws_iam_role
resource "aws_iam_role" "a" {
  name = "app"
  assume_role_policy = "{}"
}
resource "aws_iam_role" "b" {
  depends_on = [aws_iam_role.a]
  name = "app" #!
  assume_role_policy = "{}"
}

## secret that is read before it is written
#= can't find the specified secret value
resource "aws_secretsmanager_secret" "s" {
  name = "s"
}
ephemeral "aws_secretsmanager_secret_version" "v" { #!
  secret_id = aws_secretsmanager_secret.s.id
}
resource "aws_ssm_parameter" "p" {
  name = "p"
  type = "SecureString"
  value_wo_version = 1
  value_wo = ephemeral.aws_secretsmanager_secret_version.v.secret_string
}
