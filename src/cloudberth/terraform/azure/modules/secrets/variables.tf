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
  description = "Secrets that exist: name in the application → VAULT/NAME, the Key Vault and the secret in it."
  type        = map(string)
  default     = {}
  nullable    = false

  validation {
    condition     = alltrue([for id in values(var.references) : can(regex("^[A-Za-z][A-Za-z0-9-]{1,22}[A-Za-z0-9]/[A-Za-z0-9-]{1,127}$", id))])
    error_message = "Give VAULT/NAME: the name of a Key Vault and of a secret in it."
  }
}

variable "recovery_days" {
  description = "Days in which the deleted vault and its secrets can be restored."
  type        = number
  default     = 7
  nullable    = false

  validation {
    condition     = var.recovery_days >= 7 && var.recovery_days <= 90
    error_message = "Use 7 to 90 days; Azure allows no less."
  }
}

variable "protected" {
  description = "Whether nobody, Azure included, may remove the deleted vault before those days are over. It cannot be taken back."
  type        = bool
  default     = false
  nullable    = false
}

variable "endpoint" {
  description = "Where the vault answers inside the network: subnet and private DNS zone. Null: at its public address, to known identities only."
  type = object({
    subnet = string
    zone   = string
  })
  default = null

  validation {
    condition     = var.endpoint == null ? true : startswith(var.endpoint.subnet, "/subscriptions/")
    error_message = "Give the ids of a subnet and of a DNS zone."
  }
}
