output "topic" {
  description = "Id of the action group that alarms go to."
  value       = azurerm_monitor_action_group.this.id
}

output "dashboard" {
  description = "URL of the workbook."
  value       = "https://portal.azure.com/#resource${azurerm_application_insights_workbook.this.id}/workbook"
}
