# The queries of dashboards/queries as a QuickSight dashboard on the lake, through Athena.

locals {
  questions = jsondecode(file("${path.module}/questions.json"))
}

module "quicksight" {
  source = "./modules/quicksight"
  count  = var.quicksight == null ? 0 : 1

  name      = var.prefix
  workgroup = module.athena.workgroup
  database  = module.catalog.databases.processed
  questions = local.questions
  queries   = var.queries
  authors   = var.quicksight.authors
  refresh   = var.quicksight.refresh
}

module "quicksight_dashboard" {
  source = "./modules/quicksight_dashboard"
  count  = var.quicksight == null ? 0 : 1

  name      = var.prefix
  data_sets = module.quicksight[0].data_sets
  questions = local.questions
  readers   = setunion(var.quicksight.authors, var.quicksight.readers)
}

output "quicksight_dashboard" {
  description = "Id of the dashboard in QuickSight; null if there is none."
  value       = one(module.quicksight_dashboard[*].id)
}
