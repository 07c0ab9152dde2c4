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

variable "versioning" {
  description = "Whether overwritten and deleted objects can be restored."
  type        = bool
  default     = true
  nullable    = false
}

variable "lifecycle_rules" {
  description = "Cheaper tiers: objects under a prefix, after so many days. Azure moves objects of any size, min_size_kb plays no part."
  type = list(object({
    prefix      = string
    after_days  = number
    tier        = string
    min_size_kb = number
  }))
  default  = []
  nullable = false

  validation {
    condition     = alltrue([for rule in var.lifecycle_rules : contains(["infrequent", "archive-instant", "archive", "deep-archive"], rule.tier)])
    error_message = "Use the tier infrequent, archive-instant, archive or deep-archive."
  }

  validation {
    condition     = alltrue([for rule in var.lifecycle_rules : rule.after_days >= 1])
    error_message = "Use at least 1 day."
  }
}

variable "noncurrent_days" {
  description = "Days that an overwritten or deleted object can be restored."
  type        = number
  default     = 30
  nullable    = false

  validation {
    condition     = var.noncurrent_days >= 1 && var.noncurrent_days <= 365
    error_message = "Use 1 to 365 days."
  }
}

variable "protected" {
  description = "Whether a lock keeps the account from being deleted by hand."
  type        = bool
  default     = true
  nullable    = false
}

variable "endpoint" {
  description = "Where the account answers inside the network: subnet and private DNS zone. Null: at its public address, to known identities only."
  type = object({
    subnet = string
    zone   = string
  })
  default = null

  validation {
    condition     = var.endpoint == null ? true : startswith(var.endpoint.subnet, "/subscriptions/")
    error_message = "Give the ids of a subnet and of a DNS zone."
  }
}
