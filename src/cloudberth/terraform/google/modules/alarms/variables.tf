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

variable "emails" {
  description = "Who gets mail."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for email in var.emails : can(regex("^[^@\\s]+@[^@\\s]+\\.[^@\\s]+$", email))])
    error_message = "Give e-mail addresses, e.g. ops@example.com."
  }
}

variable "cpu_percent" {
  description = "CPU load of machines, database and cache."
  type        = number
  nullable    = false

  validation {
    condition     = var.cpu_percent >= 1 && var.cpu_percent <= 100
    error_message = "Use 1 to 100 percent."
  }
}

variable "database_free_storage_gb" {
  description = "Free space of the database below which the alarm goes off."
  type        = number
  nullable    = false

  validation {
    condition     = var.database_free_storage_gb >= 1
    error_message = "Use at least 1 GB."
  }
}

variable "cache_memory_percent" {
  description = "Used memory of the cache."
  type        = number
  nullable    = false

  validation {
    condition     = var.cache_memory_percent >= 1 && var.cache_memory_percent <= 100
    error_message = "Use 1 to 100 percent."
  }
}

variable "queue_depth" {
  description = "Waiting tasks."
  type        = number
  nullable    = false

  validation {
    condition     = var.queue_depth >= 1
    error_message = "Use at least 1."
  }
}

variable "errors_per_5_minutes" {
  description = "Errors within five minutes: answers with status 5xx, error lines in the logs."
  type        = number
  nullable    = false

  validation {
    condition     = var.errors_per_5_minutes >= 1
    error_message = "Use at least 1."
  }
}

variable "balancer" {
  description = "Labels of the load balancer's metrics."
  type = object({
    url_map_name        = string
    backend_target_name = string
  })
  nullable = false
}

variable "address" {
  description = "Host name or address users open, for the uptime check."
  type        = string
  nullable    = false
}

variable "https" {
  description = "Whether users open it over TLS."
  type        = bool
  nullable    = false
}

variable "health_path" {
  description = "Path that the uptime check opens."
  type        = string
  nullable    = false

  validation {
    condition     = startswith(var.health_path, "/")
    error_message = "Start the path with a slash, e.g. /health."
  }
}

variable "uptime_check" {
  description = "Whether Google's checkers, which come from anywhere, may open the application."
  type        = bool
  nullable    = false
}

variable "app_may_be_empty" {
  description = "Whether a schedule takes all app machines away at times."
  type        = bool
  default     = false
  nullable    = false
}

variable "app_group" {
  description = "Group of app machines."
  type        = string
  nullable    = false
}

variable "stateful_group" {
  description = "Group of the stateful machine."
  type        = string
  nullable    = false
}

variable "queue_metric" {
  description = "Type of the metric of waiting tasks; null if there is no queue."
  type        = string
  default     = null
}

variable "error_metric" {
  description = "Type of the metric of error lines."
  type        = string
  nullable    = false
}

variable "database" {
  description = "Label of the database's metrics, and how many connections it allows. Null: no database."
  type = object({
    id              = string
    max_connections = number
  })
  default = null

  validation {
    condition     = var.database == null ? true : var.database.max_connections >= 1
    error_message = "Give the number of connections that the database allows."
  }
}

variable "cache" {
  description = "Label of the cache's metrics. Null: no cache."
  type = object({
    id = string
  })
  default = null

  validation {
    condition     = var.cache == null ? true : strcontains(var.cache.id, "/instances/")
    error_message = "Give the full name of the cache: projects/PROJECT/locations/REGION/instances/NAME."
  }
}

variable "database_storage_gb" {
  description = "Size that the database's disk may grow to."
  type        = number
  default     = 1
  nullable    = false

  validation {
    condition     = var.database_storage_gb >= 1
    error_message = "Give at least 1 GB."
  }
}
