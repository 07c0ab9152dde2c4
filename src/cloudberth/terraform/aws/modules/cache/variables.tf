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

variable "machine_type" {
  description = "Node type, e.g. cache.t4g.small."
  type        = string
  nullable    = false

  validation {
    condition     = startswith(var.machine_type, "cache.")
    error_message = "Give an ElastiCache node type, e.g. cache.t4g.small."
  }
}

variable "engine_version" {
  description = "Valkey release."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^(7\\.2|8\\.[0-9]+)$", var.engine_version))
    error_message = "Give a Valkey release of ElastiCache: 7.2 or 8.x."
  }
}

variable "replicas" {
  description = "Copies beside the primary, one of which takes over when it fails."
  type        = number
  default     = 0
  nullable    = false

  validation {
    condition     = var.replicas >= 0 && var.replicas <= 5
    error_message = "Use 0 to 5 replicas."
  }
}

variable "multi_zone" {
  description = "Whether primary and replicas stand in different zones."
  type        = bool
  default     = false
  nullable    = false

  validation {
    condition     = !var.multi_zone || var.replicas > 0
    error_message = "Set replicas to 1 or more: one node cannot stand in two zones."
  }
}

variable "password_secret" {
  description = "Id of the secret that holds the password."
  type        = string
  nullable    = false
}

variable "subnets" {
  description = "Data subnets."
  type        = list(string)
  nullable    = false

  validation {
    condition     = length(var.subnets) >= 1
    error_message = "Give at least one subnet."
  }
}

variable "security_group" {
  description = "Security group of the cache."
  type        = string
  nullable    = false
}

variable "final_snapshot" {
  description = "Whether a snapshot is taken before the cache is deleted."
  type        = bool
  default     = true
  nullable    = false
}

variable "backup_retention_days" {
  description = "Days that daily snapshots are kept."
  type        = number
  default     = 7
  nullable    = false

  validation {
    condition     = var.backup_retention_days >= 0 && var.backup_retention_days <= 35
    error_message = "Use 0 (no snapshots) to 35 days."
  }
}

variable "backup_window" {
  description = "Daily window of the snapshot, UTC, of at least an hour, e.g. 02:00-03:00."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[0-2][0-9]:[0-5][0-9]-[0-2][0-9]:[0-5][0-9]$", var.backup_window))
    error_message = "Give a time of day in UTC, e.g. 02:00-03:00."
  }
}

variable "maintenance_window" {
  description = "Weekly window of maintenance, UTC, of at least an hour, e.g. sun:03:30-sun:04:30."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z]{3}:[0-2][0-9]:[0-5][0-9]-[a-z]{3}:[0-2][0-9]:[0-5][0-9]$", var.maintenance_window))
    error_message = "Give a weekly window in UTC, e.g. sun:03:30-sun:04:30."
  }
}

variable "log_retention_days" {
  description = "Days that the engine's own log is kept."
  type        = number
  default     = 30
  nullable    = false

  validation {
    condition     = contains([1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653], var.log_retention_days)
    error_message = "Use a retention that CloudWatch knows, e.g. 7, 14, 30, 90 or 365."
  }
}
