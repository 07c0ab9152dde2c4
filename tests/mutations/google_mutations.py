"""Mistakes in the modules of Google Cloud, one a line."""

from __future__ import annotations

from cloudberth.deployment.loader import load_text
from cloudberth.deployment.model import Deployment

# Much at once: three zones, firewall, content delivery, standby, lifecycle, a schedule, alarms and a budget.
TEXT = """\
name: dify-prod
app: dify
cloud: google
region: us-east1
version: 1.17.1
size: large
domain: {name: ai.example.com, zone: example.com}
network: {cidr: 10.60.0.0/16, zones: 3, nat: per-zone}
access: {waf: true, allowed_cidrs: [198.51.100.0/24, 203.0.113.0/24]}
database: {multi_zone: true}
storage:
  cdn: true
  lifecycle:
    - {prefix: upload_files/, after_days: 90, tier: infrequent}
tracing:
  otlp_endpoint: https://otlp.example.com
  headers_secret: secret:dify-otlp-key
  sampling: 0.05
logs: {retention_days: 90, level: INFO}
alarms: {emails: [oncall@example.com]}
backup: {retention_days: 30, window: 07:00-08:00, maintenance: sun:08:30-sun:09:30}
budget: {amount: 4000, emails: [finance@example.com]}
tags: {environment: production, team: ai-platform}
"""


def large() -> Deployment:
    return load_text(TEXT, "google-large.yaml", {})


# what is wrong · file · text that stands there · text instead · what the rehearsal must say · file it must name
MUTATIONS = [
    ("misspelt argument", "modules/network/main.tf", "  routing_mode ", "  routing_mod ", "Unsupported argument", "modules/network/main.tf"),
    ("misspelt argument in a nested block", "modules/balancer/main.tf", "    request_path ", "    request_pth ", "Unsupported argument", "modules/balancer/main.tf"),
    ("misspelt block", "modules/balancer/main.tf", "  http_health_check {", "  http_healthcheck {", "Unsupported block type", "modules/balancer/main.tf"),
    ("misspelt block made by a loop", "modules/database/main.tf", '    dynamic "database_flags"', '    dynamic "database_flag"', "Unsupported block type", "modules/database/main.tf"),
    ("misspelt resource type", "modules/network/main.tf", 'resource "google_compute_router" ', 'resource "google_compute_ruter" ', "Invalid resource type", "modules/network/main.tf"),
    ("misspelt data source", "modules/dns/main.tf", 'data "google_dns_managed_zones"', 'data "google_dns_zones"', "Invalid data source", "modules/dns/main.tf"),
    ("misspelt ephemeral resource", "modules/database/main.tf", 'ephemeral "google_secret_manager_secret_version"', 'ephemeral "google_secret_version"', "Invalid ephemeral resource", "modules/database/main.tf"),
    ("text for a number", "modules/balancer/main.tf", "    port         = 80\n", '    port         = "http"\n', "Incorrect attribute value type", "modules/balancer/main.tf"),
    ("list for text", "modules/network/main.tf", "  project                 = var.project\n", "  project                 = [var.project]\n", "Incorrect attribute value type", "modules/network/main.tf"),
    ("text for a list", "modules/network/firewall.tf", "source_ranges           = local.front_ends", 'source_ranges           = "130.211.0.0/22"', "Incorrect attribute value type", "modules/network/firewall.tf"),
    ("text for true or false", "modules/network/main.tf", "  auto_create_subnetworks = false", '  auto_create_subnetworks = "never"', "Incorrect attribute value type", "modules/network/main.tf"),
    ("map for text", "modules/storage/main.tf", '  storage_class = "STANDARD"', '  storage_class = { kind = "STANDARD" }', "Incorrect attribute value type", "modules/storage/main.tf"),
    ("missing required argument", "modules/cache/main.tf", "  memory_size_gb      = local.memory_gb\n", "", "Missing required argument", "modules/cache/main.tf"),
    ("missing required block", "modules/secrets/main.tf", "  replication {\n    auto {}\n  }\n", "", "", "modules/secrets/main.tf"),
    ("a block twice that may stand once", "modules/cache/main.tf", "  persistence_config {", '  persistence_config {\n    persistence_mode = "DISABLED"\n  }\n\n  persistence_config {', "Too many", "modules/cache/main.tf"),
    ("reference to a resource that is not there", "modules/network/main.tf", "google_compute_address.nat[*]", "google_compute_address.gateway[*]", "Reference to undeclared resource", "modules/network/main.tf"),
    ("reference to an attribute that is not there", "modules/network/main.tf", "google_compute_address.nat[*].self_link", "google_compute_address.nat[*].link", "Unsupported attribute", "modules/network/main.tf"),
    ("reference to a variable that is not there", "modules/balancer/main.tf", "var.idle_timeout_seconds", "var.idle_timeout", "Reference to undeclared input variable", "modules/balancer/main.tf"),
    ("reference to a local that is not there", "modules/network/main.tf", "count = local.nat_addresses\n", "count = local.nat_address\n", "Reference to undeclared local value", "modules/network/main.tf"),
    ("reference to a module that is not there", "main.tf", "module.logs.error_metric", "module.logging.error_metric", "Reference to undeclared module", "main.tf"),
    ("a key forgotten for a resource with for_each", "modules/secrets/main.tf", "google_secret_manager_secret.this[each.key].id", "google_secret_manager_secret.this.id", "Missing resource instance key", "modules/secrets/main.tf"),
    ("module output that is not there", "main.tf", "module.network.private_subnets[0]", "module.network.private_subnet_ids[0]", "Unsupported attribute", "main.tf"),
    ("module argument that is not there", "main.tf", "  private_zone_id  =", "  inner_zone_id  =", "", "main.tf"),
    ("module argument forgotten", "main.tf", "  health_check     = module.balancer.health_check\n", "", "Missing required argument", "main.tf"),
    ("output taken away that somebody uses", "modules/secrets/outputs.tf", 'output "ids"', 'output "identifiers"', "Unsupported attribute", "main.tf"),
    ("variable taken away that somebody sets", "modules/logs/variables.tf", 'variable "groups"', 'variable "group_names"', "", "modules/logs/variables.tf"),
    ("wrong module path", "main.tf", '"./modules/dns"', '"./modules/domain"', "", "main.tf"),
    ("secret in an argument that is kept", "modules/database/main.tf", "  password_wo         =", "  password            =", "", "modules/database/main.tf"),
    ("output of an ephemeral resource in another module", "outputs.tf", "local.secrets", "ephemeral.random_password.this", "", "outputs.tf"),
    ("a cycle", "modules/network/main.tf", '  routing_mode            = "REGIONAL"', "  routing_mode            = google_compute_subnetwork.private[0].region", "Cycle", ""),
    ("a value that only Google gives", "modules/network/main.tf", "  routing_mode ", '  self_link = "https://x"\n  routing_mode ', "", "modules/network/main.tf"),
    ("function that does not exist", "modules/network/main.tf", "cidrsubnet(var.cidr, 2, 3)", "subnet(var.cidr, 2, 3)", "Call to unknown function", "modules/network/main.tf"),
    ("function called with too little", "modules/network/main.tf", "cidrsubnet(var.cidr, 1, 0)", "cidrsubnet(var.cidr, 1)", "Not enough function arguments", "modules/network/main.tf"),
    ("bracket not closed", "modules/dns/main.tf", 'resource "google_dns_managed_zone" "private" {', 'resource "google_dns_managed_zone" "private" {{', "", "modules/dns/main.tf"),
    ("two resources of one name", "modules/compute/stateful.tf", 'resource "google_compute_resource_policy" "snapshots"', 'resource "google_compute_disk" "data"', "Duplicate resource", "modules/compute/stateful.tf"),
    ("fact in the stack that is not there", "stack/stateful/env/worker_beat.env", "${database.host}", "${database.hostname}", "", "modules/compute"),
    ("variable value of the wrong type", "terraform.tfvars.json", '"zones": 3', '"zones": "three"', "", "terraform.tfvars.json"),
    ("variable value that the module refuses", "terraform.tfvars.json", '"nat": "per-zone"', '"nat": "every-zone"', "", "variables.tf"),
    ("range that is none", "modules/network/main.tf", "cidrsubnet(var.cidr, 1, 0)", '"10.40.0.0/33"', "ip_cidr_range", "modules/network/main.tf"),
    ("NAT in a mode that does not exist", "modules/network/main.tf", '"MANUAL_ONLY"', '"MANUAL"', "nat_ip_allocate_option", "modules/network/main.tf"),
    ("fewer ports at most than at least", "modules/network/main.tf", "max_ports_per_vm                    = 4096", "max_ports_per_vm                    = 64", "min_ports_per_vm", "modules/network/main.tf"),
    ("balancer of a kind that does not exist", "modules/balancer/main.tf", '"EXTERNAL_MANAGED"', '"EXTERNAL_MANGED"', "load_balancing_scheme", "modules/balancer/main.tf"),
    ("TLS release that does not exist", "modules/balancer/main.tf", '"TLS_1_2"', '"TLS_12"', "min_tls_version", "modules/balancer/main.tf"),
    ("health check that waits longer than it pauses", "modules/balancer/main.tf", "timeout_sec         = 10", "timeout_sec         = 20", "timeout_sec", "modules/balancer/main.tf"),
    ("name with an underscore", "modules/network/main.tf", '"${var.name}-private"', '"${var.name}_private"', "name", "modules/network/main.tf"),
    ("allowed and denied by one rule", "modules/network/firewall.tf", '  deny {\n    protocol = "all"', '  allow {\n    protocol = "tcp"\n  }\n\n  deny {\n    protocol = "all"', "exactly one of", "modules/network/firewall.tf"),
    ("port that is none", "modules/network/firewall.tf", 'ports    = ["22"]', 'ports    = ["ssh"]', "ports", "modules/network/firewall.tf"),
    ("logs kept longer than Google keeps them", "modules/logs/main.tf", "= var.retention_days", "= 3651", "retention_days", "modules/logs/main.tf"),
    ("tier of a database that does not exist", "modules/database/main.tf", '? "REGIONAL" : "ZONAL"', '? "MULTI" : "ZONAL"', "availability_type", "modules/database/main.tf"),
    ("release of Redis that does not exist", "modules/cache/main.tf", '"REDIS_${upper(replace(var.engine_version, ".", "_"))}"', '"REDIS_9_0"', "redis_version", "modules/cache/main.tf"),
    ("class of storage that does not exist", "modules/storage/main.tf", '  storage_class = "STANDARD"', '  storage_class = "HOT"', "storage_class", "modules/storage/main.tf"),
]  # fmt: skip
