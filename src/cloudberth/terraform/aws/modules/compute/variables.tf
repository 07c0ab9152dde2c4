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

variable "region" {
  description = "Region of the machines."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z]{2}(-[a-z]+)+-[0-9]$", var.region))
    error_message = "Give a region code such as eu-central-1."
  }
}

################################################################################
# Machines
################################################################################

variable "architecture" {
  description = "Processor architecture of both groups: arm64 or x86_64."
  type        = string
  nullable    = false

  validation {
    condition     = contains(["arm64", "x86_64"], var.architecture)
    error_message = "Use arm64 or x86_64."
  }
}

variable "image" {
  description = "Machine image (AMI) to pin. Null: the newest patched Amazon Linux 2023 at the time a machine starts."
  type        = string
  default     = null

  validation {
    condition     = var.image == null ? true : can(regex("^(ami-|resolve:ssm:)", var.image))
    error_message = "Give the id of an image: ami-…"
  }
}

variable "app" {
  description = "The group of app machines: types (the first is preferred), size, machines that are always on demand, share of spot above them, CPU at which it grows, disk."
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
    condition     = length(var.app.machine_types) > 0
    error_message = "Give at least one machine type, e.g. m7g.large."
  }

  validation {
    condition     = var.app.min >= 1 && var.app.min <= var.app.max
    error_message = "min is at least 1 and at most max."
  }

  validation {
    condition     = var.app.spot_percent >= 0 && var.app.spot_percent <= 100 && var.app.on_demand >= 0
    error_message = "spot_percent is between 0 and 100, on_demand is 0 or more."
  }
}

variable "stateful" {
  description = "The machine for services that must run exactly once: type, disk of the system, disk of the data."
  type = object({
    machine_type = string
    disk_gb      = number
    data_disk_gb = number
  })
  nullable = false

  validation {
    condition     = var.stateful.disk_gb >= 20 && var.stateful.data_disk_gb >= 10
    error_message = "disk_gb is at least 20, data_disk_gb at least 10."
  }
}

variable "schedules" {
  description = "Sizes of the app group by time of day: five-field cron in a time zone, and the bounds that hold from then on."
  type = list(object({
    name      = string
    cron      = string
    min       = number
    max       = number
    time_zone = string
  }))
  default  = []
  nullable = false

  validation {
    condition     = alltrue([for item in var.schedules : length(split(" ", item.cron)) == 5 && item.min >= 0 && item.min <= item.max])
    error_message = "cron has five fields (minute hour day month weekday), and min is at most max."
  }
}

################################################################################
# Where they stand, and what they may use
################################################################################

variable "subnets" {
  description = "Private subnets, one per zone."
  type        = list(string)
  nullable    = false

  validation {
    condition     = length(var.subnets) >= 1
    error_message = "Give at least one subnet."
  }
}

variable "zones" {
  description = "Availability zones of the subnets, in the same order. The stateful machine lives in the first."
  type        = list(string)
  nullable    = false

  validation {
    condition     = length(var.zones) >= 1
    error_message = "Give the zone of every subnet."
  }
}

variable "security_groups" {
  description = "Security group of each group of machines."
  type = object({
    app      = string
    stateful = string
  })
  nullable = false
}

variable "target_group" {
  description = "Target group of the load balancer that app machines join."
  type        = string
  nullable    = false
}

variable "policies" {
  description = "Policies (ARN) of both roles by purpose: secrets, logs, storage."
  type        = map(string)
  nullable    = false
}

variable "bucket" {
  description = "Bucket for what the machines start from."
  type        = string
  nullable    = false
}

variable "bucket_arn" {
  description = "ARN of that bucket."
  type        = string
  nullable    = false
}

variable "private_zone_id" {
  description = "Private zone in which the stateful machine writes its record."
  type        = string
  nullable    = false
}

################################################################################
# What they run
################################################################################

variable "stack_directory" {
  description = "Directory with stack.json and, per group, the templates of what its machines run."
  type        = string
  nullable    = false

  validation {
    condition     = fileexists("${var.stack_directory}/stack.json")
    error_message = "There is no stack.json in it: render the workspace again."
  }
}

variable "facts" {
  description = "What the templates may name: the object facts of the deployment. A fact that does not exist fails the plan."
  type        = any
  nullable    = false

  validation {
    condition     = can(var.facts.stateful.host) && can(var.facts.public.url)
    error_message = "facts needs at least stateful.host and public.url."
  }
}

variable "secrets" {
  description = "Id of every secret the machines read, by name."
  type        = map(string)
  nullable    = false
}

################################################################################
# Care of the data disk
################################################################################

variable "final_snapshot" {
  description = "Whether a snapshot is taken before the data disk is deleted."
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
    condition     = var.backup_retention_days >= 1 && var.backup_retention_days <= 1000
    error_message = "Use at least 1 day."
  }
}

variable "backup_window" {
  description = "Daily window of the snapshot, UTC, e.g. 02:00-03:00; it is taken at its beginning."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[0-2][0-9]:[0-5][0-9]-[0-2][0-9]:[0-5][0-9]$", var.backup_window))
    error_message = "Give a time of day in UTC, e.g. 02:00-03:00."
  }
}
