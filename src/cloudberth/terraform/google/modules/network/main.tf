# Layout of the address range. A subnetwork spans the zones of its region, so one is enough for all machines.
#
#   first half       private    machines
#   third quarter    free
#   fourth quarter   data       database and cache: leased to Google's own network, which is peered with this one

locals {
  create = var.existing == null

  # Without asking the API, which a new project has not switched on when the first plan is made. Google's list of
  # regions and zones: all begin with a, b, c but for these.
  letters = lookup({ europe-west1 = ["b", "c", "d"], us-east1 = ["b", "c", "d"] }, var.region, ["a", "b", "c"])
  zones   = [for letter in slice(local.letters, 0, var.zones) : "${var.region}-${letter}"]

  network = local.create ? google_compute_network.this[0].id : var.existing.id
  subnet  = local.create ? google_compute_subnetwork.private[0].id : var.existing.private_subnets[0]

  data_cidr      = cidrsubnet(var.cidr, 2, 3)
  nat_addresses  = !local.create || var.nat == "none" ? 0 : var.nat == "per-zone" ? var.zones : 1
  data_addresses = local.create ? [local.data_cidr] : ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"]
}

################################################################################
# Network
################################################################################

resource "google_compute_network" "this" {
  count = local.create ? 1 : 0

  project                 = var.project
  name                    = var.name
  description             = "Network of ${var.name}"
  auto_create_subnetworks = false
  routing_mode            = "REGIONAL"
}

resource "google_compute_subnetwork" "private" {
  count = local.create ? 1 : 0

  project       = var.project
  name          = "${var.name}-private"
  description   = "Machines of ${var.name}"
  region        = var.region
  network       = google_compute_network.this[0].id
  ip_cidr_range = cidrsubnet(var.cidr, 1, 0)

  # Google's APIs (secrets, objects, logs) without a public address and past the NAT gateway that bills by the gigabyte.
  private_ip_google_access = true

  # Half of the flows in ten-minute steps: who talked to whom, at a fraction of the price of all.
  dynamic "log_config" {
    for_each = var.flow_logs ? [1] : []

    content {
      aggregation_interval = "INTERVAL_10_MIN"
      flow_sampling        = 0.5
      metadata             = "INCLUDE_ALL_METADATA"
    }
  }
}

################################################################################
# NAT
################################################################################

resource "google_compute_address" "nat" {
  count = local.nat_addresses

  project      = var.project
  name         = "${var.name}-nat-${count.index + 1}"
  description  = "Address from which the machines of ${var.name} reach the internet"
  region       = var.region
  address_type = "EXTERNAL"

  labels = var.tags
}

resource "google_compute_router" "this" {
  count = local.nat_addresses > 0 ? 1 : 0

  project = var.project
  name    = var.name
  region  = var.region
  network = google_compute_network.this[0].id
}

resource "google_compute_router_nat" "this" {
  count = local.nat_addresses > 0 ? 1 : 0

  project                            = var.project
  name                               = var.name
  region                             = var.region
  router                             = google_compute_router.this[0].name
  nat_ip_allocate_option             = "MANUAL_ONLY"
  nat_ips                            = google_compute_address.nat[*].self_link
  source_subnetwork_ip_ranges_to_nat = "LIST_OF_SUBNETWORKS"

  # As many ports as a machine needs at the moment: the default of 64 is too few for a worker that crawls.
  enable_dynamic_port_allocation      = true
  enable_endpoint_independent_mapping = false
  min_ports_per_vm                    = 128
  max_ports_per_vm                    = 4096

  subnetwork {
    name                    = google_compute_subnetwork.private[0].id
    source_ip_ranges_to_nat = ["ALL_IP_RANGES"]
  }

  log_config {
    enable = true
    filter = "ERRORS_ONLY"
  }
}

################################################################################
# Private services access: database and cache
################################################################################

resource "google_compute_global_address" "data" {
  count = local.create ? 1 : 0

  project       = var.project
  name          = "${var.name}-data"
  description   = "Range that Google's database and cache take their addresses from"
  network       = google_compute_network.this[0].id
  purpose       = "VPC_PEERING"
  address_type  = "INTERNAL"
  address       = split("/", local.data_cidr)[0]
  prefix_length = tonumber(split("/", local.data_cidr)[1])

  labels = var.tags
}

resource "google_service_networking_connection" "data" {
  count = local.create ? 1 : 0

  network                 = google_compute_network.this[0].id
  service                 = "servicenetworking.googleapis.com"
  reserved_peering_ranges = [google_compute_global_address.data[0].name]

  # Google holds a database's side of the connection for days after its removal, and refuses to delete it until then;
  # it goes with the network.
  deletion_policy = "ABANDON"
}
