################################################################################
# What is deployed, and where
################################################################################

variable "name" {
  description = "Name of the deployment. Every resource carries it, so two deployments in one subscription need two names."
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

variable "region" {
  description = "Azure region in which everything is created, e.g. westeurope."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z]+[0-9]*$", var.region))
    error_message = "Give a region name such as westeurope or eastus."
  }
}

variable "account" {
  description = "Id of the subscription in which everything is created. Null: the one of your credentials (ARM_SUBSCRIPTION_ID)."
  type        = string
  default     = null

  validation {
    condition     = var.account == null ? true : can(regex("^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$", var.account))
    error_message = "account is the id of a subscription: 00000000-0000-0000-0000-000000000000."
  }
}

variable "app" {
  description = "The application: its name (a tag of everything), its version, and the path that answers 200 on a machine that is ready."
  type = object({
    name        = string
    version     = string
    health_path = string
  })
  nullable = false

  validation {
    condition     = startswith(var.app.health_path, "/")
    error_message = "app.health_path is the path of a URL: start it with a slash, e.g. /health."
  }
}

variable "tags" {
  description = "Tags of your own, added to every resource."
  type        = map(string)
  default     = {}
  nullable    = false

  validation {
    condition     = alltrue([for key in keys(var.tags) : !can(regex("[<>%&\\\\?/]", key))])
    error_message = "Keys of tags cannot hold < > % & \\ ? or /; choose other keys."
  }

  validation {
    condition     = length(var.tags) <= 40 && alltrue([for key, value in var.tags : length(key) <= 128 && length(value) <= 256])
    error_message = "Give at most 40 tags, with keys of at most 128 and values of at most 256 characters."
  }
}

################################################################################
# The way in
################################################################################

variable "domain" {
  description = "Host name users open, the DNS zone (name) its record goes into, and a certificate in a Key Vault. Null: the address that Azure gives, without TLS unless the CDN is on."
  type = object({
    name        = string
    zone        = optional(string)
    certificate = optional(string)
  })
  default = null

  validation {
    condition     = var.domain == null ? true : can(regex("^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\\.)+[a-z]{2,63}$", var.domain.name))
    error_message = "domain.name is a host name in lower case, e.g. dify.example.com."
  }

  validation {
    condition     = var.domain == null ? true : var.domain.certificate == null ? true : can(regex("^/subscriptions/[^/]+/resourceGroups/[^/]+/providers/Microsoft.KeyVault/vaults/[^/]+/secrets/[^/]+$", var.domain.certificate))
    error_message = "domain.certificate is the id of a secret in a Key Vault: /subscriptions/…/resourceGroups/…/providers/Microsoft.KeyVault/vaults/VAULT/secrets/NAME."
  }

  validation {
    condition     = var.domain == null ? true : var.domain.zone != null || var.domain.certificate != null
    error_message = "A domain needs domain.zone (the record is made for you) or domain.certificate (you keep the records)."
  }
}

variable "access" {
  description = "Who may open the application (CIDR ranges), whether a web application firewall filters requests, after how many idle seconds a connection is closed, and whether requests are logged."
  type = object({
    allowed_cidrs        = list(string)
    waf                  = bool
    idle_timeout_seconds = number
    access_logs          = bool
  })
  nullable = false

  validation {
    condition     = length(var.access.allowed_cidrs) > 0 && alltrue([for cidr in var.access.allowed_cidrs : can(cidrhost(cidr, 0))])
    error_message = "access.allowed_cidrs needs at least one range such as 203.0.113.0/24; 0.0.0.0/0 is everybody."
  }

  validation {
    condition     = length(var.access.allowed_cidrs) <= 25 && alltrue([for cidr in var.access.allowed_cidrs : !strcontains(cidr, ":")])
    error_message = "access.allowed_cidrs holds at most 25 ranges, IPv4 alone: the gateway has no IPv6 address."
  }

  validation {
    condition     = var.access.idle_timeout_seconds >= 1 && var.access.idle_timeout_seconds <= 86400
    error_message = "access.idle_timeout_seconds is between 1 and 86400, the most the gateway allows."
  }
}

variable "network" {
  description = "Address range, number of zones, NAT gateway (single, in one zone, or per-zone, one that spans them all), private endpoints by service, flow logs; or the ids of a network that exists."
  type = object({
    cidr      = string
    zones     = number
    nat       = string
    endpoints = list(string)
    flow_logs = bool
    existing = optional(object({
      id              = string
      public_subnets  = list(string)
      private_subnets = list(string)
      data_subnets    = list(string)
    }))
  })
  nullable = false

  validation {
    condition     = can(cidrnetmask(var.network.cidr)) && try(tonumber(split("/", var.network.cidr)[1]) >= 16 && tonumber(split("/", var.network.cidr)[1]) <= 23, false)
    error_message = "network.cidr is an IPv4 range between /16 and /23, e.g. 10.40.0.0/16: a smaller one has no room for the gateway."
  }

  validation {
    condition     = contains([2, 3], var.network.zones)
    error_message = "network.zones is 2 or 3."
  }

  validation {
    condition     = contains(["single", "per-zone"], var.network.nat) || (var.network.nat == "none" && var.network.existing != null)
    error_message = "network.nat is single or per-zone: the machines ask Azure itself for their disk, and that has no private endpoint. In a network of your own it may be none."
  }

  validation {
    condition     = length(setsubtract(var.network.endpoints, ["blob", "vault"])) == 0
    error_message = "network.endpoints on Azure are blob (files) and vault (secrets); the cache always has one."
  }

  validation {
    condition     = var.network.existing == null ? true : length(var.network.existing.public_subnets) >= 1 && length(var.network.existing.private_subnets) >= 1 && length(var.network.existing.data_subnets) >= 2
    error_message = "network.existing needs a public subnet (gateway), a private one (machines) and two data subnets: one delegated to PostgreSQL, one for private endpoints."
  }
}

variable "cdn" {
  description = "Whether Front Door stands in front of the gateway, and the path patterns of static files it may keep."
  type = object({
    enabled = bool
    paths   = list(string)
  })
  nullable = false

  validation {
    condition     = alltrue([for path in var.cdn.paths : startswith(path, "/")])
    error_message = "cdn.paths are patterns that start with a slash, e.g. /_next/static/*."
  }

  validation {
    condition     = length(var.cdn.paths) <= 20
    error_message = "cdn.paths holds at most 20 patterns: Front Door has room for 25 in a route."
  }
}

################################################################################
# Machines
################################################################################

variable "compute" {
  description = "Machines: architecture and image of both groups, the app group (types, size, spot, scaling target, disk), the stateful machine and its data disk, scheduled sizes, and the ports that the two groups open to each other."
  type = object({
    architecture = string
    image        = optional(string)
    app = object({
      machine_types      = list(string)
      min                = number
      max                = number
      on_demand          = number
      spot_percent       = number
      target_cpu_percent = number
      disk_gb            = number
    })
    stateful = object({
      machine_type = string
      disk_gb      = number
      data_disk_gb = number
    })
    schedules = list(object({
      name      = string
      cron      = string
      min       = number
      max       = number
      time_zone = string
      # For clouds whose schedules have an end; here one lasts until the next.
      duration_seconds = optional(number)
    }))
    internal_ports = list(number)
  })
  nullable = false

  validation {
    condition     = contains(["arm64", "x86_64"], var.compute.architecture)
    error_message = "compute.architecture is arm64 or x86_64, and the machine types must be of it."
  }

  validation {
    condition     = length(var.compute.app.machine_types) > 0
    error_message = "compute.app.machine_types needs at least one type, e.g. Standard_D4s_v5; more give Azure more to choose from."
  }

  validation {
    condition     = var.compute.app.min >= 1 && var.compute.app.min <= var.compute.app.max
    error_message = "compute.app: min is at least 1 and at most max."
  }

  validation {
    condition     = var.compute.app.spot_percent >= 0 && var.compute.app.spot_percent <= 100 && var.compute.app.on_demand >= 0
    error_message = "compute.app: spot_percent is between 0 and 100, on_demand is 0 or more."
  }

  validation {
    condition     = var.compute.app.target_cpu_percent >= 10 && var.compute.app.target_cpu_percent <= 95
    error_message = "compute.app.target_cpu_percent is between 10 and 95; 60 leaves room for the minutes a new machine needs."
  }

  validation {
    condition     = var.compute.app.disk_gb >= 20 && var.compute.stateful.disk_gb >= 20 && var.compute.stateful.data_disk_gb >= 10
    error_message = "Disks: at least 20 GB for a machine (system and container images) and 10 GB for data."
  }

  validation {
    condition     = alltrue([for item in var.compute.schedules : can(regex("^[0-9]{1,2} [0-9]{1,2} \\* \\* [A-Za-z0-9*,-]+$", item.cron)) && item.min >= 0 && item.min <= item.max])
    error_message = "compute.schedules: Azure knows one time of day and weekdays, so write cron like 0 20 * * MON-FRI; min is at most max."
  }

  validation {
    condition     = length(distinct(var.compute.schedules[*].name)) == length(var.compute.schedules)
    error_message = "compute.schedules: every schedule needs a name of its own."
  }

  validation {
    condition     = alltrue([for port in var.compute.internal_ports : port >= 1 && port <= 65535])
    error_message = "compute.internal_ports are TCP ports between 1 and 65535."
  }
}

################################################################################
# Data
################################################################################

variable "database" {
  description = "PostgreSQL: version, size and storage, the databases that must exist (name is the default one) and their extensions. The engine is postgres, capacity units play no part. Null: no database."
  type = object({
    engine              = string
    version             = string
    machine_type        = string
    storage_gb          = number
    max_storage_gb      = number
    multi_zone          = bool
    min_capacity        = number
    max_capacity        = number
    deletion_protection = bool
    name                = string
    names               = list(string)
    extensions          = list(string)
  })
  default = null

  validation {
    condition     = var.database == null ? true : var.database.engine == "postgres"
    error_message = "database.engine is postgres: Azure has no PostgreSQL that follows the load."
  }

  validation {
    condition     = var.database == null ? true : can(regex("^(B|GP|MO)_Standard_", var.database.machine_type))
    error_message = "database.machine_type is a size of PostgreSQL Flexible Server, e.g. GP_Standard_D2ds_v5."
  }

  validation {
    condition     = var.database == null ? true : var.database.storage_gb >= 20 && (var.database.max_storage_gb == 0 || var.database.max_storage_gb >= var.database.storage_gb)
    error_message = "database.storage_gb is at least 20, and max_storage_gb is 0 (never grow) or at least storage_gb."
  }

  validation {
    condition     = var.database == null ? true : !(var.database.multi_zone && startswith(var.database.machine_type, "B_"))
    error_message = "database.multi_zone: burstable sizes (B_…) have no standby, take GP_Standard_D2ds_v5 or larger."
  }

  validation {
    condition     = var.database == null ? true : can(regex("^[0-9]+(\\.[0-9]+)?$", var.database.version)) && can(regex("^[a-z_][a-z0-9_]{0,62}$", var.database.name))
    error_message = "database.version is a PostgreSQL release such as 16 or 16.8; database.name holds lower-case letters, digits and underscores."
  }
}

variable "cache" {
  description = "Azure Managed Redis: size, version, number of replicas (none or one; it stands in another zone). Null: no cache."
  type = object({
    machine_type = string
    version      = string
    replicas     = number
    multi_zone   = bool
  })
  default = null

  validation {
    condition     = var.cache == null ? true : can(regex("^(Balanced_B|MemoryOptimized_M|ComputeOptimized_X)[0-9]+$", var.cache.machine_type))
    error_message = "cache.machine_type is a size of Azure Managed Redis, e.g. Balanced_B3."
  }

  validation {
    condition     = var.cache == null ? true : contains([0, 1], var.cache.replicas)
    error_message = "cache.replicas is 0 or 1: Azure Managed Redis keeps one copy at most."
  }

  validation {
    condition     = var.cache == null ? true : !var.cache.multi_zone || var.cache.replicas > 0
    error_message = "cache.multi_zone needs a replica: set cache.replicas to 1."
  }
}

variable "storage" {
  description = "The container of the files: versions, cheaper tiers by prefix, age and size, for how long deleted objects can be restored, when unfinished uploads are removed, and whether destroying the deployment may delete the objects."
  type = object({
    versioning = bool
    lifecycle = list(object({
      prefix      = string
      after_days  = number
      tier        = string
      min_size_kb = number
    }))
    noncurrent_days      = number
    abort_multipart_days = number
    force_destroy        = bool
  })
  nullable = false

  validation {
    condition     = alltrue([for rule in var.storage.lifecycle : contains(["infrequent", "archive-instant", "archive", "deep-archive"], rule.tier)])
    error_message = "storage.lifecycle: tier is infrequent, archive-instant, archive or deep-archive."
  }

  validation {
    condition     = alltrue([for rule in var.storage.lifecycle : rule.after_days >= 1 && rule.min_size_kb >= 0])
    error_message = "storage.lifecycle: after_days is at least 1; min_size_kb is not negative (Azure moves objects of any size)."
  }

  validation {
    condition     = var.storage.noncurrent_days >= 1 && var.storage.noncurrent_days <= 365 && var.storage.abort_multipart_days >= 1
    error_message = "storage: noncurrent_days is between 1 and 365, abort_multipart_days at least 1 (Azure always takes seven)."
  }
}

variable "secrets" {
  description = "Secrets to generate once: length in characters, format (alphanumeric or base64url-32) and what each is for. The values never pass through Terraform's files."
  type = map(object({
    length  = number
    format  = string
    purpose = string
  }))
  nullable = false

  validation {
    condition     = alltrue([for secret in values(var.secrets) : contains(["alphanumeric", "base64url-32"], secret.format)])
    error_message = "secrets: format is alphanumeric or base64url-32."
  }

  validation {
    condition     = alltrue([for secret in values(var.secrets) : secret.length >= 12 && secret.length <= 128])
    error_message = "secrets: length is between 12 and 128 characters."
  }

  validation {
    condition     = alltrue([for name in keys(var.secrets) : can(regex("^[A-Za-z][A-Za-z0-9_-]{0,63}$", name)) && !contains(["database_password", "cache_password"], name)])
    error_message = "secrets: names hold letters, digits, _ and -; database_password and cache_password are made anyway and cannot be declared."
  }
}

variable "secret_references" {
  description = "Secrets that exist: name in the application → VAULT/NAME, the Key Vault and the secret in it. The machines' identities need the role Key Vault Secrets User there."
  type        = map(string)
  nullable    = false

  validation {
    condition     = alltrue([for id in values(var.secret_references) : can(regex("^[A-Za-z][A-Za-z0-9-]{1,22}[A-Za-z0-9]/[A-Za-z0-9-]{1,127}$", id))])
    error_message = "secret_references: give VAULT/NAME, the name of a Key Vault and of a secret in it."
  }

  validation {
    condition     = length(setintersection(keys(var.secret_references), keys(var.secrets))) == 0
    error_message = "secret_references: a name stands in secrets as well; a secret is either generated or referenced."
  }
}

variable "backup" {
  description = "Days that backups of database, cache and data disk are kept, the daily window and the weekly maintenance window (UTC), and whether a last snapshot is taken before deletion."
  type = object({
    retention_days = number
    window         = string
    maintenance    = string
    final_snapshot = bool
  })
  nullable = false

  validation {
    condition     = var.backup.retention_days >= 1 && var.backup.retention_days <= 35
    error_message = "backup.retention_days is between 1 and 35."
  }

  validation {
    condition     = can(regex("^([01][0-9]|2[0-3]):[0-5][0-9]-([01][0-9]|2[0-3]):[0-5][0-9]$", var.backup.window))
    error_message = "backup.window is a time of day in UTC, e.g. 02:00-03:00, of at least an hour."
  }

  validation {
    condition     = can(regex("^(mon|tue|wed|thu|fri|sat|sun):[0-2][0-9]:[0-5][0-9]-(mon|tue|wed|thu|fri|sat|sun):[0-2][0-9]:[0-5][0-9]$", var.backup.maintenance))
    error_message = "backup.maintenance is a weekly window in UTC, e.g. sun:03:30-sun:04:30, of at least an hour."
  }
}

################################################################################
# Watching
################################################################################

variable "logs" {
  description = "For how many days logs are kept, and the services whose lines have a saved function each."
  type = object({
    retention_days = number
    groups         = list(string)
  })
  nullable = false

  validation {
    condition     = var.logs.retention_days >= 4 && var.logs.retention_days <= 730
    error_message = "logs.retention_days is between 4 and 730 on Azure."
  }

  validation {
    condition     = length(distinct(var.logs.groups)) == length(var.logs.groups) && alltrue([for group in var.logs.groups : can(regex("^[A-Za-z0-9_.-]+$", group))])
    error_message = "logs.groups are service names, each once: letters, digits, _, . and -."
  }
}

variable "alarms" {
  description = "Whether alarms and the dashboard are made, who gets mail, and the thresholds."
  type = object({
    enabled                  = bool
    emails                   = list(string)
    cpu_percent              = number
    database_free_storage_gb = number
    cache_memory_percent     = number
    queue_depth              = number
    errors_per_5_minutes     = number
  })
  nullable = false

  validation {
    condition     = alltrue([for email in var.alarms.emails : can(regex("^[^@\\s]+@[^@\\s]+\\.[^@\\s]+$", email))])
    error_message = "alarms.emails are e-mail addresses, e.g. ops@example.com."
  }

  validation {
    condition     = alltrue([for percent in [var.alarms.cpu_percent, var.alarms.cache_memory_percent] : percent >= 1 && percent <= 100])
    error_message = "alarms: cpu_percent and cache_memory_percent are between 1 and 100."
  }

  validation {
    condition     = alltrue([for number in [var.alarms.database_free_storage_gb, var.alarms.queue_depth, var.alarms.errors_per_5_minutes] : number >= 1])
    error_message = "alarms: database_free_storage_gb, queue_depth and errors_per_5_minutes are at least 1."
  }
}

variable "budget" {
  description = "Monthly limit in the currency of the subscription, the percentages at which mail is sent, who gets it, and whether unusual cost is reported (Azure decides itself from which amount). Null: no budget."
  type = object({
    amount      = number
    thresholds  = list(number)
    emails      = list(string)
    anomaly     = bool
    anomaly_usd = number
    # For clouds whose budgets belong to a billing account; here it plays no part.
    billing_account = optional(string)
  })
  default = null

  validation {
    condition     = var.budget == null ? true : var.budget.amount > 0 && var.budget.anomaly_usd > 0
    error_message = "budget: amount and anomaly_usd are more than 0."
  }

  validation {
    condition     = var.budget == null ? true : length(var.budget.thresholds) >= 1 && length(var.budget.thresholds) <= 8 && alltrue([for percent in var.budget.thresholds : percent > 0 && percent <= 1000])
    error_message = "budget.thresholds: one to eight percentages of the amount, e.g. [50, 80, 100]."
  }

  validation {
    condition     = var.budget == null ? true : alltrue([for email in var.budget.emails : can(regex("^[^@\\s]+@[^@\\s]+\\.[^@\\s]+$", email))]) && length(var.budget.emails) <= 10
    error_message = "budget.emails: at most ten e-mail addresses, e.g. finance@example.com."
  }
}
