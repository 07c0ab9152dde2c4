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
  description = "Region of the machines."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z]+-[a-z]+[0-9]+$", var.region))
    error_message = "Give a region such as europe-west1."
  }
}

variable "zones" {
  description = "Zones of the app machines; the stateful machine stands in the first."
  type        = list(string)
  nullable    = false

  validation {
    condition     = length(var.zones) >= 2
    error_message = "Give at least two zones."
  }
}

variable "architecture" {
  description = "Processor architecture of all machines: arm64 or x86_64."
  type        = string
  nullable    = false

  validation {
    condition     = contains(["arm64", "x86_64"], var.architecture)
    error_message = "Use arm64 or x86_64."
  }
}

variable "image" {
  description = "Image (projects/PROJECT/global/images/…) to pin. Null: the newest patched Ubuntu 24.04 whenever a machine starts."
  type        = string
  default     = null

  validation {
    condition     = var.image == null ? true : can(regex("^projects/[^/]+/global/images/(family/)?[a-z0-9-]+$", var.image))
    error_message = "Give projects/PROJECT/global/images/NAME or …/images/family/NAME; it must have Python 3.9 or newer, systemd and cloud-init."
  }
}

variable "app" {
  description = "App group: machine types (the first is preferred), size, share of spot, scaling target, disk."
  type = object({
    machine_types      = list(string)
    min                = number
    max                = number
    on_demand          = number
    spot_percent       = number
    target_cpu_percent = number
    disk_gb            = number
  })
  nullable = false

  validation {
    condition     = length(var.app.machine_types) > 0 && length(distinct([for type in var.app.machine_types : can(regex("^(c4|c4a|c4d|n4|n4a|n4d)-", type))])) == 1
    error_message = "Give at least one machine type, and either only types of the series that take Hyperdisk alone (c4, c4a, c4d, n4, n4a, n4d) or none of them."
  }

  validation {
    condition     = var.app.min >= 1 && var.app.min <= var.app.max
    error_message = "min is at least 1 and at most max."
  }
}

variable "stateful" {
  description = "The one stateful machine: type, system disk and data disk."
  type = object({
    machine_type = string
    disk_gb      = number
    data_disk_gb = number
  })
  nullable = false

  validation {
    condition     = var.stateful.disk_gb >= 20 && var.stateful.data_disk_gb >= 10
    error_message = "At least 20 GB for the machine and 10 GB for data."
  }
}

variable "schedules" {
  description = "From when on (cron) how many app machines run at least, and for how many seconds until the next schedule takes over. Google has no scheduled maximum."
  type = list(object({
    name             = string
    cron             = string
    min              = number
    max              = number
    time_zone        = string
    duration_seconds = optional(number)
  }))
  default  = []
  nullable = false

  validation {
    condition     = alltrue([for item in var.schedules : item.duration_seconds == null ? true : item.duration_seconds >= 300])
    error_message = "A schedule lasts 300 seconds at least, the least that Google allows."
  }
}

variable "subnet" {
  description = "Subnetwork of the machines."
  type        = string
  nullable    = false
}

variable "service_accounts" {
  description = "Service account (e-mail) of the machines of each group: app and stateful."
  type        = map(string)
  nullable    = false
}

variable "health_check" {
  description = "Health check by which the group of app machines replaces what does not answer."
  type        = string
  nullable    = false
}

variable "private_zone_id" {
  description = "Private zone (name in Cloud DNS) in which the stateful machine writes its name."
  type        = string
  nullable    = false
}

variable "bucket" {
  description = "Bucket for what machines start from, and of the application."
  type        = string
  nullable    = false
}

variable "roles" {
  description = "Roles that machines get: secrets (for each secret), logs (for the project), storage (for the bucket)."
  type = object({
    secrets = string
    logs    = string
    storage = string
  })
  nullable = false
}

variable "stack_directory" {
  description = "Folder of what runs on the machines."
  type        = string
  nullable    = false

  validation {
    condition     = fileexists("${var.stack_directory}/stack.json")
    error_message = "There is no stack.json in this folder: render the workspace again."
  }
}

variable "facts" {
  description = "What the templates of the stack may name."
  type        = any
  nullable    = false
}

variable "secrets" {
  description = "Id of every secret by name."
  type        = map(string)
  nullable    = false
}

variable "cache_certificates" {
  description = "Certificates (PEM) of the cache's own CA."
  type        = list(string)
  default     = []
  nullable    = false
}

variable "final_snapshot" {
  description = "Whether a snapshot of the data disk is taken before it is deleted."
  type        = bool
  default     = true
  nullable    = false
}

variable "backup_retention_days" {
  description = "Days that daily snapshots of the data disk are kept."
  type        = number
  default     = 7
  nullable    = false

  validation {
    condition     = var.backup_retention_days >= 1
    error_message = "Keep snapshots for at least one day."
  }
}

variable "backup_window" {
  description = "Daily backup window, UTC, e.g. 02:00-03:00; snapshots begin in its first hour."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^([01][0-9]|2[0-3]):[0-5][0-9]-([01][0-9]|2[0-3]):[0-5][0-9]$", var.backup_window))
    error_message = "Give a time of day in UTC, e.g. 02:00-03:00."
  }
}
