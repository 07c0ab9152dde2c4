output "groups" {
  description = "Saved function in the workspace by service; it shows the lines of that service."
  value       = { for service, search in azurerm_log_analytics_saved_search.service : service => search.function_alias }
}

output "policy" {
  description = "Id of the data collection rule, on which a machine needs a role to send lines."
  value       = azurerm_monitor_data_collection_rule.this.id
}

output "workspace_id" {
  description = "Id of the Log Analytics workspace."
  value       = azurerm_log_analytics_workspace.this.id
}

output "error_query" {
  description = "Query that finds the error lines of all services."
  value       = local.errors
}

output "ingestion" {
  description = "Where machines send lines: endpoint, id of the rule, and stream."
  value = {
    endpoint = azurerm_monitor_data_collection_endpoint.this.logs_ingestion_endpoint
    rule     = azurerm_monitor_data_collection_rule.this.immutable_id
    stream   = "Custom-${local.table}"
  }
}
