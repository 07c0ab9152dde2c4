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

variable "origin" {
  description = "Name that AWS gave the load balancer."
  type        = string
  nullable    = false
}

variable "origin_https" {
  description = "Whether the load balancer has a certificate for the domain; otherwise it is reached over plain HTTP."
  type        = bool
  nullable    = false
}

variable "paths" {
  description = "Path patterns of static files that may be kept at the edge. Everything else passes through."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = length(var.paths) <= 20 && alltrue([for path in var.paths : startswith(path, "/")])
    error_message = "Give at most 20 patterns that start with a slash, e.g. /_next/static/*."
  }
}

variable "domain_name" {
  description = "Host name users open. Null: the name that CloudFront gives, with its certificate."
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

variable "create_records" {
  description = "Whether the records of the domain are made in the zone."
  type        = bool
  default     = false
  nullable    = false
}

variable "certificate" {
  description = "Certificate (ARN, in us-east-1) for the domain. Null with a domain: one is issued through the zone."
  type        = string
  default     = null

  validation {
    condition     = var.certificate == null ? true : can(regex("^arn:aws[a-z-]*:acm:us-east-1:", var.certificate))
    error_message = "CloudFront takes certificates of us-east-1 only."
  }
}

variable "issue_certificate" {
  description = "Whether a certificate is issued in us-east-1."
  type        = bool
  default     = false
  nullable    = false
}

variable "create_validation_record" {
  description = "Whether the record that proves the domain is made here; false if the load balancer's certificate has made it already (it is the same)."
  type        = bool
  default     = false
  nullable    = false
}

variable "firewall" {
  description = "Web application firewall (ARN) in front; empty for none."
  type        = string
  default     = ""
  nullable    = false
}

variable "access_logs" {
  description = "Whether requests are logged."
  type        = bool
  default     = false
  nullable    = false
}

variable "access_logs_bucket" {
  description = "Bucket (ARN) for the access logs; empty without them."
  type        = string
  default     = ""
  nullable    = false
}
