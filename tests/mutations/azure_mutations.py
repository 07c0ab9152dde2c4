"""Mistakes in the modules of Azure, one a line."""

from __future__ import annotations

from pathlib import Path

from cloudberth.deployment.elsewhere import on_cloud
from cloudberth.deployment.model import Deployment

EXAMPLE = Path(__file__).parents[2] / "examples" / "dify-aws-large.yaml"


def large() -> Deployment:
    return on_cloud(EXAMPLE, "azure", None, {}).deployment


# what is wrong · file · text that stands there · text instead · what the rehearsal must say · file it must name
MUTATIONS = [
    ("misspelt argument", "modules/network/main.tf", "  address_space ", "  adress_space ", "Unsupported argument", "modules/network/main.tf"),
    ("misspelt argument in a nested block", "modules/balancer/main.tf", "    unhealthy_threshold ", "    unhealty_threshold ", "Unsupported argument", "modules/balancer/main.tf"),
    ("misspelt block", "modules/balancer/main.tf", "  autoscale_configuration {", "  autoscale_config {", "Unsupported block type", "modules/balancer/main.tf"),
    ("misspelt block made by a loop", "modules/balancer/main.tf", '  dynamic "http_listener"', '  dynamic "https_listener"', "Unsupported block type", "modules/balancer/main.tf"),
    ("misspelt resource type", "modules/network/main.tf", 'resource "azurerm_virtual_network"', 'resource "azurerm_virtual_netwrok"', "Invalid resource type", "modules/network/main.tf"),
    ("misspelt data source", "modules/dns/main.tf", 'data "azurerm_dns_zone"', 'data "azurerm_dns_zones"', "Invalid data source", "modules/dns/main.tf"),
    ("misspelt ephemeral resource", "modules/database/main.tf", 'ephemeral "azurerm_key_vault_secret"', 'ephemeral "azurerm_vault_secret"', "Invalid ephemeral resource", "modules/database/main.tf"),
    ("text for a number", "modules/balancer/main.tf", "    port            = 80\n", '    port            = "http"\n', "", "modules/balancer/main.tf"),
    ("list for text", "modules/network/main.tf", "  resource_group_name = var.resource_group\n", "  resource_group_name = [var.resource_group]\n", "Incorrect attribute value type", "modules/network/main.tf"),
    ("text for a list", "modules/network/main.tf", "address_space       = [var.cidr]", "address_space       = var.cidr", "Incorrect attribute value type", "modules/network/main.tf"),
    ("text for true or false", "modules/database/main.tf", "  geo_redundant_backup_enabled = false", '  geo_redundant_backup_enabled = "never"', "Incorrect attribute value type", "modules/database/main.tf"),
    ("map for text", "modules/compute/stateful.tf", '  create_option        = "Empty"', '  create_option        = { kind = "Empty" }', "Incorrect attribute value type", "modules/compute/stateful.tf"),
    ("missing required argument", "modules/compute/stateful.tf", '  storage_account_type = "Premium_LRS"\n', "", "Missing required argument", "modules/compute/stateful.tf"),
    ("missing required block", "modules/balancer/main.tf", '  backend_address_pool {\n    name = "app"\n  }\n', "", "", "modules/balancer/main.tf"),
    ("a block twice that may stand once", "modules/balancer/main.tf", "  global {", "  global {\n    request_buffering_enabled  = true\n    response_buffering_enabled = false\n  }\n\n  global {", "Too many", "modules/balancer/main.tf"),
    ("reference to a resource that is not there", "modules/network/main.tf", "azurerm_public_ip.nat[0].id", "azurerm_public_ip.gateway[0].id", "Reference to undeclared resource", "modules/network/main.tf"),
    ("reference to an attribute that is not there", "modules/network/main.tf", "azurerm_nat_gateway.this[0].id", "azurerm_nat_gateway.this[0].identifier", "Unsupported attribute", "modules/network/main.tf"),
    ("reference to a variable that is not there", "modules/balancer/main.tf", "var.idle_timeout_seconds", "var.idle_timeout", "Reference to undeclared input variable", "modules/balancer/main.tf"),
    ("reference to a local that is not there", "modules/network/main.tf", "for_each = local.nat_subnets", "for_each = local.nat_subnet", "Reference to undeclared local value", "modules/network/main.tf"),
    ("reference to a module that is not there", "main.tf", "module.logs.ingestion", "module.logging.ingestion", "Reference to undeclared module", "main.tf"),
    ("a key forgotten for a resource with for_each", "modules/network/main.tf", "azurerm_subnet.this[each.key].id", "azurerm_subnet.this.id", "Missing resource instance key", "modules/network/main.tf"),
    ("module output that is not there", "main.tf", "module.network.data_subnets[0]", "module.network.data_subnet_ids[0]", "Unsupported attribute", "main.tf"),
    ("module argument that is not there", "main.tf", "  private_zone_id = module.dns", "  inner_zone_id = module.dns", "", "main.tf"),
    ("module argument forgotten", "main.tf", "  target_group    = module.balancer.target_group\n", "", "Missing required argument", "main.tf"),
    ("output taken away that somebody uses", "modules/secrets/outputs.tf", 'output "ids"', 'output "identifiers"', "Unsupported attribute", "main.tf"),
    ("variable taken away that somebody sets", "modules/logs/variables.tf", 'variable "groups"', 'variable "group_names"', "", "modules/logs/variables.tf"),
    ("wrong module path", "main.tf", '"./modules/dns"', '"./modules/domain"', "", "main.tf"),
    ("a provider nobody asked for", "modules/secrets/main.tf", 'resource "time_sleep" "roles"', 'resource "azuread_group" "roles"', "", ""),
    ("secret in an argument that is kept", "modules/database/main.tf", "  administrator_password_wo         =", "  administrator_password            =", "", "modules/database/main.tf"),
    ("write-only value without its version", "modules/secrets/main.tf", "  value_wo_version = 1\n", "", "value_wo", "modules/secrets/main.tf"),
    ("output of an ephemeral resource in another module", "outputs.tf", "local.secrets", "ephemeral.random_password.this", "", "outputs.tf"),
    ("a cycle", "modules/network/main.tf", "address_space       = [var.cidr]", 'address_space       = azurerm_subnet.this["app"].address_prefixes', "Cycle", ""),
    ("a value that only Azure gives", "modules/network/main.tf", "  address_space ", '  guid = "0000"\n  address_space ', "", "modules/network/main.tf"),
    ("function that does not exist", "modules/network/main.tf", "merge(var.tags, { Name = var.name })", "combine(var.tags, { Name = var.name })", "Call to unknown function", "modules/network/main.tf"),
    ("function called with too little", "modules/network/main.tf", "cidrsubnet(var.cidr, 3, 0)", "cidrsubnet(var.cidr, 3)", "Not enough function arguments", "modules/network/main.tf"),
    ("bracket not closed", "modules/dns/main.tf", 'resource "azurerm_private_dns_zone" "this" {', 'resource "azurerm_private_dns_zone" "this" {{', "", "modules/dns/main.tf"),
    ("two resources of one name", "modules/compute/stateful.tf", 'resource "azurerm_role_assignment" "snapshots"', 'resource "azurerm_managed_disk" "data"', "Duplicate resource", "modules/compute/stateful.tf"),
    ("fact in the stack that is not there", "stack/stateful/env/worker_beat.env", "${database.host}", "${database.hostname}", "", "modules/compute"),
    ("variable value of the wrong type", "terraform.tfvars.json", '"zones": 3', '"zones": "three"', "", "terraform.tfvars.json"),
    ("variable value that the module refuses", "terraform.tfvars.json", '"nat": "per-zone"', '"nat": "every-zone"', "", "variables.tf"),
    ("service without private endpoint", "terraform.tfvars.json", '"vault"\n', '"queue"\n', "", "variables.tf"),
    ("range that is none", "modules/network/main.tf", "= [var.cidr]\n", '= ["10.40.0.0/33"]\n', "address_space", "modules/network/main.tf"),
    ("range with host bits", "modules/network/main.tf", "address_prefixes     = [each.value]", 'address_prefixes     = ["10.60.0.1/24"]', "address_prefixes", "modules/network/main.tf"),
    ("gateway of a size that does not exist", "modules/balancer/main.tf", '    name = local.waf ? "WAF_v2" : "Standard_v2"', '    name = "WAF_v3"', "sku", "modules/balancer/main.tf"),
    ("TLS policy that does not exist", "modules/balancer/main.tf", "AppGwSslPolicy20220101", "ELBSecurityPolicy-TLS13", "ssl_policy", "modules/balancer/main.tf"),
    ("TLS release that does not exist", "modules/storage/main.tf", '"TLS1_2"', '"TLS12"', "min_tls_version", "modules/storage/main.tf"),
    ("retention that Log Analytics does not know", "modules/logs/main.tf", "max(30, var.retention_days)", "29", "retention_in_days", "modules/logs/main.tf"),
    ("vault whose deleted secrets are gone too soon", "modules/secrets/main.tf", "= var.recovery_days", "= 6", "soft_delete_retention_days", "modules/secrets/main.tf"),
    ("name of a storage account with a hyphen", "modules/storage/main.tf", 'replace(var.name, "-", "")', "var.name", "azurerm_storage_account", "modules/storage/main.tf"),
    ("priority outside of the range", "modules/network/security_groups.tf", "priority = 4096", "priority = 4097", "priority", "modules/network/security_groups.tf"),
    ("port beyond the last", "modules/network/security_groups.tf", 'ports = ["65200-65535"]', 'ports = ["http"]', "destination_port_range", "modules/network/security_groups.tf"),
    ("storage in a size that is not sold", "modules/database/main.tf", "local.storage_gib * 1024", "100 * 1024", "storage_mb", "modules/database/main.tf"),
    ("database kept for two days", "modules/database/main.tf", "max(7, var.backup_retention_days)", "2", "backup_retention_days", "modules/database/main.tf"),
    ("cache that evicts by a rule of Redis", "modules/cache/main.tf", '"NoEviction"', '"noeviction"', "eviction_policy", "modules/cache/main.tf"),
    ("lock of a kind that does not exist", "modules/storage/main.tf", '"CanNotDelete"', '"DoNotDelete"', "lock_level", "modules/storage/main.tf"),
]  # fmt: skip
