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

variable "groups" {
  description = "Instance groups that answer what is not kept yet."
  type        = list(string)
  nullable    = false
}

variable "health_check" {
  description = "Health check of the machines."
  type        = string
  nullable    = false
}

variable "edge_policy" {
  description = "Cloud Armor policy in front of the cache; empty for none."
  type        = string
  default     = ""
  nullable    = false
}

variable "firewall" {
  description = "Cloud Armor policy in front of the machines; empty for none."
  type        = string
  default     = ""
  nullable    = false
}

variable "address" {
  description = "Host name or address users open."
  type        = string
  nullable    = false
}

variable "access_logs" {
  description = "Whether requests are logged."
  type        = bool
  default     = true
  nullable    = false
}
