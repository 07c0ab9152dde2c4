variable "name" {
  description = "Name of the deployment; first part of every resource name."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,18}[a-z0-9]$", var.name))
    error_message = "Use 3 to 20 lower-case letters, digits and hyphens, starting with a letter and not ending with a hyphen."
  }

  validation {
    condition     = !strcontains(var.name, "--") && !startswith(var.name, "internal-")
    error_message = "AWS refuses databases with two hyphens in a row, and load balancers that start with internal-; choose another name."
  }
}

variable "tags" {
  description = "Tags of every resource of this module."
  type        = map(string)
  nullable    = false

  validation {
    condition     = alltrue([for key in keys(var.tags) : !startswith(lower(key), "aws:")])
    error_message = "Keys that start with aws: are reserved by AWS; choose other keys."
  }
}

variable "region" {
  description = "Region of the network; part of the names of VPC endpoint services."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z]{2}(-[a-z]+)+-[0-9]$", var.region))
    error_message = "Give a region code such as eu-central-1."
  }
}

variable "cidr" {
  description = "IPv4 range of the network. See the layout in main.tf."
  type        = string
  nullable    = false

  validation {
    condition     = can(cidrnetmask(var.cidr)) && try(tonumber(split("/", var.cidr)[1]) >= 16 && tonumber(split("/", var.cidr)[1]) <= 23, false)
    error_message = "Give an IPv4 range between /16 and /23, e.g. 10.40.0.0/16."
  }
}

variable "zones" {
  description = "Number of availability zones that have subnets."
  type        = number
  nullable    = false

  validation {
    condition     = contains([2, 3], var.zones)
    error_message = "Use 2 or 3 zones: load balancer and database need at least two."
  }
}

variable "nat" {
  description = "NAT gateways: single (one for all zones), per-zone (one in each) or none."
  type        = string
  nullable    = false

  validation {
    condition     = contains(["single", "per-zone", "none"], var.nat)
    error_message = "Use single, per-zone or none."
  }
}

variable "endpoints" {
  description = "AWS services reached through interface endpoints instead of the internet, e.g. secretsmanager, logs, ssm, ssmmessages, ec2messages."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for service in var.endpoints : can(regex("^[a-z0-9][a-z0-9.-]*$", service))])
    error_message = "Give service names as in com.amazonaws.REGION.SERVICE, e.g. secretsmanager or ecr.api."
  }
}

variable "flow_logs" {
  description = "Whether the traffic of the network is recorded (addresses, ports, verdict; no content)."
  type        = bool
  default     = true
  nullable    = false
}

variable "flow_logs_retention_days" {
  description = "Days that flow logs are kept."
  type        = number
  default     = 30
  nullable    = false

  validation {
    condition     = contains([1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653], var.flow_logs_retention_days)
    error_message = "Use a retention that CloudWatch knows, e.g. 7, 14, 30, 90 or 365."
  }
}

variable "existing" {
  description = "A network that exists, by its ids. Then only security groups and the listed endpoints are made here; routes, NAT and flow logs stay with its owner."
  type = object({
    id              = string
    public_subnets  = list(string)
    private_subnets = list(string)
    data_subnets    = list(string)
  })
  default = null

  validation {
    condition     = var.existing == null ? true : startswith(var.existing.id, "vpc-")
    error_message = "existing.id is the id of a VPC: vpc-…"
  }

  validation {
    condition = var.existing == null ? true : alltrue([
      for subnets in [var.existing.public_subnets, var.existing.private_subnets, var.existing.data_subnets] : length(subnets) >= 2
    ])
    error_message = "Give at least two subnets, in different zones, in each of public_subnets, private_subnets and data_subnets."
  }
}

variable "allowed_cidrs" {
  description = "Ranges that may open the load balancer. An IPv6 range makes the public subnets and the load balancer dual-stack."
  type        = list(string)
  nullable    = false

  validation {
    condition     = length(var.allowed_cidrs) > 0 && alltrue([for cidr in var.allowed_cidrs : can(cidrhost(cidr, 0))])
    error_message = "Give at least one range such as 203.0.113.0/24; 0.0.0.0/0 is everybody."
  }
}

variable "behind_cdn" {
  description = "Whether CloudFront stands in front: then only CloudFront may open the load balancer."
  type        = bool
  default     = false
  nullable    = false
}

variable "https" {
  description = "Whether the load balancer has a certificate; decides which port CloudFront may open."
  type        = bool
  nullable    = false
}

variable "internal_ports" {
  description = "TCP ports that app machines and the stateful machine open to each other."
  type        = list(number)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for port in var.internal_ports : port >= 1 && port <= 65535])
    error_message = "Give TCP ports between 1 and 65535."
  }
}
