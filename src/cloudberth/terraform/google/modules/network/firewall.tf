# The machines of each group run as a service account of their own, and rules name these accounts instead of
# addresses: whoever cannot act as the account cannot put a machine behind its rules.
#
#   Google's front ends ──80──► app ◄──internal ports──► stateful
#                                └──5432──► database ◄──5432──┘
#                                └──6378──► cache    ◄──6378──┘

locals {
  machines = { app = google_service_account.app.email, stateful = google_service_account.stateful.email }

  # Requests and health checks of a global load balancer come from here (Cloud Load Balancing, firewall rules).
  front_ends = ["130.211.0.0/22", "35.191.0.0/16"]

  # Identity-Aware Proxy forwards shells to machines without public addresses from here.
  shell_proxy = ["35.235.240.0/20"]

  # HTTPS and HTTP: Google, image registries, package indexes, model providers, web hooks. 587 and 465: mail.
  # Name resolution and time come from the metadata server, which no rule concerns.
  ways_out = ["443", "80", "587", "465"]
}

resource "google_service_account" "app" {
  project      = var.project
  account_id   = "${var.name}-app"
  display_name = "App machines of ${var.name}"
}

resource "google_service_account" "stateful" {
  project      = var.project
  account_id   = "${var.name}-stateful"
  display_name = "Stateful machine of ${var.name}"
}

################################################################################
# In
################################################################################

resource "google_compute_firewall" "balancer" {
  project     = var.project
  name        = "${var.name}-balancer"
  description = "Requests and health checks from the load balancer"
  network     = local.network
  direction   = "INGRESS"

  source_ranges           = local.front_ends
  target_service_accounts = [local.machines.app]

  allow {
    protocol = "tcp"
    ports    = ["80"]
  }
}

resource "google_compute_firewall" "internal" {
  count = length(var.internal_ports) > 0 ? 1 : 0

  project     = var.project
  name        = "${var.name}-internal"
  description = "Internal ports between the app machines and the stateful machine"
  network     = local.network
  direction   = "INGRESS"

  source_service_accounts = values(local.machines)
  target_service_accounts = values(local.machines)

  allow {
    protocol = "tcp"
    ports    = [for port in var.internal_ports : tostring(port)]
  }
}

resource "google_compute_firewall" "shell" {
  project     = var.project
  name        = "${var.name}-shell"
  description = "Shells through Identity-Aware Proxy, which asks for a right of its own"
  network     = local.network
  direction   = "INGRESS"

  source_ranges           = local.shell_proxy
  target_service_accounts = values(local.machines)

  allow {
    protocol = "tcp"
    ports    = ["22"]
  }

  log_config {
    metadata = "INCLUDE_ALL_METADATA"
  }
}

################################################################################
# Out
################################################################################

resource "google_compute_firewall" "out" {
  project     = var.project
  name        = "${var.name}-out"
  description = "Ways out to the internet and to Google's APIs"
  network     = local.network
  direction   = "EGRESS"
  priority    = 1000

  destination_ranges      = ["0.0.0.0/0"]
  target_service_accounts = values(local.machines)

  allow {
    protocol = "tcp"
    ports    = local.ways_out
  }

  # In a network of somebody else names may be resolved by the owner's own servers.
  dynamic "allow" {
    for_each = local.create ? [] : ["tcp", "udp"]

    content {
      protocol = allow.value
      ports    = ["53"]
    }
  }
}

resource "google_compute_firewall" "out_internal" {
  count = length(var.internal_ports) > 0 ? 1 : 0

  project     = var.project
  name        = "${var.name}-out-internal"
  description = "Internal ports of the other machines"
  network     = local.network
  direction   = "EGRESS"
  priority    = 1000

  destination_ranges      = local.create ? [google_compute_subnetwork.private[0].ip_cidr_range] : local.data_addresses
  target_service_accounts = values(local.machines)

  allow {
    protocol = "tcp"
    ports    = [for port in var.internal_ports : tostring(port)]
  }
}

resource "google_compute_firewall" "out_data" {
  project     = var.project
  name        = "${var.name}-out-data"
  description = "To the database and the cache"
  network     = local.network
  direction   = "EGRESS"
  priority    = 1000

  destination_ranges      = local.data_addresses
  target_service_accounts = values(local.machines)

  allow {
    protocol = "tcp"
    ports    = ["5432", "6378"]
  }
}

# Google lets everything out unless a rule says otherwise.
resource "google_compute_firewall" "out_denied" {
  project     = var.project
  name        = "${var.name}-out-denied"
  description = "Everything that no other rule lets out"
  network     = local.network
  direction   = "EGRESS"
  priority    = 65000

  destination_ranges      = ["0.0.0.0/0"]
  target_service_accounts = values(local.machines)

  deny {
    protocol = "all"
  }
}
