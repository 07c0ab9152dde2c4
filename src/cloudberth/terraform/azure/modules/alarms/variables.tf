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

variable "emails" {
  description = "Who gets mail."
  type        = list(string)
  nullable    = false

  validation {
    condition     = alltrue([for email in var.emails : can(regex("^[^@\\s]+@[^@\\s]+$", email))])
    error_message = "Give e-mail addresses."
  }
}

variable "cpu_percent" {
  description = "CPU load of machines and database above which an alarm goes off."
  type        = number
  nullable    = false

  validation {
    condition     = var.cpu_percent >= 1 && var.cpu_percent <= 100
    error_message = "Use 1 to 100."
  }
}

variable "database_free_storage_gb" {
  description = "Free storage of the database below which an alarm goes off."
  type        = number
  nullable    = false

  validation {
    condition     = var.database_free_storage_gb >= 1
    error_message = "Use at least 1."
  }
}

variable "cache_memory_percent" {
  description = "Used memory of the cache above which an alarm goes off."
  type        = number
  nullable    = false

  validation {
    condition     = var.cache_memory_percent >= 1 && var.cache_memory_percent <= 100
    error_message = "Use 1 to 100."
  }
}

variable "queue_depth" {
  description = "Waiting tasks above which an alarm goes off."
  type        = number
  nullable    = false

  validation {
    condition     = var.queue_depth >= 1
    error_message = "Use at least 1."
  }
}

variable "errors_per_5_minutes" {
  description = "Errors within five minutes above which an alarm goes off."
  type        = number
  nullable    = false

  validation {
    condition     = var.errors_per_5_minutes >= 1
    error_message = "Use at least 1."
  }
}

variable "balancer_id" {
  description = "Id of the gateway."
  type        = string
  nullable    = false
}

variable "app_group" {
  description = "Id of the group of app machines."
  type        = string
  nullable    = false
}

variable "stateful_group" {
  description = "Id of the group of the stateful machine."
  type        = string
  nullable    = false
}

variable "app_may_be_empty" {
  description = "Whether a schedule takes the app group down to nothing."
  type        = bool
  nullable    = false
}

variable "workspace_id" {
  description = "Log Analytics workspace with the lines of the services."
  type        = string
  nullable    = false
}

variable "error_query" {
  description = "Query that finds error lines."
  type        = string
  nullable    = false

  validation {
    condition     = length(var.error_query) > 0
    error_message = "Give a query."
  }
}

variable "queue_metric" {
  description = "Metric of waiting tasks. Null: the application has no queue."
  type = object({
    namespace = string
    name      = string
    resource  = string
  })
  default = null
}

variable "database" {
  description = "Id of the database and the connections that it allows. Null: none."
  type = object({
    id              = string
    max_connections = number
  })
  default = null

  validation {
    condition     = var.database == null ? true : var.database.max_connections > 0
    error_message = "Give the number of connections."
  }
}

variable "cache" {
  description = "Cache that is watched. Null: none."
  type = object({
    id = string
  })
  default = null

  validation {
    condition     = var.cache == null ? true : length(var.cache) == 1
    error_message = "Give the id of the cache."
  }
}
