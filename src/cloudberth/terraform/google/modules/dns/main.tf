locals {
  by_domain = var.zone == null ? false : strcontains(var.zone, ".")
  domain    = local.by_domain ? "${trimsuffix(var.zone, ".")}." : ""

  # A domain may have a private zone beside its public one.
  found = local.by_domain ? [for zone in data.google_dns_managed_zones.all[0].managed_zones : zone.name if zone.dns_name == local.domain && zone.visibility == "public"] : []
}

data "google_dns_managed_zones" "all" {
  count = local.by_domain ? 1 : 0

  project = var.project

  lifecycle {
    postcondition {
      condition     = length([for zone in self.managed_zones : zone.name if zone.dns_name == local.domain && zone.visibility == "public"]) > 0
      error_message = "There is no public zone of this domain in the project (domain.zone). Create it, or name one that exists: gcloud dns managed-zones list."
    }
  }
}

data "google_dns_managed_zone" "public" {
  count = var.zone != null && !local.by_domain ? 1 : 0

  project = var.project
  name    = var.zone
}

# Names inside the network. The stateful machine writes its own record at boot, so that the name follows it to its
# replacement; that record is not in Terraform's state and goes with the zone.
resource "google_dns_managed_zone" "private" {
  project       = var.project
  name          = "${var.name}-internal"
  dns_name      = "${var.name}.internal."
  description   = "Names inside the network of ${var.name}"
  visibility    = "private"
  force_destroy = true

  private_visibility_config {
    networks {
      network_url = var.network_id
    }
  }

  labels = var.tags
}
