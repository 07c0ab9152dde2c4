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

variable "region" {
  description = "Region of the bucket."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z]+-[a-z]+[0-9]+$", var.region))
    error_message = "Give a region such as europe-west1."
  }
}

variable "versioning" {
  description = "Whether overwritten and deleted objects can be restored."
  type        = bool
  default     = true
  nullable    = false
}

variable "lifecycle_rules" {
  description = "Cheaper tiers: objects under a prefix, after so many days, from so many kilobytes up."
  type = list(object({
    prefix      = string
    after_days  = number
    tier        = string
    min_size_kb = number
  }))
  default  = []
  nullable = false

  validation {
    condition     = alltrue([for rule in var.lifecycle_rules : contains(["infrequent", "archive-instant", "archive", "deep-archive"], rule.tier)])
    error_message = "Use the tier infrequent, archive-instant, archive or deep-archive."
  }

  validation {
    condition     = alltrue([for rule in var.lifecycle_rules : rule.after_days >= 1 && rule.min_size_kb >= 0])
    error_message = "Use at least 1 day and no negative size."
  }
}

variable "noncurrent_days" {
  description = "Days that an overwritten or deleted object can be restored."
  type        = number
  default     = 30
  nullable    = false

  validation {
    condition     = var.noncurrent_days >= 1
    error_message = "Use at least 1 day."
  }
}

variable "abort_multipart_days" {
  description = "Days after which the parts of an unfinished upload are removed."
  type        = number
  default     = 7
  nullable    = false

  validation {
    condition     = var.abort_multipart_days >= 1
    error_message = "Use at least 1 day."
  }
}

variable "force_destroy" {
  description = "Whether destroying the deployment may delete the objects."
  type        = bool
  default     = false
  nullable    = false
}
