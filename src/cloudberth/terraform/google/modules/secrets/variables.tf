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
  description = "Secrets that exist in Secret Manager: name in the application → id of the secret."
  type        = map(string)
  default     = {}
  nullable    = false

  validation {
    condition     = alltrue([for id in values(var.references) : can(regex("^(projects/[^/]+/secrets/)?[A-Za-z0-9_-]{1,255}$", id))])
    error_message = "Give the name of a secret in Secret Manager, or projects/PROJECT/secrets/NAME."
  }
}
