output "ids" {
  description = "Id of every secret in the store by name, generated and referenced ones: VAULT/NAME. Never a value."
  # From the secret itself: who reads by this id waits until a value is there.
  value = merge(var.references, { for name, secret in azurerm_key_vault_secret.this : name => "${azurerm_key_vault.this.name}/${secret.name}" })
}

output "policy" {
  description = "Id of the vault, on which a machine needs a role to read them."
  value       = azurerm_key_vault.this.id
}

output "vault_id" {
  description = "Id of the vault, once whoever runs Terraform may write to it."
  value       = time_sleep.roles.triggers.vault
}
