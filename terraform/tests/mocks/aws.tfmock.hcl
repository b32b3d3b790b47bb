mock_data "aws_caller_identity" {
  defaults = { account_id = "123456789012" }
}

mock_data "aws_partition" {
  defaults = { partition = "aws" }
}

mock_data "aws_region" {
  defaults = { name = "eu-west-2" }
}

mock_resource "aws_iam_role" {
  defaults = { arn = "arn:aws:iam::123456789012:role/mock" }
}

mock_resource "aws_kms_key" {
  defaults = { arn = "arn:aws:kms:eu-west-2:123456789012:key/mock" }
}

mock_resource "aws_s3_bucket" {
  defaults = { arn = "arn:aws:s3:::mock" }
}

mock_resource "aws_secretsmanager_secret" {
  defaults = { arn = "arn:aws:secretsmanager:eu-west-2:123456789012:secret:mock" }
}

mock_resource "aws_glue_connection" {
  defaults = { arn = "arn:aws:glue:eu-west-2:123456789012:connection/mock" }
}

mock_resource "aws_glue_workflow" {
  defaults = { arn = "arn:aws:glue:eu-west-2:123456789012:workflow/mock" }
}

mock_resource "aws_sqs_queue" {
  defaults = { arn = "arn:aws:sqs:eu-west-2:123456789012:mock" }
}

mock_resource "aws_sns_topic" {
  defaults = { arn = "arn:aws:sns:eu-west-2:123456789012:mock" }
}

mock_resource "aws_cloudwatch_event_rule" {
  defaults = { arn = "arn:aws:events:eu-west-2:123456789012:rule/mock" }
}

mock_data "aws_vpc" {
  defaults = {
    cidr_block              = "10.1.0.0/16"
    cidr_block_associations = [{ cidr_block = "10.1.0.0/16" }, { cidr_block = "100.64.0.0/16" }]
  }
}

mock_data "aws_subnet" {
  defaults = { availability_zone = "eu-west-2b" }
}

mock_resource "aws_cloudwatch_log_group" {
  defaults = { arn = "arn:aws:logs:eu-west-2:123456789012:log-group:mock" }
}

mock_resource "aws_db_instance" {
  defaults = {
    address            = "warehouse.mock.eu-west-2.rds.amazonaws.com"
    master_user_secret = [{ secret_arn = "arn:aws:secretsmanager:eu-west-2:123456789012:secret:rds!mock" }]
  }
}

mock_resource "aws_redshiftserverless_namespace" {
  defaults = { admin_password_secret_arn = "arn:aws:secretsmanager:eu-west-2:123456789012:secret:redshift!mock" }
}

mock_resource "aws_redshiftserverless_workgroup" {
  defaults = { arn = "arn:aws:redshift-serverless:eu-west-2:123456789012:workgroup/mock" }
}

mock_resource "aws_iam_policy" {
  defaults = { arn = "arn:aws:iam::123456789012:policy/mock" }
}

mock_resource "aws_quicksight_data_source" {
  defaults = { arn = "arn:aws:quicksight:eu-west-2:123456789012:datasource/mock" }
}

mock_resource "aws_quicksight_data_set" {
  defaults = { arn = "arn:aws:quicksight:eu-west-2:123456789012:dataset/mock" }
}

mock_data "aws_kms_alias" {
  defaults = { target_key_arn = "arn:aws:kms:eu-west-2:123456789012:key/mock" }
}
