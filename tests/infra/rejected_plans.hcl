# HCL that a rehearsal must reject already in the plan. `##` starts a case, `#=` is what the message must hold
# (one of several), `#!` marks the line that it must name. `#@ alone` keeps a case out of the one large plan in
# which the others stand as modules, because Terraform stops at it.

## misspelt argument
#= An argument named "cidr_blok" is not expected here. Did you mean "cidr_block"?
resource "aws_vpc" "m" {
  cidr_blok = "10.0.0.0/16" #!
}

## misspelt argument in a nested block
#= An argument named "pth" is not expected here
resource "aws_lb_target_group" "t" {
  health_check {
    pth = "/" #!
  }
}

## unknown block
#= Blocks of type "tag" are not expected here
resource "aws_vpc" "m" {
  tag { #!
  }
}

## unknown resource type
#= does not support resource type "aws_vpcc"
resource "aws_vpcc" "m" { #!
}

## unknown data source
#= does not support data source "aws_vpcc"
data "aws_vpcc" "m" { #!
}

## text for a number
#= Inappropriate value for attribute "delay_seconds": a number is required
resource "aws_sqs_queue" "q" {
  delay_seconds = "soon" #!
}

## list for a text
#= Inappropriate value for attribute "cidr_block": string required
resource "aws_vpc" "m" {
  cidr_block = ["10.0.0.0/16"] #!
}

## wrong type inside an attribute that is written as a block
#= Inappropriate value for attribute "from_port": a number is required
resource "aws_security_group" "g" {
  ingress {
    from_port = "x" #!
    to_port = 1
    protocol = "tcp"
  }
}

## missing argument
#= The argument "vpc_id" is required
resource "aws_subnet" "s" { #!
  cidr_block = "10.0.0.0/24"
}

## missing block
#= At least 1 "default_action" blocks are required
resource "aws_lb_listener" "l" { #!
  load_balancer_arn = "arn:aws:x:y:1:z"
}

## a block too many
#= No more than 1 "access_logs" blocks are allowed
resource "aws_lb" "l" {
  subnets = ["a", "b"]
  access_logs {
    bucket = "a"
  }
  access_logs { #!
    bucket = "b"
  }
}

## reference to an attribute that does not exist
#= This object has no argument, nested block, or exported attribute named "vpc_arn"
resource "aws_vpc" "m" {
  cidr_block = "10.0.0.0/16"
}
output "x" {
  value = aws_vpc.m.vpc_arn #!
}

## reference to an undeclared resource
#= A managed resource "aws_vpc" "nowhere" has not been declared
output "x" {
  value = aws_vpc.nowhere.id #!
}

## reference to one of many without a key
#= Missing resource instance key
resource "aws_eip" "e" {
  for_each = toset(["a"])
}
output "x" {
  value = aws_eip.e.id #!
}

## cycle
#@ alone
#= Cycle: aws_security_group.
resource "aws_security_group" "a" {
  description = aws_security_group.b.id
}
resource "aws_security_group" "b" {
  description = aws_security_group.a.id
}

## misspelt argument of the provider
#= An argument named "regoin" is not expected here. Did you mean "region"?
provider "aws" {
  alias = "x"
  regoin = "eu-west-1" #!
}
resource "aws_vpc" "m" {
  provider = aws.x
  cidr_block = "10.0.0.0/16"
}

## output of a module that does not exist
#= does not have an attribute named "nothing"
#= This object does not have an attribute
module "m" {
  source = "./m"
}
output "x" {
  value = module.m.nothing #!
}

## sensitive value in an open output
#@ alone
#= Output refers to sensitive values
resource "aws_secretsmanager_secret_version" "v" {
  secret_id = "s"
  secret_string = "abcdefgh"
}
output "x" { #!
  value = aws_secretsmanager_secret_version.v.secret_string
}

## ephemeral value in an ordinary argument
#= Invalid use of ephemeral value
ephemeral "aws_secretsmanager_random_password" "p" {}
resource "aws_ssm_parameter" "p" {
  name = "p"
  type = "SecureString"
  value = ephemeral.aws_secretsmanager_random_password.p.random_password #!
}

## function of the provider
#@ alone
#= Unknown provider function
#= not supported by this provider
#= does not support
output "x" {
  value = provider::aws::arn_parse("arn:aws:s3:::b") #!
}

## argument that only the provider sets
#= Value for unconfigurable attribute
resource "aws_vpc" "m" {
  cidr_block = "10.0.0.0/16"
  arn = "arn:aws:ec2:x" #!
}

## not a region
#= region must be the name of an AWS region
provider "aws" {
  alias = "x"
  region = "frankfurt" #!
}
resource "aws_vpc" "m" {
  provider = aws.x
  cidr_block = "10.0.0.0/16"
}

## CIDR with host bits
#= cidr_block must be an IPv4 CIDR block
resource "aws_vpc" "m" {
  cidr_block = "10.0.0.7/16" #!
}

## network too large for a VPC
#= must have a prefix length between /16 and /28
resource "aws_vpc" "m" {
  cidr_block = "10.0.0.0/8" #!
}

## kind of load balancer
#= load_balancer_type must be one of "application", "network", "gateway", got: "aplication"
resource "aws_lb" "l" {
  subnets = ["a", "b"]
  load_balancer_type = "aplication" #!
}

## load balancer name too long
#= name must have 1 to 32 characters (it has 40)
resource "aws_lb" "l" {
  subnets = ["a", "b"]
  name = "a-name-that-is-longer-than-32-characters" #!
}

## load balancer in one zone
#= an application load balancer needs subnets in at least two zones
resource "aws_lb" "l" {
  subnets = ["subnet-1"] #!
}

## port out of range
#= port must be between 1 and 65535, got: 70000
resource "aws_lb_target_group" "t" {
  port = 70000 #!
}

## health check slower than its interval
#= timeout (10) must be smaller than interval (5)
resource "aws_lb_target_group" "t" {
  health_check {
    interval = 5
    timeout = 10 #!
  }
}

## HTTPS without a certificate
#= protocol = "HTTPS" needs certificate_arn
resource "aws_lb_listener" "l" {
  load_balancer_arn = "arn:aws:elasticloadbalancing:x:1:y"
  port = 443
  protocol = "HTTPS" #!
  default_action {
    type = "forward"
    target_group_arn = "a"
  }
}

## redirect without a target
#= type = "redirect" needs redirect
resource "aws_lb_listener" "l" {
  load_balancer_arn = "a"
  port = 80
  default_action {
    type = "redirect" #!
  }
}

## retention that CloudWatch does not have
#= retention_in_days must be one of 0, 1, 3, 5, 7, 14, 30, 60
resource "aws_cloudwatch_log_group" "g" {
  retention_in_days = 45 #!
}

## cron with six fields in auto scaling
#= recurrence must be a cron expression of five fields
resource "aws_autoscaling_schedule" "s" {
  scheduled_action_name = "n"
  autoscaling_group_name = "g"
  recurrence = "0 0 20 * * MON" #!
}

## group with minimum above maximum
#= min_size (4) must not be greater than max_size (2)
resource "aws_autoscaling_group" "g" {
  min_size = 4 #!
  max_size = 2
  launch_template {
    id = "lt-1"
  }
}

## group without machines
#= exactly one of launch_configuration, launch_template, mixed_instances_policy must be set
resource "aws_autoscaling_group" "g" { #!
  min_size = 1
  max_size = 2
}

## instance type
#= instance_type must be an instance type such as t4g.medium
resource "aws_launch_template" "t" {
  instance_type = "t4gmedium" #!
}

## user data that is not base64
#= user_data must be base64 (use base64encode)
resource "aws_launch_template" "t" {
  user_data = "#cloud-config" #!
}

## database class
#= instance_class must be a database class such as db.t4g.medium
resource "aws_db_instance" "d" {
  engine = "postgres"
  instance_class = "t4g.medium" #!
  allocated_storage = 20
}

## database engine
#= engine must be an RDS engine
resource "aws_db_instance" "d" {
  engine = "postgresql" #!
  instance_class = "db.t4g.medium"
  allocated_storage = 20
}

## two passwords
#= password conflicts with manage_master_user_password
resource "aws_db_instance" "d" {
  engine = "postgres"
  instance_class = "db.t4g.medium"
  allocated_storage = 20
  password = "abcdefghij"
  manage_master_user_password = true #!
}

## write-only password without a version
#= password_wo needs password_wo_version
resource "aws_db_instance" "d" {
  engine = "postgres"
  instance_class = "db.t4g.medium"
  allocated_storage = 20
  password_wo = "abcdefghij" #!
}

## cache in many zones with one node
#= automatic_failover_enabled needs num_cache_clusters of at least 2
resource "aws_elasticache_replication_group" "c" {
  replication_group_id = "c"
  description = "c"
  num_cache_clusters = 1 #!
  automatic_failover_enabled = true
}

## upper case in a bucket name
#= bucket must have only lower-case letters
resource "aws_s3_bucket" "b" {
  bucket = "Files" #!
}

## storage class
#= rule.0.transition.0.storage_class must be one of
resource "aws_s3_bucket_lifecycle_configuration" "l" {
  bucket = "b"
  rule {
    id = "r"
    status = "Enabled"
    transition {
      days = 30
      storage_class = "COLD" #!
    }
  }
}

## infrequent access too early
#= objects can move to STANDARD_IA after 30 days at the earliest
resource "aws_s3_bucket_lifecycle_configuration" "l" {
  bucket = "b"
  rule {
    id = "r"
    status = "Enabled"
    transition {
      days = 7 #!
      storage_class = "STANDARD_IA"
    }
  }
}

## policy that is not JSON
#= policy must be valid JSON
resource "aws_iam_policy" "p" {
  policy = "{" #!
}

## rule without a source
#= exactly one of cidr_ipv4, cidr_ipv6, prefix_list_id, referenced_security_group_id must be set
resource "aws_vpc_security_group_ingress_rule" "r" { #!
  security_group_id = "sg-1"
  ip_protocol = "-1"
}

## rule with two sources
#= exactly one of cidr_ipv4
resource "aws_vpc_security_group_ingress_rule" "r" {
  security_group_id = "sg-1"
  ip_protocol = "-1"
  cidr_ipv4 = "10.0.0.0/8"
  referenced_security_group_id = "sg-2" #!
}

## alarm period
#= period must be 10, 20, 30 or a multiple of 60, got: 90
resource "aws_cloudwatch_metric_alarm" "a" {
  alarm_name = "a"
  comparison_operator = "GreaterThanThreshold"
  evaluation_periods = 1
  period = 90 #!
  statistic = "Sum"
  metric_name = "m"
  namespace = "n"
}

## subscriber without an address
#= endpoint must be an e-mail address
resource "aws_sns_topic_subscription" "s" {
  topic_arn = "arn:aws:sns:x:1:t"
  protocol = "email"
  endpoint = "operations" #!
}

## recovery window of a secret
#= recovery_window_in_days must be 0 or between 7 and 30
resource "aws_secretsmanager_secret" "s" {
  recovery_window_in_days = 3 #!
}
