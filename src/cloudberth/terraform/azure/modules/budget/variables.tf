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

variable "resource_group_id" {
  description = "Resource group whose cost is watched."
  type        = string
  nullable    = false
}

variable "amount" {
  description = "Limit a month, in the currency of the subscription."
  type        = number
  nullable    = false

  validation {
    condition     = var.amount > 0
    error_message = "Give more than 0."
  }
}

variable "thresholds" {
  description = "Percentages of the amount at which mail is sent; Azure has room for four."
  type        = list(number)
  nullable    = false

  validation {
    condition     = length(var.thresholds) >= 1 && alltrue([for percent in var.thresholds : percent > 0 && percent <= 1000])
    error_message = "Give percentages such as [50, 80, 100]."
  }
}

variable "emails" {
  description = "Who gets the mail."
  type        = list(string)
  nullable    = false

  validation {
    condition     = alltrue([for email in var.emails : can(regex("^[^@\\s]+@[^@\\s]+$", email))])
    error_message = "Give e-mail addresses."
  }
}

variable "anomaly" {
  description = "Whether Azure watches the subscription for unusual cost."
  type        = bool
  nullable    = false
}
