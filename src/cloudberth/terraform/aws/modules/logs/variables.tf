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

variable "groups" {
  description = "Services that write one group each."
  type        = list(string)
  nullable    = false

  validation {
    condition     = length(distinct(var.groups)) == length(var.groups) && alltrue([for group in var.groups : can(regex("^[A-Za-z0-9_.-]+$", group))])
    error_message = "Give service names, each once: letters, digits, _, . and -."
  }
}

variable "retention_days" {
  description = "Days that logs are kept."
  type        = number
  nullable    = false

  validation {
    condition     = contains([1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653], var.retention_days)
    error_message = "Use a retention that CloudWatch knows, e.g. 7, 14, 30, 90 or 365."
  }
}
