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

variable "domain_name" {
  description = "Host name users open. Null: plain HTTP at the address that Google gives."
  type        = string
  default     = null

  validation {
    condition     = var.domain_name == null ? true : can(regex("^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\\.)+[a-z]{2,63}$", var.domain_name))
    error_message = "Give a host name in lower case, e.g. dify.example.com."
  }
}

variable "zone_id" {
  description = "Public zone (name in Cloud DNS) for the records of the domain. Empty: the records are made by hand."
  type        = string
  default     = ""
  nullable    = false
}

variable "certificate" {
  description = "Existing certificate: one of Certificate Manager or of the load balancer. Null: one is issued and validated through the zone."
  type        = string
  default     = null

  validation {
    condition     = var.certificate == null ? true : can(regex("^projects/[^/]+/(locations/global/certificates|global/sslCertificates)/[^/]+$", var.certificate))
    error_message = "Give projects/PROJECT/locations/global/certificates/NAME or projects/PROJECT/global/sslCertificates/NAME."
  }
}

variable "create_records" {
  description = "Whether the records of the domain are made in the zone."
  type        = bool
  nullable    = false
}

variable "groups" {
  description = "Instance groups that answer."
  type        = list(string)
  nullable    = false

  validation {
    condition     = length(var.groups) > 0
    error_message = "A load balancer needs at least one group."
  }
}

variable "health_path" {
  description = "Path that answers 200 on a machine that is ready."
  type        = string
  nullable    = false

  validation {
    condition     = startswith(var.health_path, "/")
    error_message = "Start the path with a slash, e.g. /health."
  }
}

variable "idle_timeout_seconds" {
  description = "Seconds that a request may take as a whole, web sockets included."
  type        = number
  default     = 600
  nullable    = false

  validation {
    condition     = var.idle_timeout_seconds >= 1 && var.idle_timeout_seconds <= 86400
    error_message = "Use 1 to 86400 seconds."
  }
}

variable "access_logs" {
  description = "Whether requests are logged."
  type        = bool
  default     = true
  nullable    = false
}

variable "firewall" {
  description = "Whether Cloud Armor filters requests by its preconfigured rules and limits how many one address sends."
  type        = bool
  default     = false
  nullable    = false
}

variable "allowed_cidrs" {
  description = "Ranges that may open the application; Cloud Armor holds everybody else off."
  type        = list(string)
  nullable    = false

  validation {
    condition     = length(var.allowed_cidrs) > 0 && alltrue([for cidr in var.allowed_cidrs : can(cidrhost(cidr, 0))])
    error_message = "Give at least one range such as 203.0.113.0/24; 0.0.0.0/0 is everybody."
  }
}

variable "own_addresses" {
  description = "Public addresses of the deployment's own machines, which may always open the application."
  type        = list(string)
  default     = []
  nullable    = false
}

variable "cdn_paths" {
  description = "Path patterns that the CDN may keep."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for path in var.cdn_paths : can(regex("^/[^*]*(/\\*)?$", path))])
    error_message = "Start a pattern with a slash; a star can only stand alone at the end: /static/*."
  }
}

variable "cdn" {
  description = "Whether these paths go to a backend service with the CDN switched on."
  type        = bool
  default     = false
  nullable    = false
}

variable "cdn_backend" {
  description = "That backend service; empty for none."
  type        = string
  default     = ""
  nullable    = false
}
