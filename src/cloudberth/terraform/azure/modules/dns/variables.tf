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

variable "zone" {
  description = "Public DNS zone of the domain, by name. Null: none."
  type        = string
  default     = null

  validation {
    condition     = var.zone == null ? true : can(regex("^[a-z0-9.-]+\\.[a-z]{2,}\\.?$", var.zone))
    error_message = "Give the name of a DNS zone in this subscription, e.g. example.com."
  }
}

variable "network_id" {
  description = "Network in which the private zones can be resolved."
  type        = string
  nullable    = false
}

variable "services" {
  description = "Services whose names are answered inside the network: blob, vault, redis, postgres."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = length(setsubtract(var.services, ["blob", "vault", "redis", "postgres"])) == 0
    error_message = "Use blob, vault, redis or postgres."
  }
}
