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

variable "billing_account" {
  description = "Billing account (XXXXXX-XXXXXX-XXXXXX) that pays for the project; making a budget needs rights on it."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[0-9A-F]{6}-[0-9A-F]{6}-[0-9A-F]{6}$", var.billing_account))
    error_message = "A billing account looks like 012345-6789AB-CDEF01."
  }
}

variable "amount" {
  description = "Units a month, in the currency of the billing account."
  type        = number
  nullable    = false

  validation {
    condition     = var.amount > 0
    error_message = "Give an amount above 0."
  }
}

variable "thresholds" {
  description = "Percentages of the amount at which mail is sent."
  type        = list(number)
  nullable    = false

  validation {
    condition     = length(var.thresholds) >= 1 && length(var.thresholds) <= 8 && alltrue([for percent in var.thresholds : percent > 0 && percent <= 1000])
    error_message = "Give one to eight percentages, e.g. [50, 80, 100]."
  }
}

variable "emails" {
  description = "Who gets the mail besides the administrators of the billing account; the first five."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for email in var.emails : can(regex("^[^@\\s]+@[^@\\s]+\\.[^@\\s]+$", email))])
    error_message = "Give e-mail addresses, e.g. finance@example.com."
  }
}
