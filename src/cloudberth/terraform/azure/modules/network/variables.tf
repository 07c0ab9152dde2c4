variable "name" {
  description = "Name of the deployment; first part of every resource name."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,18}[a-z0-9]$", var.name))
    error_message = "Use 3 to 20 lower-case letters, digits and hyphens, starting with a letter and not ending with a hyphen."
  }

  validation {
    condition     = !strcontains(var.name, "--")
    error_message = "Key Vault refuses names with two hyphens in a row; choose another name."
  }
}

variable "tags" {
  description = "Tags of every resource of this module."
  type        = map(string)
  nullable    = false

  validation {
    condition     = alltrue([for key in keys(var.tags) : !can(regex("[<>%&\\\\?/]", key))])
    error_message = "Keys of tags cannot hold < > % & \\ ? or /; choose other keys."
  }
}

variable "resource_group" {
  description = "Name of the resource group that everything goes into."
  type        = string
  nullable    = false
}

variable "region" {
  description = "Region of the resources."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z]+[0-9]*$", var.region))
    error_message = "Give a region name such as westeurope."
  }
}

variable "suffix" {
  description = "Digits that make names unique where Azure shares them among all its customers."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[0-9a-f]{8}$", var.suffix))
    error_message = "Give eight hexadecimal digits."
  }
}

variable "cidr" {
  description = "Address range of the network; not used with an existing network."
  type        = string
  nullable    = false

  validation {
    condition     = can(cidrnetmask(var.cidr))
    error_message = "Give an IPv4 range such as 10.40.0.0/16."
  }
}

variable "zone_count" {
  description = "Number of availability zones in which machines stand."
  type        = number
  nullable    = false

  validation {
    condition     = contains([2, 3], var.zone_count)
    error_message = "Use 2 or 3 zones."
  }
}

variable "nat" {
  description = "NAT gateway: single (in one zone), per-zone (one that spans all zones) or none."
  type        = string
  nullable    = false

  validation {
    condition     = contains(["single", "per-zone", "none"], var.nat)
    error_message = "Use single, per-zone or none."
  }
}

variable "endpoints" {
  description = "Services with a private endpoint: blob, vault."
  type        = list(string)
  nullable    = false

  validation {
    condition     = length(setsubtract(var.endpoints, ["blob", "vault"])) == 0
    error_message = "Azure has private endpoints here for blob (files) and vault (secrets)."
  }
}

variable "flow_logs" {
  description = "Whether addresses, ports and verdicts of all traffic are recorded."
  type        = bool
  nullable    = false
}

variable "flow_logs_retention_days" {
  description = "Days that flow logs are kept."
  type        = number
  default     = 30
  nullable    = false

  validation {
    condition     = var.flow_logs_retention_days >= 1
    error_message = "Use at least 1 day."
  }
}

variable "existing" {
  description = "A network that exists: its id and the ids of its subnets. Gateway, machines, and of data_subnets the first (delegated to PostgreSQL) and the second (private endpoints). Null: one is made."
  type = object({
    id              = string
    public_subnets  = list(string)
    private_subnets = list(string)
    data_subnets    = list(string)
  })
  default = null

  validation {
    condition     = var.existing == null ? true : length(var.existing.public_subnets) >= 1 && length(var.existing.private_subnets) >= 1 && length(var.existing.data_subnets) >= 2
    error_message = "Name a public subnet (gateway), a private one (machines), and two data subnets (PostgreSQL, private endpoints)."
  }
}

variable "allowed_cidrs" {
  description = "Address ranges that may open the application."
  type        = list(string)
  nullable    = false

  validation {
    condition     = length(var.allowed_cidrs) > 0
    error_message = "Give at least one range; 0.0.0.0/0 is everybody."
  }
}

variable "behind_cdn" {
  description = "Whether only Front Door may reach the gateway."
  type        = bool
  nullable    = false
}

variable "https" {
  description = "Whether the gateway has a certificate."
  type        = bool
  nullable    = false
}

variable "internal_ports" {
  description = "TCP ports that the two groups of machines open to each other."
  type        = list(number)
  nullable    = false

  validation {
    condition     = alltrue([for port in var.internal_ports : port >= 1 && port <= 65535])
    error_message = "Use TCP ports between 1 and 65535."
  }
}
