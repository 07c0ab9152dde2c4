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

variable "zone" {
  description = "Public hosted zone of the domain, by name (example.com) or id (Z…). Null: none."
  type        = string
  default     = null

  validation {
    condition     = var.zone == null ? true : can(regex("^(Z[A-Z0-9]{5,}|[a-z0-9.-]+\\.[a-z]{2,}\\.?)$", var.zone))
    error_message = "Give the name of a hosted zone, e.g. example.com, or its id, e.g. Z0123456789ABCDEFGHIJ."
  }
}

variable "network_id" {
  description = "Network in which the private zone can be resolved."
  type        = string
  nullable    = false
}
