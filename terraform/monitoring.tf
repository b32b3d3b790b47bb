locals {
  measured = jsondecode(file("${path.module}/metrics.json"))
  missed_queues = compact([
    module.schedule.missed_queue, module.reconcile_schedule.missed_queue, module.crawl_schedule.missed_queue,
    module.compact_schedule.missed_queue, module.verify_schedule.missed_queue,
  ])
}

module "monitoring" {
  source = "./modules/monitoring"

  prefix            = var.prefix
  declared          = local.measured
  topic_arn         = module.alerting.topic_arn
  missed_queues     = local.missed_queues
  alert_rules       = module.alerting.rules
  undelivered_queue = module.alerting.undelivered_queue
  expected = {
    workflow  = var.schedule.enabled
    reconcile = var.reconcile_schedule.enabled
    drift     = var.crawl_schedule.enabled
    compact   = var.compact_schedule.enabled
    verify    = var.verify_schedule.enabled
  }
  redshift_limit  = module.warehouse.usage_limit
  longest_seconds = var.longest_seconds
  volume_band     = var.volume_band
  composite       = var.composite_alarm
}

module "dashboard" {
  source = "./modules/dashboard"

  name          = var.prefix
  declared      = local.measured
  alarm_arns    = module.monitoring.alarm_arns
  missed_queues = local.missed_queues
}

module "budget" {
  source = "./modules/budget"
  count  = var.budget == null ? 0 : 1

  prefix         = var.prefix
  monthly_usd    = var.budget.monthly_usd
  own_costs_only = var.budget.own_costs_only
  topic_arn      = module.alerting.topic_arn
}

output "alarms" {
  description = "Names of all alarms."
  value       = module.monitoring.alarms
}

output "dashboard" {
  description = "Name of the CloudWatch dashboard."
  value       = module.dashboard.name
}
