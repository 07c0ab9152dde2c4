# Subscription and identity come from whoever runs Terraform: ARM_SUBSCRIPTION_ID and `az login`, or their equals.
provider "azurerm" {
  subscription_id = var.account

  # No keys of storage accounts: requests carry the same identity as all others.
  storage_use_azuread = true

  features {
    key_vault {
      # What was deleted can be restored for days; a deployment that comes back under its name takes it up again.
      purge_soft_delete_on_destroy = false
      recover_soft_deleted_secrets = true
    }

    virtual_machine_scale_set {
      # The stateful machine takes up a change at once, on a fresh system disk.
      roll_instances_when_required = true
      reimage_on_manual_upgrade    = true
    }

    resource_group {
      # The backup of the data disk leaves its last snapshots here; they go with the deployment.
      prevent_deletion_if_contains_resources = false
    }
  }
}

provider "random" {}

provider "time" {}

data "azurerm_client_config" "current" {}

locals {
  # Deployment is the tag by which one finds what belongs here, in the bill as well.
  tags = merge(var.tags, {
    Deployment  = var.name
    Application = var.app.name
    ManagedBy   = "cloudberth"
  })

  # Names of vaults, storage accounts and servers are shared by all customers of Azure.
  suffix = substr(sha256("${data.azurerm_client_config.current.subscription_id}/${var.region}/${var.name}"), 0, 8)

  zone       = var.domain == null ? null : var.domain.zone
  behind_cdn = var.cdn.enabled

  # Front Door brings a certificate; without it the gateway has one wherever there is a domain.
  gateway_https = var.domain != null && (try(var.domain.certificate, null) != null || !local.behind_cdn)

  # Deletion is guarded in the database's own setting; without a database, by that of the files.
  protected = var.database == null ? !var.storage.force_destroy : var.database.deletion_protection
}

resource "azurerm_resource_group" "this" {
  name     = var.name
  location = var.region

  tags = merge(local.tags, { Name = var.name })
}

################################################################################
# Network and way in
################################################################################

module "network" {
  source = "./modules/network"

  name           = var.name
  tags           = local.tags
  resource_group = azurerm_resource_group.this.name
  region         = var.region
  suffix         = local.suffix

  cidr                     = var.network.cidr
  zone_count               = var.network.zones
  nat                      = var.network.nat
  endpoints                = var.network.endpoints
  flow_logs                = var.network.flow_logs
  flow_logs_retention_days = var.logs.retention_days
  existing                 = var.network.existing

  allowed_cidrs  = var.access.allowed_cidrs
  behind_cdn     = local.behind_cdn
  https          = local.gateway_https
  internal_ports = var.compute.internal_ports
}

module "dns" {
  source = "./modules/dns"

  name           = var.name
  tags           = local.tags
  resource_group = azurerm_resource_group.this.name

  zone       = local.zone
  network_id = module.network.id
  services   = concat(var.network.endpoints, var.database == null ? [] : ["postgres"], var.cache == null ? [] : ["redis"])
}

module "balancer" {
  source = "./modules/balancer"

  name           = var.name
  tags           = local.tags
  resource_group = azurerm_resource_group.this.name
  region         = var.region
  suffix         = local.suffix

  subnet_id = module.network.public_subnets[0]
  zones     = module.network.zones

  domain_name = try(var.domain.name, null)
  certificate = try(var.domain.certificate, null)
  vault_id    = module.secrets.vault_id
  public_zone = local.behind_cdn ? null : module.dns.zone

  health_path          = var.app.health_path
  idle_timeout_seconds = var.access.idle_timeout_seconds
  firewall             = var.access.waf
  behind_cdn           = local.behind_cdn
  front_door_id        = local.behind_cdn ? module.cdn[0].profile_guid : ""
  access_logs          = var.access.access_logs
  workspace_id         = module.logs.workspace_id
}

################################################################################
# Secrets and logs
################################################################################

locals {
  # Services that answer inside the network: which of them do is a choice.
  endpoints = { for service in var.network.endpoints : service => { subnet = module.network.data_subnets[1], zone = module.dns.service_zones[service] } }
}

module "secrets" {
  source = "./modules/secrets"

  name           = var.name
  tags           = local.tags
  resource_group = azurerm_resource_group.this.name
  region         = var.region
  suffix         = local.suffix

  references = var.secret_references
  secrets = merge(
    var.secrets,
    { for name in var.database == null ? [] : ["database_password"] : name => { length = 40, format = "alphanumeric", purpose = "Password of the database user" } },
  )
  protected = local.protected
  endpoint  = lookup(local.endpoints, "vault", null)
}

module "logs" {
  source = "./modules/logs"

  name           = var.name
  tags           = local.tags
  resource_group = azurerm_resource_group.this.name
  region         = var.region

  groups         = var.logs.groups
  retention_days = var.logs.retention_days
}

################################################################################
# Data
################################################################################

module "storage" {
  source = "./modules/storage"

  name           = var.name
  tags           = local.tags
  resource_group = azurerm_resource_group.this.name
  region         = var.region
  suffix         = local.suffix

  versioning      = var.storage.versioning
  lifecycle_rules = var.storage.lifecycle
  noncurrent_days = var.storage.noncurrent_days
  protected       = !var.storage.force_destroy && local.protected
  endpoint        = lookup(local.endpoints, "blob", null)
}

module "database" {
  source = "./modules/database"
  count  = var.database == null ? 0 : 1

  name           = var.name
  tags           = local.tags
  resource_group = azurerm_resource_group.this.name
  region         = var.region
  suffix         = local.suffix

  engine_version = var.database.version
  machine_type   = var.database.machine_type
  storage_gb     = var.database.storage_gb
  max_storage_gb = var.database.max_storage_gb
  multi_zone     = var.database.multi_zone
  zones          = module.network.zones
  database_names = distinct(concat([var.database.name], var.database.names))
  extensions     = var.database.extensions

  vault_id        = module.secrets.vault_id
  password_secret = module.secrets.ids["database_password"]
  subnet_id       = module.network.data_subnets[0]
  dns_zone_id     = module.dns.service_zones["postgres"]
  workspace_id    = module.logs.workspace_id

  protected             = var.database.deletion_protection
  backup_retention_days = var.backup.retention_days
  maintenance_window    = var.backup.maintenance
}

module "cache" {
  source = "./modules/cache"
  count  = var.cache == null ? 0 : 1

  name           = var.name
  tags           = local.tags
  resource_group = azurerm_resource_group.this.name
  region         = var.region
  suffix         = local.suffix

  machine_type = var.cache.machine_type
  replicas     = var.cache.replicas
  subnet_id    = module.network.data_subnets[1]
  dns_zone_id  = module.dns.service_zones["redis"]
}

################################################################################
# Machines
################################################################################

locals {
  # Where users go: their domain, else the name that Front Door or the gateway was given.
  public_host   = var.domain != null ? var.domain.name : local.behind_cdn ? module.cdn[0].domain : module.balancer.address
  public_scheme = var.domain != null || local.behind_cdn ? "https" : "http"
  url           = "${local.public_scheme}://${local.public_host}"

  # Azure makes the key of the cache itself; machines ask for it where Azure keeps it.
  secrets = merge(module.secrets.ids, { for name in var.cache == null ? [] : ["cache_password"] : name => module.cache[0].password_secret })

  # What templates of the stack, berth env and the runtime roles read; the same paths on every cloud. The parts of a
  # database or cache that does not exist are not there, so that a template which names them fails the plan.
  facts = merge(
    {
      name   = var.name
      region = var.region
      public = {
        host          = local.public_host
        url           = local.url
        scheme        = local.public_scheme
        websocket_url = "${local.public_scheme == "https" ? "wss" : "ws"}://${local.public_host}"
      }
      stateful = { host = "stateful.${module.dns.private_zone_name}" }
      storage = {
        bucket   = module.storage.bucket
        region   = module.storage.region
        endpoint = module.storage.endpoint
      }
      logs    = { region = var.region, store = module.logs.workspace_id }
      machine = { provider_id_prefix = "" }
    },
    { for key, database in { for key, value in { database = one(module.database) } : key => value if var.database != null } : key => {
      host     = database.host
      port     = database.port
      username = database.username
      name     = database.name
    } },
    { for key, cache in { for key, value in { cache = one(module.cache) } : key => value if var.cache != null } : key => {
      host     = cache.host
      port     = cache.port
      tls      = cache.tls
      username = cache.username
    } },
  )
}

module "compute" {
  source = "./modules/compute"

  name           = var.name
  tags           = local.tags
  resource_group = azurerm_resource_group.this.name
  region         = var.region
  suffix         = local.suffix

  architecture = var.compute.architecture
  image        = var.compute.image
  app          = var.compute.app
  stateful     = var.compute.stateful
  schedules    = var.compute.schedules

  subnets         = module.network.private_subnets
  zones           = module.network.zones
  security_groups = module.network.security_groups
  machine_groups  = module.network.machine_groups
  target_group    = module.balancer.target_group
  private_zone_id = module.dns.private_zone_id

  containers = module.storage.containers
  endpoint   = module.storage.endpoint
  ingestion  = module.logs.ingestion
  cache      = var.cache == null ? null : { id = module.cache[0].id }
  policies = {
    secrets = module.secrets.policy
    logs    = module.logs.policy
    storage = module.storage.policy
  }

  stack_directory = "${path.root}/stack"
  facts           = local.facts
  secrets         = local.secrets

  protected             = local.protected
  backup_retention_days = var.backup.retention_days
  backup_window         = var.backup.window
}

################################################################################
# Watching
################################################################################

module "alarms" {
  source = "./modules/alarms"
  count  = var.alarms.enabled ? 1 : 0

  name           = var.name
  tags           = local.tags
  resource_group = azurerm_resource_group.this.name
  region         = var.region

  emails                   = var.alarms.emails
  cpu_percent              = var.alarms.cpu_percent
  database_free_storage_gb = var.alarms.database_free_storage_gb
  cache_memory_percent     = var.alarms.cache_memory_percent
  queue_depth              = var.alarms.queue_depth
  errors_per_5_minutes     = var.alarms.errors_per_5_minutes

  balancer_id      = module.balancer.metric_dimensions.ResourceId
  app_group        = module.compute.app_group
  app_may_be_empty = anytrue([for schedule in var.compute.schedules : schedule.min == 0])
  stateful_group   = module.compute.stateful_group
  queue_metric     = module.compute.queue_metric
  workspace_id     = module.logs.workspace_id
  error_query      = module.logs.error_query

  database = var.database == null ? null : { id = module.database[0].id, max_connections = module.database[0].max_connections_hint }
  cache    = var.cache == null ? null : { id = module.cache[0].id }
}

module "budget" {
  source = "./modules/budget"
  count  = var.budget == null ? 0 : 1

  name = var.name
  tags = local.tags

  resource_group_id = azurerm_resource_group.this.id
  amount            = var.budget.amount
  thresholds        = var.budget.thresholds
  emails            = var.budget.emails
  anomaly           = var.budget.anomaly
}

################################################################################
# CDN
################################################################################

module "cdn" {
  source = "./modules/cdn"
  count  = local.behind_cdn ? 1 : 0

  name           = var.name
  tags           = local.tags
  resource_group = azurerm_resource_group.this.name
  suffix         = local.suffix

  origin       = module.balancer.dns_name
  origin_https = local.gateway_https
  paths        = var.cdn.paths

  domain_name    = try(var.domain.name, null)
  public_zone_id = module.dns.zone_id
  public_zone    = module.dns.zone

  allowed_cidrs = var.access.allowed_cidrs
  own_addresses = module.network.nat_addresses
  access_logs   = var.access.access_logs
  workspace_id  = module.logs.workspace_id
}
