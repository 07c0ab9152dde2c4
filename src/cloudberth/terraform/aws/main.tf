provider "aws" {
  region              = var.region
  allowed_account_ids = var.account == null ? null : [var.account]

  default_tags {
    tags = local.tags
  }
}

locals {
  # Deployment is the tag by which the budget, the anomaly monitor and the alarms find what belongs here.
  tags = merge(var.tags, {
    Deployment  = var.name
    Application = var.app.name
    ManagedBy   = "cloudberth"
  })

  https = var.domain != null
  zone  = var.domain == null ? null : var.domain.zone

  # CloudFront takes certificates of us-east-1 only. Without a domain it brings its own; with a zone one is issued
  # there; a given certificate fits only if it is already there.
  cdn_has_certificate = var.domain == null ? true : var.domain.zone != null || var.region == "us-east-1"
  behind_cdn          = var.cdn.enabled && local.cdn_has_certificate

  # Deletion is guarded in the database's own setting; without a database, by the bucket's.
  protected = var.database == null ? !var.storage.force_destroy : var.database.deletion_protection
}

################################################################################
# Network and way in
################################################################################

module "network" {
  source = "./modules/network"

  name = var.name
  tags = local.tags

  region                   = var.region
  cidr                     = var.network.cidr
  zones                    = var.network.zones
  nat                      = var.network.nat
  endpoints                = var.network.endpoints
  flow_logs                = var.network.flow_logs
  flow_logs_retention_days = var.logs.retention_days
  existing                 = var.network.existing

  allowed_cidrs  = var.access.allowed_cidrs
  behind_cdn     = local.behind_cdn
  https          = local.https
  internal_ports = var.compute.internal_ports
}

module "dns" {
  source = "./modules/dns"

  name = var.name
  tags = local.tags

  zone       = local.zone
  network_id = module.network.id
}

module "balancer" {
  source = "./modules/balancer"

  name = var.name
  tags = local.tags

  network_id     = module.network.id
  subnets        = module.network.public_subnets
  security_group = module.network.security_groups.balancer
  ipv6           = module.network.ipv6

  domain_name    = try(var.domain.name, null)
  certificate    = try(var.domain.certificate, null)
  zone_id        = module.dns.zone_id
  create_records = local.zone != null && !local.behind_cdn

  health_path          = var.app.health_path
  idle_timeout_seconds = var.access.idle_timeout_seconds
  deletion_protection  = local.protected
  access_logs          = var.access.access_logs
  retention_days       = var.logs.retention_days

  firewall      = var.access.waf
  behind_cdn    = local.behind_cdn
  allowed_cidrs = var.access.allowed_cidrs
  own_addresses = module.network.nat_addresses
}

################################################################################
# Secrets and logs
################################################################################

module "secrets" {
  source = "./modules/secrets"

  name = var.name
  tags = local.tags

  references = var.secret_references
  secrets = merge(
    var.secrets,
    { for name in var.database == null ? [] : ["database_password"] : name => { length = 40, format = "alphanumeric", purpose = "Password of the database user" } },
    { for name in var.cache == null ? [] : ["cache_password"] : name => { length = 40, format = "alphanumeric", purpose = "Password of the cache" } },
  )
}

module "logs" {
  source = "./modules/logs"

  name = var.name
  tags = local.tags

  groups         = var.logs.groups
  retention_days = var.logs.retention_days
}

################################################################################
# Data
################################################################################

module "storage" {
  source = "./modules/storage"

  name = var.name
  tags = local.tags

  versioning           = var.storage.versioning
  lifecycle_rules      = var.storage.lifecycle
  noncurrent_days      = var.storage.noncurrent_days
  abort_multipart_days = var.storage.abort_multipart_days
  force_destroy        = var.storage.force_destroy
}

module "database" {
  source = "./modules/database"
  count  = var.database == null ? 0 : 1

  name = var.name
  tags = local.tags

  engine         = var.database.engine
  engine_version = var.database.version
  machine_type   = var.database.machine_type
  storage_gb     = var.database.storage_gb
  max_storage_gb = var.database.max_storage_gb
  multi_zone     = var.database.multi_zone
  min_capacity   = var.database.min_capacity
  max_capacity   = var.database.max_capacity
  database_name  = var.database.name

  password_secret = module.secrets.ids["database_password"]
  subnets         = module.network.data_subnets
  security_group  = module.network.security_groups.database

  deletion_protection   = var.database.deletion_protection
  final_snapshot        = var.backup.final_snapshot
  backup_retention_days = var.backup.retention_days
  backup_window         = var.backup.window
  maintenance_window    = var.backup.maintenance
  log_retention_days    = var.logs.retention_days
}

module "cache" {
  source = "./modules/cache"
  count  = var.cache == null ? 0 : 1

  name = var.name
  tags = local.tags

  machine_type   = var.cache.machine_type
  engine_version = var.cache.version
  replicas       = var.cache.replicas
  multi_zone     = var.cache.multi_zone

  password_secret = module.secrets.ids["cache_password"]
  subnets         = module.network.data_subnets
  security_group  = module.network.security_groups.cache

  final_snapshot        = var.backup.final_snapshot
  backup_retention_days = var.backup.retention_days
  backup_window         = var.backup.window
  maintenance_window    = var.backup.maintenance
  log_retention_days    = var.logs.retention_days
}

################################################################################
# Machines
################################################################################

locals {
  # Where users go: their domain, else the name that CloudFront or the load balancer was given.
  public_host   = local.https ? var.domain.name : local.behind_cdn ? module.cdn[0].domain : module.balancer.address
  public_scheme = local.https || local.behind_cdn ? "https" : "http"
  url           = "${local.public_scheme}://${local.public_host}"

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
      logs    = { region = var.region, store = "/cloudberth/${var.name}/" }
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

  name = var.name
  tags = local.tags

  region       = var.region
  architecture = var.compute.architecture
  image        = var.compute.image
  app          = var.compute.app
  stateful     = var.compute.stateful
  schedules    = var.compute.schedules

  subnets         = module.network.private_subnets
  zones           = module.network.zones
  security_groups = module.network.security_groups
  target_group    = module.balancer.target_group
  private_zone_id = module.dns.private_zone_id

  bucket     = module.storage.bucket
  bucket_arn = module.storage.id
  policies = {
    secrets = module.secrets.policy
    logs    = module.logs.policy
    storage = module.storage.policy
  }

  stack_directory = "${path.root}/stack"
  facts           = local.facts
  secrets         = module.secrets.ids

  final_snapshot        = var.backup.final_snapshot
  backup_retention_days = var.backup.retention_days
  backup_window         = var.backup.window
}

################################################################################
# Watching
################################################################################

module "alarms" {
  source = "./modules/alarms"
  count  = var.alarms.enabled ? 1 : 0

  name = var.name
  tags = local.tags

  region                   = var.region
  emails                   = var.alarms.emails
  cpu_percent              = var.alarms.cpu_percent
  database_free_storage_gb = var.alarms.database_free_storage_gb
  cache_memory_percent     = var.alarms.cache_memory_percent
  queue_depth              = var.alarms.queue_depth
  errors_per_5_minutes     = var.alarms.errors_per_5_minutes

  balancer         = module.balancer.metric_dimensions
  app_group        = module.compute.app_group
  app_may_be_empty = anytrue([for schedule in var.compute.schedules : schedule.min == 0])
  stateful_group   = module.compute.stateful_group
  queue_metric     = module.compute.queue_metric
  error_metric     = module.logs.error_metric

  database = var.database == null ? null : {
    id              = module.database[0].id
    engine          = var.database.engine
    max_connections = module.database[0].max_connections_hint
    memory_gib      = module.database[0].memory_gib
  }

  cache = var.cache == null ? null : {
    id    = module.cache[0].id
    nodes = 1 + var.cache.replicas
  }
}

module "budget" {
  source = "./modules/budget"
  count  = var.budget == null ? 0 : 1

  name = var.name
  tags = local.tags

  amount      = var.budget.amount
  thresholds  = var.budget.thresholds
  emails      = var.budget.emails
  anomaly     = var.budget.anomaly
  anomaly_usd = var.budget.anomaly_usd
}

################################################################################
# CDN
################################################################################

module "cdn" {
  source = "./modules/cdn"
  count  = local.behind_cdn ? 1 : 0

  name = var.name
  tags = local.tags

  origin       = module.balancer.dns_name
  origin_https = local.https
  paths        = var.cdn.paths
  firewall     = module.balancer.firewall

  domain_name    = try(var.domain.name, null)
  zone_id        = module.dns.zone_id
  create_records = local.zone != null

  # In us-east-1 the certificate of the load balancer serves both.
  certificate              = local.https && var.region == "us-east-1" ? module.balancer.certificate : null
  issue_certificate        = local.https && var.region != "us-east-1"
  create_validation_record = try(var.domain.certificate, null) != null

  access_logs        = var.access.access_logs
  access_logs_bucket = module.balancer.access_logs_bucket
}
