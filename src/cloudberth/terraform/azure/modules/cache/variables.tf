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

variable "machine_type" {
  description = "Size of Azure Managed Redis, e.g. Balanced_B3."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^(Balanced_B|MemoryOptimized_M|ComputeOptimized_X)[0-9]+$", var.machine_type))
    error_message = "Give a size of Azure Managed Redis such as Balanced_B3."
  }
}

variable "replicas" {
  description = "0: one node. 1: a second one in another zone, which takes over."
  type        = number
  nullable    = false

  validation {
    condition     = contains([0, 1], var.replicas)
    error_message = "Azure keeps no copy or one: use 0 or 1."
  }
}

variable "subnet_id" {
  description = "Subnet of the private endpoints."
  type        = string
  nullable    = false
}

variable "dns_zone_id" {
  description = "Private DNS zone of Azure Managed Redis."
  type        = string
  nullable    = false
}
