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

variable "subnet_id" {
  description = "Subnet of the gateway; nothing else may stand in it."
  type        = string
  nullable    = false
}

variable "zones" {
  description = "Availability zones of the gateway."
  type        = list(string)
  nullable    = false
}

variable "domain_name" {
  description = "Host name users open. Null: the name that Azure gives, in plain HTTP."
  type        = string
  default     = null

  validation {
    condition     = var.domain_name == null ? true : can(regex("^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\\.)+[a-z]{2,63}$", var.domain_name))
    error_message = "Give a host name in lower case, e.g. dify.example.com."
  }
}

variable "certificate" {
  description = "Certificate in a Key Vault: /subscriptions/…/vaults/VAULT/secrets/NAME. Null with a domain: a placeholder is made, signed by itself."
  type        = string
  default     = null

  validation {
    condition     = var.certificate == null ? true : can(regex("^/subscriptions/[^/]+/resourceGroups/[^/]+/providers/Microsoft.KeyVault/vaults/[^/]+/secrets/[^/]+$", var.certificate))
    error_message = "Give the id of a secret in a Key Vault: /subscriptions/…/vaults/VAULT/secrets/NAME."
  }
}

variable "vault_id" {
  description = "Key Vault of the deployment, for the placeholder."
  type        = string
  nullable    = false
}

variable "public_zone" {
  description = "Public DNS zone and its resource group for the address record. Null: none is made."
  type = object({
    name           = string
    resource_group = string
  })
  default = null
}

variable "health_path" {
  description = "Path that answers 200 on a machine that is ready."
  type        = string
  nullable    = false

  validation {
    condition     = startswith(var.health_path, "/")
    error_message = "Start the path with a slash."
  }
}

variable "idle_timeout_seconds" {
  description = "Seconds after which a request without an answer is given up."
  type        = number
  nullable    = false

  validation {
    condition     = var.idle_timeout_seconds >= 1 && var.idle_timeout_seconds <= 86400
    error_message = "Use 1 to 86400 seconds."
  }
}

variable "firewall" {
  description = "Whether a web application firewall filters requests."
  type        = bool
  nullable    = false
}

variable "front_door_id" {
  description = "Id by which requests of our own Front Door are known; empty without one."
  type        = string
  default     = ""
  nullable    = false
}

variable "behind_cdn" {
  description = "Whether Front Door stands in front."
  type        = bool
  nullable    = false
}

variable "access_logs" {
  description = "Whether requests are logged."
  type        = bool
  nullable    = false
}

variable "workspace_id" {
  description = "Log Analytics workspace for the access log."
  type        = string
  nullable    = false
}
