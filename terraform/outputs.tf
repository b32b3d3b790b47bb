output "prefix" {
  description = "Prefix of every name."
  value       = var.prefix
}

output "region" {
  description = "AWS region."
  value       = var.region
}

output "buckets" {
  description = "Names of the buckets ingested, processed and artifacts."
  value       = module.lake.buckets
}

output "databases" {
  description = "Names of the catalog databases ingested, processed and discovered."
  value       = module.catalog.databases
}

output "connections" {
  description = "Names of the Glue connections to totesys and to the warehouse; null for Redshift, which needs none."
  value       = { totesys = module.totesys.name, warehouse = one(module.warehouse.connections[*].name) }
}

output "jobs" {
  description = "Names of the jobs ingest, transform, load, reconcile, drift, compact and verify, and of define for a warehouse created here."
  value = merge({
    ingest    = module.ingest.name
    transform = module.transform.name
    load      = module.load.name
    reconcile = module.reconcile.name
    drift     = module.drift.name
    compact   = module.compact.name
    verify    = module.verify.name
  }, { for define in module.define : "define" => define.name })
}

output "workflow" {
  description = "Name of the workflow."
  value       = module.workflow.name
}

output "crawler" {
  description = "Name of the crawler."
  value       = module.crawler.name
}

output "crawl" {
  description = "Name of the workflow that crawls the ingested bucket and checks it for drift."
  value       = module.crawl.name
}

output "schedule" {
  description = "Name of the schedule that starts the workflow."
  value       = module.schedule.name
}

output "reconcile_schedule" {
  description = "Name of the schedule that starts the job reconcile."
  value       = module.reconcile_schedule.name
}

output "crawl_schedule" {
  description = "Name of the schedule that starts the crawl workflow."
  value       = module.crawl_schedule.name
}

output "compact_schedule" {
  description = "Name of the schedule that starts the job compact."
  value       = module.compact_schedule.name
}

output "verify_schedule" {
  description = "Name of the schedule that starts the job verify."
  value       = module.verify_schedule.name
}

output "topic_arn" {
  description = "ARN of the topic for alerts."
  value       = module.alerting.topic_arn
}

output "log_groups" {
  description = "Log groups of each job: output for standard output and standard error, error for system logs."
  value = merge({
    ingest    = module.ingest.log_groups
    transform = module.transform.log_groups
    load      = module.load.log_groups
    reconcile = module.reconcile.log_groups
    drift     = module.drift.log_groups
    compact   = module.compact.log_groups
    verify    = module.verify.log_groups
  }, { for define in module.define : "define" => define.log_groups })
}

output "athena_workgroup" {
  description = "Name of the Athena workgroup for the lake."
  value       = module.athena.workgroup
}
