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

variable "zones" {
  description = "Zones of the machines; the primary stands in the first, its replica in the second."
  type        = list(string)
  nullable    = false

  validation {
    condition     = length(var.zones) >= 2
    error_message = "Give at least two zones."
  }
}

variable "machine_type" {
  description = "Capacity, e.g. redis-5gb."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^redis-[0-9]+gb$", var.machine_type)) && try(tonumber(trimsuffix(trimprefix(var.machine_type, "redis-"), "gb")) >= 1 && tonumber(trimsuffix(trimprefix(var.machine_type, "redis-"), "gb")) <= 300, false)
    error_message = "Give a capacity between redis-1gb and redis-300gb."
  }
}

variable "engine_version" {
  description = "Redis release: 6.x, 7.0 or 7.2."
  type        = string
  nullable    = false

  validation {
    condition     = contains(["6.x", "7.0", "7.2"], var.engine_version)
    error_message = "Use 6.x, 7.0 or 7.2, which Memorystore for Redis has."
  }
}

variable "replicas" {
  description = "Copies beside the primary node, always in other zones; more than one needs 5 GB."
  type        = number
  default     = 0
  nullable    = false

  validation {
    condition     = var.replicas >= 0 && var.replicas <= 5
    error_message = "Use 0 to 5 replicas."
  }

  validation {
    condition     = var.replicas <= 1 || try(tonumber(trimsuffix(trimprefix(var.machine_type, "redis-"), "gb")) >= 5, true)
    error_message = "More than one replica needs redis-5gb or larger."
  }
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

variable "deletion_protection" {
  description = "Whether Terraform refuses to delete the cache."
  type        = bool
  default     = true
  nullable    = false
}

variable "maintenance_window" {
  description = "Weekly maintenance window, UTC, e.g. sun:03:30-sun:04:30; Google takes the hour from its beginning."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^(mon|tue|wed|thu|fri|sat|sun):[0-2][0-9]:[0-5][0-9]-(mon|tue|wed|thu|fri|sat|sun):[0-2][0-9]:[0-5][0-9]$", var.maintenance_window))
    error_message = "Give a weekly window in UTC, e.g. sun:03:30-sun:04:30."
  }
}
