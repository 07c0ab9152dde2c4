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

variable "secrets" {
  description = "Secrets to generate once: length in characters, format (alphanumeric, or base64url-32: unpadded base64url of exactly 32 bytes) and what each is for."
  type = map(object({
    length  = number
    format  = string
    purpose = string
  }))
  nullable = false

  validation {
    condition     = alltrue([for secret in values(var.secrets) : contains(["alphanumeric", "base64url-32"], secret.format)])
    error_message = "Use the format alphanumeric or base64url-32."
  }

  validation {
    condition     = alltrue([for secret in values(var.secrets) : secret.length >= 12 && secret.length <= 128])
    error_message = "Use a length between 12 and 128 characters."
  }
}

variable "references" {
  description = "Secrets that exist in Secrets Manager: name in the application → ARN or name of the secret."
  type        = map(string)
  default     = {}
  nullable    = false

  validation {
    condition     = alltrue([for id in values(var.references) : can(regex("^(arn:aws[a-z-]*:secretsmanager:.+|[A-Za-z0-9/_+=.@-]+)$", id))])
    error_message = "Give the ARN or the name of a secret in Secrets Manager."
  }
}

variable "recovery_days" {
  description = "Days in which a deleted secret can be restored."
  type        = number
  default     = 7
  nullable    = false

  validation {
    condition     = var.recovery_days == 0 || (var.recovery_days >= 7 && var.recovery_days <= 30)
    error_message = "Use 7 to 30 days, or 0 to delete at once."
  }
}
