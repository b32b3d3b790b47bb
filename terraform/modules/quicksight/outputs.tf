output "data_sets" {
  description = "ARN of each question's data set, by page and name: <page>_<name>."
  value       = { for key, data_set in aws_quicksight_data_set.this : key => data_set.arn }
}
