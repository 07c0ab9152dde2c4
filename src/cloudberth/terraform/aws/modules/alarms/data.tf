locals {
  aurora              = try(var.database.engine == "aurora", false)
  database_dimensions = var.database == null ? {} : local.aurora ? { DBClusterIdentifier = var.database.id } : { DBInstanceIdentifier = var.database.id }

  every_database_alarm = {
    database-cpu = {
      text      = "The database has been busy for a quarter of an hour."
      namespace = "AWS/RDS", metric = "CPUUtilization", dimensions = local.database_dimensions
      statistic = "Average", comparison = local.above, threshold = var.cpu_percent, minutes = [5, 3], missing = "notBreaching"
    }
    database-connections = {
      text      = "Four fifths of the connections that the database allows are in use; beyond the last, services fail."
      namespace = "AWS/RDS", metric = "DatabaseConnections", dimensions = local.database_dimensions
      statistic = "Maximum", comparison = local.above, threshold = floor(0.8 * try(var.database.max_connections, 0)), minutes = [5, 2], missing = "notBreaching"
    }
  }

  postgres_alarms = {
    database-storage = {
      text      = "The disk of the database is nearly full; a full one stops it."
      namespace = "AWS/RDS", metric = "FreeStorageSpace", dimensions = local.database_dimensions
      statistic = "Minimum", comparison = local.below, threshold = var.database_free_storage_gb * pow(1024, 3), minutes = [5, 2], missing = "notBreaching"
    }
    database-memory = {
      text      = "The database has less than a twentieth of its memory left."
      namespace = "AWS/RDS", metric = "FreeableMemory", dimensions = local.database_dimensions
      statistic = "Minimum", comparison = local.below, threshold = floor(0.05 * try(var.database.memory_gib, 0) * pow(1024, 3)), minutes = [5, 3], missing = "notBreaching"
    }
  }

  aurora_alarms = {
    database-capacity = {
      text      = "The database has been near the most capacity units that it may use; raise database.max_capacity."
      namespace = "AWS/RDS", metric = "ACUUtilization", dimensions = local.database_dimensions
      statistic = "Average", comparison = local.above, threshold = 90, minutes = [5, 3], missing = "notBreaching"
    }
  }

  database_alarms = {
    for key, alarm in merge(local.every_database_alarm, { for key, alarm in local.postgres_alarms : key => alarm if !local.aurora }, { for key, alarm in local.aurora_alarms : key => alarm if local.aurora }) :
    key => alarm if var.database != null
  }

  # Nodes of a replication group are called ID-001, ID-002 …; any of them can become the primary.
  cache_nodes = [for number in range(1, try(var.cache.nodes, 0) + 1) : format("%03d", number)]

  cache_alarms = merge([
    for node in local.cache_nodes : {
      "cache-${node}-memory" = {
        text      = "The cache is nearly full. It never evicts, because tasks wait in it: when full, it refuses writes."
        namespace = "AWS/ElastiCache", metric = "DatabaseMemoryUsagePercentage", dimensions = { CacheClusterId = "${var.cache.id}-${node}" }
        statistic = "Maximum", comparison = local.above, threshold = var.cache_memory_percent, minutes = [5, 2], missing = "notBreaching"
      }
      "cache-${node}-cpu" = {
        text      = "The cache has been busy for a quarter of an hour; its engine has one thread for commands."
        namespace = "AWS/ElastiCache", metric = "EngineCPUUtilization", dimensions = { CacheClusterId = "${var.cache.id}-${node}" }
        statistic = "Average", comparison = local.above, threshold = var.cpu_percent, minutes = [5, 3], missing = "notBreaching"
      }
      "cache-${node}-evictions" = {
        text      = "The cache has thrown data away, waiting tasks perhaps among it: somebody changed maxmemory-policy."
        namespace = "AWS/ElastiCache", metric = "Evictions", dimensions = { CacheClusterId = "${var.cache.id}-${node}" }
        statistic = "Sum", comparison = local.above, threshold = 0, minutes = [5, 1], missing = "notBreaching"
      }
    }
  ]...)
}
