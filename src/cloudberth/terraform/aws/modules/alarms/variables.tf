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

variable "region" {
  description = "Region of the metrics."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z]{2}(-[a-z]+)+-[0-9]$", var.region))
    error_message = "Give a region code such as eu-central-1."
  }
}

variable "emails" {
  description = "Who gets mail. Everybody confirms once, by the link in the first mail."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for email in var.emails : can(regex("^[^@\\s]+@[^@\\s]+\\.[^@\\s]+$", email))])
    error_message = "Give e-mail addresses, e.g. ops@example.com."
  }
}

variable "cpu_percent" {
  description = "CPU of machines, database and cache above which an alarm is raised."
  type        = number
  default     = 85
  nullable    = false

  validation {
    condition     = var.cpu_percent >= 1 && var.cpu_percent <= 100
    error_message = "Use 1 to 100."
  }
}

variable "database_free_storage_gb" {
  description = "Free space of the database below which an alarm is raised."
  type        = number
  default     = 10
  nullable    = false

  validation {
    condition     = var.database_free_storage_gb >= 1
    error_message = "Use at least 1."
  }
}

variable "cache_memory_percent" {
  description = "Memory of the cache in use above which an alarm is raised."
  type        = number
  default     = 80
  nullable    = false

  validation {
    condition     = var.cache_memory_percent >= 1 && var.cache_memory_percent <= 100
    error_message = "Use 1 to 100."
  }
}

variable "queue_depth" {
  description = "Waiting tasks above which an alarm is raised."
  type        = number
  default     = 500
  nullable    = false

  validation {
    condition     = var.queue_depth >= 1
    error_message = "Use at least 1."
  }
}

variable "errors_per_5_minutes" {
  description = "Failed requests, and error lines in the logs, in five minutes above which an alarm is raised."
  type        = number
  default     = 20
  nullable    = false

  validation {
    condition     = var.errors_per_5_minutes >= 1
    error_message = "Use at least 1."
  }
}

################################################################################
# What is watched
################################################################################

variable "balancer" {
  description = "Dimensions of the load balancer's metrics."
  type = object({
    LoadBalancer = string
    TargetGroup  = string
  })
  nullable = false
}

variable "app_group" {
  description = "Name of the group of app machines."
  type        = string
  nullable    = false
}

variable "app_may_be_empty" {
  description = "Whether a schedule takes the app group to zero; then having no machine is no alarm."
  type        = bool
  default     = false
  nullable    = false
}

variable "stateful_group" {
  description = "Name of the group of the stateful machine."
  type        = string
  nullable    = false
}

variable "database" {
  description = "The database: identifier, engine (postgres or aurora), connections it allows, memory in GiB. Null: none."
  type = object({
    id              = string
    engine          = string
    max_connections = number
    memory_gib      = number
  })
  default = null

  validation {
    condition     = var.database == null ? true : contains(["postgres", "aurora"], var.database.engine)
    error_message = "engine is postgres or aurora."
  }
}

variable "cache" {
  description = "The cache: identifier and number of nodes. Null: none."
  type = object({
    id    = string
    nodes = number
  })
  default = null

  validation {
    condition     = var.cache == null ? true : var.cache.nodes >= 1 && var.cache.nodes <= 6
    error_message = "nodes is between 1 and 6."
  }
}

variable "queue_metric" {
  description = "Metric of waiting tasks. Null: the application has no queue."
  type = object({
    namespace  = string
    name       = string
    dimensions = map(string)
  })
  default = null
}

variable "error_metric" {
  description = "Metric of error lines in the logs."
  type = object({
    namespace = string
    name      = string
  })
  nullable = false
}
