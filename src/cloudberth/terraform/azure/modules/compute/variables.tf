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

variable "resource_group" {
  description = "Name of the resource group that everything goes into."
  type        = string
  nullable    = false
}

variable "region" {
  description = "Region of the resources."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z]+[0-9]*$", var.region))
    error_message = "Give a region name such as westeurope."
  }
}

variable "suffix" {
  description = "Digits that make names unique where Azure shares them among all its customers."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[0-9a-f]{8}$", var.suffix))
    error_message = "Give eight hexadecimal digits."
  }
}

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
  description = "Machine image (id) to pin. Null: the newest Ubuntu 24.04 LTS at the time a machine starts."
  type        = string
  default     = null

  validation {
    condition     = var.image == null ? true : startswith(var.image, "/subscriptions/")
    error_message = "Give the id of an image: /subscriptions/…"
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
    condition     = length(var.app.machine_types) >= 1 && length(var.app.machine_types) <= 5
    error_message = "Give one to five machine types, e.g. Standard_D4s_v5."
  }

  validation {
    condition     = var.app.min >= 1 && var.app.min <= var.app.max
    error_message = "min is at least 1 and at most max."
  }

  validation {
    condition     = var.app.spot_percent >= 0 && var.app.spot_percent <= 100 && var.app.on_demand >= 0
    error_message = "spot_percent is between 0 and 100, on_demand is 0 or more."
  }

  validation {
    condition     = var.app.spot_percent == 0 || alltrue([for type in var.app.machine_types : !startswith(type, "Standard_B")])
    error_message = "Burstable machines (Standard_B…) are never spot machines: take others, or leave spot_percent out."
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
  description = "Sizes of the app group by time of day: cron (minute, hour and weekdays only) in a time zone, and the bounds that hold from then on."
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
    condition     = alltrue([for item in var.schedules : can(regex("^[0-9]{1,2} [0-9]{1,2} \\* \\* [A-Za-z0-9*,-]+$", item.cron)) && item.min >= 0 && item.min <= item.max])
    error_message = "Azure knows one time of day and weekdays: write cron like 0 20 * * MON-FRI, and min at most max."
  }

  validation {
    condition     = length(var.schedules) <= 19
    error_message = "Azure has room for 19 schedules."
  }
}

variable "subnets" {
  description = "Subnets of the machines: app group first, stateful machine last."
  type        = list(string)
  nullable    = false

  validation {
    condition     = length(var.subnets) >= 1
    error_message = "Give at least one subnet."
  }
}

variable "zones" {
  description = "Availability zones. The stateful machine lives in the first."
  type        = list(string)
  nullable    = false
}

variable "security_groups" {
  description = "Network security group of each group of machines."
  type = object({
    app      = string
    stateful = string
  })
  nullable = false
}

variable "machine_groups" {
  description = "Application security group of each group of machines, by which rules name them."
  type        = map(string)
  nullable    = false

  validation {
    condition     = length(setsubtract(["app", "stateful"], keys(var.machine_groups))) == 0
    error_message = "Give the groups app and stateful."
  }
}

variable "target_group" {
  description = "Backend pool of the gateway that app machines join."
  type        = string
  nullable    = false
}

variable "policies" {
  description = "Resources on which machines need a role, by purpose: secrets, logs, storage."
  type        = map(string)
  nullable    = false
}

variable "cache" {
  description = "Cache whose access key the machines read. Null: none."
  type = object({
    id = string
  })
  default = null

  validation {
    condition     = var.cache == null ? true : length(var.cache) == 1
    error_message = "Give the id of the cache."
  }
}

variable "containers" {
  description = "Ids of the containers boot and release."
  type        = map(string)
  nullable    = false

  validation {
    condition     = length(setsubtract(["boot", "release"], keys(var.containers))) == 0
    error_message = "Give the containers boot and release."
  }
}

variable "endpoint" {
  description = "URL of the blob service with those containers."
  type        = string
  nullable    = false

  validation {
    condition     = startswith(var.endpoint, "https://")
    error_message = "Give the URL of a blob service."
  }
}

variable "ingestion" {
  description = "Where machines send log lines: endpoint, id of the rule, stream."
  type = object({
    endpoint = string
    rule     = string
    stream   = string
  })
  nullable = false

  validation {
    condition     = startswith(var.ingestion.stream, "Custom-")
    error_message = "Give the stream of a table of our own."
  }
}

variable "private_zone_id" {
  description = "Private zone in which the stateful machine writes its record."
  type        = string
  nullable    = false
}

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

variable "protected" {
  description = "Whether a lock keeps the data disk from being deleted by hand."
  type        = bool
  nullable    = false
}

variable "backup_retention_days" {
  description = "Days that daily snapshots of the data disk are kept."
  type        = number
  default     = 7
  nullable    = false

  validation {
    condition     = var.backup_retention_days >= 1 && var.backup_retention_days <= 35
    error_message = "Use 1 to 35 days."
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
