"""AWS Glue that really runs, on moto: with S3, Athena, Redshift, EventBridge, alarms and IAM that do what they say."""
