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

variable "network_id" {
  description = "Network of the load balancer and its targets."
  type        = string
  nullable    = false
}

variable "subnets" {
  description = "Public subnets, in at least two zones."
  type        = list(string)
  nullable    = false

  validation {
    condition     = length(var.subnets) >= 2
    error_message = "A load balancer needs subnets in at least two zones."
  }
}

variable "security_group" {
  description = "Security group of the load balancer."
  type        = string
  nullable    = false
}

variable "ipv6" {
  description = "Whether the load balancer answers over IPv6 too; the subnets must have IPv6 ranges."
  type        = bool
  default     = false
  nullable    = false
}

variable "domain_name" {
  description = "Host name users open. Null: plain HTTP at the address that AWS gives."
  type        = string
  default     = null

  validation {
    condition     = var.domain_name == null ? true : can(regex("^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\\.)+[a-z]{2,63}$", var.domain_name))
    error_message = "Give a host name in lower case, e.g. dify.example.com."
  }
}

variable "zone_id" {
  description = "Public hosted zone for the records of the domain. Empty: the records are made by hand."
  type        = string
  default     = ""
  nullable    = false
}

variable "certificate" {
  description = "Existing certificate (ARN, same region). Null: one is issued and validated through the zone."
  type        = string
  default     = null

  validation {
    condition     = var.certificate == null ? true : can(regex("^arn:aws[a-z-]*:acm:", var.certificate))
    error_message = "Give the ARN of a certificate in ACM: arn:aws:acm:REGION:ACCOUNT:certificate/ID."
  }
}

variable "create_records" {
  description = "Whether the records of the domain point here. False with a CDN in front (they point to it) and without a zone."
  type        = bool
  nullable    = false
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
  description = "Seconds without a byte after which a connection is closed."
  type        = number
  default     = 600
  nullable    = false

  validation {
    condition     = var.idle_timeout_seconds >= 1 && var.idle_timeout_seconds <= 4000
    error_message = "Use 1 to 4000 seconds."
  }
}

variable "deletion_protection" {
  description = "Whether AWS refuses to delete the load balancer."
  type        = bool
  default     = true
  nullable    = false
}

variable "access_logs" {
  description = "Whether every request is logged to a bucket of its own."
  type        = bool
  default     = true
  nullable    = false
}

variable "retention_days" {
  description = "Days that access logs and firewall logs are kept; one that CloudWatch knows."
  type        = number
  default     = 30
  nullable    = false

  validation {
    condition     = var.retention_days >= 1
    error_message = "Keep logs for at least one day."
  }
}

variable "firewall" {
  description = "Whether a web application firewall filters requests."
  type        = bool
  default     = false
  nullable    = false
}

variable "behind_cdn" {
  description = "Whether CloudFront stands in front: then the firewall is made for CloudFront, which alone sees the addresses of users."
  type        = bool
  default     = false
  nullable    = false
}

variable "allowed_cidrs" {
  description = "Ranges that may open the application. Security groups hold them to it; behind a CDN the firewall does."
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
