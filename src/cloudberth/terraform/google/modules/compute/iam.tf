locals {
  members = { for kind, settings in local.kinds : kind => "serviceAccount:${settings.service_account}" }

  secret_readers = {
    for pair in setproduct(keys(local.kinds), keys(var.secrets)) : "${pair[0]}-${pair[1]}" => { kind = pair[0], secret = pair[1] }
  }

  objects = "projects/_/buckets/${var.bucket}/objects"
}

################################################################################
# What machines of either kind do
################################################################################

# Its secrets, and no others.
resource "google_secret_manager_secret_iam_member" "read" {
  for_each = local.secret_readers

  project   = var.project
  secret_id = var.secrets[each.value.secret]
  role      = var.roles.secrets
  member    = local.members[each.value.kind]
}

resource "google_project_iam_member" "logs" {
  for_each = local.kinds

  project = var.project
  role    = var.roles.logs
  member  = local.members[each.key]
}

# The application's files, but not what machines start from, nor what they wait for.
resource "google_storage_bucket_iam_member" "files" {
  for_each = local.kinds

  bucket = var.bucket
  role   = var.roles.storage
  member = local.members[each.key]

  condition {
    title       = "files-of-the-application"
    description = "Everything but cloudberth/"
    expression  = "!resource.name.startsWith('${local.objects}/cloudberth/')"
  }
}

resource "google_storage_bucket_iam_member" "bundle" {
  for_each = local.kinds

  bucket = var.bucket
  role   = "roles/storage.objectViewer"
  member = local.members[each.key]

  condition {
    title       = "what-to-start"
    description = "Bundles of the own group"
    expression  = "resource.name.startsWith('${local.objects}/cloudberth/boot/${each.key}-')"
  }
}

# The release that the database was migrated to: written by the stateful machine, waited for by the others.
resource "google_storage_bucket_iam_member" "release" {
  for_each = { app = "roles/storage.objectViewer", stateful = "roles/storage.objectUser" }

  bucket = var.bucket
  role   = each.value
  member = local.members[each.key]

  condition {
    title       = "release-of-the-database"
    description = "Which release the database has"
    expression  = "resource.name == '${local.objects}/${local.release_object}'"
  }
}

################################################################################
# What only the stateful machine does
################################################################################

resource "google_project_iam_member" "metrics" {
  project = var.project
  role    = "roles/monitoring.metricWriter"
  member  = local.members["stateful"]
}

resource "google_project_iam_custom_role" "own_name" {
  project     = var.project
  role_id     = "${replace(var.name, "-", "_")}_own_name"
  title       = "Own name of ${var.name}"
  description = "Write records of the private zone of ${var.name}; granted for that zone alone"

  permissions = [
    "dns.changes.create",
    "dns.resourceRecordSets.create",
    "dns.resourceRecordSets.get",
    "dns.resourceRecordSets.list",
    "dns.resourceRecordSets.update",
  ]
}

resource "google_dns_managed_zone_iam_member" "own_name" {
  project      = var.project
  managed_zone = var.private_zone_id
  role         = google_project_iam_custom_role.own_name.id
  member       = local.members["stateful"]
}

################################################################################
# Images from Artifact Registry, if any (compute.registry_mirror)
################################################################################

locals {
  registry        = "^([a-z0-9-]+)-docker\\.pkg\\.dev/([^/]+)/([^/]+)/"
  registry_images = [for image in local.stack.images : regex(local.registry, image) if can(regex(local.registry, image))]
  repositories    = { for parts in distinct(local.registry_images) : join("/", parts) => { location = parts[0], project = parts[1], name = parts[2] } }

  image_readers = {
    for pair in setproduct(keys(local.kinds), keys(local.repositories)) : "${pair[0]}-${pair[1]}" => { kind = pair[0], repository = local.repositories[pair[1]] }
  }
}

resource "google_artifact_registry_repository_iam_member" "pull" {
  for_each = local.image_readers

  project    = each.value.repository.project
  location   = each.value.repository.location
  repository = each.value.repository.name
  role       = "roles/artifactregistry.reader"
  member     = local.members[each.value.kind]
}
