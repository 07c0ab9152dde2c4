# Three groups from one recipe: "app", machines without state behind the load balancer; "spot", more of them that
# Google may take away; and "stateful", exactly one with a data disk of its own for the services that must not run twice.
# What a machine is depends on its kind (app or stateful); spot machines are app machines.

locals {
  kinds = {
    app = {
      name            = "${var.name}-app"
      service_account = var.service_accounts["app"]
      cloud           = { device = "", record = { zone = "", name = "" } }
    }
    stateful = {
      name            = "${var.name}-stateful"
      service_account = var.service_accounts["stateful"]
      cloud           = { device = local.data_device, record = { zone = var.private_zone_id, name = var.facts.stateful.host } }
    }
  }

  groups = merge(
    {
      app      = { kind = "app", spot = false, machine_type = var.app.machine_types[0], disk_gb = var.app.disk_gb }
      stateful = { kind = "stateful", spot = false, machine_type = var.stateful.machine_type, disk_gb = var.stateful.disk_gb }
    },
    { for group in local.spot ? ["spot"] : [] : group => { kind = "app", spot = true, machine_type = var.app.machine_types[0], disk_gb = var.app.disk_gb } },
  )

  data_device = "data"

  # Kernel 6.8 and newer: the agent sandbox locks itself in with a feature (Landlock, third version) of 6.2. A family,
  # not an image: Google looks it up whenever a machine starts, so new machines are patched and the plan stays the same.
  image = coalesce(var.image, "projects/ubuntu-os-cloud/global/images/family/ubuntu-minimal-2404-lts-${var.architecture == "arm64" ? "arm64" : "amd64"}")

  # The newest series take Hyperdisk alone.
  disk_types = { for name, group in local.groups : name => can(regex("^(c4|c4a|c4d|n4|n4a|n4d)-", group.machine_type)) ? "hyperdisk-balanced" : "pd-balanced" }
}

resource "google_compute_instance_template" "this" {
  for_each = local.groups

  project              = var.project
  name_prefix          = "${var.name}-${each.key}-"
  description          = "Machines of the group ${each.key} of ${var.name}"
  instance_description = "${each.key} machine of ${var.name}"
  region               = var.region
  machine_type         = each.value.machine_type
  can_ip_forward       = false

  metadata = {
    user-data              = local.user_data[each.value.kind]
    enable-oslogin         = "TRUE"
    block-project-ssh-keys = "TRUE"
  }

  disk {
    boot         = true
    auto_delete  = true
    source_image = local.image
    disk_type    = local.disk_types[each.key]
    disk_size_gb = each.value.disk_gb
    labels       = merge(var.tags, { group = each.key })
  }

  # Without access_config: no public address.
  network_interface {
    subnetwork = var.subnet
    stack_type = "IPV4_ONLY"
  }

  # The scope opens all of Google; what the account may do is decided by its roles.
  service_account {
    email  = local.kinds[each.value.kind].service_account
    scopes = ["https://www.googleapis.com/auth/cloud-platform"]
  }

  scheduling {
    provisioning_model          = each.value.spot ? "SPOT" : "STANDARD"
    preemptible                 = each.value.spot
    automatic_restart           = !each.value.spot
    on_host_maintenance         = each.value.spot ? "TERMINATE" : "MIGRATE"
    instance_termination_action = each.value.spot ? "DELETE" : null
  }

  shielded_instance_config {
    enable_secure_boot          = true
    enable_vtpm                 = true
    enable_integrity_monitoring = true
  }

  labels = merge(var.tags, { group = each.key, kind = each.value.kind })

  # A group lets go of its template only when it has the next one.
  lifecycle {
    create_before_destroy = true
  }
}
