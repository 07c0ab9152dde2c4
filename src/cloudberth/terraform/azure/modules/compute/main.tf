# Two groups from one recipe: "app", any number of machines without state behind the gateway, and "stateful", exactly
# one with a data disk of its own for the services that must not run twice.

data "azurerm_client_config" "current" {}

locals {
  group_path    = "/subscriptions/${data.azurerm_client_config.current.subscription_id}/resourceGroups/${var.resource_group}"
  scale_set_ids = { for group in ["app", "stateful"] : group => "${local.group_path}/providers/Microsoft.Compute/virtualMachineScaleSets/${var.name}-${group}" }

  groups = {
    app      = { name = "${var.name}-app", cloud = { disk_id = "", record = { zone_id = "", name = "" } } }
    stateful = { name = "${var.name}-stateful", cloud = { disk_id = azurerm_managed_disk.data.id, record = { zone_id = var.private_zone_id, name = "stateful" } } }
  }

  # Linux 6.8 and newer: the agent sandbox locks itself in with a kernel feature (Landlock, third version) of 6.2.
  # "latest" is looked up whenever a machine starts, so new machines are patched and the plan stays the same.
  image = var.image != null ? [] : [{ publisher = "Canonical", offer = "ubuntu-24_04-lts", sku = var.architecture == "arm64" ? "server-arm64" : "server", version = "latest" }]

  # Azure insists on a key for an administrator. This one is a point of the curve that was hashed, not computed from
  # a private key: nobody has that. No port is open for it either; a shell goes through Azure's Run Command.
  nobodys_key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILebmHXewMCFNIp4zxU93j3pNM7+KRrb6q0XwXX5WbI3"
}
