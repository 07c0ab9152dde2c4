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

variable "engine_version" {
  description = "PostgreSQL version; Azure chooses the minor version."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[0-9]+(\\.[0-9]+)?$", var.engine_version))
    error_message = "Give a version such as 16."
  }
}

variable "machine_type" {
  description = "Compute size, e.g. GP_Standard_D2ds_v5."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^(B|GP|MO)_Standard_", var.machine_type))
    error_message = "Give a size of PostgreSQL Flexible Server such as GP_Standard_D2ds_v5."
  }
}

variable "storage_gb" {
  description = "Storage at the start; rounded up to the next step that Azure has."
  type        = number
  nullable    = false

  validation {
    condition     = var.storage_gb >= 20 && var.storage_gb <= 32767
    error_message = "Use 20 to 32767 GB."
  }
}

variable "max_storage_gb" {
  description = "0: the storage never grows; else it grows by itself, without a limit of its own."
  type        = number
  nullable    = false

  validation {
    condition     = var.max_storage_gb >= 0
    error_message = "Use 0 or a number of GB."
  }
}

variable "multi_zone" {
  description = "Whether a standby in another zone takes over when the first fails."
  type        = bool
  nullable    = false
}

variable "zones" {
  description = "Availability zones; the server stands in the first, its standby in the second."
  type        = list(string)
  nullable    = false
}

variable "database_names" {
  description = "Databases to create."
  type        = list(string)
  nullable    = false

  validation {
    condition     = alltrue([for name in var.database_names : can(regex("^[a-z_][a-z0-9_]{0,62}$", name))])
    error_message = "Names hold lower-case letters, digits and underscores."
  }
}

variable "extensions" {
  description = "PostgreSQL extensions that the databases may create."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for name in var.extensions : can(regex("^[a-z][a-z0-9_-]*$", name))])
    error_message = "Give names of extensions such as vector."
  }
}

variable "vault_id" {
  description = "Key Vault with the password."
  type        = string
  nullable    = false
}

variable "password_secret" {
  description = "Secret with the password: VAULT/NAME."
  type        = string
  nullable    = false
}

variable "subnet_id" {
  description = "Subnet that is delegated to PostgreSQL."
  type        = string
  nullable    = false
}

variable "dns_zone_id" {
  description = "Private DNS zone in which the server gets its name."
  type        = string
  nullable    = false
}

variable "workspace_id" {
  description = "Log Analytics workspace for the log of the server."
  type        = string
  nullable    = false
}

variable "protected" {
  description = "Whether a lock keeps the server from being deleted by hand."
  type        = bool
  nullable    = false
}

variable "backup_retention_days" {
  description = "Days back to which the database can be restored; Azure keeps 7 at least."
  type        = number
  default     = 7
  nullable    = false

  validation {
    condition     = var.backup_retention_days >= 1 && var.backup_retention_days <= 35
    error_message = "Use 1 to 35 days."
  }
}

variable "maintenance_window" {
  description = "Weekly window, UTC, e.g. sun:03:30-sun:04:30; Azure begins at its start."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^(mon|tue|wed|thu|fri|sat|sun):[0-2][0-9]:[0-5][0-9]-", var.maintenance_window))
    error_message = "Give a weekly window such as sun:03:30-sun:04:30."
  }
}
