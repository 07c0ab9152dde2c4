output "app_group" {
  description = "Id of the group of app machines."
  value       = azurerm_orchestrated_virtual_machine_scale_set.app.id
}

output "stateful_group" {
  description = "Id of the group of the one stateful machine."
  value       = azurerm_linux_virtual_machine_scale_set.stateful.id
}

output "role" {
  description = "Name of the identity of the app machines."
  value       = azurerm_user_assigned_identity.this["app"].name
}

output "stateful_role" {
  description = "Name of the identity of the stateful machine."
  value       = azurerm_user_assigned_identity.this["stateful"].name
}

output "release" {
  description = "Release of the application that the machines run."
  value       = local.stack.release
}

output "queue_metric" {
  description = "Namespace, name and resource of the metric by which the stateful machine reports waiting tasks; null if the application has no queue."
  value = try(local.stack.queue, null) == null ? null : {
    namespace = local.metric_namespace
    name      = "QueueDepth"
    resource  = azurerm_linux_virtual_machine_scale_set.stateful.id
  }
}
