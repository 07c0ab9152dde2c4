variable "name" {
  description = "Name of the deployment; first part of every resource name."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,18}[a-z0-9]$", var.name)) && !strcontains(var.name, "--")
    error_message = "Use 3 to 20 lower-case letters, digits and single hyphens, starting with a letter and not ending with a hyphen."
  }
}

variable "tags" {
  description = "Labels of every resource of this module that can carry them."
  type        = map(string)
  nullable    = false

  validation {
    condition     = alltrue([for key, value in var.tags : can(regex("^[a-z][a-z0-9_-]{0,62}$", key)) && can(regex("^[a-z0-9_-]{0,63}$", value)) && !startswith(key, "goog")])
    error_message = "Labels hold lower-case letters, digits, _ and -, keys start with a letter but not with goog; both have at most 63 characters."
  }
}

variable "project" {
  description = "Id of the project in which everything is created."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^([a-z0-9.-]+:)?[a-z][a-z0-9-]{4,28}[a-z0-9]$", var.project))
    error_message = "Give the id of a project, e.g. my-project-123."
  }
}

variable "region" {
  description = "Region of the instance."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z]+-[a-z]+[0-9]+$", var.region))
    error_message = "Give a region such as europe-west1."
  }
}

variable "engine_version" {
  description = "Major PostgreSQL release, e.g. 16; Google follows its minor releases."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[0-9]+$", var.engine_version))
    error_message = "Give a major PostgreSQL release such as 16: Cloud SQL chooses the minor one itself."
  }
}

variable "machine_type" {
  description = "Cloud SQL tier, e.g. db-custom-2-8192 (edition Enterprise) or db-perf-optimized-N-4 (Enterprise Plus)."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^db-(f1-micro|g1-small|custom-[0-9]+-[0-9]+|perf-optimized-N-[0-9]+)$", var.machine_type))
    error_message = "Give a Cloud SQL tier, e.g. db-custom-2-8192 (2 CPUs, 8192 MB)."
  }
}

variable "storage_gb" {
  description = "Size of the disk."
  type        = number
  default     = 50
  nullable    = false

  validation {
    condition     = var.storage_gb >= 10
    error_message = "Use at least 10 GB, the least that Cloud SQL allows."
  }
}

variable "max_storage_gb" {
  description = "Size up to which the disk grows by itself, 0 for never."
  type        = number
  default     = 0
  nullable    = false

  validation {
    condition     = var.max_storage_gb == 0 || var.max_storage_gb >= var.storage_gb
    error_message = "Use 0, or at least storage_gb."
  }
}

variable "multi_zone" {
  description = "Whether a second instance in another zone takes over when the first fails."
  type        = bool
  default     = false
  nullable    = false
}

variable "database_name" {
  description = "Database that is created first; the application's first step creates the others."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z_][a-z0-9_]{0,62}$", var.database_name))
    error_message = "Use lower-case letters, digits and underscores."
  }
}

variable "password_secret" {
  description = "Secret (id in Secret Manager) that holds the password."
  type        = string
  nullable    = false
}

variable "network" {
  description = "Network with private services access."
  type        = string
  nullable    = false
}

variable "address_range" {
  description = "Name of the range to take the address from; null: any that the network has."
  type        = string
  default     = null
}

variable "zone" {
  description = "Zone to stand in, near the machines."
  type        = string
  nullable    = false
}

variable "deletion_protection" {
  description = "Whether Google and Terraform refuse to delete the database."
  type        = bool
  default     = true
  nullable    = false
}

variable "final_snapshot" {
  description = "Whether a last backup is taken before deletion."
  type        = bool
  default     = true
  nullable    = false
}

variable "backup_retention_days" {
  description = "Days back to which the database can be restored."
  type        = number
  default     = 7
  nullable    = false

  validation {
    condition     = var.backup_retention_days >= 1 && var.backup_retention_days <= 365
    error_message = "Use 1 to 365 days."
  }
}

variable "backup_window" {
  description = "Daily backup window, UTC, e.g. 02:00-03:00."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^([01][0-9]|2[0-3]):[0-5][0-9]-([01][0-9]|2[0-3]):[0-5][0-9]$", var.backup_window))
    error_message = "Give a time of day in UTC, e.g. 02:00-03:00."
  }
}

variable "maintenance_window" {
  description = "Weekly maintenance window, UTC, e.g. sun:03:30-sun:04:30. Google takes the whole hour in which it begins."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^(mon|tue|wed|thu|fri|sat|sun):[0-2][0-9]:[0-5][0-9]-(mon|tue|wed|thu|fri|sat|sun):[0-2][0-9]:[0-5][0-9]$", var.maintenance_window))
    error_message = "Give a weekly window in UTC, e.g. sun:03:30-sun:04:30."
  }
}
