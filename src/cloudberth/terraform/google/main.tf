provider "google" {
  project = var.account
  region  = var.region

  # APIs that bill a quota (budgets) bill this project, not the one that the credentials were made in.
  billing_project       = var.account
  user_project_override = var.account != null
}

# Draws passwords; it knows nothing of Google and needs no settings.
provider "random" {}

data "google_client_config" "current" {}

locals {
  # deployment is the label by which the budget, the alarms and the dashboard find what belongs here. Labels know only
  # lower-case letters, digits, _ and -.
  tags = merge(
    { for key, value in var.tags : substr(replace(lower(key), "/^[^a-z]+|[^a-z0-9_-]/", "-") == lower(key) ? lower(key) : "x${replace(lower(key), "/[^a-z0-9_-]/", "-")}", 0, 63) => substr(replace(lower(value), "/[^a-z0-9_-]/", "-"), 0, 63) },
    {
      deployment  = var.name
      application = replace(lower(var.app.name), "/[^a-z0-9_-]/", "-")
      managed-by  = "cloudberth"
    },
  )

  # From the services, so that everything waits until they are switched on.
  project = one(distinct([for service in google_project_service.this : service.project]))

  https = var.domain != null
  zone  = var.domain == null ? null : var.domain.zone

  # Deletion is guarded in the database's own setting; without a database, by the bucket's.
  protected = var.database == null ? !var.storage.force_destroy : var.database.deletion_protection

  own_network     = var.network.existing == null
  billing_account = var.budget == null ? null : var.budget.billing_account
}

# What a new project has not switched on. Nothing is switched off again: others may have come to need it.
resource "google_project_service" "this" {
  for_each = toset(concat(
    [
      "certificatemanager.googleapis.com",
      "compute.googleapis.com",
      "dns.googleapis.com",
      "iam.googleapis.com",
      "logging.googleapis.com",
      "monitoring.googleapis.com",
      "redis.googleapis.com",
      "secretmanager.googleapis.com",
      "servicenetworking.googleapis.com",
      "sqladmin.googleapis.com",
      "storage.googleapis.com",
    ],
    local.billing_account == null ? [] : ["billingbudgets.googleapis.com"],
  ))

  project            = coalesce(var.account, data.google_client_config.current.project)
  service            = each.key
  disable_on_destroy = false
}

################################################################################
# Network and way in
################################################################################

module "network" {
  source = "./modules/network"

  name = var.name
  tags = local.tags

  project   = local.project
  region    = var.region
  cidr      = var.network.cidr
  zones     = var.network.zones
  nat       = var.network.nat
  flow_logs = var.network.flow_logs
  existing  = var.network.existing

  internal_ports = var.compute.internal_ports
}

module "dns" {
  source = "./modules/dns"

  name = var.name
  tags = local.tags

  project    = local.project
  zone       = local.zone
  network_id = module.network.id
}

module "balancer" {
  source = "./modules/balancer"

  name = var.name
  tags = local.tags

  project = local.project
  groups  = module.compute.instance_groups

  domain_name    = try(var.domain.name, null)
  certificate    = try(var.domain.certificate, null)
  zone_id        = module.dns.zone_id
  create_records = local.zone != null

  health_path          = var.app.health_path
  idle_timeout_seconds = var.access.idle_timeout_seconds
  access_logs          = var.access.access_logs

  firewall      = var.access.waf
  allowed_cidrs = var.access.allowed_cidrs
  own_addresses = module.network.nat_addresses

  cdn         = var.cdn.enabled
  cdn_paths   = var.cdn.paths
  cdn_backend = var.cdn.enabled ? module.cdn[0].id : ""
}

################################################################################
# Secrets and logs
################################################################################

module "secrets" {
  source = "./modules/secrets"

  name = var.name
  tags = local.tags

  project    = local.project
  references = var.secret_references
  secrets = merge(
    var.secrets,
    { for name in var.database == null ? [] : ["database_password"] : name => { length = 40, format = "alphanumeric", purpose = "Password of the database user" } },
  )
}

locals {
  # The cache's password is Google's choice, so the cache puts it into the store itself.
  secrets = merge(
    module.secrets.ids,
    { for name, cache in { for key, value in { cache_password = one(module.cache) } : key => value if var.cache != null } : name => cache.password_secret },
  )
}

module "logs" {
  source = "./modules/logs"

  name = var.name
  tags = local.tags

  project        = local.project
  region         = var.region
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

  project              = local.project
  region               = var.region
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

  project        = local.project
  region         = var.region
  zone           = module.network.zones[0]
  engine_version = var.database.version
  machine_type   = var.database.machine_type
  storage_gb     = var.database.storage_gb
  max_storage_gb = var.database.max_storage_gb
  multi_zone     = var.database.multi_zone
  database_name  = var.database.name

  password_secret = module.secrets.ids["database_password"]
  network         = module.network.data_network
  address_range   = local.own_network ? module.network.data_subnets[0] : null

  deletion_protection   = var.database.deletion_protection
  final_snapshot        = var.backup.final_snapshot
  backup_retention_days = var.backup.retention_days
  backup_window         = var.backup.window
  maintenance_window    = var.backup.maintenance
}

module "cache" {
  source = "./modules/cache"
  count  = var.cache == null ? 0 : 1

  name = var.name
  tags = local.tags

  project        = local.project
  region         = var.region
  zones          = module.network.zones
  machine_type   = var.cache.machine_type
  engine_version = var.cache.version
  replicas       = var.cache.replicas

  network       = module.network.data_network
  address_range = local.own_network ? module.network.data_subnets[0] : null

  deletion_protection = local.protected
  maintenance_window  = var.backup.maintenance
}

################################################################################
# Machines
################################################################################

locals {
  # Where users go: their domain, else the address that the load balancer was given.
  public_host   = module.balancer.address
  public_scheme = local.https ? "https" : "http"
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
      logs    = { region = var.region, store = module.logs.bucket }
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

  project      = local.project
  region       = var.region
  zones        = module.network.zones
  architecture = var.compute.architecture
  image        = var.compute.image
  app          = var.compute.app
  stateful     = var.compute.stateful
  schedules    = var.compute.schedules

  subnet           = module.network.private_subnets[0]
  service_accounts = { app = module.network.security_groups.app, stateful = module.network.security_groups.stateful }
  health_check     = module.balancer.health_check
  private_zone_id  = module.dns.private_zone_id

  bucket = module.storage.bucket
  roles = {
    secrets = module.secrets.policy
    logs    = module.logs.policy
    storage = module.storage.policy
  }

  stack_directory    = "${path.root}/stack"
  facts              = local.facts
  secrets            = local.secrets
  cache_certificates = var.cache == null ? [] : module.cache[0].certificates

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

  project                  = local.project
  emails                   = var.alarms.emails
  cpu_percent              = var.alarms.cpu_percent
  database_free_storage_gb = var.alarms.database_free_storage_gb
  cache_memory_percent     = var.alarms.cache_memory_percent
  queue_depth              = var.alarms.queue_depth
  errors_per_5_minutes     = var.alarms.errors_per_5_minutes

  balancer         = module.balancer.metric_dimensions
  address          = local.public_host
  https            = local.https
  health_path      = var.app.health_path
  uptime_check     = contains(var.access.allowed_cidrs, "0.0.0.0/0")
  app_group        = module.compute.app_group
  app_may_be_empty = anytrue([for schedule in var.compute.schedules : schedule.min == 0])
  stateful_group   = module.compute.stateful_group
  queue_metric     = module.compute.queue_metric
  error_metric     = module.logs.error_metric

  database = var.database == null ? null : {
    id              = module.database[0].id
    max_connections = module.database[0].max_connections_hint
  }
  database_storage_gb = var.database == null ? 1 : max(var.database.storage_gb, var.database.max_storage_gb)

  cache = var.cache == null ? null : { id = module.cache[0].id }
}

module "budget" {
  source = "./modules/budget"
  count  = local.billing_account == null ? 0 : 1

  name = var.name
  tags = local.tags

  project         = local.project
  billing_account = local.billing_account
  amount          = var.budget.amount
  thresholds      = var.budget.thresholds
  emails          = var.budget.emails
}

################################################################################
# CDN
################################################################################

module "cdn" {
  source = "./modules/cdn"
  count  = var.cdn.enabled ? 1 : 0

  name = var.name
  tags = local.tags

  project      = local.project
  groups       = module.compute.instance_groups
  health_check = module.balancer.health_check
  firewall     = module.balancer.firewall
  edge_policy  = module.balancer.edge_policy
  address      = module.balancer.address
  access_logs  = var.access.access_logs
}
