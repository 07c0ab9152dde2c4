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
  description = "Region of the subnetwork."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z]+-[a-z]+[0-9]+$", var.region))
    error_message = "Give a region such as europe-west1."
  }
}

variable "cidr" {
  description = "IPv4 range of the network. See the layout in main.tf."
  type        = string
  nullable    = false

  validation {
    condition     = can(cidrnetmask(var.cidr)) && try(tonumber(split("/", var.cidr)[1]) >= 9 && tonumber(split("/", var.cidr)[1]) <= 22, false)
    error_message = "Give an IPv4 range between /9 and /22, e.g. 10.40.0.0/16."
  }
}

variable "zones" {
  description = "Number of zones over which machines are spread."
  type        = number
  nullable    = false

  validation {
    condition     = contains([2, 3], var.zones)
    error_message = "Use 2 or 3 zones."
  }
}

variable "nat" {
  description = "Way out: single (one public address), per-zone (one address for each zone) or none. The gateway itself stands in all zones of the region."
  type        = string
  nullable    = false

  validation {
    condition     = contains(["single", "per-zone", "none"], var.nat)
    error_message = "Use single, per-zone or none."
  }
}

variable "flow_logs" {
  description = "Whether the traffic of the network is recorded (addresses, ports; no content)."
  type        = bool
  default     = true
  nullable    = false
}

variable "existing" {
  description = "A network that exists, by its ids. Then only firewall rules and service accounts are made here; routes, NAT, flow logs and private services access (for Cloud SQL and Memorystore) stay with its owner."
  type = object({
    id              = string
    public_subnets  = list(string)
    private_subnets = list(string)
    data_subnets    = list(string)
  })
  default = null

  validation {
    condition     = var.existing == null ? true : can(regex("^projects/[^/]+/global/networks/[^/]+$", var.existing.id)) && length(var.existing.private_subnets) >= 1
    error_message = "existing.id is projects/PROJECT/global/networks/NAME, and private_subnets names at least one subnetwork."
  }
}

variable "internal_ports" {
  description = "TCP ports that app machines and the stateful machine open to each other."
  type        = list(number)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for port in var.internal_ports : port >= 1 && port <= 65535])
    error_message = "Give TCP ports between 1 and 65535."
  }
}
