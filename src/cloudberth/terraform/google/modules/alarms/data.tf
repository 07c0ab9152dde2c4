locals {
  of_database = var.database == null ? "" : "resource.type=\"cloudsql_database\" AND resource.labels.database_id=\"${var.database.id}\""
  of_cache    = var.cache == null ? "" : "resource.type=\"redis_instance\" AND resource.labels.instance_id=\"${var.cache.id}\""

  database_alarms = { for key, alarm in {
    database-cpu = {
      text       = "The database has been busy for a quarter of an hour."
      filter     = "metric.type=\"cloudsql.googleapis.com/database/cpu/utilization\" AND ${local.of_database}"
      comparison = local.above, threshold = local.busy, minutes = [5, 3], aligner = "ALIGN_MEAN", reducer = "REDUCE_MEAN", missing = local.quiet, severity = "WARNING"
    }
    database-connections = {
      text       = "Four fifths of the connections that the database allows are in use; beyond the last, services fail."
      filter     = "metric.type=\"cloudsql.googleapis.com/database/postgresql/num_backends\" AND ${local.of_database}"
      comparison = local.above, threshold = floor(0.8 * try(var.database.max_connections, 0)), minutes = [5, 2], aligner = "ALIGN_MAX", reducer = "REDUCE_SUM", missing = local.quiet, severity = "ERROR"
    }
    database-storage = {
      text       = "The disk of the database is nearly full; a full one stops it."
      filter     = "metric.type=\"cloudsql.googleapis.com/database/disk/utilization\" AND ${local.of_database}"
      comparison = local.above, threshold = local.full, minutes = [5, 2], aligner = "ALIGN_MAX", reducer = "REDUCE_MAX", missing = local.quiet, severity = "ERROR"
    }
    database-memory = {
      text       = "The database has less than a twentieth of its memory left."
      filter     = "metric.type=\"cloudsql.googleapis.com/database/memory/utilization\" AND ${local.of_database}"
      comparison = local.above, threshold = 0.95, minutes = [5, 3], aligner = "ALIGN_MAX", reducer = "REDUCE_MAX", missing = local.quiet, severity = "WARNING"
    }
  } : key => alarm if var.database != null }

  # Google measures the used share. Of a disk that grows by itself the last free gigabytes are a share of its size.
  full = tonumber(format("%.4f", max(0.5, 1 - var.database_free_storage_gb / max(1, var.database_storage_gb))))

  cache_alarms = { for key, alarm in {
    cache-memory = {
      text       = "The cache is nearly full. It never evicts, because tasks wait in it: when full, it refuses writes."
      filter     = "metric.type=\"redis.googleapis.com/stats/memory/usage_ratio\" AND ${local.of_cache}"
      comparison = local.above, threshold = local.filled, minutes = [5, 2], aligner = "ALIGN_MAX", reducer = "REDUCE_MAX", missing = local.quiet, severity = "ERROR"
    }
    cache-cpu = {
      text       = "The cache has been busy for a quarter of an hour; its engine has one thread for commands."
      filter     = "metric.type=\"redis.googleapis.com/stats/cpu_utilization_main_thread\" AND ${local.of_cache}"
      comparison = local.above, threshold = local.busy, minutes = [5, 3], aligner = "ALIGN_RATE", reducer = "REDUCE_SUM", missing = local.quiet, severity = "WARNING"
    }
    cache-evictions = {
      text       = "The cache has thrown data away, waiting tasks perhaps among it: somebody changed maxmemory-policy."
      filter     = "metric.type=\"redis.googleapis.com/stats/evicted_keys\" AND ${local.of_cache}"
      comparison = local.above, threshold = 0, minutes = [5, 1], aligner = "ALIGN_DELTA", reducer = "REDUCE_SUM", missing = local.quiet, severity = "ERROR"
    }
  } : key => alarm if var.cache != null }
}
