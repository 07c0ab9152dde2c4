# There is one logical database, number 0: whoever shares it keeps to its own key prefix. The access key is made by
# Azure and cannot be kept out of Terraform's state (CONTRACT.md, declared differences); machines read it from Azure
# with their identity.

resource "azurerm_managed_redis" "this" {
  # checkov:skip=CKV2_AZURE_50:no copy of it in another region; what waits in it belongs to this one
  name                = "${var.name}-${var.suffix}"
  resource_group_name = var.resource_group
  location            = var.region
  sku_name            = var.machine_type

  high_availability_enabled = var.replicas > 0
  public_network_access     = "Disabled"

  default_database {
    client_protocol                    = "Encrypted"
    access_keys_authentication_enabled = true

    # Clients of a task queue take several keys in one command, which a cluster refuses.
    clustering_policy = "NoCluster"

    # A full cache refuses writes, which an alarm shows; evicting would silently drop tasks that wait in the queue.
    eviction_policy = "NoEviction"

    persistence_append_only_file_backup_frequency = "1s"
  }

  tags = merge(var.tags, { Name = var.name })
}

resource "azurerm_private_endpoint" "this" {
  name                = "${var.name}-cache"
  resource_group_name = var.resource_group
  location            = var.region
  subnet_id           = var.subnet_id

  private_service_connection {
    name                           = "cache"
    private_connection_resource_id = azurerm_managed_redis.this.id
    subresource_names              = ["redisEnterprise"]
    is_manual_connection           = false
  }

  private_dns_zone_group {
    name                 = "cache"
    private_dns_zone_ids = [var.dns_zone_id]
  }

  tags = merge(var.tags, { Name = "${var.name}-cache" })
}
