resource "azurerm_monitor_action_group" "this" {
  name                = "${var.name}-alarms"
  resource_group_name = var.resource_group
  short_name          = substr(replace(var.name, "-", ""), 0, 12)

  dynamic "email_receiver" {
    for_each = toset(var.emails)

    content {
      name                    = email_receiver.value
      email_address           = email_receiver.value
      use_common_alert_schema = true
    }
  }

  tags = merge(var.tags, { Name = "${var.name}-alarms" })
}

################################################################################
# The alarms: one line of the tables each. window: minutes over which values are put together.
################################################################################

locals {
  gateway  = "Microsoft.Network/applicationGateways"
  machines = "Microsoft.Compute/virtualMachineScaleSets"
  server   = "Microsoft.DBforPostgreSQL/flexibleServers"
  redis    = "Microsoft.Cache/redisEnterprise"

  gateway_alarms = merge(
    {
      balancer-5xx  = { text = "The gateway answers with errors: no machine took the requests, or one broke off.", scope = var.balancer_id, namespace = local.gateway, metric = "ResponseStatus", aggregation = "Total", operator = "GreaterThan", threshold = var.errors_per_5_minutes, window = 5, dimension = ["HttpStatusGroup", "5xx"] }
      app-5xx       = { text = "The application answers with errors. The saved query Errors shows what its services say.", scope = var.balancer_id, namespace = local.gateway, metric = "BackendResponseStatus", aggregation = "Total", operator = "GreaterThan", threshold = var.errors_per_5_minutes, window = 5, dimension = ["HttpStatusGroup", "5xx"] }
      app-slow      = { text = "Requests wait more than a minute, on average, for the first byte of their answer.", scope = var.balancer_id, namespace = local.gateway, metric = "BackendFirstByteResponseTime", aggregation = "Average", operator = "GreaterThan", threshold = 60000, window = 15, dimension = [] }
      app-unhealthy = { text = "A machine does not answer its health check.", scope = var.balancer_id, namespace = local.gateway, metric = "UnhealthyHostCount", aggregation = "Average", operator = "GreaterThan", threshold = 0.5, window = 15, dimension = [] }
    },
    { for key in var.app_may_be_empty ? [] : ["app-down"] : key => { text = "No machine answers: the application is down.", scope = var.balancer_id, namespace = local.gateway, metric = "HealthyHostCount", aggregation = "Average", operator = "LessThan", threshold = 1, window = 5, dimension = [] } },
  )

  machine_alarms = merge(
    {
      app-cpu       = { text = "The app machines have been busy for a quarter of an hour: the group is at its maximum, or cannot grow.", scope = var.app_group, namespace = local.machines, metric = "Percentage CPU", aggregation = "Average", operator = "GreaterThan", threshold = var.cpu_percent, window = 15, dimension = [] }
      stateful-cpu  = { text = "The stateful machine has been busy for a quarter of an hour.", scope = var.stateful_group, namespace = local.machines, metric = "Percentage CPU", aggregation = "Average", operator = "GreaterThan", threshold = var.cpu_percent, window = 15, dimension = [] }
      stateful-down = { text = "The stateful machine does not run: scheduled tasks and plugins stand still.", scope = var.stateful_group, namespace = local.machines, metric = "VmAvailabilityMetric", aggregation = "Average", operator = "LessThan", threshold = 1, window = 15, dimension = [] }
    },
    { for key in var.queue_metric == null ? [] : ["queue"] : key => { text = "Tasks wait longer than they should: workers are too few, too slow, or stand still.", scope = var.queue_metric.resource, namespace = var.queue_metric.namespace, metric = var.queue_metric.name, aggregation = "Average", operator = "GreaterThan", threshold = var.queue_depth, window = 15, dimension = [] } },
  )

  database_alarms = var.database == null ? {} : {
    database-cpu         = { text = "The database has been busy for a quarter of an hour.", scope = var.database.id, namespace = local.server, metric = "cpu_percent", aggregation = "Average", operator = "GreaterThan", threshold = var.cpu_percent, window = 15, dimension = [] }
    database-connections = { text = "Four fifths of the connections that the database allows are in use; beyond the last, services fail.", scope = var.database.id, namespace = local.server, metric = "active_connections", aggregation = "Maximum", operator = "GreaterThan", threshold = floor(0.8 * var.database.max_connections), window = 5, dimension = [] }
    database-storage     = { text = "The disk of the database is nearly full; a full one makes it read-only.", scope = var.database.id, namespace = local.server, metric = "storage_free", aggregation = "Minimum", operator = "LessThan", threshold = var.database_free_storage_gb * pow(1024, 3), window = 5, dimension = [] }
    database-memory      = { text = "The database has less than a twentieth of its memory left.", scope = var.database.id, namespace = local.server, metric = "memory_percent", aggregation = "Average", operator = "GreaterThan", threshold = 95, window = 15, dimension = [] }
  }

  cache_alarms = var.cache == null ? {} : {
    cache-memory    = { text = "The cache is nearly full. It never evicts, because tasks wait in it: when full, it refuses writes.", scope = var.cache.id, namespace = local.redis, metric = "usedmemorypercentage", aggregation = "Maximum", operator = "GreaterThan", threshold = var.cache_memory_percent, window = 5, dimension = [] }
    cache-cpu       = { text = "The cache has been busy for a quarter of an hour.", scope = var.cache.id, namespace = local.redis, metric = "percentProcessorTime", aggregation = "Average", operator = "GreaterThan", threshold = var.cpu_percent, window = 15, dimension = [] }
    cache-evictions = { text = "The cache has thrown data away, waiting tasks perhaps among it: somebody changed its eviction policy.", scope = var.cache.id, namespace = local.redis, metric = "evictedkeys", aggregation = "Total", operator = "GreaterThan", threshold = 0, window = 5, dimension = [] }
  }

  alarms = merge(local.gateway_alarms, local.machine_alarms, local.database_alarms, local.cache_alarms)
}

resource "azurerm_monitor_metric_alert" "this" {
  for_each = local.alarms

  name                = "${var.name}-${each.key}"
  resource_group_name = var.resource_group
  description         = each.value.text
  scopes              = [each.value.scope]
  severity            = endswith(each.key, "-down") ? 0 : 2
  frequency           = each.value.window == 5 ? "PT1M" : "PT5M"
  window_size         = "PT${each.value.window}M"

  criteria {
    metric_namespace = each.value.namespace
    metric_name      = each.value.metric
    aggregation      = each.value.aggregation
    operator         = each.value.operator
    threshold        = each.value.threshold

    # Azure knows a metric of our own only once its first value has come.
    skip_metric_validation = each.key == "queue"

    dynamic "dimension" {
      for_each = length(each.value.dimension) > 0 ? [each.value.dimension] : []

      content {
        name     = dimension.value[0]
        operator = "Include"
        values   = [dimension.value[1]]
      }
    }
  }

  action {
    action_group_id = azurerm_monitor_action_group.this.id
  }

  tags = merge(var.tags, { Name = "${var.name}-${each.key}" })
}

resource "azurerm_monitor_scheduled_query_rules_alert_v2" "errors" {
  name                 = "${var.name}-log-errors"
  resource_group_name  = var.resource_group
  location             = var.region
  display_name         = "${var.name}: errors in the logs"
  description          = "The services write more errors than usual. The saved query Errors by service shows which."
  scopes               = [var.workspace_id]
  severity             = 2
  evaluation_frequency = "PT5M"
  window_duration      = "PT5M"

  # The table has no columns before its first lines.
  skip_query_validation = true

  criteria {
    query                   = var.error_query
    operator                = "GreaterThan"
    threshold               = var.errors_per_5_minutes
    time_aggregation_method = "Count"

    failing_periods {
      minimum_failing_periods_to_trigger_alert = 1
      number_of_evaluation_periods             = 1
    }
  }

  action {
    action_groups = [azurerm_monitor_action_group.this.id]
  }

  tags = merge(var.tags, { Name = "${var.name}-log-errors" })
}
