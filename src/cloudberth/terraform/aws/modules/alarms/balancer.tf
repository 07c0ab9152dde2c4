# minutes = [length of a period, number of periods]: the threshold must be crossed in every one of them.

locals {
  above    = "GreaterThanThreshold"
  below    = "LessThanThreshold"
  at_least = "GreaterThanOrEqualToThreshold"

  balancer_only = { LoadBalancer = var.balancer.LoadBalancer }

  balancer_alarms = merge(
    {
      balancer-5xx = {
        text      = "The load balancer itself answers with errors: no machine took the requests, or one broke off."
        namespace = "AWS/ApplicationELB", metric = "HTTPCode_ELB_5XX_Count", dimensions = local.balancer_only
        statistic = "Sum", comparison = local.above, threshold = var.errors_per_5_minutes, minutes = [5, 1], missing = "notBreaching"
      }
      app-5xx = {
        text      = "The application answers with errors. The saved query errors shows what its services say."
        namespace = "AWS/ApplicationELB", metric = "HTTPCode_Target_5XX_Count", dimensions = local.balancer_only
        statistic = "Sum", comparison = local.above, threshold = var.errors_per_5_minutes, minutes = [5, 1], missing = "notBreaching"
      }
      app-slow = {
        text      = "One request in ten waits more than a minute for the first byte of its answer."
        namespace = "AWS/ApplicationELB", metric = "TargetResponseTime", dimensions = local.balancer_only
        statistic = "p90", comparison = local.above, threshold = 60, minutes = [5, 3], missing = "notBreaching"
      }
      app-unhealthy = {
        text      = "A machine does not answer its health check."
        namespace = "AWS/ApplicationELB", metric = "UnHealthyHostCount", dimensions = var.balancer
        statistic = "Maximum", comparison = local.above, threshold = 0, minutes = [5, 2], missing = "notBreaching"
      }
    },
    { for key in var.app_may_be_empty ? [] : ["app-down"] : key => {
      text      = "No machine answers: the application is down."
      namespace = "AWS/ApplicationELB", metric = "HealthyHostCount", dimensions = var.balancer
      statistic = "Maximum", comparison = local.below, threshold = 1, minutes = [1, 5], missing = "breaching"
    } },
  )
}
