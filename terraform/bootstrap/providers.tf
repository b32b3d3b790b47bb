# The address of a local endpoint and the credentials come from the environment: AWS_ENDPOINT_URL, AWS_ACCESS_KEY_ID, …
provider "aws" {
  region = var.region

  skip_credentials_validation = var.local
  skip_metadata_api_check     = var.local
  skip_region_validation      = var.local
  s3_use_path_style           = var.local # no virtual-hosted buckets locally
  max_retries                 = var.local ? 2 : 25

  default_tags {
    tags = {
      project     = "totelake"
      environment = var.environment
    }
  }
}
