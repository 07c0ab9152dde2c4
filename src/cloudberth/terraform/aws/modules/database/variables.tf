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

variable "engine" {
  description = "postgres: an instance of fixed size. aurora: Aurora Serverless v2, which grows and shrinks."
  type        = string
  nullable    = false

  validation {
    condition     = contains(["postgres", "aurora"], var.engine)
    error_message = "Use postgres or aurora."
  }
}

variable "engine_version" {
  description = "PostgreSQL release. A major one (16) follows AWS's minor releases; an exact one (16.8) stays."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[0-9]+(\\.[0-9]+)?$", var.engine_version))
    error_message = "Give a PostgreSQL release such as 16 or 16.8."
  }
}

variable "machine_type" {
  description = "Instance class, e.g. db.t4g.medium; db.serverless with aurora."
  type        = string
  nullable    = false

  validation {
    condition     = startswith(var.machine_type, "db.")
    error_message = "Give an instance class, e.g. db.t4g.medium, or db.serverless with aurora."
  }
}

variable "storage_gb" {
  description = "Size of the disk; postgres only."
  type        = number
  default     = 50
  nullable    = false

  validation {
    condition     = var.storage_gb >= 20
    error_message = "Use at least 20 GB, the least that RDS allows."
  }
}

variable "max_storage_gb" {
  description = "Size up to which the disk grows by itself, 0 for never; postgres only."
  type        = number
  default     = 0
  nullable    = false

  validation {
    condition     = var.max_storage_gb == 0 || var.max_storage_gb >= var.storage_gb * 1.1
    error_message = "Use 0, or at least a tenth more than storage_gb: RDS refuses less."
  }
}

variable "multi_zone" {
  description = "Whether a second instance in another zone takes over when the first fails."
  type        = bool
  default     = false
  nullable    = false
}

variable "min_capacity" {
  description = "Fewest Aurora capacity units (about 2 GB of memory each); aurora only."
  type        = number
  default     = 0.5
  nullable    = false

  validation {
    condition     = var.min_capacity >= 0
    error_message = "Use 0 or more."
  }
}

variable "max_capacity" {
  description = "Most Aurora capacity units; aurora only."
  type        = number
  default     = 4
  nullable    = false

  validation {
    condition     = var.max_capacity >= 1 && var.max_capacity <= 256 && var.max_capacity >= var.min_capacity
    error_message = "Use 1 to 256, and at least min_capacity."
  }
}

variable "database_name" {
  description = "Database that is created first. Others, and extensions, are made by the boot program before the application starts."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z_][a-z0-9_]{0,62}$", var.database_name))
    error_message = "Use lower-case letters, digits and underscores."
  }
}

variable "password_secret" {
  description = "Id of the secret that holds the password."
  type        = string
  nullable    = false
}

variable "subnets" {
  description = "Data subnets, in at least two zones."
  type        = list(string)
  nullable    = false

  validation {
    condition     = length(var.subnets) >= 2
    error_message = "RDS needs subnets in at least two zones, even for one instance."
  }
}

variable "security_group" {
  description = "Security group of the database."
  type        = string
  nullable    = false
}

variable "deletion_protection" {
  description = "Whether AWS refuses to delete the database."
  type        = bool
  default     = true
  nullable    = false
}

variable "final_snapshot" {
  description = "Whether a snapshot is taken before the database is deleted."
  type        = bool
  default     = true
  nullable    = false
}

variable "backup_retention_days" {
  description = "Days back to any second of which the database can be restored."
  type        = number
  default     = 7
  nullable    = false

  validation {
    condition     = var.backup_retention_days >= 1 && var.backup_retention_days <= 35
    error_message = "Use 1 to 35 days."
  }
}

variable "backup_window" {
  description = "Daily window of the backup, UTC, e.g. 02:00-03:00."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[0-2][0-9]:[0-5][0-9]-[0-2][0-9]:[0-5][0-9]$", var.backup_window))
    error_message = "Give a time of day in UTC, e.g. 02:00-03:00."
  }
}

variable "maintenance_window" {
  description = "Weekly window of maintenance, UTC, e.g. sun:03:30-sun:04:30."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z]{3}:[0-2][0-9]:[0-5][0-9]-[a-z]{3}:[0-2][0-9]:[0-5][0-9]$", var.maintenance_window))
    error_message = "Give a weekly window in UTC, e.g. sun:03:30-sun:04:30."
  }
}

variable "log_retention_days" {
  description = "Days that the database's own logs are kept."
  type        = number
  default     = 30
  nullable    = false

  validation {
    condition     = contains([1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653], var.log_retention_days)
    error_message = "Use a retention that CloudWatch knows, e.g. 7, 14, 30, 90 or 365."
  }
}
