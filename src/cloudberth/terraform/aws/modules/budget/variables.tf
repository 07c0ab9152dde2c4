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

variable "amount" {
  description = "US dollars a month."
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
  description = "Who gets the mail. None: the budget is only seen in the console."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = length(var.emails) <= 10 && alltrue([for email in var.emails : can(regex("^[^@\\s]+@[^@\\s]+\\.[^@\\s]+$", email))])
    error_message = "Give at most ten e-mail addresses, e.g. finance@example.com."
  }
}

variable "anomaly" {
  description = "Whether unusual cost is looked for and reported."
  type        = bool
  default     = true
  nullable    = false
}

variable "anomaly_usd" {
  description = "US dollars above the usual from which on it is reported."
  type        = number
  default     = 50
  nullable    = false

  validation {
    condition     = var.anomaly_usd > 0
    error_message = "Give an amount above 0."
  }
}

variable "tag" {
  description = "Tag by which the deployment's cost is told from that of the rest of the account. It counts once it is activated as a cost allocation tag."
  type        = string
  default     = "Deployment"
  nullable    = false

  validation {
    condition     = can(regex("^[A-Za-z0-9 _.:/=+@-]{1,128}$", var.tag))
    error_message = "Give the key of a tag."
  }
}
