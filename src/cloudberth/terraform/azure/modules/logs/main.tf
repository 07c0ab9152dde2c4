# One table holds the lines of all services; a saved function per service takes the place of a log group. Machines
# send their lines themselves (boot.py logs), with their identity, through the data collection rule.

locals {
  table = "Cloudberth_CL"
  columns = [
    { name = "TimeGenerated", type = "datetime" },
    { name = "Service", type = "string" },
    { name = "Machine", type = "string" },
    { name = "Message", type = "string" },
  ]

  functions = { for group in var.groups : group => "${replace(var.name, "-", "_")}_${replace(replace(group, "-", "_"), ".", "_")}" }

  # How the services say "error" in their JSON lines: Python services a severity or level, Go services a level.
  graded = "${local.table} | extend Line = parse_json(Message) | extend Grade = toupper(tostring(coalesce(Line.severity, Line.level)))"
  errors = "${local.graded} | where Grade in ('ERROR', 'CRITICAL', 'FATAL', 'PANIC')"

  queries = {
    errors            = { title = "Errors", text = "${local.errors} | project TimeGenerated, Service, Machine, Grade, Text = coalesce(tostring(Line.message), tostring(Line.msg), Message) | order by TimeGenerated desc | take 200" }
    volume-by-service = { title = "Volume by service", text = "${local.table} | summarize Lines = count(), Megabytes = sum(strlen(Message)) / 1048576.0 by Service, bin(TimeGenerated, 1d) | order by Megabytes desc" }
    trace             = { title = "Trace of a request", text = "${local.table} | where Message has 'PUT-A-REQUEST-OR-TRACE-ID-HERE' | order by TimeGenerated asc | take 1000" }
  }
}

resource "azurerm_log_analytics_workspace" "this" {
  name                = var.name
  resource_group_name = var.resource_group
  location            = var.region
  sku                 = "PerGB2018"

  # The workspace itself keeps a month for nothing; the table below what was asked for.
  retention_in_days            = max(30, var.retention_days)
  local_authentication_enabled = false

  tags = merge(var.tags, { Name = var.name })
}

resource "azurerm_log_analytics_workspace_table_custom_log" "lines" {
  name              = local.table
  workspace_id      = azurerm_log_analytics_workspace.this.id
  display_name      = "Lines of the services"
  description       = "What the containers of ${var.name} write"
  retention_in_days = var.retention_days

  dynamic "column" {
    for_each = local.columns

    content {
      name = column.value.name
      type = column.value.type
    }
  }
}

resource "azurerm_monitor_data_collection_endpoint" "this" {
  name                          = var.name
  resource_group_name           = var.resource_group
  location                      = var.region
  description                   = "Where machines of ${var.name} send their lines"
  public_network_access_enabled = true

  tags = merge(var.tags, { Name = var.name })
}

resource "azurerm_monitor_data_collection_rule" "this" {
  name                        = var.name
  resource_group_name         = var.resource_group
  location                    = var.region
  description                 = "Lines of the services of ${var.name} into their table"
  data_collection_endpoint_id = azurerm_monitor_data_collection_endpoint.this.id

  stream_declaration {
    stream_name = "Custom-${local.table}"

    dynamic "column" {
      for_each = local.columns

      content {
        name = column.value.name
        type = column.value.type
      }
    }
  }

  destinations {
    log_analytics {
      name                  = "workspace"
      workspace_resource_id = azurerm_log_analytics_workspace.this.id
    }
  }

  data_flow {
    streams       = ["Custom-${local.table}"]
    destinations  = ["workspace"]
    output_stream = "Custom-${local.table}"
    transform_kql = "source"
  }

  tags = merge(var.tags, { Name = var.name })

  depends_on = [azurerm_log_analytics_workspace_table_custom_log.lines]
}

# `my_dify_api | take 100` in the workspace shows a service's lines.
resource "azurerm_log_analytics_saved_search" "service" {
  for_each = local.functions

  name                       = each.value
  display_name               = "${var.name}: ${each.key}"
  category                   = var.name
  log_analytics_workspace_id = azurerm_log_analytics_workspace.this.id
  function_alias             = each.value
  query                      = "${local.table} | where Service == '${each.key}' | order by TimeGenerated desc"

  tags = merge(var.tags, { Name = each.value, Service = each.key })

  depends_on = [azurerm_log_analytics_workspace_table_custom_log.lines]
}

resource "azurerm_log_analytics_saved_search" "query" {
  for_each = length(var.groups) > 0 ? local.queries : {}

  name                       = "${var.name}-${each.key}"
  display_name               = "${var.name}: ${each.value.title}"
  category                   = var.name
  log_analytics_workspace_id = azurerm_log_analytics_workspace.this.id
  query                      = each.value.text

  tags = merge(var.tags, { Name = "${var.name}-${each.key}" })

  depends_on = [azurerm_log_analytics_workspace_table_custom_log.lines]
}
