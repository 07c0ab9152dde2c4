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

variable "suffix" {
  description = "Digits that make names unique where Azure shares them among all its customers."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[0-9a-f]{8}$", var.suffix))
    error_message = "Give eight hexadecimal digits."
  }
}

variable "origin" {
  description = "Name that Azure gave the address of the gateway."
  type        = string
  nullable    = false

  validation {
    condition     = length(var.origin) > 0
    error_message = "Give a host name."
  }
}

variable "origin_https" {
  description = "Whether the gateway has a certificate for the domain; otherwise it is reached over plain HTTP."
  type        = bool
  nullable    = false
}

variable "paths" {
  description = "Path patterns of static files that may be kept at the edge. Everything else passes through."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for path in var.paths : startswith(path, "/")])
    error_message = "Give patterns that start with a slash, e.g. /_next/static/*."
  }
}

variable "domain_name" {
  description = "Host name users open. Null: the name that Front Door gives, with its certificate."
  type        = string
  default     = null

  validation {
    condition     = var.domain_name == null ? true : can(regex("^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\\.)+[a-z]{2,63}$", var.domain_name))
    error_message = "Give a host name in lower case, e.g. dify.example.com."
  }
}

variable "public_zone_id" {
  description = "Id of the public DNS zone of the domain; empty if records are made by hand."
  type        = string
  default     = ""
  nullable    = false
}

variable "public_zone" {
  description = "Name and resource group of that zone. Null: records are made by hand."
  type = object({
    name           = string
    resource_group = string
  })
  default = null
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

variable "own_addresses" {
  description = "Public addresses of the machines, which open the application too."
  type        = list(string)
  default     = []
  nullable    = false
}

variable "access_logs" {
  description = "Whether requests are logged."
  type        = bool
  nullable    = false
}

variable "workspace_id" {
  description = "Log Analytics workspace for the access log."
  type        = string
  nullable    = false
}
