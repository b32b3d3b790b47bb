output "alarms" {
  description = "Names of all alarms."
  value = sort(concat(
    values(aws_cloudwatch_metric_alarm.this)[*].alarm_name,
    aws_cloudwatch_metric_alarm.volume[*].alarm_name,
    aws_cloudwatch_composite_alarm.unhealthy[*].alarm_name,
  ))
}

output "alarm_arns" {
  description = "ARNs of the alarms on metrics, in the order of their names."
  value       = concat(values(aws_cloudwatch_metric_alarm.this)[*].arn, aws_cloudwatch_metric_alarm.volume[*].arn)
}
