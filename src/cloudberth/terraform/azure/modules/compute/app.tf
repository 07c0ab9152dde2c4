resource "azurerm_orchestrated_virtual_machine_scale_set" "app" {
  # checkov:skip=CKV_AZURE_49:the administrator has a key that nobody holds, and no password
  name                = local.groups.app.name
  resource_group_name = var.resource_group
  location            = var.region
  zones               = var.zones
  zone_balance        = false

  # With several types Azure takes the first that it has, in the order of their ranks.
  sku_name                    = length(var.app.machine_types) > 1 ? "Mix" : var.app.machine_types[0]
  instances                   = var.app.min
  platform_fault_domain_count = 1
  source_image_id             = var.image

  # The groups of machines that are taken away at will; the mix below says how many never are.
  priority        = var.app.spot_percent > 0 ? "Spot" : "Regular"
  eviction_policy = var.app.spot_percent > 0 ? "Delete" : null
  max_bid_price   = var.app.spot_percent > 0 ? -1 : null

  dynamic "priority_mix" {
    for_each = var.app.spot_percent > 0 ? [1] : []

    content {
      base_regular_count            = var.app.on_demand
      regular_percentage_above_base = 100 - var.app.spot_percent
    }
  }

  dynamic "sku_profile" {
    for_each = length(var.app.machine_types) > 1 ? [1] : []

    content {
      allocation_strategy = "Prioritized"

      dynamic "virtual_machine_size" {
        for_each = var.app.machine_types

        content {
          name = virtual_machine_size.value
          rank = virtual_machine_size.key
        }
      }
    }
  }

  dynamic "source_image_reference" {
    for_each = local.image

    content {
      publisher = source_image_reference.value.publisher
      offer     = source_image_reference.value.offer
      sku       = source_image_reference.value.sku
      version   = source_image_reference.value.version
    }
  }

  os_disk {
    caching              = "ReadWrite"
    storage_account_type = "Premium_LRS"
    disk_size_gb         = max(30, var.app.disk_gb)
  }

  os_profile {
    custom_data = local.custom_data["app"]

    linux_configuration {
      admin_username                  = "nobodys"
      computer_name_prefix            = "app"
      disable_password_authentication = true
      provision_vm_agent              = true

      admin_ssh_key {
        username   = "nobodys"
        public_key = local.nobodys_key
      }
    }
  }

  identity {
    type         = "UserAssigned"
    identity_ids = [azurerm_user_assigned_identity.this["app"].id]
  }

  network_interface {
    name                      = "primary"
    primary                   = true
    network_security_group_id = var.security_groups.app

    ip_configuration {
      name                                         = "primary"
      primary                                      = true
      subnet_id                                    = var.subnets[0]
      application_gateway_backend_address_pool_ids = [var.target_group]
      application_security_group_ids               = [var.machine_groups["app"]]
    }
  }

  # Whether a machine is well, asked on the machine itself: by this it is repaired, and new ones follow old ones.
  extension {
    name                               = "health"
    publisher                          = "Microsoft.ManagedServices"
    type                               = "ApplicationHealthLinux"
    type_handler_version               = "2.0"
    auto_upgrade_minor_version_enabled = true

    settings = jsonencode({
      protocol          = "http"
      port              = 80
      requestPath       = "/healthz"
      intervalInSeconds = 15
      numberOfProbes    = 3
      gracePeriod       = 5400
    })
  }

  automatic_instance_repair {
    enabled      = true
    action       = "Replace"
    grace_period = "PT90M"
  }

  # A new release, image or setting: new machines first, then old ones go.
  upgrade_mode = "Rolling"

  rolling_upgrade_policy {
    max_batch_instance_percent              = 50
    max_unhealthy_instance_percent          = 50
    max_unhealthy_upgraded_instance_percent = 50
    maximum_surge_instances_enabled         = true
    pause_time_between_batches              = "PT1M"
  }

  # Time for background workers to end what they have when the group shrinks.
  termination_notification {
    enabled = true
    timeout = "PT5M"
  }

  boot_diagnostics {}

  tags = merge(var.tags, { Name = local.groups.app.name, Group = "app", Release = local.stack.release })

  # The load decides how many there are.
  lifecycle {
    ignore_changes = [instances]
  }

  # Machines read their rights and bundle while they start, and wait for the stateful one.
  depends_on = [azurerm_role_assignment.given, azurerm_role_assignment.own, azurerm_linux_virtual_machine_scale_set.stateful]
}

################################################################################
# How many
################################################################################

locals {
  day_names  = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"]
  day_number = merge({ for index, name in local.day_names : upper(substr(name, 0, 3)) => index }, { for index in range(0, 8) : tostring(index) => index % 7 }, { "*" = 0 })

  # "MON-FRI", "1-5", "SAT,SUN" and "*" as the names of days.
  days = {
    for schedule in var.schedules : schedule.name => distinct(flatten([
      for part in split(",", upper(split(" ", schedule.cron)[4])) :
      part == "*" ? local.day_names : [
        for step in range(0, length(split("-", part)) == 1 ? 1 : 1 + (local.day_number[split("-", part)[1]] - local.day_number[split("-", part)[0]] + 7) % 7) :
        local.day_names[(local.day_number[split("-", part)[0]] + step) % 7]
      ]
    ]))
  }

  # The first profile holds where no schedule is in force.
  profiles = concat(
    [{ name = "always", min = var.app.min, max = var.app.max, recurrence = [] }],
    [for schedule in var.schedules : { name = schedule.name, min = schedule.min, max = schedule.max, recurrence = [schedule] }],
  )

  cpu_rules = {
    out = { operator = "GreaterThan", threshold = var.app.target_cpu_percent, window = "PT5M", direction = "Increase", cooldown = "PT5M" }
    in  = { operator = "LessThan", threshold = floor(var.app.target_cpu_percent * 0.6), window = "PT15M", direction = "Decrease", cooldown = "PT10M" }
  }
}

resource "azurerm_monitor_autoscale_setting" "app" {
  name                = local.groups.app.name
  resource_group_name = var.resource_group
  location            = var.region
  target_resource_id  = azurerm_orchestrated_virtual_machine_scale_set.app.id

  dynamic "profile" {
    for_each = local.profiles

    content {
      name = profile.value.name

      capacity {
        minimum = profile.value.min
        maximum = profile.value.max
        default = profile.value.min
      }

      dynamic "recurrence" {
        for_each = profile.value.recurrence

        content {
          timezone = local.time_zones[recurrence.value.time_zone]
          days     = local.days[recurrence.value.name]
          hours    = [tonumber(split(" ", recurrence.value.cron)[1])]
          minutes  = [tonumber(split(" ", recurrence.value.cron)[0])]
        }
      }

      dynamic "rule" {
        for_each = local.cpu_rules

        content {
          metric_trigger {
            metric_name        = "Percentage CPU"
            metric_resource_id = azurerm_orchestrated_virtual_machine_scale_set.app.id
            operator           = rule.value.operator
            statistic          = "Average"
            threshold          = rule.value.threshold
            time_aggregation   = "Average"
            time_grain         = "PT1M"
            time_window        = rule.value.window
          }

          scale_action {
            direction = rule.value.direction
            type      = "ChangeCount"
            value     = 1
            cooldown  = rule.value.cooldown
          }
        }
      }
    }
  }

  tags = merge(var.tags, { Name = local.groups.app.name })

  lifecycle {
    precondition {
      condition     = alltrue([for schedule in var.schedules : contains(keys(local.time_zones), schedule.time_zone)])
      error_message = "compute.schedules: Azure's scaling does not know one of the time zones; take the nearest of ${join(", ", keys(local.time_zones))}."
    }
  }
}
